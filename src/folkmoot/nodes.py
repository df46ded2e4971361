"""Participants and decisions as LangGraph nodes.

Each participant is a node of its own, so that drawings, streams and traces show who speaks. Nodes are async and can be
invoked from sync code too. A participant that fails becomes an absent voter: a `Turn` with an error, never an exception.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import StateGraph
from langgraph.types import Send

from folkmoot import decide
from folkmoot.answers import AnswerType
from folkmoot.answers.choice import MOST
from folkmoot.discussion import Ask, Decision, Discussion, Turn, answer_type, depth, last_answers, rounds
from folkmoot.documents import BadInput
from folkmoot.door import through
from folkmoot.engines.contract import Choice, Completion, EngineError, Message, Missing, PromptTooLong
from folkmoot.lean import slim
from folkmoot.participant import Participant
from folkmoot.prompts import lettered, render
from folkmoot.views import Say, spoken

Update: TypeAlias = dict[str, Any]


class Step(Runnable[Any, Update]):
    """An async function as a graph node that sync code can invoke too."""

    def __init__(self, name: str, work: Callable[[Any], Awaitable[Update]]) -> None:
        self.name = name
        self._work = work

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Run the step from sync code."""
        return through(self.ainvoke(input, config))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Run the step."""
        return await self._work(input)


class Route(Runnable[Any, Any]):
    """A function that says where a graph goes on. LangGraph would run a plain one on a thread each time it is asked."""

    def __init__(self, path: Callable[[Any], Any]) -> None:
        self.name = getattr(path, "__name__", "route")
        self._path = path

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Where to go on."""
        return self._path(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Where to go on."""
        return self._path(input)


class Panel(StateGraph[Discussion]):
    """A `StateGraph` over `Discussion` that knows how many steps it can take at most.

    Compiling it sets LangGraph's recursion limit to that number, so that a protocol that does not end is stopped at once
    and not after the default of ten thousand steps.
    """

    def __init__(self, *, steps: int) -> None:
        super().__init__(Discussion)
        self.steps = steps

    def add_conditional_edges(self, source: str, path: Any, *args: Any, **kwargs: Any) -> Any:
        """See `StateGraph.add_conditional_edges`. A plain function must be quick: it runs on the event loop."""
        plain = inspect.isfunction(path) and not inspect.iscoroutinefunction(path)
        return super().add_conditional_edges(source, Route(path) if plain else path, *args, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        """See `StateGraph.compile`."""
        return slim(super().compile(*args, **kwargs), Step).with_config(recursion_limit=self.steps)


def seat(graph: StateGraph[Any], team: Sequence[Participant], then: str) -> None:
    """Add a node for every participant; after each, the graph goes on at node `then`."""
    for p in team:
        graph.add_node(p.name, speaker(p))
        graph.add_edge(p.name, then)


def ask(
    team: Sequence[Participant],
    say: Say,
    d: Discussion,
    *,
    role: str = "answer",
    round: int | None = None,
    about: str | None = None,
    draws: int = 1,
) -> list[Send]:
    """Ask every participant of `team` at once: return this from a conditional edge.

    Args:
        team: Who is asked; all must be seated.
        say: What each is asked, a function of the discussion and the participant.
        d: The discussion so far.
        role: Role of the turns; only ``answer`` turns vote.
        round: Round of the turns; the next one if left out.
        about: The participant that the turns speak about (critiques).
        draws: How many replies each participant is asked for.
    """
    at = rounds(d) if round is None else round
    kind, seed, done, sends = answer_type(d), d.get("seed"), depth(d), []
    for me in team:
        prompt: tuple[Message, ...] = ()
        error = None
        try:
            prompt = me.messages(say(d, me))
        except PromptTooLong as e:
            error = str(e)
        sends += [Send(me.name, Ask(prompt, kind, role, at, about, draw, seed, error, done)) for draw in range(draws)]
    return sends


def speaker(me: Participant) -> Step:
    """The node of one participant: takes an `Ask`, returns one turn."""

    async def speak(a: Ask) -> Update:
        reads = a.answer_type if a.role in ("answer", "finish") else None
        return {"turns": [await take_turn(me, a, reads)]}

    return Step(me.name, speak)


async def take_turn(me: Participant, a: Ask, reads: AnswerType | None) -> Turn:
    """Have one participant speak; whatever goes wrong ends up in `Turn.error`.

    Args:
        me: Who speaks.
        a: What is asked.
        reads: How an answer is read from the reply, or None if none is expected.

    Raises:
        Missing: What the engine needs is not there: nobody could speak, so this is no matter of one member.
    """
    known: dict[str, Any] = {name: getattr(a, name) for name in ("role", "round", "about", "draw", "prompt")}
    known["speaker"] = me.name
    if a.error is not None:
        return Turn(**known, finish="limit", error=a.error)
    try:
        reply = await me.complete(a.prompt, seed=a.seed, draw=a.draw, depth=a.depth)
    except Missing:
        raise
    except PromptTooLong as e:
        return Turn(**known, finish="limit", error=str(e))
    except Exception as e:  # an absent voter, not the end of the discussion
        return Turn(**known, error=describe(e))
    read = reads.extract(spoken(reply.text), cut=reply.finish == "length") if reads else None
    return Turn(**known, text=reply.text, answer=read, finish=reply.finish, **_cost(reply))


def describe(e: Exception) -> str:
    """An exception in one line."""
    text = " ".join(str(e).split()) or type(e).__name__
    return text if isinstance(e, EngineError) else f"{type(e).__name__}: {text}"


def _cost(reply: Completion | Choice) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "cached_tokens": reply.cached_tokens,
        "completion_tokens": reply.completion_tokens,
        "queue_s": reply.queue_s,
        "service_s": reply.service_s,
        "hit": reply.hit,
    }


async def _nothing(d: Discussion) -> Update:
    return {}


wait = Step("wait", _nothing)
"""A node that does nothing: the floor where everybody's turns come together."""


def decided(decision: Decision) -> Update:
    """The state update that ends a discussion."""
    return {"answer": decision.answer, "decision": decision}


def vote(*, weights: Mapping[str, float] | None = None, quorum: int = 1) -> Step:
    """A node that decides by the vote over the last round; see `decide.plurality`."""

    async def count(d: Discussion) -> Update:
        return decided(await counted(last_answers(d), answer_type(d), weights=weights, quorum=quorum))

    return Step("vote", count)


async def counted(
    turns: Sequence[Turn], kind: AnswerType, *, weights: Mapping[str, float] | None = None, quorum: int = 1
) -> Decision:
    """`decide.plurality` for an event loop: votes on mathematics are counted on a thread."""
    count = functools.partial(decide.plurality, turns, kind, weights=weights, quorum=quorum)
    return await asyncio.to_thread(count) if kind.kind == "math" else count()


def judge(by: Participant, *, orders: str = "both", prompts: str | None = None) -> Step:
    """A node where `by` picks among the different answers of the last round.

    The candidates are anonymous and shown in several orders. A candidate wins if it is picked in more than half of them;
    anything else is a tie, and ties fall to the vote. One candidate alone needs no judge; of more than 26, the first 26
    are shown, since labels are letters.

    Args:
        by: The judge; a member or anybody else.
        orders: ``both`` (as given and reversed) or ``shuffled`` (three different orders).
        prompts: A user's prompts folder.

    Raises:
        BadInput: Unknown `orders`.
    """
    if orders not in ("both", "shuffled"):
        raise BadInput(f"orders={orders!r}: use 'both' or 'shuffled'")

    async def sit(d: Discussion) -> Update:
        kind, said = answer_type(d), last_answers(d)
        ballot = await counted(said, kind)
        choices = decide.candidates(said, kind)[:MOST]
        if len(choices) < 2:
            return decided(ballot)
        shown = decide.orders(len(choices), orders, d.get("seed") or 0)
        turns = await asyncio.gather(*(_pick(by, d, [choices[i] for i in o], n, prompts) for n, o in enumerate(shown)))
        picks = [o[ord(t.answer) - 65] if t.answer else None for t, o in zip(turns, shown, strict=True)]
        best = decide.settled(picks)
        if best is None:
            failed = next((t.error for t in turns if t.error), None)
            why = f"{by.name} failed: {failed}" if failed else f"the judge's {len(picks)} orders do not agree"
            decision = Decision(ballot.answer, "vote", ballot.tally, f"{why}; the vote decides: {ballot.why}")
        else:
            why = f"{by.name} picked it in {picks.count(best)} of {len(picks)} orders"
            decision = Decision(choices[best].answer, "judge", ballot.tally, why)
        return {"turns": list(turns), **decided(decision)}

    return Step("judge", sit)


async def _pick(by: Participant, d: Discussion, shown: Sequence[Turn], draw: int, prompts: str | None) -> Turn:
    """One verdict on candidates in one order; the turn's answer is the letter picked."""
    labels = AnswerType("choice", tuple(t.answer or "" for t in shown))
    at = rounds(d)
    try:
        text = render("judge_select/pick", d, by, shown, mark=lettered("Candidate"), folder=prompts)
    except PromptTooLong as e:
        return Turn(by.name, "judge", at, draw=draw, finish="limit", error=str(e))
    prompt: tuple[Message, ...] = by.messages(text)
    if not by.engine.capabilities.choose:
        a = Ask(prompt, labels, "judge", at, None, draw, d.get("seed"), depth=depth(d))
        return await take_turn(by, a, labels)
    known: dict[str, Any] = {"speaker": by.name, "role": "judge", "round": at, "draw": draw, "prompt": prompt}
    try:
        c = await by.choose(prompt, labels.labels, depth=depth(d))
    except Missing:
        raise
    except PromptTooLong as e:
        return Turn(**known, finish="limit", error=str(e))
    except Exception as e:
        return Turn(**known, error=describe(e))
    best = max(range(len(shown)), key=lambda i: c.probabilities[i])
    odds = ", ".join(f"{label} {p:.3f}" for label, p in zip(labels.labels, c.probabilities, strict=True))
    return Turn(
        **known,
        text=f"{odds} ({c.method})",
        answer=labels.labels[best],
        finish="stop",
        **_cost(c),
    )
