"""Expressions: read from replies, compared by spelling and by algebra in a process that nothing can hold up."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.answers import math, math_process

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    math.close()


def cases() -> list[Any]:
    groups = yaml.safe_load((HERE / "math.yaml").read_text(encoding="utf-8"))
    found = [
        pytest.param(group.get("cut", False), reply, read, id=f"{group['about']}-{i}")
        for group in groups
        for i, (reply, read) in enumerate(
            [
                *group.get("read", ()),
                *((f.replace("{}", w), r) for f in group.get("forms", ()) for w, r in group["words"]),
            ]
        )
    ]
    assert len({p.values[:2] for p in found}) == len(found) >= 300
    return found


def pairs(alike: str) -> list[tuple[str, str]]:
    table = yaml.safe_load((HERE / "same.yaml").read_text(encoding="utf-8"))["math"][alike]
    return [(a, b) for a, b in table]


@pytest.mark.parametrize(("cut", "reply", "read"), cases())
def test_an_expression_is_read_as_a_careful_reader_would(cut: bool, reply: str, read: str | None) -> None:
    assert math.extract(reply, cut=cut) == read


@pytest.mark.parametrize(("a", "b"), pairs("same"))
def test_spellings_of_one_answer_are_one_vote(a: str, b: str) -> None:
    assert math.canonical(a) == math.canonical(b)
    assert math.equal(a, b)


@pytest.mark.parametrize(("a", "b"), pairs("equivalent"))
def test_what_algebra_finds_equal_is_equal_both_ways(a: str, b: str) -> None:
    assert math.equal(a, b, deadline=30)
    assert math.equal(b, a, deadline=30)


@pytest.mark.parametrize(("a", "b"), [*pairs("different"), ("x = 5", "y = 5")])
def test_answers_that_differ_are_not_equal_either_way(a: str, b: str) -> None:
    assert not math.equal(a, b, deadline=30)
    assert not math.equal(b, a, deadline=30)


@pytest.mark.parametrize(
    ("answer", "gold", "tolerance", "right"),
    [
        ("\\frac{1}{3}", "0.333", 0.01, True),
        ("\\frac{1}{3}", "0.333", 0.0, False),
        ("0.34", "0.333", 0.01, False),
        ("-0.333", "0.333", 0.01, False),
        ("3.33", "0.333", 0.01, False),
        ("\\sqrt{2}", "1.414", 0.01, True),
        ("1 + \\frac{\\sqrt{3}}{2}", "1.866", 0.01, True),
        ("\\frac{\\pi}{4}", "0.78539815", 0.01, True),
        ("e^{-1}", "0.36787944", 0.01, True),
        ("-\\sqrt{2}", "1.414", 0.01, False),
        ("3.5 \\times 10^{-7}", "3.54e-07", 0.02, True),
        ("0", "3e-36", 0.01, False),
        ("0.001", "0.0", 0.01, False),
        ("0", "0.0", 0.01, True),
        ("[1.99, 1.33]", "[2.0, 1.32]", 0.01, True),
        ("(1.99, 1.33)", "[2.0, 1.32]", 0.01, True),
        ("[1.32, 2.0]", "[2.0, 1.32]", 0.01, False),
        ("[2.0]", "[2.0, 1.32]", 0.01, False),
        ("True", "True", 0.01, True),
        ("True", "False", 0.01, False),
        ("x", "1", 0.01, False),
        ("i", "1", 0.01, False),
        ("\\infty", "1", 0.01, False),
        ("x(x+1)", "x^2+x", 0.01, True),
    ],
)
def test_values_within_a_share_of_the_gold_are_right(answer: str, gold: str, tolerance: float, right: bool) -> None:
    assert math.within(answer, gold, tolerance, deadline=30) == right


BOMBS = {
    "power tower": "9^{9^{9^9}}",
    "factorial": "100000!!",
    "many digits": "10^{10^{10}}",
    "binomial": "\\binom{10^9}{10^8}",
    "expansion": "(x+1)^{100000}",
    "nested": "\\frac{" * 300 + "1" + "}{2}" * 300,
    "brackets": "(" * 450 + "1" + ")" * 450,
    "long": "+".join(["x"] * 5_000),
    "digits": "9" * 10_000,
    "open": "{" * 10_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unequal_within_its_time_and_the_next_pair_works(name: str) -> None:
    math.equal("x(x+1)", "x^2+x", deadline=30)
    began = time.perf_counter()
    assert not math.equal(BOMBS[name], f"{len(name)}x+1", deadline=0.5)
    assert not math.within(BOMBS[name], "3.5", 0.01, deadline=0.5)
    assert time.perf_counter() - began < 30
    assert math.equal(f"x(x+{len(name)})", f"x^2+{len(name)}x", deadline=30)


def test_a_bomb_does_not_eat_memory() -> None:
    math.equal("(2x+1)^2", "4x^2+4x+1", deadline=30)
    process = math_process._WORKER._process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits")
    if not limits.exists():
        pytest.skip("the limits of a process are shown in /proc only on Linux")
    line = next(text for text in limits.read_text().splitlines() if text.startswith("Max address space"))
    assert line.split()[3] == str(1 << 30)


def test_a_worker_that_is_killed_is_replaced() -> None:
    assert math.equal("(x+3)^2", "x^2+6x+9", deadline=30)
    process = math_process._WORKER._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert math.equal("(x+4)^2", "x^2+8x+16", deadline=30)


@pytest.mark.parametrize("what", ["subprocess.Popen", "socket.socketpair"])
def test_a_worker_that_cannot_be_started_is_an_error_and_the_next_call_works(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    math.close()
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as without:
        without.setattr(what, no)
        with pytest.raises(RuntimeError, match=r"cannot be started here: .*Too many open files") as said:
            math.equal(f"(x+8)^2+{len(what)}", f"x^2+16x+{64 + len(what)}", deadline=30)
    assert "\n" not in str(said.value)
    assert os.listdir("/proc/self/fd") == before
    assert math.equal(f"(x+8)^2+{len(what)}", f"x^2+16x+{64 + len(what)}", deadline=30)


def test_a_machine_out_of_descriptors_makes_no_answers_differ() -> None:
    math.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(first := os.dup(0))
    before = os.listdir("/proc/self/fd")
    for more in range(8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (first + more, hard))
        try:
            assert math.equal(f"(x+{20 + more})^2", f"x^2+{40 + 2 * more}x+{(20 + more) ** 2}", deadline=30)
            break
        except RuntimeError:
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert os.listdir("/proc/self/fd") == before
    assert more > 2
    assert math.equal("(x+9)^2", "x^2+18x+81", deadline=30)


def test_threads_and_event_loops_share_the_worker() -> None:
    asked = [(f"(x+{n})^2", f"x^2+{2 * n}x+{n * n + n % 2}") for n in range(40, 60)]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda pair: math.equal(*pair, deadline=30), asked))
    assert said == [n % 2 == 0 for n in range(40, 60)]

    async def both() -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(math.equal, f"{n}(x+1)", f"{n}x+{n}") for n in range(60, 64)))

    assert asyncio.run(both()) == [True] * 4


def test_a_forked_child_has_a_worker_of_its_own() -> None:
    assert math.equal("(x+5)^2", "x^2+10x+25", deadline=30)
    process = math_process._WORKER._process
    assert process is not None
    if not (child := os.fork()):
        right = math.equal("(x+6)^2", "x^2+12x+36", deadline=30)
        own = math_process._WORKER._process
        different = own is not None and own.pid != process.pid
        math.close()
        os._exit(0 if right and different else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert math_process._WORKER._process is process
    assert math.equal("(x+7)^2", "x^2+14x+49", deadline=30)


SCRIPT = """
import os, sys
from folkmoot.answers import math, math_process
assert math.equal("x(x+2)", "x^2+2x", deadline=60)
print(math_process._WORKER._process.pid)
"""


def test_no_process_is_left_and_no_folder_matters(tmp_path: Path) -> None:
    for name in ("sympy", "json", "math_verify"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_worker_without_its_owner_ends_by_itself() -> None:
    bomb = SCRIPT + 'sys.stdout.flush(); math.equal("9^{9^{9^9}}", "x", deadline=1.0)'
    owner = subprocess.Popen([sys.executable, "-c", bomb], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    worker = int(owner.stdout.readline())
    owner.kill()
    owner.communicate()
    until = time.monotonic() + 30
    while time.monotonic() < until and _running(worker):
        time.sleep(0.1)
    assert not _running(worker)


def _running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


pieces = st.lists(
    st.sampled_from(
        [
            "\\frac",
            "\\text{",
            "\\left",
            "\\right",
            "\\circ",
            "\\pi",
            "\\sqrt",
            "\\begin{pmatrix}",
            "\\end{pmatrix}",
            "\\{",
            "\\}",
            "\\in",
            "\\!",
            "\\$",
            "\\\\",
            "{",
            "}",
            "(",
            ")",
            "[",
            "]",
            "1",
            "2",
            "-",
            ",",
            "x",
            "=",
            "cm",
            "and",
            "or",
            "the",
            "degrees",
            "$",
            ".",
            "^",
            "%",
            "_",
            "&",
            "A",
            "*",
            "/",
            "Answer:",
            "\\boxed{",
        ]
    ),
    max_size=12,
).map(" ".join)


@given(st.one_of(pieces, pieces.map(lambda p: p.replace(" ", "")), st.text(max_size=60)))
def test_any_text_is_read_and_has_one_key(text: str) -> None:
    key = math.canonical(text)
    assert math.canonical(key) == key
    for said in (text, f"Answer: {text}", f"\\boxed{{{text}}}"):
        read = math.extract(said)
        assert read is None or read.strip()
        assert math.extract(said, cut=True) in (None, read)


@pytest.mark.parametrize(
    "loop",
    [
        "\\boxed{",
        "\\boxed{1}",
        "$",
        "$$",
        "\\[",
        "Answer: ",
        "x^",
        "\\frac",
        "\\text{",
        "(",
        "{",
        "=",
        "the answer is $x$ ",
        "\\\\",
    ],
)
def test_a_model_that_loops_does_not_hold_up_the_others(loop: str) -> None:
    reply = loop * (50_000 // len(loop))
    began = time.perf_counter()
    math.extract(reply)
    math.extract(reply, cut=True)
    math.canonical(reply[:1990])
    assert not math.equal(reply, "x+1", deadline=1)
    assert time.perf_counter() - began < 20  # quadratic work takes minutes
