"""Blind answers first, then everybody reads the others; until they agree or rounds are over."""

from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.contract import Capabilities, EngineError, Missing, Request, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import debate, majority_vote
from folkmoot.participant import Participant

NUMBER = AnswerType("number")
QUESTION = "How many legs have two spiders?"


def member(name: str, *replies: Any, **engine: Any) -> Participant:
    """A member that always says the same (one reply), or says one after the other (several)."""
    script = (lambda _: replies[0]) if len(replies) == 1 else list(replies)
    return Participant(name, Scripted(script, name=name, **engine), sampling=Sampling(max_tokens=20))


def team(*answers: str) -> list[Participant]:
    """Stubborn members that always give their own answer, with a secret word that tells their texts apart."""
    return [member(f"m{i}", f"secret{i}\nAnswer: {a}") for i, a in enumerate(answers)]


def calls(*team: Participant) -> list[int]:
    return [len(p.engine.calls) for p in team]  # type: ignore[attr-defined]


async def hold(graph: Any, **state: Any) -> Any:
    return await graph.compile().ainvoke({"question": QUESTION, "answer_type": NUMBER, **state})


def prompts(result: Any, at: int) -> list[str]:
    return [t.prompt[-1].content for t in result["turns"] if t.round == at]


def seen_by(result: Any, at: int) -> list[set[int]]:
    """Whose secrets each member reads in a round, its own left out."""
    return [
        {i for i in range(9) if f"secret{i}\n" in prompt and i != me} for me, prompt in enumerate(prompts(result, at))
    ]


# Who sees what.


async def test_the_first_round_is_blind() -> None:
    result = await hold(debate(team("1", "2", "3")))
    assert len(set(prompts(result, 0))) == 1, "everybody gets the same words, so prefix caches are shared"
    assert not any("secret" in p for p in prompts(result, 0))


@pytest.mark.parametrize(
    ("n", "sees", "expected"),
    [
        (2, "all", [{1}, {0}]),
        (3, "all", [{1, 2}, {0, 2}, {0, 1}]),
        (5, "all", [{1, 2, 3, 4}, {0, 2, 3, 4}, {0, 1, 3, 4}, {0, 1, 2, 4}, {0, 1, 2, 3}]),
        (2, "neighbours", [{1}, {0}]),
        (3, "neighbours", [{1, 2}, {0, 2}, {0, 1}]),
        (5, "neighbours", [{4, 1}, {0, 2}, {1, 3}, {2, 4}, {3, 0}]),
    ],
)
async def test_later_rounds_show_the_others(n: int, sees: str, expected: list[set[int]]) -> None:
    result = await hold(debate(team(*map(str, range(n))), sees=sees))
    assert seen_by(result, 1) == expected
    assert all(f"secret{i}" in p for i, p in enumerate(prompts(result, 1))), "and one's own answer so far"


async def test_each_round_shows_the_last_one_only() -> None:
    people = [member("ana", "old-a\nAnswer: 1", "mid-a\nAnswer: 1", "new-a\nAnswer: 1"), member("bo", "old-b\nAnswer: 2", "mid-b\nAnswer: 2", "new-b\nAnswer: 2")]  # fmt: skip
    result = await hold(debate(people, rounds=3))
    last = prompts(result, 2)[0]
    assert ["mid-b" in last, "mid-a" in last, "old-b" in last, "old-a" in last] == [True, True, False, False]


async def test_a_view_of_ones_own() -> None:
    result = await hold(debate(team("1", "2", "3"), sees=lambda d, me: [t for t in d["turns"] if t.speaker == "m2"]))
    assert seen_by(result, 1) == [{2}, {2}, set()]


async def test_no_name_of_a_member_is_in_any_prompt() -> None:
    people = [member("Zelda", "Answer: 1"), member("Yorick", "Answer: 2")]
    result = await hold(debate(people, decide="judge", judge=member("Xaver", "A")))
    assert not any(
        name in p for t in result["turns"] for p in [t.prompt[-1].content] for name in ("Zelda", "Yorick", "Xaver")
    )


# When it ends.


