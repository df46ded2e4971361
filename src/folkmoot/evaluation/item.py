"""One question with what counts as right: all that scoring needs to know, and all that a run keeps of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from folkmoot.answers import AnswerType

Metric = Literal["exact", "f1", "tests", "judge"]
"""How an answer is scored.

exact: the same as an accepted answer, 0 or 1. f1: best share of words in common with an accepted answer. tests: the program
passes its tests, 0 or 1. judge: a judge prefers it to the reference system's reply, in both orders: 0, 0.5 or 1.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with what counts as right.

    Attributes:
        id: Unique within its task and split.
        question: As put to the participants, options included.
        answer_type: How replies are read.
        gold: The accepted answers, the canonical one first; empty for ``tests`` and ``judge``.
        task: Name of its task.
        metric: How an answer is scored.
        cluster: Items with the same name stand or fall together and are resampled together; empty: it stands alone.
        tests: For ``tests``: Python source that defines ``check(candidate)``.
        entry: For ``tests``: the name of the function under test; empty if it is not told.
    """

    id: str
    question: str
    answer_type: AnswerType
    gold: tuple[str, ...]
    task: str = ""
    metric: Metric = "exact"
    cluster: str = ""
    tests: str = ""
    entry: str = ""
