"""A finished run is read and scored again from its texts, without a model."""

from dataclasses import replace

import pytest

from folkmoot import AnswerType, Participant, Scripted
from folkmoot.engines.contract import EngineError
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.rescore import scored
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.samples import Sample
from folkmoot.graphs import debate, majority_vote

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
    assert scored(r, ITEM, quorum=2).answer is None


async def test_what_a_judge_said_stands() -> None:
    told = (Judgement("big", "big", 1.0, 1.0, 3, 2),)
    r = replace(await result("Answer: 4"), judgements=told, score=1.0)
    assert (scored(r, replace(ITEM, metric="judge")).judgements, scored(r, replace(ITEM, metric="judge")).score) == (
        told,
        1.0,
    )