@pytest.mark.parametrize(
    ("answers", "rounds", "each"),
    [
        (["16", "16", "16"], 3, 1),  # all agree at once
        (["16", "16.0", "16"], 3, 1),  # one answer in two forms
        (["16", "16", "?"], 3, 1),  # who abstains does not stand in the way
        (["16", "12", "16"], 3, 3),
        (["16", "?", "?"], 3, 3),  # one voice alone is no agreement
        (["16", "12", "16"], 1, 1),
    ],
)
async def test_it_stops_on_agreement_or_after_the_last_round(answers: list[str], rounds: int, each: int) -> None:
    people = team(*answers)
    result = await hold(debate(people, rounds=rounds))
    assert calls(*people) == [each] * 3
    assert result["answer"] == "16"


async def test_it_goes_on_until_they_agree() -> None:
    people = [member("ana", *["Answer: 16"] * 3), member("bo", "Answer: 12", "Answer: 14", "Answer: 16")]
    result = await hold(debate(people, rounds=9))
    assert (calls(*people), result["answer"], result["decision"].why) == ([3, 3], "16", "2 of 2")


# How it is decided.


@pytest.mark.parametrize(
    ("answers", "answer"),
    [
        (["12", "16", "16"], "16"),
        (["12", "16", "20"], "12"),  # a tie: the first of the team
        (["12", "unsure", "hm"], "12"),  # regression: two that cannot be read never outvote one that can
        (["unsure", "hm", "?"], None),
    ],
)
async def test_the_vote(answers: list[str], answer: str | None) -> None:
    result = await hold(debate(team(*answers), rounds=1))
    assert (result["answer"], result["decision"].by) == (answer, "vote")


async def test_the_weighted_vote() -> None:
    result = await hold(debate(team("12", "16", "16"), decide="weighted", weights={"m0": 3}))
    assert (result["answer"], result["decision"].by, result["decision"].tally) == (
        "12",
        "weighted vote",
        (("12", 3), ("16", 2)),
    )


async def test_a_judge_picks_among_the_answers_of_the_last_round() -> None:
    people = [member("ana", "Answer: 1", "Answer: 3"), member("bo", "Answer: 2", "Answer: 4")]

    def prefers_4(messages: Any, options: Any) -> str:
        shown = messages[-1].content
        return options[0] if shown.index("Answer: 4") < shown.index("Answer: 3") else options[1]

    result = await hold(debate(people, decide="judge", judge=member("jo", "unused", choices=prefers_4)))
    assert (result["answer"], result["decision"].by) == ("4", "judge")
    assert [t.role for t in result["turns"]] == ["answer"] * 4 + ["judge"] * 2


async def test_nobody_judges_what_all_agree_on() -> None:
    jo = member("jo", "A")
    result = await hold(debate(team("16", "16"), decide="judge", judge=jo))
    assert (result["answer"], result["decision"].by, calls(jo)) == ("16", "vote", [0])


# Who fails.


async def test_a_dead_member_is_an_absent_voter() -> None:
    people = [member("ana", EngineError("ana: gone")), *team("12", "16", "16")]
    result = await hold(debate(people))
    assert (result["answer"], result["decision"].why) == ("16", "2 of 3")
    assert [t.error for t in result["turns"] if t.speaker == "ana"] == ["ana: gone", "ana: gone"]


async def test_a_member_that_dies_in_between_does_not_vote_but_is_still_quoted() -> None:
    people = [
        member("ana", "from ana\nAnswer: 1", EngineError("ana: gone"), EngineError("ana: gone")),
        member("bo", "Answer: 2"),
    ]
    result = await hold(debate(people, rounds=3))
    assert (result["answer"], result["decision"].why) == ("2", "1 of 1")
    assert "from ana" in prompts(result, 2)[1]


async def test_if_all_are_dead_there_is_no_answer_and_a_reason() -> None:
    result = await hold(debate([member("ana", EngineError("ana: gone")), member("bo", EngineError("bo: gone"))]))
    assert result["answer"] is None
    assert result["decision"].why == "0 valid answers of 2, 1 needed; ana: ana: gone"


async def test_what_is_missing_for_everybody_ends_the_run() -> None:
    with pytest.raises(Missing, match="no torch"):
        await hold(debate([member("ana", Missing("no torch")), member("bo", "Answer: 1")]))


async def test_a_member_whose_window_is_too_small_says_so_and_the_others_go_on() -> None:
    small = member("small", "Answer: 9", context=30)
    result = await hold(debate([small, *team("16", "16")]), question="word " * 200)
    turn = next(t for t in result["turns"] if t.speaker == "small")
    assert (turn.finish, turn.answer, calls(small)) == ("limit", None, [0])
    assert turn.error is not None
    assert "the model's window has 30" in turn.error
    assert result["answer"] == "16"


