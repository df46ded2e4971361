"""Geometry of the drawings on the page: numbers in, coordinates out. The template draws them as inline SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from folkmoot.evaluation.collaboration.figures import Point
from folkmoot.evaluation.statistics import Difference, Interval

CHARACTER = 6.8
"""Width of an average character at the size of the labels, in units of the drawing; on the wide side."""
LINE = 15
LEFT, RIGHT, TOP, BOTTOM = 44, 18, 16, 42
"""Margins of the cost plot, in units of the drawing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to coordinates: `start` to `a`, `end` to `b`, straight or logarithmic.

    Attributes:
        ticks: Values to mark.
    """

    start: float
    end: float
    a: float
    b: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """The coordinate of a value, to a tenth; values beyond the ends are drawn at the ends."""
        f = math.log if self.log else float
        value = min(max(value, self.start), self.end)
        return round(self.a + (self.b - self.a) * (f(value) - f(self.start)) / (f(self.end) - f(self.start)), 1)

    @property
    def marks(self) -> list[tuple[float, float]]:
        """Coordinate and value of every tick."""
        return [(self(t), t) for t in self.ticks]


@dataclass(frozen=True, slots=True)
class Dot:
    """A system in the cost plot: mark, whiskers and label, in units of the drawing."""

    point: Point
    kind: str
    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    label: str
    label_x: float = 0.0
    label_y: float = 0.0
    anchor: str = "start"
    leader: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the label."""
        w = len(self.label) * CHARACTER
        left = self.label_x - {"start": 0.0, "middle": w / 2, "end": w}[self.anchor]
        return (left, self.label_y - 11, left + w, self.label_y + 4)


@dataclass(frozen=True, slots=True)
class CostPlot:
    """Accuracy against tokens.

    Attributes:
        front: Path of the Pareto front; empty if nothing is on it.
        numbered: The labels are the numbers of the points in their order: names did not fit.
    """

    width: int
    height: int
    x: Scale
    y: Scale
    dots: tuple[Dot, ...]
    front: str
    numbered: bool


def accuracy_scale(intervals: Iterable[Interval], a: float, b: float, few: bool = False) -> Scale:
    """From 0 to a round share above all intervals, never less than a quarter; with `few` ticks for small drawings."""
    highest = max((i.high for i in intervals), default=1.0)
    end = next((e for e in (0.25, 0.5, 0.75, 1.0) if highest <= e), 1.0)
    step = {0.25: 0.05, 0.5: 0.1}.get(end, 0.25) if not few else 0.5 if end == 1.0 else 0.25
    return Scale(0.0, end, a, b, tuple(round(i * step, 2) for i in range(round(end / step) + 1)))


def difference_scale(differences: Iterable[Difference], a: float, b: float) -> Scale:
    """Symmetric about 0, wide enough for all intervals."""
    most = max((abs(e) for d in differences for e in (d.low, d.high)), default=1.0)
    end = next((e for e in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if most <= e), 1.0)
    return Scale(-end, end, a, b, (-end, -end / 2, 0.0, end / 2, end))


def cost_plot(points: Sequence[Point], kinds: Mapping[str, str], width: int, height: int) -> CostPlot:
    """Place the systems, with labels that keep out of each other's way: names if they fit, else numbers."""
    x = _token_scale([t for p in points for t in (p.tokens, *p.tokens_interval)], LEFT + 8, width - RIGHT)
    y = accuracy_scale((p.interval for p in points), height - BOTTOM, TOP)
    bare = [
        Dot(
            point=p,
            kind=kinds.get(p.system, ""),
            x=x(p.tokens),
            y=y(p.accuracy),
            left=x(p.tokens_interval.low),
            right=x(p.tokens_interval.high),
            top=y(p.interval.high),
            bottom=y(p.interval.low),
            label=_shorten(p.system, 30 if width > 500 else 20),
        )
        for p in points
    ]
    front = _front(bare, width)
    dots, fits = _labelled(bare, front, width, height)
    if not fits:
        dots, _ = _labelled([replace(d, label=str(i + 1)) for i, d in enumerate(bare)], front, width, height)
    return CostPlot(width, height, x, y, tuple(dots), _path(front), numbered=not fits)


