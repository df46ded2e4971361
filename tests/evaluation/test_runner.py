"""Samples run to a result whatever happens inside, and are stored once."""

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from folkmoot import AnswerType, Participant, Sampling, Scripted
from folkmoot.complaint import BadInput
from folkmoot.discussion import Turn
from folkmoot.engines.cache import Meter
from folkmoot.engines.contract import Completion, EngineError, Missing
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.runner import classify, critical_path, run_one, run_samples
from folkmoot.evaluation.samples import Sample
from folkmoot.evaluation.store import RunStore
from folkmoot.graphs import critique_refine, debate, majority_vote

NUMBER = AnswerType("number")


def sample(n: int = 0, gold: str = "4", system: str = "s") -> Sample:
    item = Item(f"q{n}", f"What is 2 + 2, time {n}?", NUMBER, (gold,), "sums")
    return Sample(f"key-{system}-{n}", system, item, 0, {"question": item.question, "answer_type": NUMBER})


def alone(reply) -> object:
    engine = reply if isinstance(reply, Scripted) else Scripted(lambda messages: reply)
    return majority_vote([Participant("ana", engine, sampling=Sampling(max_tokens=4))]).compile()


@pytest.mark.parametrize(
    ("reply", "outcome", "score"),
    [
        ("Answer: 4", "scored", 1.0),
        ("Answer: 5", "scored", 0.0),
        ("No idea.", "unparsed", 0.0),
        ("one two three four five six", "truncated", 0.0),
        (Completion("", "refused", 5, 0), "refused", 0.0),
        (EngineError("endpoint down"), "error", 0.0),
        (RuntimeError("a defect"), "error", 0.0),
    ],
)
async def test_every_sample_has_exactly_one_outcome(reply, outcome, score):
    result = await run_one(sample(), alone(reply))
    assert (result.outcome, result.score) == (outcome, score)
    assert (result.error is not None) == (outcome == "error")


async def test_a_prompt_that_does_not_fit_is_the_outcome_limit():
    result = await run_one(sample(), alone(Scripted(lambda m: "Answer: 4", context=6)))
    assert result.outcome == "limit"
    assert "6" in (result.error or "")


async def test_a_defect_in_a_graph_costs_one_sample():
    class Broken:
        async def ainvoke(self, state):
            raise KeyError("oops")

    result = await run_one(sample(), Broken())
    assert (result.outcome, result.error) == ("error", "KeyError: 'oops'")


async def test_what_is_missing_for_everybody_stops_the_run(tmp_path):
    panel = alone(Missing("no weights"))
    with RunStore(tmp_path) as store, pytest.raises(Missing):
        await run_samples([sample(n) for n in range(5)], {"s": panel}, store)


def test_the_worst_thing_names_the_outcome():
    assert classify([Turn("a"), Turn("b", error="down")], None) == "error"
    assert classify([Turn("a", finish="stop"), Turn("b", finish="length")], None) == "truncated"
    assert classify([Turn("a", role="judge", error="down"), Turn("a", finish="stop")], None) == "unparsed"
    assert classify([Turn("a", error="down"), Turn("b", answer="4")], "4") == "scored"


def test_seconds_are_the_longest_call_of_every_step():
    turns = [
        Turn("a", round=0, service_s=1.0, queue_s=9.0),
        Turn("b", round=0, service_s=2.0),
        Turn("b", role="critique", round=1, service_s=0.5),
        Turn("a", round=1, service_s=1.0),
    ]
    assert critical_path(turns) == pytest.approx(3.5)


async def test_results_come_back_as_they_were_stored(tmp_path):
    team = [
        Participant("ana", Scripted(lambda m: "Answer: 4")),
        Participant("bo", Scripted(lambda m: "Answer: \ud800 5")),
    ]
    result = await run_one(sample(), debate(team).compile())
    with RunStore(tmp_path) as store:
        store.ask([sample().item])
        store.plan([result.key, "not yet there"])
        store.add(result)
    with RunStore(tmp_path, write=False) as store:
        assert list(store.results()) == list(store.results(item="q0")) == [result]
        assert store.figures() == [result.figures]
        assert store.items() == {("sums", "q0"): sample().item}


async def test_every_turn_is_marked_by_its_own_answer():
    team = [Participant("ana", Scripted(lambda m: "Answer: 4")), Participant("bo", Scripted(lambda m: "Answer: 5"))]
    result = await run_one(sample(), critique_refine(team).compile())
    marks = {(t.speaker, t.role, t.round): m for t, m in zip(result.turns, result.marks, strict=True)}
    assert {k: m for k, m in marks.items() if k[1] == "answer"} == {
        ("ana", "answer", 0): 1.0, ("bo", "answer", 0): 0.0, ("ana", "answer", 1): 1.0, ("bo", "answer", 1): 0.0,
    }  # fmt: skip
    assert {m for k, m in marks.items() if k[1] == "critique"} == {None}


