"""Draft, be reviewed, revise."""

from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Missing, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import critique_refine
from folkmoot.participant import Participant

NUMBER = AnswerType("number")
QUESTION = "How many legs have two spiders?"
CRITIC, AUTHOR, FINISHER = "Review this answer", "Your answer so far", "Give the best final answer"


def member(name: str, say: Callable[[str], Any] | Any, **engine: Any) -> Participant:
    """A member whose reply depends on its prompt, or is always the same."""
    script = (lambda messages: say(messages[-1].content)) if callable(say) else (lambda _: say)
    return Participant(name, Scripted(script, name=name, **engine), sampling=Sampling(max_tokens=30))


def author(name: str, draft: str, revised: str) -> Participant:
    """A member that drafts one answer, criticises with its own name as the word, and revises to another answer."""

    def say(prompt: str) -> str:
        if CRITIC in prompt:
            return f"word-of-{name}: the answer is 99, I think."
        return f"Answer: {revised if AUTHOR in prompt else draft}"

    return member(name, say)


def team(n: int, draft: str = "12", revised: str = "16") -> list[Participant]:
    return [author(f"m{i}", draft, revised) for i in range(n)]


def calls(*team: Participant) -> list[int]:
    return [len(p.engine.calls) for p in team]  # type: ignore[attr-defined]


async def hold(graph: Any, **state: Any) -> Any:
    return await graph.compile().ainvoke({"question": QUESTION, "answer_type": NUMBER, **state})


def turns(result: Any, role: str, at: int | None = None) -> list[Any]:
    return [t for t in result["turns"] if t.role == role and at in (None, t.round)]


# Who reviews whom.


@pytest.mark.parametrize(
    ("n", "critics", "expected"),
    [
        (2, 1, {"m0": ["m1"], "m1": ["m0"]}),
        (3, 1, {"m0": ["m1"], "m1": ["m2"], "m2": ["m0"]}),
        (3, 2, {"m0": ["m1", "m2"], "m1": ["m2", "m0"], "m2": ["m0", "m1"]}),
        (4, 2, {"m0": ["m1", "m2"], "m1": ["m2", "m3"], "m2": ["m3", "m0"], "m3": ["m0", "m1"]}),
        (3, "self", {"m0": ["m0"], "m1": ["m1"], "m2": ["m2"]}),
        (1, "self", {"m0": ["m0"]}),
    ],
)
async def test_the_next_in_the_ring_review(n: int, critics: int | str, expected: dict[str, list[str]]) -> None:
    people = team(n)
    result = await hold(critique_refine(people, critics=critics))
    found: dict[str, list[str]] = {}
    for t in turns(result, "critique"):
        found.setdefault(t.about, []).append(t.speaker)
    assert found == expected
    for t in turns(result, "answer", 1):
        read = [m for m in expected if f"word-of-{m}:" in t.prompt[-1].content]
        assert read == sorted(expected[t.speaker]), "an author reads the reviews of its own draft and no others"
    each = 1 if critics == "self" else critics
    assert calls(*people) == [2 + each] * n


async def test_a_critic_sees_one_draft_and_is_asked_for_no_answer_of_its_own() -> None:
    people = [author("Zelda", "11", "1"), author("Yorick", "22", "2"), author("Xaver", "33", "3")]
    result = await hold(critique_refine(people))
    for t, draft in zip(turns(result, "critique"), ["11", "22", "33"], strict=True):
        prompt = t.prompt[-1].content
        assert [d for d in ("11", "22", "33") if f"Answer: {d}" in prompt] == [draft]
        assert "Do not give an answer of your own" in prompt
        assert NUMBER.instruction() not in prompt
        assert not any(name in prompt for name in ("Zelda", "Yorick", "Xaver")), "nobody knows whose draft it is"


async def test_an_author_sees_its_own_draft_and_numbered_reviews() -> None:
    result = await hold(
        critique_refine([author("ana", "11", "1"), author("bo", "22", "2"), author("cy", "33", "3")], critics=2)
    )
    prompt = turns(result, "answer", 1)[0].prompt[-1].content
    assert "Your answer so far:\nAnswer: 11\n" in prompt
    assert ("--- Review 1 (" in prompt, "--- Review 2 (" in prompt, "22" in prompt) == (True, True, False)


# What counts.


async def test_critiques_do_not_vote_and_revised_answers_do() -> None:
    result = await hold(critique_refine(team(3)))
    assert all(t.answer is None for t in turns(result, "critique")), "not even when they name a number"
    assert (result["answer"], result["decision"].tally) == ("16", (("16", 3),))


async def test_every_round_reviews_what_was_last_revised() -> None:
    people = [
        member(f"m{i}", lambda p: "Hm." if CRITIC in p else f"Answer: {p.count('Answer: ') + p.count('Hm.')}")
        for i in range(2)
    ]
    result = await hold(critique_refine(people, rounds=2))
    assert [t.round for t in result["turns"]] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    first, second = turns(result, "critique", 1)[0], turns(result, "critique", 2)[0]
    assert turns(result, "answer", 0)[0].text in first.prompt[-1].content
    assert turns(result, "answer", 1)[0].text in second.prompt[-1].content


