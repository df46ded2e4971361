"""Programs are read from replies and completed from prompts, and never run."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from folkmoot.answers import code, free

HERE = Path(__file__).parent
DATA = HERE.parents[1].parent / "shared" / "data"


def cases() -> list[Any]:
    groups = yaml.safe_load((HERE / "code.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(group.get("cut", False), reply, program, id=f"{group['about']}-{i}")
        for group in groups
        for i, (reply, program) in enumerate(
            [
                *group.get("read", ()),
                *((f.replace("{}", w), p) for f in group.get("forms", ()) for w, p in group["words"]),
            ]
        )
    ]


@pytest.mark.parametrize(("cut", "reply", "program"), cases())
def test_a_program_is_read_as_a_careful_reader_would(cut: bool, reply: str, program: str | None) -> None:
    assert code.extract(reply, cut=cut) == program


ADD = 'from typing import List\n\ndef add(a, b):\n    """Add."""\n'
HELPED = 'import math\n\ndef helper(x):\n    return x\n\ndef add(a, b):\n    """Add."""\n'


@pytest.mark.parametrize(
    ("program", "prompt", "result"),
    [
        ("    return a + b", ADD, 5),
        ("return a + b", ADD, 5),
        ("c = a\n    return c + b", ADD, 5),
        ("c = a\nreturn c + b", ADD, 5),
        ("    return a + b\n\ndef other():\n    return 1", ADD, 5),
        ("    def add_all(x):\n        return sum(x)\n    return add_all([a, b])", ADD, 5),
        ("def add(a, b):\n    return a + b", ADD, 5),
        ("def add(a: List[int], b) -> int:\n    return a + b", ADD, 5),
        ("def add(a, b):\n    return helper(a + b)", HELPED, 5),
        ("def helper(x):\n    return -x\n\ndef add(a, b):\n    return helper(a + b)", HELPED, -5),
        ("def add(a, b):\n    return math.floor(a + b)", HELPED, 5),
        ("add = lambda a, b: a + b", ADD, 5),
        ("from __future__ import annotations\ndef add(a: Nothing, b):\n    return a + b", ADD, 5),
        ("    return a + b", f"Complete the following code\n\n{ADD}", 5),
        ("def add(a, b):\n    return a + b", "Write a function that adds.\nassert add(1, 2) == 3", 5),
    ],
)
def test_what_a_reply_leaves_out_comes_from_the_prompt(program: str, prompt: str, result: int) -> None:
    names: dict[str, Any] = {}
    exec(code.complete(program, prompt, "add"), names)
    assert names["add"](2, 3) == result


def test_another_function_is_not_taken_for_the_one_that_was_asked_for() -> None:
    assert "return a + b" in (whole := code.complete("def sub(a, b):\n    return a + b", ADD, "add"))
    assert "def add" not in whole


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("def f(x):\n    return x", "def f( x ):\n\n    # easy\n    return x\n", True),
        ('def f(x):\n    """Return it."""\n    return x', "def f(x):\n    return x", True),
        ('"""A module."""\nx = 1', "x = 1", True),
        ('def f(x):\n    """Nothing."""', "def f(x):\n    pass", True),
        ("x = 'a'", 'x = "a"', True),
        ("def f(x):\n    return x", "def f(x):\n    return -x", False),
        ("def f(x):\n    return x", "def g(x):\n    return x", False),
        ("def f(x)\n    return x", "def f(x)\n    return x  ", True),
    ],
)
def test_layout_and_comments_do_not_tell_programs_apart(one: str, two: str, same: bool) -> None:
    assert (code.canonical(one) == code.canonical(two)) == same
    assert code.canonical(code.canonical(one)) == code.canonical(one)


BOMBS = {
    "brackets": "(" * 40_000 + ")" * 40_000,
    "minus": "-" * 40_000 + "1",
    "sum": "+".join("1" * 20_000),
    "dots": "a" + ".b" * 20_000,
    "nul": "def f():\n    return 'a\0b'",
    "digits": "x = " + "9" * 10_000,
    "loop": "def f():\n    return 1\n" * 5_000,
    "lines": "return x or\n" * 4_000,
    "fences": "```python\n" * 5_000,
    "ticks": "`" * 100_000,
    "blocks": "```python\ndef f():\n    return 1\n```\n" * 1_000,
    "huge": "x = 1\n" * 200_000,
    "indent": "\n".join(" " * i + "if a:" for i in range(300)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_programs_are_read_in_no_time(name: str) -> None:
    began = time.perf_counter()
    for reply in (BOMBS[name], f"```python\n{BOMBS[name]}\n```", f"def f():\n    return {BOMBS[name]}"):
        for cut in (False, True):
            program = code.extract(reply, cut=cut)
            code.canonical(program or reply)
            code.complete(program or reply, ADD, "add")
    assert time.perf_counter() - began < 20


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    said = f"```python\nopen({str(mark)!r}, 'w')\n\ndef f():\n    return 1\n```"
    assert code.extract(said)
    code.canonical(said)
    assert not mark.exists()


@pytest.mark.skipif(not DATA.is_dir(), reason="the evaluation sets are not beside this checkout")
def test_the_rest_of_every_function_makes_a_program() -> None:
    data = json.loads((DATA / "humaneval.json").read_text(encoding="utf-8"))
    for item in data["dev"] + data["test"]:
        prompt = item["input"].split("\n", 1)[1]
        defined = [n.name for n in ast.parse(prompt).body if isinstance(n, ast.FunctionDef)]
        whole = f"{prompt.rstrip()}\n    return 12345\n"
        for reply in ("    return 12345\n", "```python\n    return 12345\n```", whole, f"```python\n{whole}```\nDone."):
            program = code.extract(reply)
            assert program is not None
            full = code.complete(program, item["input"], defined[-1])
            assert code.canonical(full) == code.canonical(whole)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Once upon a time.", "Once upon a time."),
        ("\n\n Once.\n\nTwice. \n", "Once.\n\nTwice."),
        ("<think>Hm.</think>\nOnce.", "Once."),
        ("Once.<think>And then", "Once."),
        ("<think>Hm.", None),
        ("", None),
        (" \n\t", None),
    ],
)
def test_free_text_is_the_whole_reply(reply: str, text: str | None) -> None:
    assert free.extract(reply) == free.extract(reply, cut=True) == text


def test_free_texts_are_the_same_word_for_word() -> None:
    assert free.canonical("a  b\n c ") == "a b c" != free.canonical("A b c")
