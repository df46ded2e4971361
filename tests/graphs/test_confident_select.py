"""Everybody answers several times; the surest member wins."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Missing, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import confident_select
from folkmoot.participant import Participant

NUMBER = AnswerType("number")


def member(name: str, answers: str, choices: Any = None) -> Participant:
    """A member whose samples give these answers, one after the other; ``?`` abstains, ``!`` fails."""
    said = [EngineError("gone") if a == "!" else "unsure" if a == "?" else f"Answer: {a}" for a in answers.split()]
    return Participant(name, Scripted(said, name=name, choices=choices), sampling=Sampling(0.7, max_tokens=20))


async def hold(graph: Any, **state: Any) -> Any:
    return await graph.compile().ainvoke({"question": "How many?", "answer_type": NUMBER, **state})


async def test_a_sure_minority_beats_an_unsure_majority() -> None:
    people = [member("a", "2 3 2"), member("b", "2 5 2"), member("c", "7 7 7")]
    result = await hold(confident_select(people, samples=3))
    assert (result["answer"], result["decision"].by, result["decision"].whose) == ("7", "confidence", "c")
    assert result["decision"].why == "c is surest: 1.00, 3 of 3 samples agree; next is a with 0.67"
    assert [(t.speaker, t.draw) for t in result["turns"]] == [(n, i) for n in "abc" for i in range(3)]


async def test_who_abstains_is_less_sure() -> None:
    result = await hold(confident_select([member("a", "7 ? ? ?"), member("b", "4 4 5 6")], samples=4))
    assert (result["answer"], result["decision"].whose) == ("4", "b")


async def test_samples_draw_apart_and_repeat_with_the_seed() -> None:
    ana = member("ana", "1 1 1 1 1 1")
    for _ in range(2):
        await hold(confident_select([ana], samples=3), seed=5)
    seeds = [r.sampling.seed for r in ana.engine.calls]  # type: ignore[attr-defined]
    assert (len(set(seeds[:3])), seeds[:3]) == (3, seeds[3:])


@pytest.mark.parametrize(
    ("accuracy", "calibration", "whose"),
    [
        (None, None, "a"),
        ({"b": 0.4, "a": 0.3}, None, "b"),
        ({"b": 0.4, "a": 0.5}, None, "a"),
        (None, {"a": (1.0, -3.0), "b": (1.0, 0.0)}, "b"),
    ],
)
async def test_ties_and_calibration(accuracy: Any, calibration: Any, whose: str) -> None:
    people = [member("a", "2 2"), member("b", "7 7")]
    result = await hold(confident_select(people, samples=2, accuracy=accuracy, calibration=calibration))
    assert result["decision"].whose == whose


async def test_no_answers_no_winner() -> None:
    result = await hold(confident_select([member("a", "? !"), member("b", "! ?")], samples=2))
    assert (result["answer"], result["decision"].why) == (None, "no member gave an answer")


async def test_mathematics_that_is_equal_counts_as_one_answer() -> None:
    people = [member("a", "1/2 0.5 \\frac{1}{2}"), member("b", "2 2 3")]
    result = await hold(confident_select(people, samples=3), answer_type=AnswerType("math"))
    assert result["decision"].whose == "a"


# By likelihood.


def odds(*given: float) -> Callable[[Any, Sequence[str]], Sequence[float]]:
    return lambda _, options: given[: len(options)]


async def test_by_likelihood_each_weighs_its_own_answer_beside_the_others() -> None:
    people = [member("a", "2 2", odds(0.4, 0.6)), member("b", "7 ?", odds(0.3, 0.7))]
    result = await hold(confident_select(people, samples=2, confidence="likelihood"))
    assert (result["answer"], result["decision"].whose) == ("7", "b")
    weighed = [t for t in result["turns"] if t.role == "confidence"]
    assert [(t.speaker, t.answer, t.text[:8]) for t in weighed] == [("a", "2", "0.400000"), ("b", "7", "0.700000")]
    engine: Any = people[0].engine
    ((request, options),) = engine.choose_calls
    assert options == ("Answer: 2", "Answer: 7"), "as last lines, in the order in which they were given"
    assert request.messages == result["turns"][0].prompt, "in reply to the same question"


async def test_if_all_hold_one_answer_nothing_is_weighed() -> None:
    people = [member("a", "2 3 2", odds(0.5, 0.5)), member("b", "2 2 2", odds(0.5, 0.5))]
    result = await hold(confident_select(people, samples=3, confidence="likelihood"))
    assert (result["answer"], [t.role for t in result["turns"]]) == ("2", ["answer"] * 6)


async def test_who_fails_to_weigh_is_as_sure_as_a_blind_pick() -> None:
    people = [member("a", "2", lambda *_: EngineError("gone")), member("b", "7", odds(0.6, 0.4))]
    result = await hold(confident_select(people, samples=1, confidence="likelihood"))
    assert (result["decision"].whose, result["turns"][-2].error) == ("a", "gone")
    with pytest.raises(Missing, match="no torch"):
        await hold(confident_select([member("a", "2", lambda *_: Missing("no torch")), member("b", "7", odds(1, 0))], samples=1, confidence="likelihood"))  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 0}, "samples=0; at least 1 is needed"),
        ({"confidence": "sure"}, "confidence='sure'; use 'agreement' or 'likelihood'"),
        (
            {"confidence": "likelihood"},
            "the engine of 'a' cannot say how likely a reply is; use confidence='agreement'",
        ),
        ({"accuracy": {"an": 1.0}}, "accuracy: 'an' is no member"),
        ({"calibration": {"a": (1.0, 0.0)}}, "calibration: give 'b' a slope of 0 or more and an intercept"),
        ({"calibration": {"a": (1, 0), "b": (-1, 0)}}, "calibration: give 'b' a slope of 0 or more"),
        ({"calibration": {"a": (1, 0), "b": (1, float("nan"))}}, "calibration: give 'b' a slope"),
        ({"calibration": {"x": (1, 0)}}, "calibration: 'x' is no member"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        confident_select([member("a", "1"), member("b", "2")], **options)


def test_drawing(snapshot: Callable[[str, str], None]) -> None:
    people = [member(n, "1") for n in ("m0", "m1", "m2")]
    snapshot("drawings/confident_select.mmd", confident_select(people).compile().get_graph().draw_mermaid())
