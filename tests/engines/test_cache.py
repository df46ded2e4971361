"""What was once computed is not computed again; failures are; and no system looks cheaper than it is."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    Engine,
    EngineError,
    Message,
    Missing,
    Request,
    Sampling,
    Unsupported,
)
from folkmoot.engines.scripted import Scripted

ASKED = Request((Message("user", "How many legs have two spiders?"),), Sampling(max_tokens=9))
ABLE = Capabilities(adapters=True, seeds=True, choose=True, counts=True)


def cached(replies: Any, completions: Completions | None = None, **engine: Any) -> tuple[Cached, Scripted]:
    scripted = Scripted(replies, **engine)
    return Cached(scripted, completions or Completions(None)), scripted


async def test_the_second_time_it_is_a_hit_with_the_figures_of_the_first() -> None:
    original = Completion("16", "stop", 11, 6, 5, 0.25, 1.5)
    engine, scripted = cached([original])
    first, second = await engine.complete(ASKED), await engine.complete(ASKED)
    assert (first, second) == (original, replace(original, hit=True))
    assert (len(scripted.calls), engine.meter.calls, engine.meter.hits, engine.meter.tokens) == (1, 1, 1, 6)


async def test_choices_are_kept_as_well() -> None:
    engine, scripted = cached([], choices=[[1, 3]])
    first, second = await engine.choose(ASKED, ["A", "B"]), await engine.choose(ASKED, ("A", "B"))
    assert first == replace(second, hit=False) == Choice((0.25, 0.75), "constrained", 6, 1, service_s=first.service_s)
    assert (second.hit, len(scripted.choose_calls)) == (True, 1)


async def test_a_choice_is_not_a_completion_and_other_options_are_another_choice() -> None:
    engine, scripted = cached(["16"], choices=["A", "A", "B"])
    await engine.complete(ASKED)
    for options in (["A", "B"], ["B", "A"], ["A", "B", "C"]):
        assert not (await engine.choose(ASKED, options)).hit
    assert (len(scripted.calls), len(scripted.choose_calls)) == (1, 3)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, messages=(Message("user", "How many legs have three spiders?"),)),
        replace(ASKED, messages=(Message("system", ""), *ASKED.messages)),
        replace(ASKED, draw=1),
        replace(ASKED, adapter="units"),
        replace(ASKED, sampling=replace(ASKED.sampling, seed=1)),
        replace(ASKED, sampling=replace(ASKED.sampling, temperature=0.5)),
        replace(ASKED, sampling=replace(ASKED.sampling, top_p=0.5)),
        replace(ASKED, sampling=replace(ASKED.sampling, max_tokens=8)),
        replace(ASKED, sampling=replace(ASKED.sampling, stop=("\n",))),
    ],
)
async def test_whatever_differs_is_another_entry(other: Request) -> None:
    engine, scripted = cached(["16", "24"], capabilities=ABLE)
    assert [(await engine.complete(r)).text for r in (ASKED, other, ASKED, other)] == ["16", "24", "16", "24"]
    assert scripted.calls == [ASKED, other]


async def test_an_adapter_trained_anew_in_the_same_folder_is_another_one(tmp_path: Path) -> None:
    engine, _ = cached(["old", "new"], capabilities=ABLE)
    weights, asked = tmp_path / "adapter_model.safetensors", replace(ASKED, adapter=str(tmp_path))
    said = []
    for content in (b"1", b"22", b"1"):
        weights.write_bytes(content)
        said += [(await engine.complete(asked)).text for _ in range(2)]
    assert said == ["old", "old", "new", "new", "old", "old"]


async def test_engines_share_entries_if_their_identities_are_equal() -> None:
    completions = Completions(None)
    ana, _ = cached(["16"], completions, name="one")
    twin, unused = cached(["never"], completions, name="one")
    other, _ = cached(["24"], completions, name="two")
    assert [(await e.complete(ASKED)).text for e in (ana, twin, other)] == ["16", "16", "24"]
    assert unused.calls == []


async def test_odd_texts_survive() -> None:
    odd = 'lone \ud800, null \0, emoji 🕷, quote " and line\u2028end'
    engine, _ = cached([odd])
    asked = Request((Message("user", odd),))
    assert (await engine.complete(asked)).text == (await engine.complete(asked)).text == odd


# Failures.


async def test_failures_are_never_kept() -> None:
    engine, scripted = cached([EngineError("gone"), "16"])
    with pytest.raises(EngineError, match="gone"):
        await engine.complete(ASKED)
    assert (await engine.complete(ASKED)).text == "16"
    assert (engine.meter.calls, engine.meter.hits, len(scripted.calls)) == (1, 0, 2)


async def test_what_the_engine_lacks_is_refused_though_another_has_answered_it() -> None:
    completions = Completions(None)
    able, _ = cached(["16"], completions, capabilities=ABLE)
    unable, _ = cached(["16"], completions, capabilities=Capabilities())
    seeded = replace(ASKED, sampling=Sampling(seed=1))
    await able.complete(seeded)
    with pytest.raises(Unsupported):
        await unable.complete(seeded)
    with pytest.raises(Unsupported):
        await unable.choose(ASKED, ["A"])


# Equal requests at the same time.


async def test_equal_requests_in_flight_are_computed_once() -> None:
    engine, scripted = cached(lambda _: "16", latency=0.05)
    replies = await asyncio.gather(*(engine.complete(ASKED) for _ in range(10)))
    assert [r.text for r in replies] == ["16"] * 10
    assert sorted(r.hit for r in replies) == [False] + [True] * 9
    assert (len(scripted.calls), engine.meter.calls, engine.meter.hits) == (1, 1, 9)


async def test_different_requests_in_flight_do_not_wait_for_each_other() -> None:
    engine, _ = cached(lambda _: "16", latency=0.1)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(engine.complete(replace(ASKED, draw=i)) for i in range(20)))
    assert asyncio.get_running_loop().time() - began < 0.6


async def test_if_the_one_who_computes_fails_the_next_in_line_tries() -> None:
    engine, scripted = cached([EngineError("gone"), "16"], latency=0.02)
    outcomes = await asyncio.gather(*(engine.complete(ASKED) for _ in range(5)), return_exceptions=True)
    assert [type(o) for o in outcomes].count(EngineError) == 1, "only the one whose call failed"
    assert [o.text for o in outcomes if isinstance(o, Completion)] == ["16"] * 4
    assert len(scripted.calls) == 2


async def test_if_the_one_who_computes_is_cancelled_the_next_in_line_computes() -> None:
    engine, scripted = cached(lambda _: "16", latency=0.1)
    leader, *others = [asyncio.create_task(engine.complete(ASKED)) for _ in range(4)]
    await asyncio.sleep(0.02)
    leader.cancel()
    assert [(await o).text for o in others] == ["16"] * 3
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert len(scripted.calls) == 2


async def test_one_who_waits_can_be_cancelled_without_harm_to_the_others() -> None:
    engine, scripted = cached(lambda _: "16", latency=0.1)
    leader, waiting, other = [asyncio.create_task(engine.complete(ASKED)) for _ in range(3)]
    await asyncio.sleep(0.02)
    waiting.cancel()
    assert (await leader).text == (await other).text == "16"
    assert (waiting.cancelled(), len(scripted.calls)) == (True, 1)


def test_many_threads_with_loops_of_their_own_compute_once() -> None:
    engine, scripted = cached(lambda _: "16", latency=0.2)
    together = threading.Barrier(5)

    def one(_: int) -> str:
        together.wait(10)
        return asyncio.run(engine.complete(ASKED)).text

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(one, range(5))) == ["16"] * 5
    assert len(scripted.calls) == 1


# On disk.


async def test_a_later_run_finds_what_an_earlier_one_computed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "completions.sqlite"
    for replies, hit in ((["16"], False), ([], True)):
        completions = Completions(path)
        engine, _ = cached(replies, completions)
        reply = await engine.complete(ASKED)
        assert (reply.text, reply.hit) == ("16", hit)
        completions.close()
        completions.close()


async def test_what_a_loop_that_is_over_left_behind_is_stored_by_the_next(tmp_path: Path) -> None:
    """A loop may end between a reply and the moment at which it would have been stored."""
    path = tmp_path / "c.sqlite"
    completions = Completions(path)
    engine, _ = cached(lambda _: "16", completions)

    def stored() -> int:
        with sqlite3.connect(path) as db:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])

    await asyncio.to_thread(lambda: asyncio.run(engine.complete(ASKED)))
    await asyncio.sleep(0.1)
    await engine.complete(replace(ASKED, draw=1))
    await asyncio.sleep(0.1)
    assert stored() == 2


PROCESS = """
import asyncio, sys
from pathlib import Path
from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.contract import Message, Request
from folkmoot.engines.scripted import Scripted

