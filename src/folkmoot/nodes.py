"""Participants and decisions as LangGraph nodes.

Each participant is a node of its own, so that drawings, streams and traces show who speaks. Nodes are async and can be
invoked from sync code too. A participant that fails becomes an absent voter: a `Turn` with an error, never an exception.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

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


class Needed(Protocol):
    """What a graph needs beside its participants, such as a router's encoder."""

    @property
    def identity(self) -> str:
        """All that determines what it does: part of every sample's key. May fetch what it is made of."""
        ...

    async def start(self) -> None:
        """Fetch and load it, unless it is loaded. Raises `Missing`."""
        ...


class Panel(StateGraph[Discussion]):
    """A `StateGraph` over `Discussion` that knows how many steps it can take at most.

    Compiling it sets LangGraph's recursion limit to that number, so that a protocol that does not end is stopped at once
    and not after the default of ten thousand steps.

    Attributes:
        steps: Most steps.
        needs: What should be started before the first question; whatever is not starts with it.
    """

    def __init__(self, *, steps: int) -> None:
        super().__init__(Discussion)
        self.steps = steps
        self.needs: list[Needed] = []

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
    known = _known(me, a)
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


async def take_choice(me: Participant, a: Ask, options: Sequence[str]) -> tuple[Turn, tuple[float, ...]]:
    """Have one participant say how likely each option is as its reply; whatever goes wrong ends up in `Turn.error`.

    Args:
        me: Who is asked, on an engine that can choose.
        a: What is asked.
        options: Two or more, all different.

    Returns:
        The turn, whose answer is the likeliest option, and a probability for each option: none if it failed.

    Raises:
        Missing: What the engine needs is not there.
    """
    known = _known(me, a)
    if a.error is not None:
        return Turn(**known, finish="limit", error=a.error), ()
    try:
        c = await me.choose(a.prompt, options, depth=a.depth)
    except Missing:
        raise
    except PromptTooLong as e:
        return Turn(**known, finish="limit", error=str(e)), ()
    except Exception as e:
        return Turn(**known, error=describe(e)), ()
    best = max(range(len(options)), key=lambda i: c.probabilities[i])
    odds = ", ".join(f"{option} {p:.3f}" for option, p in zip(options, c.probabilities, strict=True))
    return Turn(**known, text=f"{odds} ({c.method})", answer=options[best], finish="stop", **_cost(c)), c.probabilities


def _known(me: Participant, a: Ask) -> dict[str, Any]:
    """What is known of a turn before it is taken."""
    return {"speaker": me.name} | {name: getattr(a, name) for name in ("role", "round", "about", "draw", "prompt")}


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


def judge(
    by: Participant | Callable[[Discussion], Participant], *, orders: str = "both", prompts: str | None = None
) -> Step:
    """A node where `by` picks among the different answers of the last round.

    The candidates are anonymous and shown in several orders. A candidate wins if it is picked in more than half of them;
    anything else is a tie, and ties fall to the vote. One candidate alone needs no judge; of more than 26, the first 26
    are shown, since labels are letters.

    Args:
        by: The judge, a member or anybody else; or a function that says who it is.
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
        judge = by if isinstance(by, Participant) else by(d)
        picked = [pick(judge, d, [choices[i] for i in o], n, prompts=prompts) for n, o in enumerate(shown)]
        turns = [turn for turn, _ in await asyncio.gather(*picked)]
        picks = [o[ord(t.answer) - 65] if t.answer else None for t, o in zip(turns, shown, strict=True)]
        best = decide.settled(picks)
        if best is None:
            failed = next((t.error for t in turns if t.error), None)
            why = f"{judge.name} failed: {failed}" if failed else f"the judge's {len(picks)} orders do not agree"
            decision = Decision(ballot.answer, "vote", ballot.tally, f"{why}; the vote decides: {ballot.why}")
        else:
            why = f"{judge.name} picked it in {picks.count(best)} of {len(picks)} orders"
            decision = Decision(choices[best].answer, "judge", ballot.tally, why)
        return {"turns": turns, **decided(decision)}

    return Step("judge", sit)


async def pick(
    by: Participant,
    d: Discussion,
    shown: Sequence[Turn],
    draw: int,
    *,
    role: str = "judge",
    template: str = "judge_select/pick",
    label: str = "Candidate",
    prompts: str | None = None,
) -> tuple[Turn, tuple[float, ...]]:
    """Have a participant pick one of several texts, shown under letters: by likelihood, or in words where it must be.

    Args:
        by: Who picks.
        d: The discussion.
        shown: Turns whose texts are shown, in this order.
        draw: Number of the order.
        role: Role of the turn.
        template: Template of the prompt.
        label: What a text is called before its letter.
        prompts: A user's prompts folder.

    Returns:
        The turn, whose answer is the letter picked, and a probability for each letter: none if nothing was picked.
    """
    letters = AnswerType("choice", tuple(t.answer or "" for t in shown))
    prompt: tuple[Message, ...] = ()
    error = None
    try:
        prompt = by.messages(render(template, d, by, shown, mark=lettered(label), folder=prompts))
    except PromptTooLong as e:
        error = str(e)
    a = Ask(prompt, letters, role, rounds(d), None, draw, d.get("seed"), error, depth(d))
    if by.engine.capabilities.choose:
        return await take_choice(by, a, letters.labels)
    turn = await take_turn(by, a, letters)
    return turn, tuple(float(x == turn.answer) for x in letters.labels) if turn.answer else ()
