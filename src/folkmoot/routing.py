"""Who should answer: a router scores the members of a team for a question by what is known of them.

What is known is what contributors say of their models (`Participant.purpose`) and a handful of questions from the dev part of
their own test sets (`Participant.examples`). A router is a value: the similarity of texts, a member that is asked, or any
other `Router`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import Any, Protocol, TypeAlias, runtime_checkable

from langgraph.graph import START

from folkmoot.answers.choice import MOST
from folkmoot.discussion import Discussion, Turn, rounds, turns_of
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.nodes import Needed, Panel, Step, Update, describe, pick
from folkmoot.participant import Participant

EMBEDDING = "embedding"
"""The router that compares texts, by its name in a suite."""
ROUTER = "router"
"""Name of a router's node, and of the speaker of its verdict where no member is the router."""
TEMPLATE = "route/pick"
MARGIN = 0.02
"""Lead, in score, up to which a router is unsure: measured on the dev questions of the demo's contributors."""
SHOWN = 4
"""Examples of each member that another one is shown when it is asked who should answer."""
NEAREST = 2
"""Examples of a member that count: those nearest to the question."""


class Encoder(Protocol):
    """Compares texts by meaning."""

    @property
    def identity(self) -> str:
        """Model and revision: equal identities compare alike."""
        ...

    async def start(self) -> None:
        """Fetch and load what is needed. Idempotent. Raises `Missing`."""
        ...

    async def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """The cosine of a text with each of the others, -1 to 1."""
        ...


@runtime_checkable
class Router(Needed, Protocol):
    """Scores the members of a team for a question."""

    async def scores(self, question: str, team: Sequence[Participant]) -> list[float]:
        """A score for every member, in the order of the team; higher is better."""
        ...


By: TypeAlias = str | Router | Participant
"""Who routes: `EMBEDDING`, a router, or a member."""


class Similarity:
    """The router that compares the question with purposes and examples.

    A member's score is the larger of two figures: the similarity of the question with its purpose, and the mean of that with
    the `NEAREST` of its examples. Of whom nothing is known scores -1.

    Args:
        encoder: Compares texts; left out: the small sentence encoder of the catalogue, loaded when it is first needed.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._given = encoder

    @property
    def _encoder(self) -> Encoder:
        return self._given or _sentence_encoder()

    @property
    def identity(self) -> str:
        """The encoder's. Fetches its model if it is not on this machine yet."""
        return f"{EMBEDDING}:{self._encoder.identity}"

    async def start(self) -> None:
        """Load the encoder."""
        await self._encoder.start()

    async def scores(self, question: str, team: Sequence[Participant]) -> list[float]:
        """See `Router`."""
        known = [text for p in team for text in (p.purpose, *p.examples) if text.strip()]
        near = dict(zip(known, await self._encoder.similarities(question, known), strict=True))
        return [similarity(near.get(p.purpose), [near[e] for e in p.examples if e in near]) for p in team]


@cache
def _sentence_encoder() -> Encoder:
    """One for the process: it is only read, and takes 90 MB."""
    from folkmoot.engines.encoder import SentenceEncoder

    return SentenceEncoder()


def similarity(purpose: float | None, examples: Sequence[float]) -> float:
    """The score of a member from the similarities of what is known of it; see `Similarity`.

    >>> similarity(0.2, [0.1, 0.5, 0.3]), similarity(0.6, []), similarity(None, [])
    (0.4, 0.6, -1.0)
    """
    nearest = sorted(examples, reverse=True)[:NEAREST]
    return max(-1.0 if purpose is None else purpose, fmean(nearest) if nearest else -1.0)


def chosen(scores: Sequence[float], k: int, margin: float) -> list[int] | None:
    """The members with the `k` highest scores, highest first; None if the router is unsure.

    It is unsure if the best leads the best one left out by no more than `margin`: so it is where nothing is known.

    >>> chosen([0.1, 0.7, 0.4], 2, 0.02), chosen([0.5, 0.51, 0.5], 1, 0.02)
    ([1, 2], None)
    """
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])  # stable: of equals the first of the team
    return ranked[:k] if scores[ranked[0]] - scores[ranked[k]] > margin else None


def routed(d: Discussion, team: Sequence[Participant]) -> list[Participant]:
    """The members that were picked, the surest first; the whole team if nobody routed, or the router was unsure or failed."""
    verdict = next(reversed(turns_of(d, "route")), None)
    if verdict is None or verdict.answer is None:
        return list(team)
    seats = {p.name: p for p in team}
    return [seats[name] for name in picked(verdict.answer) if name in seats]


def picked(answer: str) -> list[str]:
    """The names in a router's verdict."""
    return answer.split(", ")  # no name holds a comma: see `participant.check_name`