async def main():
    completions = Completions(Path(sys.argv[1]))
    engine = Cached(Scripted(lambda _: sys.argv[2], latency=0.001), completions)
    asked = [Request((Message("user", str(i)),)) for i in range(100)]
    await asyncio.gather(*map(engine.complete, asked))
    print(" ".join([(await engine.complete(r)).text for r in asked]))

asyncio.run(main())
"""


def test_two_processes_may_fill_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "completions.sqlite"
    command = [sys.executable, "-c", PROCESS, str(path)]
    running = [subprocess.Popen([*command, who], stdout=subprocess.PIPE, text=True) for who in ("ana", "bo")]
    said = [p.communicate(timeout=60)[0].split() for p in running]
    assert [p.returncode for p in running] == [0, 0]
    assert said[0] == said[1], "the first one to be stored stays, and both read it"
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM completions").fetchone() == (100,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_first_value_stays(tmp_path: Path) -> None:
    completions = Completions(tmp_path / "c.sqlite")
    completions.put("k", {"text": "16"})
    completions.put("k", {"text": "24"})
    assert (completions.get("k"), completions.get("other")) == ({"text": "16"}, None)


def broken(folder: Path) -> Path:
    (folder / "c.sqlite").write_text("This is no database. " * 100)
    return folder / "c.sqlite"


def under_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "c.sqlite"


def a_folder(folder: Path) -> Path:
    return folder


@pytest.mark.parametrize("make", [broken, under_a_file, a_folder])
def test_a_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path)
    with pytest.raises(Missing) as e:
        Completions(path)
    said = str(e.value)
    assert said.startswith(f"completion cache {path}: ")
    assert said.endswith("Remove the file, or set FOLKMOOT_CACHE to another folder.")
    assert "\n" not in said


@pytest.fixture
def locked(tmp_path: Path) -> Any:
    """A cache file on which somebody else holds a write lock."""
    path = tmp_path / "c.sqlite"
    Completions(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield path
    holder.close()


async def test_a_file_that_stays_locked_stops_the_run_with_one_clear_line(locked: Path) -> None:
    engine, _ = cached(["16", "16"], Completions(locked, patience=0.1))
    await engine.complete(ASKED)  # it is there before it turns out that it cannot be kept
    await asyncio.sleep(0.3)
    with pytest.raises(Missing, match=r"completion cache .*c\.sqlite: database is locked\. Remove the file"):
        await engine.complete(replace(ASKED, draw=1))


async def test_pages_that_went_bad_stop_the_run_with_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    completions = Completions(path)
    completions.put("k", {"text": "x" * 20_000})
    completions.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    engine, _ = cached(["16"], Completions(path))
    with pytest.raises(Missing, match=r"completion cache .*c\.sqlite: "):
        await engine.complete(ASKED)


# Itself an engine.


async def test_everything_else_is_the_engines_own() -> None:
    engine, scripted = cached(["16"], name="ana", context=77, capabilities=ABLE)
    assert isinstance(engine, Engine)
    assert (engine.identity, engine.context, engine.capabilities) == ("scripted:ana", 77, ABLE)
    assert engine.count_tokens("two words") == scripted.count_tokens("two words") == 2
    await engine.start()
    await engine.close()
    assert (await engine.complete(ASKED)).text == "16"


def test_keys_are_the_same_on_every_machine(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    engine, _ = cached(["16"], Completions(path))
    asyncio.run(engine.complete(ASKED))
    engine.completions.close()
    with sqlite3.connect(path) as db:
        key, value = db.execute("SELECT key, value FROM completions").fetchone()
    assert key == "e4c5dc2a92db3f29aafa0687455f95224f7452f18943a59f29d811a7aa82dc6d"
    assert json.loads(value)["text"] == "16"
