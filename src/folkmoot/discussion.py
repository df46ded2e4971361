"""The state that flows through a collaboration graph: a question, the turns so far, a decision.

The state is a TypedDict of frozen dataclasses and plain values: LangGraph merges it, checkpoints it and streams it, and
nothing in it is ever changed in place. Gold answers never enter it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from folkmoot.answers import AnswerType
from folkmoot.engines.contract import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of one participant, with all that is known about it.

    Attributes:
        speaker: Name of the participant.
        role: What the turn was for: ``answer``, ``critique``, ``judge``, ``finish``, ``route`` (who should answer) or
            ``confidence`` (how likely an answer is in the eyes of its speaker).
        round: Counts from 0; a critique belongs to the round that it leads to.
        text: The reply as it came.
        answer: The answer read from the text, or None: the speaker abstains.
        about: The participant that a critique speaks about.
        draw: Number of the sample, where one participant is asked several times.
        prompt: The messages as they were sent.
        finish: ``stop``, ``length`` (cut at the token limit), ``refused`` or ``limit`` (the prompt does not fit the
            window, see `error`); None if a call failed otherwise.
        prompt_tokens: Tokens of the prompt.
        cached_tokens: Those of them that the engine's prefix cache held.
        completion_tokens: Tokens of the reply.
        queue_s: Seconds spent waiting for the engine.
        service_s: Seconds of work.
        hit: The reply came from the completion cache; the figures are those of the original call.
        error: What went wrong, in one line; the speaker is then an absent voter.
    """

    speaker: str
    role: str = "answer"
    round: int = 0
    text: str = ""
    answer: str | None = None
    about: str | None = None
    draw: int = 0
    prompt: tuple[Message, ...] = ()
    finish: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_s: float = 0.0
    service_s: float = 0.0
    hit: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """How the answer came about.

    Attributes:
        answer: The answer, or None if the question could not be decided.
        by: The rule: ``vote``, ``weighted vote``, ``judge``, ``finisher`` or ``confidence``.
        tally: Votes (or weight) for each answer that got any, highest first.
        why: One line for people.
        whose: The member that was chosen, where one was and its answer counts alone.
    """

    answer: str | None
    by: str
    tally: tuple[tuple[str, float], ...] = ()
    why: str = ""
    whose: str | None = None


class Discussion(TypedDict, total=False):
    """State of every graph. Only ``question`` has to be given.

    ``answer_type`` says how replies are read (default: short free text). ``seed`` makes the draws of this question
    repeatable; another seed is another draw of the whole question.
    """

    question: str
    answer_type: AnswerType
    seed: int
    turns: Annotated[list[Turn], operator.add]
    answer: str | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class Ask:
    """What one participant is asked in one turn: the payload of a LangGraph ``Send``."""

    prompt: tuple[Message, ...] = field(repr=False)
    answer_type: AnswerType
    role: str
    round: int
    about: str | None
    draw: int
    seed: int | None
    error: str | None = None
    """The prompt does not fit the window: nothing is asked, the turn only says so."""
    depth: int = 0
    """Steps of the discussion that are done."""


def turns_of(d: Discussion, *roles: str) -> list[Turn]:
    """The turns with one of these roles (all if none is named), in the order they were spoken."""
    turns = d.get("turns") or []
    return [t for t in turns if t.role in roles] if roles else list(turns)


def called(t: Turn) -> bool:
    """Whether a model was called for a turn: all but the verdict of a router, which sums up."""
    return t.role != "route" or bool(t.prompt)


def rounds(d: Discussion) -> int:
    """How many rounds of answers have been given."""
    return max((t.round for t in turns_of(d, "answer")), default=-1) + 1


def depth(d: Discussion) -> int:
    """How many steps are done: a step is all turns of one role in one round."""
    return len({(t.round, t.role) for t in d.get("turns") or []})


def last_answers(d: Discussion) -> list[Turn]:
    """The newest answer turns: those of the last round; several of one speaker if it was asked for several draws.

    A speaker that failed in the last round is there with its error: it said something once, but it is absent now.
    """
    return [t for t in turns_of(d, "answer") if t.round == rounds(d) - 1]


def own(d: Discussion, name: str) -> Turn | None:
    """The newest answer turn of a participant that has a text, or None."""
    said = [t for t in turns_of(d, "answer") if t.speaker == name and t.error is None]
    return said[-1] if said else None


def answer_type(d: Discussion) -> AnswerType:
    """How replies to this question are read."""
    return d.get("answer_type") or AnswerType()


def agreed(d: Discussion) -> bool:
    """True if the last round holds at least two answers and all of them are the same.

    Those who abstain or are absent do not stand in the way; one voice alone is not agreement. Answers are the same here if
    their canonical forms are: mathematics that only algebra could tell to be equal goes on being discussed.
    """
    kind = answer_type(d)
    said = [kind.canonical(t.answer) for t in last_answers(d) if t.answer is not None]
    return len(said) > 1 and len(set(said)) == 1


def speakers(turns: Sequence[Turn]) -> list[str]:
    """Names in the order of their first turn, each once."""
    return list(dict.fromkeys(t.speaker for t in turns))
