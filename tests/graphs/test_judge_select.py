"""Everybody answers; a judge picks among the different answers, in several orders."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Message, Missing, PromptTooLong, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import judge_select
from folkmoot.participant import Participant

NUMBER = AnswerType("number")
QUESTION = "How many legs have two spiders?"
Messages = Sequence[Message]


def member(name: str, *replies: Any, **engine: Any) -> Participant:
    """A member that always says the same (one reply), or says one after the other (several)."""
    script = (lambda _: replies[0]) if len(replies) == 1 else list(replies)
    return Participant(name, Scripted(script, name=name, **engine), sampling=Sampling(max_tokens=20))


def team(*answers: str) -> list[Participant]:
    return [member(f"Member{i}", f"Answer: {a}") for i, a in enumerate(answers)]


def shown(prompt: str) -> list[str]:
    """The answers of the candidates, in the order of the prompt."""
    return re.findall(r"^Answer: (\S+)$", prompt, re.M)


def prefers(answer: str) -> Callable[[Messages, Sequence[str]], str]:
    """A judge's choice: the letter of a candidate, wherever it stands."""
    return lambda messages, options: options[shown(messages[-1].content).index(answer)]


def chooser(pick: Any) -> Participant:
    """A judge on an engine that can choose."""
    return member("Judy", "must not be asked for words", choices=pick)


def talker(say: Any) -> Participant:
    """A judge on an engine that can only reply."""
    return Participant("Judy", Scripted(say, name="Judy"), sampling=Sampling(max_tokens=20))


async def hold(graph: Any, **state: Any) -> Any:
    return await graph.compile().ainvoke({"question": QUESTION, "answer_type": NUMBER, **state})


def verdicts(result: Any) -> list[Any]:
    return [t for t in result["turns"] if t.role == "judge"]


# What the judge sees.


async def test_different_answers_are_shown_once_in_both_orders() -> None:
    judge = chooser(prefers("16"))
    result = await hold(judge_select(team("12", "16", "12.0", "20"), judge=judge))
    assert [shown(t.prompt[-1].content) for t in verdicts(result)] == [["12", "16", "20"], ["20", "16", "12"]]
    assert [t.draw for t in verdicts(result)] == [0, 1]
    assert (result["answer"], result["decision"].by) == ("16", "judge")
    assert result["decision"].why == "Judy picked it in 2 of 2 orders"


async def test_candidates_are_anonymous() -> None:
    people = team("12", "16")
    result = await hold(judge_select(people, judge=people[0]))
    for t in verdicts(result):
        prompt = t.prompt[-1].content
        assert not re.search(r"Member\d|Judy", prompt)
        assert ("--- Candidate A (" in prompt, "--- Candidate B (" in prompt) == (True, True)
        assert prompt.endswith("Reply with one letter: A or B.")


async def test_shuffled_orders_are_three_different_ones_and_the_same_for_the_same_seed() -> None:
    async def orders(seed: int) -> list[list[str]]:
        result = await hold(judge_select(team(*"1234"), judge=chooser(prefers("3")), orders="shuffled"), seed=seed)
        assert result["answer"] == "3"
        return [shown(t.prompt[-1].content) for t in verdicts(result)]

    first = await orders(5)
    assert len({tuple(o) for o in first}) == 3
    assert await orders(5) == first
    assert await orders(6) != first


async def test_those_who_abstain_or_failed_are_no_candidates() -> None:
    people = [*team("12", "unsure"), member("Dora", EngineError("Dora: gone")), member("Eve", "Answer: 16")]
    result = await hold(judge_select(people, judge=chooser(prefers("16"))))
    assert [shown(t.prompt[-1].content) for t in verdicts(result)] == [["12", "16"], ["16", "12"]]
    assert not any("unsure" in t.prompt[-1].content for t in verdicts(result))


async def test_thoughts_of_candidates_are_not_shown() -> None:
    people = [member("a", "<think>secret</think>Answer: 1"), member("b", "Answer: 2")]
    result = await hold(judge_select(people, judge=chooser(prefers("1"))))
    assert not any("secret" in t.prompt[-1].content for t in verdicts(result))


@pytest.mark.parametrize(
    ("answers", "answer"),
    [(["16", "16.0"], "16"), (["16", "hm", "?"], "16"), (["hm", "?"], None)],
)
async def test_without_two_different_answers_nobody_judges(answers: list[str], answer: str | None) -> None:
    result = await hold(judge_select(team(*answers), judge=chooser([])))
    assert (result["answer"], result["decision"].by, verdicts(result)) == (answer, "vote", [])


# How the choice is read.


async def test_an_engine_that_can_choose_is_asked_for_likelihoods_of_letters() -> None:
    judge = chooser(lambda messages, options: [0.3 if a == "12" else 0.7 for a in shown(messages[-1].content)])
    result = await hold(judge_select(team("12", "16"), judge=judge))
    engine: Any = judge.engine
    assert (engine.calls, [options for _, options in engine.choose_calls]) == ([], [("A", "B"), ("A", "B")])
    assert [(t.answer, t.text, t.completion_tokens) for t in verdicts(result)] == [
        ("B", "A 0.300, B 0.700 (constrained)", 1),
        ("A", "A 0.700, B 0.300 (constrained)", 1),
    ]
    assert result["answer"] == "16"


