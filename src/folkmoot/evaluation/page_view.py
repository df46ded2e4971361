"""The figures of an analysis as the page sets them: texts with real minus signs, grids, and the geometry of small drawings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.collaboration.figures import Collaboration, Rate, Transition
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.plots import Scale, difference_scale
from folkmoot.evaluation.statistics import Difference, Interval

SIGNS = {
    "better": "▲",
    "worse": "▼",
    "equivalent within the margin": "≈",
    "no difference shown": "?",
    "unfinished": "…",
}
"""A sign for every verdict."""
CLASSES = {"better": "better", "worse": "worse", "equivalent within the margin": "equal"}
FOREST = 300
"""Width of the drawing in a forest plot, in units."""
FINDINGS = 200
"""Findings that the page lists; the rest is counted."""


class Cell(NamedTuple):
    """A figure with its interval and what it was counted from, as texts; empty where there is none."""

    value: str = "–"
    interval: str = ""
    note: str = ""


def points(d: Difference) -> str:
    """A difference in percentage points.

    >>> points(Difference(-0.025, -0.1, 0.05))
    '−2.5'
    """
    return f"{100 * d.mean:+.1f}".replace("-", "−")


def between(i: Interval | Difference, signed: bool = False) -> str:
    """An interval of shares in percent.

    >>> between(Interval(0.1, 0.254)), between(Difference(0.0, -0.1, 0.05), True)
    ('[10.0, 25.4]', '[−10.0, +5.0]')
    """
    form = "+.1f" if signed else ".1f"
    return f"[{100 * i.low:{form}}, {100 * i.high:{form}}]".replace("-", "−")


def style(c: Contrast) -> str:
    """The class of a verdict: ``better``, ``worse``, ``equal`` or ``no``."""
    return CLASSES.get(c.verdict, "no")


class Grid:
    """The declared family: graphs down, references across."""

    def __init__(self, contrasts: Iterable[Contrast]) -> None:
        self.all = tuple(contrasts)
        self.systems = list(dict.fromkeys(c.system for c in self.all))
        self.references = list(dict.fromkeys(c.reference for c in self.all))
        self._cells = {(c.system, c.reference): c for c in self.all}
        self.tests = list(dict.fromkeys(c.test for c in self.all if c.test))
        self.margins = sorted({c.margin for c in self.all if c.margin is not None})

    def at(self, system: str, reference: str) -> Contrast | None:
        """The contrast of a pair, if it is in the family."""
        return self._cells.get((system, reference))

    def against(self, reference: str | None) -> list[Contrast]:
        """All graphs against one reference: the one asked for if the family has it, else the first."""
        if reference not in self.references and self.references:
            reference = self.references[0]
        return [c for c in self.all if c.reference == reference]


@dataclass(frozen=True, slots=True)
class Forest:
    """The differences of one pair, task by task.

    Attributes:
        system, reference: Numbers of the graph and the reference in `Grid`.
        rows: A contrast per task.
        whole: All tasks together, from the family.
        scale: In points, the same for all references of a graph.
    """

    system: int
    reference: int
    rows: tuple[Contrast, ...]
    whole: Contrast | None
    scale: Scale

    @property
    def lines(self) -> tuple[Contrast, ...]:
        """The tasks, and all together at the end."""
        return (*self.rows, self.whole) if self.whole else self.rows


def forests(analysis: Analysis) -> list[Forest]:
    """A forest plot for every pair of the family that has figures by task."""
    grid = Grid(analysis.contrasts)
    found = []
    for i, system in enumerate(grid.systems):
        of_system = [c for c in analysis.by_task if c.system == system]
        whole = [c for c in grid.all if c.system == system]
        scale = difference_scale((c.difference for c in (*of_system, *whole) if c.n), 16, FOREST - 16)
        for j, reference in enumerate(grid.references):
            rows = tuple(c for c in of_system if c.reference == reference)
            if rows:
                found.append(Forest(i, j, rows, grid.at(system, reference), scale))
    return found


def rate(r: Rate | None) -> Cell:
    """A share in percent, with its interval and its counts."""
    if r is None or r.share is None:
        return Cell()
    return Cell(f"{100 * r.share:.1f} %", between(r.interval), f"{r.count:g} of {r.of}")


def gain(d: Difference | None) -> Cell:
    """A difference in points with its interval."""
    return Cell() if d is None else Cell(points(d), between(d, True))


def measures(systems: Sequence[Collaboration]) -> list[tuple[str, str, list[Cell]]]:
    """Name, meaning and a cell per system of everything that was counted over whole questions."""

    def row(name: str, meaning: str, cells: Iterable[Cell]) -> tuple[str, str, list[Cell]]:
        return name, meaning, list(cells)

    e = [c.emergence for c in systems]
    f = [c.conformity for c in systems]
    g = [c.routing for c in systems]
    rows = [
        row(
            "Emergence",
            "right, of the questions that every member alone got wrong",
            (rate(x.rate if x else None) for x in e),
        ),
        row(
            "Control",
            "the same for a plain vote over as many fresh samples of the same members",
            (rate(x.control if x else None)._replace(note=x.by if x and x.control else "") for x in e),
        ),
        row("Emergence beyond luck", "emergence minus its control, points", (gain(x.excess if x else None) for x in e)),
        row(
            "Luck at most",
            "at least one of those fresh samples was right",
            (rate(x.any_sample if x else None) for x in e),
        ),
        row(
            "Collapse", "wrong, of the questions that some member alone got right", (rate(c.collapse) for c in systems)
        ),
        row(
            "Collapse of a majority",
            "wrong, of the questions that most members alone got right",
            (rate(c.collapse_majority) for c in systems),
        ),
        row(
            "Headroom won",
            "share of the oracle's lead over the best member, in percent",
            (gain(c.headroom) for c in systems),
        ),
        row(
            "Judge accuracy",
            "a right answer was picked, of the questions with a right draft",
            (rate(c.picked_right) for c in systems),
        ),
        row(
            "Routing accuracy",
            "a member was chosen that is right, of the questions that some member alone got right",
            (rate(x.accuracy if x else None) for x in g),
        ),
        row("Blind choice", "the same for as many members picked blindly", (rate(x.chance if x else None) for x in g)),
        row("Routing beyond chance", "accuracy minus blind choice, points", (gain(x.excess if x else None) for x in g)),
        row("Whole team asked", "nobody was chosen, of the same questions", (rate(x.whole if x else None) for x in g)),
        row("Joined a right majority", "of those who stood against one", (rate(x.to_right if x else None) for x in f)),
        row("Joined a wrong majority", "of those who stood against one", (rate(x.to_wrong if x else None) for x in f)),
        row(
            "Held out",
            "stayed right, of those who were right against a wrong majority",
            (rate(x.held_right if x else None) for x in f),
        ),
    ]
    return [r for r in rows if any(cell.value != "–" for cell in r[2])]


class Step(NamedTuple):
    """One line of the transitions: what it is, the figures, and the four segments of its bar (x and width)."""

    name: str
    t: Transition
    n: int
    bar: tuple[tuple[str, float, float], ...]


def steps(system: Collaboration, speaker: str | None, width: float = 180) -> list[Step]:
    """The transitions of one speaker (of all, for None) round by round, first to last at the end."""
    found = []
    for t in sorted((t for t in system.transitions if t.speaker == speaker), key=lambda t: (t.start < 0, t.start)):
        counts = {"kept": t.kept_right, "won": t.won, "lost": t.lost, "wrong": t.kept_wrong}
        n, at, bar = sum(counts.values()), 0.0, []
        for name, count in counts.items():
            w = width * count / n if n else 0.0
            bar.append((name, round(at, 1), round(w, 1)))
            at += w
        title = "first to last" if t.start < 0 else f"round {t.start + 1} to {t.start + 2}"
        found.append(Step(title, t, n, tuple(bar)))
    return found


def speakers(system: Collaboration) -> list[str]:
    """Who has transitions of their own, in order."""
    return list(dict.fromkeys(t.speaker for t in system.transitions if t.speaker is not None))


def level(value: float | None) -> str:
    """The class of a share in a heat map, by fifths: ``h0`` to ``h4``; ``h-`` below 0, empty for nothing."""
    return "" if value is None else "h-" if value < 0 else f"h{min(4, int(5 * value))}"


def coefficient(value: float | None) -> str:
    """A coefficient to two digits."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")