def enter(
    graph: Panel,
    team: Sequence[Participant],
    k: int | None,
    by: By,
    *,
    name: str,
    least: int = 1,
    margin: float = MARGIN,
    prompts: str | None = None,
) -> str:
    """Put a router at the start of a graph, if `k` is given and the team has more members than that.

    Args:
        graph: Where to.
        team: Who can be picked.
        k: How many are picked, or None for the whole team.
        by: Who routes.
        name: Of the protocol and its option, for complaints.
        least: Smallest sub-team that can hold the discussion.
        margin: See `chosen`.
        prompts: A user's prompts folder.

    Returns:
        The node from which the graph goes on: the router's, or its start.

    Raises:
        BadInput: A sub-team that is too small, a margin below 0, or a router that is none.
    """
    if k is None:
        return START
    if type(k) is not int:
        raise BadInput(f"{name}={k!r}: how many are picked is a whole number")
    if not isinstance(margin, (int, float)) or not margin >= 0 or margin == math.inf:
        raise BadInput(f"{name}: margin={margin!r}; the lead up to which the router is unsure is a number, 0 or more")
    if k < least:
        raise BadInput(f"{name}={k}: at least {least} must be picked" + (" for this discussion" if least > 1 else ""))
    if k >= len(team):
        return START
    router = _checked(by, team, name)
    graph.add_node(ROUTER, _router(team, k, router, margin, prompts))
    graph.add_edge(START, ROUTER)
    graph.steps += 1
    if not isinstance(router, Participant):
        graph.needs.append(router)
    return ROUTER


def calls(n: int, k: int | None, by: object) -> int:
    """Model calls that routing takes: one for each order in which a member is shown the team."""
    return n if k is not None and k < n and not isinstance(by, Router) and by != EMBEDDING else 0


def _checked(by: By, team: Sequence[Participant], name: str) -> Router | Participant:
    if by == EMBEDDING:
        return Similarity()
    if isinstance(by, Participant):
        if len(team) > MOST:
            raise BadInput(
                f"{name}: {by.name} can be shown {MOST} members, since labels are letters; use {EMBEDDING!r}"
            )
        return by
    if isinstance(by, Router):
        return by
    raise BadInput(f"{name}: {by!r} is no router; use {EMBEDDING!r} or a participant")


def _router(team: Sequence[Participant], k: int, by: Router | Participant, margin: float, prompts: str | None) -> Step:
    async def work(d: Discussion) -> Update:
        at = rounds(d)
        if isinstance(by, Participant):
            turns, scores = await _asked(by, d, team, prompts)
            return {"turns": [*turns, Turn(by.name, "route", at, **_verdict(team, scores, k, margin))]}
        began = time.perf_counter()
        try:
            scores = await by.scores(d["question"], team)
            verdict = _verdict(team, scores, k, margin)
        except Missing:
            raise
        except Exception as e:  # the discussion can be held without it
            return {"turns": [Turn(ROUTER, "route", at, error=describe(e))]}
        took = time.perf_counter() - began
        return {"turns": [Turn(ROUTER, "route", at, service_s=took, **verdict)]}

    return Step(ROUTER, work)


def _verdict(team: Sequence[Participant], scores: Sequence[float], k: int, margin: float) -> dict[str, Any]:
    if not scores:
        return {"text": "the router failed: all are asked"}
    if len(scores) != len(team):
        raise ValueError(f"the router gave {len(scores)} scores for {len(team)} members")
    ranked = sorted(range(len(team)), key=lambda i: -scores[i])
    said = ", ".join(f"{team[i].name} {scores[i]:.3f}" for i in ranked)
    if (best := chosen(scores, k, margin)) is None:
        return {"text": f"{said}; unsure, so all are asked"}
    names = ", ".join(team[i].name for i in best)
    return {"text": f"{said}; asked: {names}", "answer": names}


async def _asked(
    by: Participant, d: Discussion, team: Sequence[Participant], prompts: str | None
) -> tuple[list[Turn], list[float]]:
    """What a member says who is shown the team in every rotation, so that everybody stands once in every place.

    Returns:
        Its turns, and the mean probability of every member over the rotations that it answered; none if it answered none.
    """
    about = [Turn(p.name, text=known(p), answer=p.name) for p in team]
    orders = [[*range(i, len(team)), *range(i)] for i in range(len(team))]
    said = await asyncio.gather(
        *(
            pick(by, d, [about[i] for i in o], n, role="route", template=TEMPLATE, label="Member", prompts=prompts)
            for n, o in enumerate(orders)
        )
    )
    turns = [
        replace(turn, answer=turn.answer and team[o[ord(turn.answer) - ord("A")]].name)
        for (turn, _), o in zip(said, orders, strict=True)
    ]
    placed = [sorted(zip(o, odds, strict=True)) for (_, odds), o in zip(said, orders, strict=True) if odds]
    return turns, [fmean(p for _, p in column) for column in zip(*placed, strict=True)]


def known(p: Participant) -> str:
    """What is known of a member, as a router is shown it."""
    lines = [" ".join(text.split()) for text in (p.purpose, *p.examples[:SHOWN])]
    purpose, examples = lines[0] or "Nothing is known of its purpose.", [f"- {e}" for e in lines[1:]]
    return "\n".join([purpose, *(["Questions it is for:", *examples] if examples else [])])