@pytest.mark.parametrize(
    ("say", "answer", "by"),
    [
        (["B", "A"], "16", "judge"),
        (["Candidate B is correct.", "**A**"], "16", "judge"),
        (["I think it is...\nAnswer: B", "A."], "16", "judge"),
        (["16", "16"], "16", "judge"),  # the answer itself, where only one candidate has it
        (["A", "A"], "12", "vote"),  # always the first: no preference
        (["B", "B"], "12", "vote"),
        (["B", "I cannot say."], "12", "vote"),  # an unread verdict is no pick
        (["Both.", "?"], "12", "vote"),
        (["C", "C"], "12", "vote"),
    ],
)
async def test_an_engine_that_cannot_is_read_tolerantly(say: list[str], answer: str, by: str) -> None:
    result = await hold(judge_select(team("12", "16"), judge=talker(say)))
    assert (result["answer"], result["decision"].by) == (answer, by)
    assert [t.text for t in verdicts(result)] == say


async def test_letters_are_candidates_even_where_the_answers_are_letters_too() -> None:
    kind = AnswerType("choice", ("six", "eight", "ten"))
    people = team("B", "A")  # Candidate A says B, Candidate B says A
    result = await hold(judge_select(people, judge=talker(["A", "B"])), answer_type=kind)
    assert (result["answer"], result["decision"].by) == ("B", "judge")


# Ties fall to the vote.


async def test_a_disagreement_between_orders_is_a_tie_and_ties_fall_to_the_vote() -> None:
    result = await hold(judge_select(team("12", "16", "16"), judge=chooser(lambda _, options: options[0])))
    assert (result["answer"], result["decision"].by) == ("16", "vote")
    assert result["decision"].why == "the judge's 2 orders do not agree; the vote decides: 2 of 3"


async def test_two_of_three_shuffled_orders_are_enough() -> None:
    people, picks = team("12", "16", "20"), iter(["16", "12", "16"])
    judge = chooser(lambda messages, options: prefers(next(picks))(messages, options))
    result = await hold(judge_select(people, judge=judge, orders="shuffled"))
    assert (result["answer"], result["decision"].why) == ("16", "Judy picked it in 2 of 3 orders")


@pytest.mark.parametrize("failure", [EngineError("Judy: gone"), PromptTooLong("Judy: too long")])
@pytest.mark.parametrize("make", [chooser, talker])
async def test_a_judge_that_fails_leaves_it_to_the_vote_and_is_named(make: Any, failure: Exception) -> None:
    judge = make(lambda *_: failure)
    result = await hold(judge_select(team("12", "16", "16"), judge=judge))
    assert (result["answer"], result["decision"].by) == ("16", "vote")
    assert result["decision"].why == f"Judy failed: {failure}; the vote decides: 2 of 3"
    assert {t.finish for t in verdicts(result)} == {"limit" if isinstance(failure, PromptTooLong) else None}


async def test_a_judge_whose_window_cannot_hold_the_question_leaves_it_to_the_vote() -> None:
    judge = member("Judy", "A", context=40, choices=lambda _, options: options[0])
    result = await hold(judge_select(team("12", "16", "16"), judge=judge), question="word " * 100)
    assert result["answer"] == "16"
    assert {(t.finish, t.prompt) for t in verdicts(result)} == {("limit", ())}


async def test_candidates_are_cut_to_the_judges_window() -> None:
    people = [
        Participant(
            f"m{i}", Scripted(lambda _, i=i: "word " * 300 + f"\nAnswer: {i}"), sampling=Sampling(max_tokens=400)
        )
        for i in (1, 2)
    ]
    judge = member("Judy", "A", context=400, choices=prefers("2"))
    result = await hold(judge_select(people, judge=judge))
    assert result["answer"] == "2"
    assert all("[...] word" in t.prompt[-1].content for t in verdicts(result))


# Who judges.


async def test_the_last_member_judges_if_nobody_else_is_named() -> None:
    people = [*team("12"), member("Zoe", "Answer: 16", choices=prefers("16"))]
    result = await hold(judge_select(people))
    assert [t.speaker for t in verdicts(result)] == ["Zoe", "Zoe"]


async def test_if_all_are_dead_there_is_no_answer_and_a_reason() -> None:
    people = [member("ana", EngineError("ana: gone")), member("bo", EngineError("bo: gone"))]
    result = await hold(judge_select(people))
    assert (result["answer"], verdicts(result)) == (None, [])
    assert result["decision"].why == "0 valid answers of 2, 1 needed; ana: ana: gone"


@pytest.mark.parametrize("make", [chooser, talker])
async def test_what_is_missing_for_everybody_ends_the_run(make: Any) -> None:
    with pytest.raises(Missing, match="no torch"):
        await hold(judge_select(team("12", "16"), judge=make(lambda *_: Missing("no torch"))))


def test_bad_options_are_refused_when_the_graph_is_built() -> None:
    with pytest.raises(BadInput, match="orders='all': use 'both' or 'shuffled'"):
        judge_select(team("1", "2"), orders="all")
    with pytest.raises(BadInput, match="judge_select needs a team of at least 2"):
        judge_select(team("1"))


def test_drawing(snapshot: Callable[[str, str], None]) -> None:
    snapshot("drawings/judge_select.mmd", judge_select(team("1", "2", "3")).compile().get_graph().draw_mermaid())
