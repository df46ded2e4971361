"""Independent answers, then a vote."""

from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import majority_vote
from folkmoot.participant import Participant, derive

NUMBER = AnswerType("number")


def member(name: str, *replies: Any, temperature: float = 0.0) -> Participant:
    """A member that always says the same (one reply), or says one after the other (several)."""
    script = (lambda _: replies[0]) if len(replies) == 1 else list(replies)
    return Participant(name, Scripted(script, name=name), sampling=Sampling(temperature, max_tokens=20))


async def hold(graph: Any, **state: Any) -> Any:
    return await graph.compile().ainvoke({"question": "How many?", "answer_type": NUMBER, **state})


@pytest.mark.parametrize(
    ("replies", "answer"),
    [
        (["Answer: 2", "Answer: 7", "Answer: 7"], "7"),
        (["Answer: 2", "Answer: 7"], "2"),  # a tie: the first of the team
        (["Answer: 2", "unsure", "no idea"], "2"),  # regression: two that cannot be read never outvote one that can
        (["Answer: 18", "It is 18.0.", "Answer: 20"], "18"),
        ([EngineError("gone"), "Answer: 7", EngineError("gone")], "7"),
        (["unsure", "no idea"], None),
    ],
)
async def test_the_most_frequent_answer_wins(replies: list[Any], answer: str | None) -> None:
    result = await hold(majority_vote([member(f"m{i}", r) for i, r in enumerate(replies)]))
    assert result["answer"] == answer
    assert len({t.prompt for t in result["turns"]}) == 1, "nobody sees anybody"


async def test_self_consistency_draws_one_member_several_times() -> None:
    ana = member("ana", "Answer: 1", "Answer: 2", "Answer: 2", temperature=0.7)
    result = await hold(majority_vote([ana], samples=3), seed=5)
    assert (result["answer"], [t.draw for t in result["turns"]]) == ("2", [0, 1, 2])
    assert [r.sampling.seed for r in ana.engine.calls] == [derive(5, "ana", i) for i in range(3)]  # type: ignore[attr-defined]


async def test_everybody_is_drawn_as_often() -> None:
    people = [member(f"m{i}", f"Answer: {i}", temperature=1.0) for i in range(3)]
    result = await hold(majority_vote(people, samples=4))
    assert [(t.speaker, t.draw) for t in result["turns"]] == [(f"m{i}", n) for i in range(3) for n in range(4)]
    assert result["decision"].tally == (("0", 4), ("1", 4), ("2", 4))


async def test_weights_and_quorum() -> None:
    people = [member("ana", "Answer: 1"), member("bo", "Answer: 2"), member("cy", "no idea")]
    heavy = await hold(majority_vote(people, weights={"bo": 1.5}))
    assert (heavy["answer"], heavy["decision"].by) == ("2", "weighted vote")
    few = await hold(majority_vote(people, quorum=3))
    assert (few["answer"], few["decision"].why) == (None, "2 valid answers of 3, 3 needed")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"samples": 0}, "samples=0; at least 1"), ({"weights": {"anna": 1}}, "'anna' is no member; did you mean 'ana'")],
)
def test_bad_options_are_refused_when_the_graph_is_built(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        majority_vote([member("ana", "Answer: 1")], **options)


def test_drawing(snapshot: Callable[[str, str], None]) -> None:
    people = [member(n, "Answer: 1") for n in ("m0", "m1", "m2")]
    snapshot("drawings/majority_vote.mmd", majority_vote(people).compile().get_graph().draw_mermaid())
