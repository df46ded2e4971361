"""A finished run is read and scored again from its texts, without a model."""

from dataclasses import replace
from typing import Any

import pytest

from folkmoot import AnswerType, Participant, Sampling, Scripted
from folkmoot.confidence import beliefs, surest
from folkmoot.engines.contract import EngineError
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.rescore import _options, scored
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.samples import Sample
from folkmoot.graphs import confident_select, debate, majority_vote

NUMBER = AnswerType("number")
ITEM = Item("q", "What is 2 + 2?", NUMBER, ("4",), "sums")


async def result(*replies: str, graph=majority_vote) -> Result:
    team = [Participant(f"m{i}", Scripted(lambda m, r=r: r, name=f"m{i}")) for i, r in enumerate(replies)]
    state = {"question": ITEM.question, "answer_type": NUMBER}
    return await run_one(Sample("k", "s", ITEM, 0, state), graph(team).compile())


async def test_scoring_again_with_the_same_readers_changes_nothing() -> None:
    for r in (
        await result("Answer: 4"),
        await result("Answer: 4", "Answer: 5", "4!"),
        await result("a", "b", graph=debate),
    ):
        assert scored(r, ITEM) == r


async def test_a_reading_that_was_wrong_is_mended_in_turn_vote_and_score() -> None:
    good = await result("Answer: 4", "Answer: 5", "Answer: 4")
    bad = replace(
        good,
        turns=tuple(replace(t, answer="5") for t in good.turns),
        answer="5",
        score=0.0,
        marks=(0.0, 0.0, 0.0),
    )
    assert scored(bad, ITEM) == good


MISREAD = ("4", "5", "5", "5", "7", "7")
"""What a poor reader made of two samples each of three members, of whom two said 4."""


@pytest.mark.parametrize(
    ("options", "before", "now"),
    [
        ({"samples": 2}, "m1", "m0"),
        ({"samples": 2, "accuracy": {"m0": 0.1, "m1": 0.2, "m2": 0.3}}, "m2", "m2"),  # level with m0, and oftener right
        ({"samples": 2, "calibration": {"m0": (0.0, 0.0), "m1": (4.0, 0.0), "m2": (0.0, 1.0)}}, "m1", "m1"),
    ],
)
async def test_the_surest_member_is_found_anew(options: dict[str, Any], before: str, now: str) -> None:
    say = {"m0": ["Answer: 4"] * 2, "m1": ["Answer: 5", "Hm."], "m2": ["Answer: 7"] * 2}
    team = [Participant(n, Scripted(list(r), name=n), sampling=Sampling(1.0)) for n, r in say.items()]
    panel = confident_select(team, **options).compile()
    good = await run_one(Sample("k", "s", ITEM, 0, {"question": ITEM.question, "answer_type": NUMBER}), panel)
    assert good.decision is not None
    assert good.decision.whose == now if "calibration" not in options else True
    turns = tuple(replace(t, answer=a) for t, a in zip(good.turns, MISREAD, strict=True))
    held = beliefs(turns, NUMBER)
    wrong = surest(held, options.get("calibration"), options.get("accuracy"))
    assert wrong.whose == before
    bad = replace(good, turns=turns, decision=wrong, answer=wrong.answer, score=0.0, marks=(0.0,) * 6)
    assert scored(bad, ITEM, options) == good


async def test_a_weighted_vote_is_counted_anew_with_its_weights() -> None:
    team = [Participant(f"m{i}", Scripted(lambda m, i=i: f"Answer: {4 + i}", name=f"m{i}")) for i in range(3)]
    options = {"decide": "weighted", "weights": {"m0": 3.0, "m1": 1.0, "m2": 1.0}}
    panel = debate(team, rounds=1, **options).compile()
    good = await run_one(Sample("k", "s", ITEM, 0, {"question": ITEM.question, "answer_type": NUMBER}), panel)
    assert good.answer == "4"
    bad = replace(good, turns=tuple(replace(t, answer="5") for t in good.turns), answer="5", score=0.0)
    assert scored(bad, ITEM, options) == good


def test_options_are_those_that_the_samples_had() -> None:
    tuned = {"s": {"accuracy": {"m0": 0.5}}}
    meta = {"suite": {"systems": [{"name": "s", "with": {"samples": 2, "accuracy": "dev"}}, {"name": "t", "with": {}}]}}
    assert _options(meta | {"tuned": tuned}, dev=False) == {"s": {"samples": 2, "accuracy": {"m0": 0.5}}, "t": {}}
    assert _options(meta | {"tuned": tuned}, dev=True) == {"s": {"samples": 2}, "t": {}}
    assert _options(meta, dev=False)["t"] == {}


async def test_a_gold_answer_that_was_mended_scores_anew() -> None:
    r = scored(await result("Answer: 5"), replace(ITEM, gold=("5",)))
    assert (r.score, r.marks) == (1.0, (1.0,))


@pytest.mark.parametrize("was", ["unparsed", "error"])
async def test_a_sample_whose_replies_are_there_is_classed_anew(was: str) -> None:
    """A program whose sandbox did not start is an error though its replies are there."""
    r = replace(await result("Answer: 4"), outcome=was, answer=None, score=0.0, error="the sandbox did not start")
    assert (scored(r, ITEM).outcome, scored(r, ITEM).score, scored(r, ITEM).error) == ("scored", 1.0, None)


async def test_a_sample_whose_calls_failed_stays_failed() -> None:
    r = await result(EngineError("down"))  # type: ignore[arg-type]
    assert (r.outcome, scored(r, ITEM)) == ("error", r)


async def test_a_vote_without_quorum_stays_undecided() -> None:
    r = replace(await result("Answer: 4", "No idea.", "Hm."), answer=None, outcome="unparsed", score=0.0)
    assert scored(r, ITEM, {"quorum": 2}).answer is None


async def test_what_a_judge_said_stands() -> None:
    told = (Judgement("big", "big", 1.0, 1.0, 3, 2),)
    r = replace(await result("Answer: 4"), judgements=told, score=1.0)
    assert (scored(r, replace(ITEM, metric="judge")).judgements, scored(r, replace(ITEM, metric="judge")).score) == (
        told,
        1.0,
    )
