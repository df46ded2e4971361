"""Watching a discussion as it happens."""

import asyncio
from typing import Any

from folkmoot.answers import AnswerType
from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import EngineError
from folkmoot.engines.scripted import Scripted
from folkmoot.follow import follow
from folkmoot.graphs import critique_refine, debate, judge_select, majority_vote
from folkmoot.participant import Participant


def member(name: str, *replies: Any, **engine: Any) -> Participant:
    """A member that always says the same (one reply), or says one after the other (several)."""
    script = (lambda _: replies[0]) if len(replies) == 1 else list(replies)
    return Participant(name, Scripted(script, name=name, **engine))


async def events(panel: Any, question: Any = "q") -> list[Turn | Decision]:
    return [event async for event in follow(panel.compile(), question)]


def told(found: list[Turn | Decision]) -> list[str]:
    return [f"{e.speaker} {e.role} {e.round}" if isinstance(e, Turn) else f"{e.by} {e.answer}" for e in found]


async def test_every_turn_and_then_the_decision() -> None:
    people = [member("ana", "Answer: 1"), member("bo", "Answer: 2")]
    assert sorted(told(await events(debate(people)))) == sorted(
        ["ana answer 0", "bo answer 0", "ana answer 1", "bo answer 1", "vote 1"]
    )
    assert isinstance((await events(debate(people)))[-1], Decision)


async def test_verdicts_come_before_the_decision_that_they_make() -> None:
    people = [member("ana", "Answer: 1"), member("bo", "Answer: 2", choices=["B", "A"])]
    assert told(await events(judge_select(people)))[-3:] == ["bo judge 1", "bo judge 1", "judge 2"]


async def test_critiques_and_the_finisher_are_turns() -> None:
    found = told(await events(critique_refine([member("ana", "Answer: 1"), member("bo", "Answer: 1")], finish="bo")))
    assert (sum("critique" in e for e in found), found[-2:]) == (2, ["bo finish 2", "finisher 1"])


async def test_several_draws_of_one_member_are_several_turns() -> None:
    found = await events(majority_vote([member("ana", "Answer: 1")], samples=3))
    assert told(found) == ["ana answer 0"] * 3 + ["vote 1"]


async def test_failures_are_turns_too() -> None:
    found = await events(majority_vote([member("ana", EngineError("ana: gone")), member("bo", "Answer: 1")]))
    assert sorted(t.error or "" for t in found if isinstance(t, Turn)) == ["", "ana: gone"]


async def test_a_turn_is_seen_as_soon_as_it_is_spoken() -> None:
    people = [member("slow", "Answer: 1", latency=0.3), member("quick", "Answer: 1")]
    loop = asyncio.get_running_loop()
    began, at = loop.time(), {}
    async for event in follow(debate(people).compile(), "q"):
        if isinstance(event, Turn):
            at[event.speaker] = loop.time() - began
    assert at["quick"] < 0.2 < at["slow"]


async def test_a_whole_discussion_may_be_given() -> None:
    state = {"question": "q", "answer_type": AnswerType("number"), "seed": 3}
    found = await events(majority_vote([member("ana", "It is 18.0.")]), state)
    assert told(found) == ["ana answer 0", "vote 18"]
    assert state == {"question": "q", "answer_type": AnswerType("number"), "seed": 3}, "what is given stays as it is"


async def test_who_stops_watching_stops_the_discussion() -> None:
    people = [member("ana", "Answer: 1"), member("bo", "Answer: 2")]
    watching = follow(debate(people, rounds=5).compile(), "q")
    async for _ in watching:
        break
    await watching.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.05)
    assert sum(len(p.engine.calls) for p in people) <= 4  # type: ignore[attr-defined]
