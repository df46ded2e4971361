"""What an experiment found, as values: every table, picture and page is made from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.statistics import Difference


@dataclass(frozen=True, slots=True)
class Dot:
    """One team of a stop: who is in it, and its mean score; None where there is no question to score it on."""

    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A place on a line.

    Attributes:
        x: Number of members, or of distinct members.
        estimate: Mean over teams and questions, with its interval.
        dots: The teams.
        possible: How many different teams there could be.
        n: Questions behind it: where it is a share of some questions, how many these are, over all teams.
        tokens: Mean prompt and completion tokens per question; None where it makes no sense.
        calls: Mean model calls per question, likewise.
    """

    x: int
    estimate: Difference
    dots: tuple[Dot, ...]
    possible: int
    n: float
    tokens: float | None = None
    calls: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A graph over all its stops; or its control, which belongs to it; or a system beside the graphs.

    Attributes:
        name: Of the graph or the system.
        stops: Its places, from left to right; those at which there is nothing to measure are missing.
        control: It is the control of the graph of this name.
        beside: ``monolith`` or ``base``: it is such a system, on the questions of each stop.
        parameters: How large that is; None if that is not known.
    """

    name: str
    stops: tuple[Stop, ...]
    control: bool = False
    beside: str = ""
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """A system that does not depend on the team, as a horizontal band.

    Attributes:
        name: Of the system.
        kind: ``monolith`` or ``base``.
        estimate: Its score with the interval.
        parameters: How large it is; None if that is not known.
    """

    name: str
    kind: str
    estimate: Difference
    parameters: int | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A figure in words: what it is, and the estimate, in shares (0.1: ten points)."""

    what: str
    estimate: Difference


@dataclass(frozen=True, slots=True)
class Own:
    """One contributor's own test set.

    Attributes:
        name: The contributor.
        n: Questions of the set.
        scores: Score of the member alone, of every graph, of the monoliths and of the base, by name.
    """

    name: str
    n: int
    scores: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Found:
    """All that an experiment found.

    Attributes:
        experiment: ``scaling``, ``diversity``, ``priorities`` or ``emergence``.
        title: Of picture and page.
        asks: The question that it answers.
        x, y: What the axes show.
        lines: Curves; none for priorities.
        bands: Systems beside them.
        own: For priorities: every contributor.
        effects: Trends and differences.
        contrasts: Tests, corrected for the whole family (Holm).
        notes: How to read it.
        questions: In all systems.
        planned: Questions that should be there.
        together: Parameters of all contributions together.
    """

    experiment: str
    title: str
    asks: str
    x: str
    y: str
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    own: tuple[Own, ...]
    effects: tuple[Effect, ...]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]
    questions: int
    planned: int
    together: int | None


Meta = Mapping[str, Any]
"""The manifest of a run."""
