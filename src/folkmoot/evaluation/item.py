"""One question with what counts as right: all that scoring needs to know, and all that a run keeps of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

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

    def plain(self) -> dict[str, Any]:
        """As plain data, for storing."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return data | {"answer_type": {f.name: getattr(self.answer_type, f.name) for f in fields(self.answer_type)}}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Item:
        """From plain data; the inverse of `plain`."""
        kind: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["answer_type"].items()}
        return cls(**{**data, "answer_type": AnswerType(**kind), "gold": tuple(data["gold"])})