async def test_unread_answers_abstain() -> None:
    result = await hold(critique_refine([author("a", "1", "unsure"), author("b", "1", "hm"), author("c", "1", "16")]))
    assert (result["answer"], result["decision"].why) == ("16", "1 of 1")


# Who fails.


def failing(name: str, when: str, otherwise: str = "Answer: 7") -> Participant:
    """A member that fails when its prompt holds `when`."""

    def say(prompt: str) -> Any:
        return EngineError(f"{name}: gone") if when in prompt else "Fine." if CRITIC in prompt else otherwise

    return member(name, say)


async def test_a_critic_that_fails_is_not_quoted() -> None:
    result = await hold(critique_refine([failing("ana", CRITIC), author("bo", "12", "16")]))
    revised = turns(result, "answer", 1)[1]
    assert "gone" not in revised.prompt[-1].content
    assert "--- Review" not in revised.prompt[-1].content
    assert revised.answer == "16"


async def test_whose_draft_failed_is_asked_again_instead_of_revising() -> None:
    replies = iter([EngineError("ana: gone"), "Fine.", "Answer: 16"])
    ana, bo = member("ana", lambda _: next(replies)), author("bo", "12", "16")
    result = await hold(critique_refine([ana, bo]))
    assert [t.about for t in turns(result, "critique")] == ["bo"], "there is nothing of hers to review"
    drafts = [t.prompt for t in turns(result, "answer") if t.speaker == "ana"]
    assert drafts[0] == drafts[1]
    assert result["decision"].tally == (("16", 2),)


async def test_whose_revision_failed_does_not_vote() -> None:
    result = await hold(critique_refine([failing("ana", AUTHOR), author("bo", "7", "16")]))
    assert (result["answer"], result["decision"].why) == ("16", "1 of 1")


@pytest.mark.parametrize("finish", ["vote", "ana"])
async def test_if_all_are_dead_there_is_no_answer_and_a_reason(finish: str) -> None:
    people = [member(n, EngineError(f"{n}: gone")) for n in ("ana", "bo")]
    result = await hold(critique_refine(people, finish=finish))
    assert result["answer"] is None
    assert "0 valid answers of 2" in result["decision"].why
    assert "ana: gone" in result["decision"].why


async def test_what_is_missing_for_everybody_ends_the_run() -> None:
    with pytest.raises(Missing, match="no torch"):
        await hold(critique_refine([member("ana", Missing("no torch")), author("bo", "1", "2")]))


# The finisher.


async def test_a_finisher_reads_all_revised_answers_and_writes_the_last_one() -> None:
    def say(prompt: str) -> str:
        if FINISHER in prompt:
            return "Eight each.\nAnswer: 16"
        return "Fine." if CRITIC in prompt else "Answer: 3"

    people = [member("ana", say), author("bo", "12", "14"), author("cy", "12", "15")]
    result = await hold(critique_refine(people, finish="ana"))
    last = result["turns"][-1]
    assert (last.speaker, last.role, last.round) == ("ana", "finish", 2)
    assert all(f"Answer: {a}\n--- end" in last.prompt[-1].content for a in (3, 14, 15))
    assert (result["answer"], result["decision"].by, result["decision"].why) == ("16", "finisher", "ana wrote it")
    assert result["decision"].tally == (("3", 1), ("14", 1), ("15", 1))


@pytest.mark.parametrize("last", [EngineError("ana: gone"), "I cannot decide."])
async def test_a_finisher_that_gives_no_answer_leaves_it_to_the_vote(last: Any) -> None:
    ana = member("ana", lambda p: last if FINISHER in p else "Fine." if CRITIC in p else "Answer: 3")
    result = await hold(critique_refine([ana, author("bo", "12", "16"), author("cy", "12", "16")], finish="ana"))
    assert (result["answer"], result["decision"].by) == ("16", "vote")
    assert result["decision"].why == "ana gave no final answer; the vote decides: 2 of 3"


async def test_a_finisher_whose_window_cannot_hold_the_question_leaves_it_to_the_vote() -> None:
    small = member("small", "Answer: 3", context=60)
    result = await hold(critique_refine([small, author("bo", "12", "16")], finish="small"), question="word " * 100)
    assert (result["answer"], result["turns"][-1].finish, calls(small)) == ("16", "limit", [0])


# What cannot be built.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "rounds=0; at least 1"),
        ({"critics": 0}, "critics=0 in a team of 2"),
        ({"critics": 2}, "critics=2 in a team of 2; use a number from 1 to one less than the team has, or 'self'"),
        ({"critics": "peers"}, "critics='peers'"),
        ({"finish": "m7"}, "finish='m7' is no member"),
        ({"finish": "vot"}, "did you mean 'vote'"),
    ],
)
def test_bad_options_are_refused_when_the_graph_is_built(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        critique_refine(team(2), **options)


def test_one_alone_can_only_criticise_itself() -> None:
    with pytest.raises(BadInput, match="critics=1 in a team of 1"):
        critique_refine(team(1))


def test_drawing(snapshot: Callable[[str, str], None]) -> None:
    snapshot("drawings/critique_refine.mmd", critique_refine(team(3)).compile().get_graph().draw_mermaid())
