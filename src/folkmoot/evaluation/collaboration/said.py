"""The answers of a discussion, without their words: who held which answer in which round, and was it right?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from folkmoot.evaluation.collaboration.tally import right
from folkmoot.evaluation.result import Result


class Said(NamedTuple):
    """One turn that was to answer.

    Attributes:
        speaker, draw, round: As in `Turn`.
        form: Canonical form of the answer: equal forms are the same answer. None: it abstained or failed.
        right: None if it cannot be said: the call failed, or single answers are not scored (programs, judged replies).
            An abstention is not right.
    """

    speaker: str
    draw: int
    round: int
    form: str | None
    right: bool | None


def said(result: Result, form: Callable[[str], str], scored: bool = True) -> list[Said]:
    """The turns of role ``answer``; finishers, judges and critics hold no answer of their own.

    Args:
        result: A finished sample.
        form: Canonical form of an answer to this item.
        scored: The answers of single turns are scored for this item; an abstention says nothing where they are not.

    Raises:
        ValueError: There are marks, but not one for every turn.
    """
    marks = result.marks or (None,) * len(result.turns)
    turns = []
    for t, mark in zip(result.turns, marks, strict=True):
        if t.role != "answer":
            continue
        if t.error is not None or not scored:
            held, good = None, None
        elif t.answer is None:
            held, good = None, False
        else:
            held, good = form(t.answer), None if mark is None else right(mark)
        turns.append(Said(t.speaker, t.draw, t.round, held, good))
    return turns


def last_right(turns: Sequence[Said]) -> bool | None:
    """Some answer of the last round is right, so that a decision could pick it; None if none is there that could be."""
    last = max((t.round for t in turns), default=0)
    known = [t.right for t in turns if t.round == last and t.right is not None]
    return any(known) if known else None