async def test_questions_of_the_dev_split_are_kept_apart(tmp_path):
    on_dev = replace(sample(), key="dev", dev=True)
    with RunStore(tmp_path) as store:
        store.ask([replace(sample().item, gold=("5",))])
        store.ask([sample().item], dev=True)
        store.plan(["dev", sample().key])
        store.add(await run_one(on_dev, alone("Answer: 4")))
        store.add(await run_one(sample(gold="5"), alone("Answer: 4"))).result(10)
        assert [f.score for f in store.figures()] == [0.0]
        assert [f.score for f in store.figures(dev=True)] == [1.0]
        assert [r.gold for r in store.results()] == [("5",)]
        assert [r.gold for r in store.results(dev=True)] == [("4",)]


async def test_samples_of_an_earlier_plan_stay_but_do_not_count(tmp_path):
    old = await run_one(sample(0), alone("Answer: 4"))
    new = await run_one(sample(1), alone("Answer: 4"))
    with RunStore(tmp_path) as store:
        store.ask([sample(0).item, sample(1).item])
        store.plan([old.key])
        store.add(old).result(10)
        store.plan([new.key])
        store.add(new).result(10)
        assert list(store.results()) == [new]
        store.plan([new.key, old.key])
        assert list(store.results()) == [new, old]
        assert store.finished() == {old.key, new.key}


async def test_errors_run_again_and_others_do_not(tmp_path):
    good = await run_one(sample(), alone("Answer: 4"))
    bad = replace(good, key="other", outcome="error", error="down")
    with RunStore(tmp_path) as store:
        store.plan([good.key, "other"])
        store.add(good)
        store.add(bad).result(10)
        assert store.finished() == {good.key}
        assert store.first_failure() == (1, replace(bad, question="", gold=()))
        store.add(replace(bad, outcome="scored", error=None)).result(10)
        assert store.finished() == {good.key, "other"}
        absent = replace(bad, outcome="scored", error=None, turns=(*good.turns, Turn("bo", error="down")))
        store.add(absent).result(10)
        assert store.finished() == {good.key}, "a member was absent: it is asked again"
        assert store.first_failure() == (1, replace(absent, question="", gold=()))


async def test_a_member_that_fails_every_time_stops_the_run(tmp_path):
    team = [
        Participant("ana", Scripted(lambda m: "Answer: 4")),
        Participant("bo", Scripted(lambda m: EngineError("http://host/v1: HTTP 401."))),
    ]
    with RunStore(tmp_path) as store:
        store.plan(sample(n).key for n in range(200))
        with pytest.raises(Missing, match=r"bo failed 64 times in a row, the last time: http://host/v1: HTTP 401\."):
            await run_samples((sample(n) for n in range(200)), {"s": debate(team).compile()}, store, in_flight=4)
        with store.snapshot():  # what was handed over is stored by then
            assert 0 < store.count() < 200


async def test_a_full_disk_stops_the_run_and_keeps_what_is_stored(tmp_path):
    with RunStore(tmp_path) as store:
        store.plan(sample(n).key for n in range(500))
        store._out.execute("PRAGMA max_page_count = 20")
        with pytest.raises(Missing, match="a sample cannot be stored: database or disk is full"):
            await run_samples((sample(n) for n in range(500)), {"s": alone("Answer: 4")}, store, in_flight=4)
    with RunStore(tmp_path) as store:
        kept = store.finished()
        assert 0 < len(kept) < 500
        left = [s for n in range(500) if (s := sample(n)).key not in kept]
        await run_samples(left, {"s": alone("Answer: 4")}, store)
        assert store.count() == 500


def test_a_run_of_another_version_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "results.sqlite") as db:
        db.execute("CREATE TABLE results (key, body)")
    for _ in range(2):
        with pytest.raises(BadInput, match="written by another version of folkmoot; give another --out"):
            RunStore(tmp_path)


async def test_in_flight_is_bounded_and_all_samples_are_stored_once(tmp_path):
    running = peak = 0

    async def reply(messages):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.002)
        running -= 1
        return "Answer: 4"

    with RunStore(tmp_path) as store:
        store.plan(sample(n).key for n in range(40))
        await run_samples([sample(n) for n in range(40)], {"s": alone(Scripted(reply))}, store, in_flight=8)
        assert store.count() == 40
    assert peak == 8


async def test_cancelling_keeps_what_is_finished(tmp_path):
    async def reply(messages):
        if "time 3" in messages[-1].content:
            await asyncio.sleep(60)
        return "Answer: 4"

    with RunStore(tmp_path) as store:
        store.plan(sample(n).key for n in range(4))
        run = asyncio.create_task(
            run_samples([sample(n) for n in range(4)], {"s": alone(Scripted(reply))}, store, in_flight=1)
        )
        while store.count() < 3:  # noqa: ASYNC110 - another task writes the file that is watched
            await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert [r.item for r in store.results()] == ["q0", "q1", "q2"]


async def test_the_speed_shown_is_that_of_this_part_of_the_run(tmp_path):
    """Tokens of earlier parts, in no time at all, would look like thousands a second."""
    shown = []
    meter = Meter(tokens=1_000_000)
    with RunStore(tmp_path) as store:
        store.plan([sample().key])
        await run_samples(
            [sample()],
            {"s": alone(Scripted(lambda m: "Answer: 4", latency=0.7))},
            store,
            progress=lambda stage, done=0, total=0, note="": shown.append(note),
            meter=meter,
        )
    assert [note.split("  ")[0] for note in shown if note] == ["0 tokens/s", "0 tokens/s"]
