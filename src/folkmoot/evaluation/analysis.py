"""Everything that a report says about a run, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.evaluation.collaboration.figures import Collaboration, Members, Point
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.summary import Summary


@dataclass(frozen=True, slots=True)
class Analysis:
    """The figures of a run.

    Attributes:
        summary: A row per system, over all tasks and by task.
        contrasts: The declared family: each graph against each baseline and monolith, all tasks together, Holm-corrected.
        by_task: The same pairs on every task; for reading, not corrected and without verdict words of their own.
        members: How alike the members are; None with fewer than two.
        collaboration: For every graph.
        points: Accuracy and cost of every system that can be bought (not of the oracle).
        findings: What the data checks found.
    """

    summary: Summary
    contrasts: tuple[Contrast, ...]
    by_task: tuple[Contrast, ...]
    members: Members | None
    collaboration: tuple[Collaboration, ...]
    points: tuple[Point, ...]
    findings: tuple[Finding, ...]
