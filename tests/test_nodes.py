"""Participants and decisions as graph nodes, and graphs that people wire themselves."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph

from folkmoot import Discussion, agreed, answer, ask, others, quote, rounds, seat, vote, wait
from folkmoot.answers import AnswerType
from folkmoot.discussion import Ask, Turn
from folkmoot.documents import BadInput
from folkmoot.door import through
from folkmoot.engines.contract import Completion, EngineError, Message, Missing, PromptTooLong, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.nodes import Panel, describe, judge, take_turn
from folkmoot.participant import Participant, derive

NUMBER = AnswerType("number")
PROMPT = (Message("user", "How many?"),)


def member(name: str, *replies: Any, **engine: Any) -> Participant:
    """A member that always says the same (one reply), or says one after the other (several)."""
    script = (lambda _: replies[0]) if len(replies) == 1 else list(replies)
    return Participant(name, Scripted(script, name=name, **engine), sampling=Sampling(max_tokens=20))


def calls(*team: Participant) -> list[int]:
    return [len(p.engine.calls) for p in team]  # type: ignore[attr-defined]


def asked(**changes: Any) -> Ask:
    return Ask(
        **{
            "prompt": PROMPT,
            "answer_type": NUMBER,
            "role": "answer",
            "round": 0,
            "about": None,
            "draw": 0,
            "seed": None,
        }
        | changes
    )


# One turn.


async def test_a_turn_holds_all_that_is_known_about_it() -> None:
    reply = Completion("It is 4.\nAnswer: 4", "stop", 11, 6, 5, 0.25, 1.5, True)
    turn = await take_turn(member("ana", reply), asked(role="answer", round=2, draw=1), NUMBER)
    assert turn == Turn(
        "ana", "answer", 2, "It is 4.\nAnswer: 4", "4", None, 1, PROMPT, "stop", 11, 5, 6, 0.25, 1.5, True, None
    )  # fmt: skip


async def test_only_answers_are_read_for_answers() -> None:
    ana = member("ana", "Answer: 4")
    assert (await take_turn(ana, asked(role="critique", about="bo"), None)).answer is None


async def test_a_reply_cut_at_the_limit_counts_only_if_it_had_concluded() -> None:
    unfinished = "so " * 17 + "\nSum = 7 and then 3 more, which makes 10."  # cut after the 7
    concluded = "Answer: 7\nBecause " + "so " * 30
    turns = [await take_turn(member("ana", text), asked(), NUMBER) for text in (unfinished, concluded)]
    assert turns[0].text.endswith("Sum = 7")
    assert [(t.finish, t.answer) for t in turns] == [("length", None), ("length", "7")]


async def test_thoughts_are_not_answers() -> None:
    assert (await take_turn(member("ana", "<think>Answer: 9</think>Answer: 4"), asked(), NUMBER)).answer == "4"
    assert (await take_turn(member("ana", "<think>Answer: 9"), asked(), NUMBER)).answer is None


@pytest.mark.parametrize(
    ("failure", "finish", "error"),
    [
        (
            EngineError("ana: connection refused.\nStart the server."),
            None,
            "ana: connection refused. Start the server.",
        ),
        (PromptTooLong("ana: too long"), "limit", "ana: too long"),
        (TimeoutError(), None, "TimeoutError: TimeoutError"),
        (ZeroDivisionError("division by zero"), None, "ZeroDivisionError: division by zero"),
    ],
)
async def test_what_goes_wrong_is_an_absent_voter(failure: Exception, finish: str | None, error: str) -> None:
    turn = await take_turn(member("ana", failure), asked(role="critique", about="bo"), NUMBER)
    assert (turn.speaker, turn.role, turn.about, turn.prompt) == ("ana", "critique", "bo", PROMPT)
    assert (turn.text, turn.answer, turn.finish, turn.error) == ("", None, finish, error)
    assert "\n" not in describe(failure)


async def test_a_prompt_that_does_not_fit_is_not_sent() -> None:
    ana = member("ana", "Answer: 4")
    turn = await take_turn(ana, asked(prompt=(), error="ana: too long"), NUMBER)
    assert (turn.finish, turn.error, calls(ana)) == ("limit", "ana: too long", [0])


async def test_what_is_missing_for_everybody_is_raised() -> None:
    with pytest.raises(Missing, match="no torch"):
        await take_turn(member("ana", Missing("no torch")), asked(), NUMBER)


async def test_cancelling_is_not_a_failure_of_the_member() -> None:
    task = asyncio.create_task(take_turn(member("ana", "4", latency=60), asked(), NUMBER))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Asking a team.


def test_ask_sends_everybody_their_own_prompt() -> None:
    ana, bo = member("ana", "4"), member("bo", "5")
    d: Discussion = {"question": "q", "answer_type": NUMBER, "seed": 7, "turns": [Turn("ana", answer="4")]}
    sends = ask([ana, bo], lambda d, me: f"{me.name}, {d['question']}?", d, draws=2)
    assert [(s.node, s.arg.draw) for s in sends] == [("ana", 0), ("ana", 1), ("bo", 0), ("bo", 1)]
    assert sends[2].arg == Ask((Message("user", "bo, q?"),), NUMBER, "answer", 1, None, 0, 7, depth=1)
    critique = ask([ana], answer, d, role="critique", about="bo", round=5)[0].arg
    assert (critique.role, critique.about, critique.round) == ("critique", "bo", 5)


def test_who_cannot_read_the_question_says_so_and_the_others_are_asked() -> None:
    def say(d: Discussion, me: Participant) -> str:
        if me.name == "ana":
            raise PromptTooLong("ana: too long")
        return "q"

    sends = ask([member("ana", "4"), member("bo", "5")], say, {"question": "q"})
    assert [(s.arg.error, len(s.arg.prompt)) for s in sends] == [("ana: too long", 0), (None, 1)]


# A graph of one's own, as in the docs.


def own_graph(team: list[Participant], most: int = 3) -> StateGraph[Any]:
    def rebut(d: Discussion, me: Participant) -> str:
        return f"{d['question']}\nPeers:\n{quote(others(d, me))}\nName one flaw, then answer."

    def floor(d: Discussion) -> Any:
        if not d.get("turns"):
            return ask(team, answer, d)
        if agreed(d) or rounds(d) == most:
            return "decide"
        return ask(team, rebut, d)

    g = StateGraph(Discussion)
    seat(g, team, then="floor")
    g.add_node("floor", wait)
    g.add_node("decide", vote())
    g.add_edge(START, "floor")
    g.add_edge("decide", END)
    g.add_conditional_edges("floor", floor, [*(p.name for p in team), "decide"])
    return g


async def test_a_graph_of_ones_own_in_fifteen_lines() -> None:
    team = [member("ana", "Answer: 4", "Answer: 4"), member("bo", "Answer: 5", "Answer: 4"), member("cy", "?", "?")]
    result = await own_graph(team).compile().ainvoke({"question": "q", "answer_type": NUMBER})
    assert (result["answer"], calls(*team)) == ("4", [2, 2, 2])
    assert result["turns"][4].prompt[0].content.startswith("q\nPeers:\n--- Answer 1 (")


async def test_turns_stand_in_the_order_of_the_team_however_long_each_takes() -> None:
    team = [
        member("ana", "Answer: 1", latency=0.05),
        member("bo", "Answer: 2"),
        member("cy", "Answer: 3", latency=0.02),
    ]
    result = await own_graph(team, most=1).compile().ainvoke({"question": "q", "answer_type": NUMBER})
    assert [t.speaker for t in result["turns"]] == ["ana", "bo", "cy"]
    assert result["answer"] == "1", "a tie goes to the first member"


async def test_members_speak_at_the_same_time() -> None:
    team = [member(f"m{i}", "Answer: 1", latency=0.2) for i in range(8)]
    began = asyncio.get_running_loop().time()
    await own_graph(team, most=1).compile().ainvoke({"question": "q"})
    assert asyncio.get_running_loop().time() - began < 0.8


@pytest.mark.parametrize("name", ["question", "turns", "answer", "seed", "decision", "answer_type", "draw"])
async def test_members_may_be_called_like_parts_of_the_state(name: str) -> None:
    team = [member(name, "Answer: 1"), member("bo", "Answer: 1")]
    result = await own_graph(team).compile().ainvoke({"question": "q"})
    assert (result["question"], result["answer"], len(result["turns"])) == ("q", "1", 2)


# A panel ends.


def endless(team: list[Participant], steps: int) -> Panel:
    g = Panel(steps=steps)
    seat(g, team, then="floor")
    g.add_node("floor", wait)
    g.add_edge(START, "floor")
    g.add_conditional_edges("floor", lambda d: ask(team, answer, d), [p.name for p in team])
    return g


@pytest.mark.parametrize("config", [None, {"tags": ["x"]}, {"metadata": {"run": 1}, "max_concurrency": 4}])
async def test_a_panel_that_does_not_end_is_stopped_after_its_own_number_of_steps(config: Any) -> None:
    ana = member("ana", "Answer: 1")
    with pytest.raises(GraphRecursionError):
        await endless([ana], steps=7).compile().ainvoke({"question": "q"}, config)
    assert calls(ana) == [3]


async def test_it_is_also_stopped_inside_another_graph() -> None:
    ana = member("ana", "Answer: 1")
    g = StateGraph(Discussion)
    g.add_node("panel", endless([ana], steps=7).compile())
    g.add_edge(START, "panel")
    with pytest.raises(GraphRecursionError):
        await g.compile().ainvoke({"question": "q"})
    assert calls(ana) == [3]


# From sync code.


def test_invoke_is_ainvoke() -> None:
    def fresh() -> Any:
        team = [member("ana", "Answer: 4", "Answer: 5"), member("bo", "Answer: 5", "Answer: 5")]
        return own_graph(team).compile()

    def told(result: Any) -> Any:
        return result["decision"], [(t.speaker, t.round, t.text, t.prompt) for t in result["turns"]]

    state = {"question": "q", "answer_type": NUMBER}
    assert told(fresh().invoke(state)) == told(asyncio.run(fresh().ainvoke(state)))


def test_many_threads_may_invoke_one_panel_and_their_calls_overlap() -> None:
    team = [member("ana", "Answer: 4", latency=0.2), member("bo", "Answer: 4", latency=0.2)]
    panel, together = own_graph(team).compile(), threading.Barrier(6)

    def one(i: int) -> Any:
        together.wait(10)
        return panel.invoke({"question": f"q{i}"})

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(one, range(6)))
    assert [r["question"] for r in results] == [f"q{i}" for i in range(6)]
    assert {r["answer"] for r in results} == {"4"}
    assert time.monotonic() - began < 2.0, "one after the other it would be 2.4 s and more"


async def test_invoke_works_inside_a_running_loop() -> None:
    result = own_graph([member("ana", "Answer: 4"), member("bo", "Answer: 4")]).compile().invoke({"question": "q"})
    assert result["answer"] == "4"


def test_waiting_for_the_door_from_within_it_is_refused_and_does_not_hang() -> None:
    async def nested() -> None:
        through(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match=r"await the coroutine \(ainvoke, not invoke\)"):
        through(nested())


def test_failures_come_through_the_door() -> None:
    panel = own_graph([member("ana", Missing("no torch")), member("bo", "Answer: 1")]).compile()
    with pytest.raises(Missing, match="no torch"):
        panel.invoke({"question": "q"})


# Decisions as nodes.


async def test_vote_counts_the_last_round_only() -> None:
    turns = [
        Turn("ana", answer="4"),
        Turn("bo", answer="4"),
        Turn("ana", answer="5", round=1),
        Turn("bo", round=1, error="gone"),
    ]
    update = await vote().ainvoke({"question": "q", "answer_type": NUMBER, "turns": turns})
    assert (update["answer"], update["decision"].why) == ("5", "1 of 1")


async def test_vote_with_weights_and_quorum() -> None:
    d = {"question": "q", "turns": [Turn("ana", answer="x"), Turn("bo", answer="y")]}
    assert (await vote(weights={"bo": 2}).ainvoke(d))["answer"] == "y"
    assert (await vote(quorum=3).ainvoke(d))["answer"] is None


def test_unknown_orders_are_refused_when_the_graph_is_built() -> None:
    with pytest.raises(BadInput, match="orders='random': use 'both' or 'shuffled'"):
        judge(member("jo", "A"), orders="random")


async def test_a_judge_draws_its_own_seeds() -> None:
    jo = Participant("jo", Scripted(["A", "B"]), sampling=Sampling(temperature=1.0, max_tokens=5))
    d = {"question": "q", "seed": 7, "turns": [Turn("ana", text="x", answer="x"), Turn("bo", text="y", answer="y")]}
    update = await judge(jo).ainvoke(d)
    assert update["answer"] == "x"
    assert [r.sampling.seed for r in jo.engine.calls] == [derive(7, "jo", 0), derive(7, "jo", 1)]  # type: ignore[attr-defined]


async def test_more_candidates_than_letters_do_not_break_the_judge() -> None:
    turns = [Turn(f"m{i}", text=f"Answer: {i}", answer=str(i)) for i in range(30)]
    jo = Participant("jo", Scripted([], choices=lambda _, options: options[0]))
    update = await judge(jo).ainvoke({"question": "q", "answer_type": NUMBER, "turns": turns})
    assert update["answer"] == "0", "position bias: a tie; the vote decides, and there the first wins"
    assert [len(options) for _, options in jo.engine.choose_calls] == [26, 26]  # type: ignore[attr-defined]