def _front(dots: Sequence[Dot], width: int) -> list[tuple[float, float]]:
    """Corners of the stairs: from each system on the front straight to the cost of the next, which is better."""
    on = sorted((d for d in dots if d.point.on_front), key=lambda d: (d.x, -d.y))
    corners = [at for a, b in itertools.pairwise(on) for at in ((a.x, a.y), (b.x, a.y))]
    return [*corners, (on[-1].x, on[-1].y), (width - RIGHT, on[-1].y)] if on else []


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in corners) if corners else ""


_AROUND = sorted(
    (
        (dx, dy)
        for dy in (0, -15, 15, -30, 30, -46, 46, -62, 62, -78, 78, -94, 94)
        for dx in (10, -10, 0, 26, -26, 48, -48)
        if dx or abs(dy) > 15 or dy == -15
    ),
    key=lambda at: abs(at[1]) + abs(at[0]) * 0.7,
)
"""Where a label may stand from its dot, nearest first."""


def _labelled(
    dots: Sequence[Dot], front: Sequence[tuple[float, float]], width: int, height: int
) -> tuple[list[Dot], bool]:
    """Every label at the place where it covers least; and whether no two labels, or a label and a mark, overlap."""
    marks = [(d.x - 7, d.y - 7, d.x + 7, d.y + 7) for d in dots]
    lines = [box for d in dots for box in ((d.x - 1, d.top, d.x + 1, d.bottom), (d.left, d.y - 1, d.right, d.y + 1))]
    lines += [(min(a, c), min(b, d) - 1, max(a, c), max(b, d) + 1) for (a, b), (c, d) in itertools.pairwise(front)]
    placed: list[Dot] = []
    clear = True
    for dot in dots:
        best, least, hard = dot, math.inf, 0.0
        for i, (dx, dy) in enumerate(_AROUND):
            anchor = "start" if dx > 0 else "end" if dx < 0 else "middle"
            at = replace(
                dot,
                label_x=round(dot.x + dx, 1),
                label_y=round(dot.y + dy + 4, 1),
                anchor=anchor,
                leader=abs(dy) > 24 or abs(dx) > 20,
            )
            left, top, right, bottom = at.box
            out = max(0, LEFT - left) + max(0, right - width) + max(0, 2 - top) + max(0, bottom - height + BOTTOM)
            covered = sum(_overlap(at.box, box) for box in (*marks, *(p.box for p in placed))) + 20 * out
            cost = 30 * covered + 2 * sum(_overlap(at.box, box) for box in lines) + 3 * i
            if cost < least:
                best, least, hard = at, cost, covered
        placed.append(best)
        clear = clear and hard == 0
    return placed, clear


def _token_scale(values: Sequence[float], a: float, b: float) -> Scale:
    """Straight from 0 while the values are close together, logarithmic once the largest is over eight times the least."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    if least > 0 and most / least > 8:
        start, end = 10 ** math.floor(math.log10(least)), 10 ** math.ceil(math.log10(most * 1.01))
        steps = [m * 10.0**e for e in range(round(math.log10(start)), round(math.log10(end)) + 1) for m in (1, 2, 5)]
        low = max((s for s in steps if s <= least * 0.95), default=start)
        high = min((s for s in steps if s >= most * 1.05), default=end)
        return Scale(low, high, a, b, tuple(s for s in steps if low <= s <= high), log=True)
    size = 10.0 ** math.floor(math.log10(max(most, 1.0)))
    step = next(s for s in (0.2 * size, 0.5 * size, size, 2 * size, 5 * size) if most * 1.05 <= 5 * s)
    count = max(1, math.ceil(most * 1.05 / step))
    return Scale(0.0, count * step, a, b, tuple(round(i * step, 6) for i in range(count + 1)))


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _shorten(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
