"""What a check of a task's data found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal["schema", "gold", "empty", "duplicate", "overlap", "ceiling"]
"""schema: a field is missing or wrong. gold: the right answer is not among the options, or not an answer of the kind.
empty: no question or no answer. duplicate: the same question stands there twice. overlap: a test question is also a dev
question. ceiling: the scorer does not accept the item's own gold answer.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one item.

    Attributes:
        task, split, item: Where.
        kind: See `FindingKind`.
        what: In words, one line.
        excluded: The item is left out of the run (it cannot be answered or scored).
    """

    task: str
    split: str
    item: str
    kind: FindingKind
    what: str
    excluded: bool
