"""Geometry of the drawings on the page: numbers in, coordinates out. The template draws them as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.evaluation.summary import Row

CHARACTER = 6.6
"""Width of an average character at the size of the labels, in units of the drawing; on the wide side."""
LINE = 14


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
        """The coordinate of a value, to a tenth."""
        f = math.log if self.log else float
        return round(self.a + (self.b - self.a) * (f(value) - f(self.start)) / (f(self.end) - f(self.start)), 1)

    @property
    def marks(self) -> list[tuple[float, float]]:
        """Coordinate and value of every tick."""
        return [(self(t), t) for t in self.ticks]


@dataclass(frozen=True, slots=True)
class Point:
    """A system in the cost plot: dot, whiskers and label, in units of the drawing."""

    row: Row
    x: float
    y: float
    top: float
    bottom: float
    label: str
    label_x: float
    label_y: float
    anchor: str
    leader: bool


@dataclass(frozen=True, slots=True)
class CostPlot:
    """Accuracy against completion tokens."""

    width: int
    height: int
    x: Scale
    y: Scale
    points: tuple[Point, ...]


def accuracy_scale(rows: Sequence[Row], a: float, b: float, few: bool = False) -> Scale:
    """From 0 to a round share above all intervals, never less than a quarter; with `few` ticks for small drawings."""
    highest = max((r.interval.high for r in rows if r.n), default=1.0)
    end = next(e for e in (0.25, 0.5, 0.75, 1.0) if highest <= e)
    step = {0.25: 0.05, 0.5: 0.1}.get(end, 0.25) if not few else 0.5 if end == 1.0 else 0.25
    return Scale(0.0, end, a, b, tuple(round(i * step, 2) for i in range(round(end / step) + 1)))


def difference_scale(rows: Sequence[Row], a: float, b: float) -> Scale:
    """Symmetric about 0, wide enough for all intervals."""
    ends = [abs(e) for r in rows if r.against and r.against.n for e in r.against.difference[1:]]
    most = max(ends, default=1.0)
    end = next(e for e in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if most <= e)
    return Scale(-end, end, a, b, (-end, -end / 2, 0.0, end / 2, end))


def cost_plot(rows: Sequence[Row], width: int, height: int) -> CostPlot:
    """Place the systems that have finished anything, with labels that keep out of each other's way."""
    shown = [r for r in rows if r.n]
    x = _token_scale([r.completion_tokens for r in shown], 44, width - 16)
    y = accuracy_scale(shown, height - 40, 14)
    spots = [(x(max(r.completion_tokens, x.start)), y(r.accuracy)) for r in shown]
    # Dots weigh in full, whiskers may be crossed if there is no better place
    taken = [(px - 7, py - 7, px + 7, py + 7, 3.0) for px, py in spots]
    taken += [
        (px - 1, y(r.interval.high), px + 1, y(r.interval.low), 4.0) for (px, _), r in zip(spots, shown, strict=True)
    ]
    points = []
    for row, (px, py) in zip(shown, spots, strict=True):
        label = _shorten(row.system, 30 if width > 500 else 22)
        w = len(label) * CHARACTER
        options = []
        for i, (dx, dy) in enumerate(_AROUND):
            left = px + dx if dx > 0 else px + dx - w if dx < 0 else px - w / 2
            place = (left, py + dy - LINE / 2, left + w, py + dy + LINE / 2)
            out = max(0.0, 46 - left) + max(0.0, left + w - width + 2) + max(0.0, 4 - place[1])
            out += max(0.0, place[3] - height + 42)
            options.append((sum(_overlap(place, t) * t[4] for t in taken) + 60 * out + 2 * i, i, dx, dy, place))
        _, _, dx, dy, place = min(options)
        taken.append((*place, 3.0))
        points.append(
            Point(
                row=row,
                x=px,
                y=py,
                top=y(row.interval.high),
                bottom=y(row.interval.low),
                label=label,
                label_x=round(px + dx, 1),
                label_y=round(py + dy + 4, 1),
                anchor="start" if dx > 0 else "end" if dx < 0 else "middle",
                leader=abs(dy) > 24,
            )
        )
    return CostPlot(width, height, x, y, tuple(points))


_AROUND = [
    (dx, dy)
    for dy in (0, -15, 15, -30, 30, -46, 46, -62, 62)
    for dx in (10, -10, 0)
    if (dx, dy) not in ((0, 0), (0, -15), (0, 15))
]


def _token_scale(values: Sequence[float], a: float, b: float) -> Scale:
    """Straight from 0 while the values are close together, logarithmic once the largest is over eight times the least."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    if least > 0 and most / least > 8:
        start, end = 10 ** math.floor(math.log10(least)), 10 ** math.ceil(math.log10(most * 1.01))
        steps = [m * 10**e for e in range(round(math.log10(start)), round(math.log10(end)) + 1) for m in (1, 2, 5)]
        low = max((s for s in steps if s <= least * 0.95), default=start)
        high = min((s for s in steps if s >= most * 1.05), default=end)
        return Scale(low, high, a, b, tuple(s for s in steps if low <= s <= high), log=True)
    size = 10 ** math.floor(math.log10(max(most, 1.0)))
    step = next(s for s in (0.2 * size, 0.5 * size, size, 2 * size, 5 * size) if most * 1.05 <= 5 * s)
    count = max(1, math.ceil(most * 1.05 / step))
    return Scale(0.0, count * step, a, b, tuple(round(i * step, 6) for i in range(count + 1)))


def _overlap(place: tuple[float, float, float, float], other: tuple[float, float, float, float, float]) -> float:
    wide = min(place[2], other[2]) - max(place[0], other[0])
    high = min(place[3], other[3]) - max(place[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _shorten(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
