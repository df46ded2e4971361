"""Graphs run bare when nobody listens, and as LangGraph made them when somebody does."""

from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler

from folkmoot import AnswerType, Participant, Scripted
from folkmoot.graphs import critique_refine, debate
from folkmoot.lean import Lean

ASKED: Any = {"question": "What is 6 * 7?", "answer_type": AnswerType("number")}


def team() -> list[Participant]:
    return [Participant(n, Scripted(lambda m, n=n: f"Answer: {len(n)}", name=n)) for n in ("ana", "bo", "cyra")]


class Ear(AsyncCallbackHandler):
    """Hears which nodes run."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
        self.heard.append(str(more.get("name")))


@pytest.mark.parametrize("graph", [debate, critique_refine])
async def test_with_and_without_a_listener_the_same_is_said(graph: Any) -> None:
    panel, ear = graph(team()).compile(), Ear()
    bare = await panel.ainvoke(ASKED)
    heard = await panel.ainvoke(ASKED, {"callbacks": [ear]})
    key = lambda t: (t.round, t.role, t.speaker, t.about or "", t.text)  # noqa: E731
    assert sorted(map(key, bare["turns"])) == sorted(map(key, heard["turns"]))
    assert bare["decision"] == heard["decision"]
    assert {"ana", "bo", "cyra"} <= set(ear.heard)


async def test_streams_show_every_node() -> None:
    panel = debate(team(), rounds=1).compile()
    updates = [name async for part in panel.astream(ASKED, stream_mode="updates") for name in part]
    assert sorted(updates) == ["ana", "bo", "cyra", "decide", "floor", "floor"]


async def test_events_of_nodes_are_seen() -> None:
    panel = debate(team(), rounds=1).compile()
    events = [e["name"] async for e in panel.astream_events(ASKED, version="v2") if e["event"] == "on_chain_start"]
    assert {"ana", "bo", "cyra", "decide"} <= set(events)


def test_only_steps_of_ours_are_lean() -> None:
    graph = debate(team())
    graph.add_node("note", lambda d: {})
    graph.add_edge("decide", "note")
    nodes = graph.compile().nodes
    assert isinstance(nodes["ana"].node, Lean)
    assert not isinstance(nodes["note"].node, Lean)


async def test_requests_carry_how_deep_their_discussion_is() -> None:
    people = team()
    await debate(people, rounds=3).compile().ainvoke(ASKED)
    assert [r.depth for r in people[0].engine.calls] == [0, 1, 2]  # type: ignore[attr-defined]
    people = team()
    await critique_refine(people, rounds=1).compile().ainvoke(ASKED)
    assert sorted({r.depth for p in people for r in p.engine.calls}) == [0, 1, 2]  # type: ignore[attr-defined]
