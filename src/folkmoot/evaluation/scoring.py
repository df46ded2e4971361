"""What an answer and each turn's own answer are worth. What costs time (mathematics, programs) is done off the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.discussion import Turn
from folkmoot.evaluation.item import Item

_SLOW = ("math", "code")
_ANSWERING = ("answer", "finish")
_CORES = threading.BoundedSemaphore(os.cpu_count() or 1)
"""Programs run as many at a time as there are cores: with more, they would run out of time for want of one."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The score of an answer and of every turn; see `Result` for `marks` and `why`."""

    score: float
    marks: tuple[float | None, ...]
    why: str = ""


def grade(item: Item, answer: str | None, turns: Sequence[Turn], *, unsafe_code: bool = False) -> Grade:
    """Score an answer and the turns that led to it. Replies that a judge scores get 0 until one has.

    Args:
        item: With what counts as right.
        answer: The system's answer; None scores 0.
        turns: The discussion.
        unsafe_code: Run programs even where this machine cannot isolate them.

    Raises:
        Missing: A program would have to run, and nothing here can isolate it.
    """
    if item.metric == "judge":
        return Grade(0.0, (None,) * len(turns))
    if item.metric == "tests":
        from folkmoot.evaluation.programs import passes

        if answer is None:
            return Grade(0.0, (None,) * len(turns))
        with _CORES:
            verdict = passes(item, answer, unsafe=unsafe_code)
        return Grade(float(verdict.passed), (None,) * len(turns), verdict.why)
    return Grade(_closed(item, answer), tuple(_closed(item, t.answer) if _answers(t) else None for t in turns))


async def graded(item: Item, answer: str | None, turns: Sequence[Turn], *, unsafe_code: bool = False) -> Grade:
    """`grade` for an event loop: what is slow happens on a thread."""
    if item.answer_type.kind in _SLOW:
        return await asyncio.to_thread(grade, item, answer, turns, unsafe_code=unsafe_code)
    return grade(item, answer, turns)


def _answers(t: Turn) -> bool:
    return t.role in _ANSWERING and t.answer is not None and t.error is None


def _closed(item: Item, answer: str | None) -> float:
    if answer is None:
        return 0.0
    return item.answer_type.score(answer, item.gold, "f1" if item.metric == "f1" else "exact")