async def test_long_replies_of_others_are_cut_to_the_readers_window_and_the_question_is_not() -> None:
    long = "step " * 400 + "\nAnswer: "
    people = [
        Participant(
            n, Scripted(lambda _, n=n: long + str(len(n)), name=n, context=c), sampling=Sampling(max_tokens=600)
        )
        for n, c in [("a", 900), ("bb", 5000)]
    ]
    result = await hold(debate(people))
    tight, wide = prompts(result, 1)
    assert all(f"\n\n{QUESTION}\n\n" in p for p in (tight, wide))
    assert ("[...] step" in tight, "[...] step" in wide) == (True, False)
    assert "Answer: 2\n--- end" in tight
    assert not [t.error for t in result["turns"] if t.error], "what was cut fits"


# Seeds and the cache.


class Recording:
    """The requests that a cache had to compute."""

    def __init__(self, engine: Scripted, completions: Completions) -> None:
        self.scripted, self.engine = engine, Cached(engine, completions)

    @property
    def computed(self) -> list[Request]:
        return self.scripted.calls


@pytest.mark.parametrize("capabilities", [Capabilities(seeds=True), Capabilities()])
async def test_the_drafts_of_a_debate_are_the_votes_of_the_baseline(capabilities: Capabilities) -> None:
    completions = Completions(None)
    engines = [
        Recording(Scripted(lambda _, a=a: f"Answer: {a}", name=a, capabilities=capabilities), completions) for a in "12"
    ]
    people = [
        Participant(f"m{i}", r.engine, sampling=Sampling(temperature=1.0, max_tokens=20)) for i, r in enumerate(engines)
    ]
    talk = await hold(debate(people, rounds=1), seed=7)
    plain = await hold(majority_vote(people), seed=7)
    assert [len(r.computed) for r in engines] == [1, 1], "computed once for both"
    assert [t.prompt for t in talk["turns"]] == [t.prompt for t in plain["turns"]]
    assert [(t.hit, t.completion_tokens) for t in plain["turns"]] == [(True, 2), (True, 2)], "a hit keeps its cost"
    await hold(debate(people, rounds=1), seed=8)
    assert [len(r.computed) for r in engines] == [2, 2], "another seed is another draw"


# As part of something larger.


async def test_a_panel_is_a_node_of_any_graph_that_has_a_question_and_an_answer() -> None:
    class Desk(TypedDict, total=False):
        question: str
        answer: str | None
        letter: str

    def write(d: Desk) -> Desk:
        return {"letter": f"Dear reader, it is {d['answer']}."}

    desk = StateGraph(Desk)
    desk.add_node("panel", debate(team("12", "16", "16"), rounds=4).compile())
    desk.add_node("write", write)
    desk.add_edge(START, "panel")
    desk.add_edge("panel", "write")
    desk.add_edge("write", END)
    asked: Any = {"question": QUESTION}
    expected = {"question": QUESTION, "answer": "16", "letter": "Dear reader, it is 16."}
    assert await desk.compile().ainvoke(asked) == expected
    assert desk.compile().invoke(asked) == expected


def test_drawing(snapshot: Callable[[str, str], None]) -> None:
    snapshot("drawings/debate.mmd", debate(team("1", "2", "3")).compile().get_graph().draw_mermaid())


# What cannot be built.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "rounds=0; at least 1"),
        ({"sees": "neighbors"}, "did you mean 'neighbours'"),
        ({"decide": "coin"}, "decide='coin'; use 'vote', 'weighted' or 'judge'"),
        ({"decide": "weighted"}, "weights={name: weight} go together"),
        ({"weights": {"m0": 1}}, "weights={name: weight} go together"),
        ({"decide": "weighted", "weights": {"mo": 1}}, "'mo' is no member; known: m0, m1"),
        ({"decide": "judge"}, "judge=PARTICIPANT go together"),
        ({"judge": member("jo", "A")}, "judge=PARTICIPANT go together"),
    ],
)
def test_bad_options_are_refused_when_the_graph_is_built(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        debate(team("1", "2"), **options)


def test_a_debate_needs_two() -> None:
    with pytest.raises(BadInput, match="debate needs a team of at least 2, got 1"):
        debate(team("1"))
