"""The picture of an experiment, wide or narrow: curves with bands, or a dumbbell for every contributor."""

from __future__ import annotations

from folkmoot.evaluation.plots import Scale
from folkmoot.evaluation.report import REHEARSAL
from folkmoot.evaluation.statistics import Difference
from folkmoot.experiment.drawing import Canvas, colour, dashes, shares, stroke
from folkmoot.experiment.sizes import told
from folkmoot.experiment.table import named
from folkmoot.experiment.values import Band, Found, Line, Stop

WIDE, NARROW = 880, 366
"""Widths of the drawing, in its units; a unit is a pixel where there is room."""
_LEFT, _RIGHT, _TOP = 50, 16, 46


def picture(found: Found, command: str, width: int = WIDE, *, rehearsal: bool = False) -> str:
    """Draw what was found.

    Args:
        found: The figures.
        command: That made them.
        width: `WIDE` or `NARROW`.
        rehearsal: Say in the picture that the figures are made up; a page says so beside it.
    """
    canvas = Canvas(width)
    if rehearsal:
        canvas.text(12, 42, REHEARSAL, kind="warn")
    if not found.own and not any(line.stops for line in found.lines):
        canvas.height = 54
        canvas.text(12, 24, f"{found.title}: nothing to draw")
        return canvas.svg(found.title, f"{found.asks} {command}")
    canvas.text(12, 24, found.title if width > 500 else found.title.split(":")[0], kind="title")
    if found.own:
        _dumbbells(canvas, found)
    else:
        _curves(canvas, found)
    return canvas.svg(found.title, f"{found.asks} {command}")


def _curves(canvas: Canvas, found: Found) -> None:
    wide = canvas.width > 500
    bottom = _TOP + (360 if wide else 300)
    estimates = [s.estimate for line in found.lines for s in line.stops] + [b.estimate for b in found.bands]
    dots = [d.value for line in found.lines for s in line.stops for d in s.dots if d.value is not None]
    y = shares([e.low for e in estimates] + dots, [e.high for e in estimates] + dots, bottom, _TOP + 8)
    places = sorted({s.x for line in found.lines for s in line.stops})
    pad = (canvas.width - _LEFT - _RIGHT) / (2 * max(1, len(places)))
    at = {p: _LEFT + pad * (2 * i + 1) for i, p in enumerate(places)} if found.experiment == "diversity" else {}
    x = Scale(
        places[0], max(places[-1], places[0] + 1), _LEFT + pad, canvas.width - _RIGHT - pad, tuple(map(float, places))
    )
    at = at or {p: x(p) for p in places}
    _frame(canvas, y, bottom)
    every = 1 if len(places) * 26 < canvas.width else 2
    for p in places[::every]:
        canvas.text(at[p], bottom + 20, str(p), kind="soft", anchor="middle")
    canvas.text((_LEFT + canvas.width - _RIGHT) / 2, bottom + 40, found.x, anchor="middle")
    for i, band in enumerate(found.bands):
        _band(canvas, band, y, i)
    beside = [line for line in found.lines if line.beside]
    for i, line in enumerate(beside):
        _ribbon(canvas, line, at, y, len(found.bands) + i)
    curves = [line for line in found.lines if not line.beside]
    graphs = list(dict.fromkeys(line.name for line in curves))
    for i, line in enumerate(curves):
        aside = (i - (len(curves) - 1) / 2) * (9 if wide else 5)
        _line(canvas, line, at, y, graphs.index(line.name), aside)
    entries = [(_swatch(graphs.index(line.name), line.control), named(line)) for line in curves]
    entries += [
        (_band_swatch(line.beside, len(found.bands) + i), f"{named(line)}, {told(line.parameters)}")
        for i, line in enumerate(beside)
    ]
    entries += [
        (_band_swatch(b.kind, i), f"{b.name}: {_pct(b.estimate)} ({told(b.parameters)})")
        for i, b in enumerate(found.bands)
    ]
    canvas.height = canvas.legend(bottom + 68, entries)
    if found.together is not None:
        canvas.text(
            12, canvas.height + 6, f"All contributions together: {told(found.together)} parameters.", kind="soft"
        )
        canvas.height += 16
    canvas.height += 4


def _frame(canvas: Canvas, y: Scale, bottom: float) -> None:
    for place, value in y.marks:
        canvas.line(_LEFT, place, canvas.width - _RIGHT, place, "grid")
        canvas.text(_LEFT - 8, place + 4, f"{100 * value:.0f} %", kind="soft", anchor="end")
    canvas.line(_LEFT, bottom, canvas.width - _RIGHT, bottom, "axis")


def _band(canvas: Canvas, band: Band, y: Scale, i: int) -> None:
    ink = f"var(--{band.kind})"
    canvas.box(_LEFT, y(band.estimate.high), canvas.width - _RIGHT, y(band.estimate.low), "wash", f"fill: {ink}")
    place = y(band.estimate.mean)
    canvas.line(
        _LEFT,
        place,
        canvas.width - _RIGHT,
        place,
        "",
        f"stroke: {ink}; stroke-width: 1.8; stroke-dasharray: {dashes(i)}",
    )


def _ribbon(canvas: Canvas, line: Line, at: dict[int, float], y: Scale, i: int) -> None:
    """A band whose height changes from stop to stop."""
    if not line.stops:
        return
    ink = f"var(--{line.beside})"
    ends = [(at[s.x] - 14, at[s.x] + 14, s.estimate) for s in line.stops]
    upper = [(x, y(e.high)) for a, b, e in ends for x in (a, b)]
    lower = [(x, y(e.low)) for a, b, e in ends for x in (a, b)]
    canvas.path([*upper, *reversed(lower)], "wash", f"fill: {ink}")
    middle = [(x, y(e.mean)) for a, b, e in ends for x in (a, b)]
    canvas.path(middle, "line", f"stroke: {ink}; stroke-width: 1.8; stroke-dasharray: {dashes(i)}")


def _line(canvas: Canvas, line: Line, at: dict[int, float], y: Scale, number: int, aside: float) -> None:
    ink = colour(number)
    means = [(at[s.x] + aside, y(s.estimate.mean)) for s in line.stops]
    kind = "line control" if line.control else "line"
    canvas.path(means, kind, stroke(number, control=line.control))
    for s, (x, middle) in zip(line.stops, means, strict=True):
        canvas.line(x, y(s.estimate.low), x, y(s.estimate.high), "whisker", f"stroke: {ink}")
        if not line.control:
            _dots(canvas, s, x, y, ink)
        hint = f"{line.name}, {s.x}: {_pct(s.estimate)} [{100 * s.estimate.low:.1f}, {100 * s.estimate.high:.1f}]"
        fill = f"fill: var(--paper); stroke: {ink}; stroke-width: 2" if line.control else f"fill: {ink}"
        canvas.mark(x, middle, number, fill, hint=hint)


def _dots(canvas: Canvas, stop: Stop, x: float, y: Scale, ink: str) -> None:
    """The teams beside the mean, side by side where they are level; none for a team without a share."""
    if len(stop.dots) < 2:
        return
    level: dict[int, list[tuple[str, float]]] = {}
    for d in stop.dots:
        if d.value is not None:
            level.setdefault(round(y(d.value) / 5), []).append((d.label, d.value))
    for dots in level.values():
        for j, (label, value) in enumerate(dots):
            hint = f"{label}: {100 * value:.1f} %"
            canvas.mark(x + 8 + 5 * j, y(value), 0, f"fill: {ink}", size=2.4, hint=hint, kind="dot")


_RING = "fill: none; stroke: var(--ink); stroke-width: 2"


def _dumbbells(canvas: Canvas, found: Found) -> None:
    """A row per contributor: alone and in each graph, joined; monoliths and base as other marks on the row."""
    wide = canvas.width > 500
    left, row = (200, 46) if wide else (16, 62)
    graphs = [line.name for line in found.lines]
    bottom = _TOP + 12 + row * len(found.own)
    ends = [e for o in found.own for e in o.scores.values()]
    x = shares([e.low for e in ends], [e.high for e in ends], left, canvas.width - 26)
    for place, value in x.marks:
        canvas.line(place, _TOP, place, bottom, "grid")
        canvas.text(place, bottom + 18, f"{100 * value:.0f} %", kind="soft", anchor="middle")
    for i, own in enumerate(found.own):
        middle = _TOP + 12 + row * i + (row / 2 if wide else row / 2 + 10)
        canvas.text(
            left - 12 if wide else 12, middle + 5 if wide else middle - 18, own.name, anchor="end" if wide else "start"
        )
        alone = own.scores["alone"]
        for g, name in enumerate(graphs):
            if name not in own.scores:
                continue
            at, e = middle + 9 * (g - (len(graphs) - 1) / 2), own.scores[name]
            canvas.line(x(e.low), at, x(e.high), at, "whisker", f"stroke: {colour(g)}; opacity: .45")
            canvas.line(x(alone.mean), middle, x(e.mean), at, "", f"stroke: {colour(g)}; stroke-width: 3")
            canvas.mark(x(e.mean), at, g, f"fill: {colour(g)}", size=5.2, hint=f"{own.name} in {name}: {_pct(e)}")
        for j, b in enumerate(found.bands):
            if b.name in own.scores:
                e = own.scores[b.name]
                style = f"stroke: var(--{b.kind}); stroke-width: 2.6; stroke-dasharray: {dashes(j) if b.kind == 'monolith' else 'none'}"
                canvas.line(x(e.mean), middle - 15, x(e.mean), middle + 15, "", style)
        # An open ring around: where the graph does just as well, its mark is inside and in sight
        canvas.mark(x(alone.mean), middle, 0, _RING, size=7.4, hint=f"{own.name} alone: {_pct(alone)}")
    canvas.text((left + canvas.width) / 2, bottom + 38, found.x, anchor="middle")
    ring = f'<circle r="6.4" style="{_RING}"/>'
    entries = [(ring, "contributor alone"), *((_swatch(g, False), f"in {name}") for g, name in enumerate(graphs))]
    entries += [(_tick(b, j), f"{b.name} ({told(b.parameters)})") for j, b in enumerate(found.bands)]
    canvas.height = canvas.legend(bottom + 66, entries) + 4


def _swatch(number: int, control: bool) -> str:
    small = Canvas(0)
    ink = colour(number)
    small.line(-11, 0, 11, 0, "line control" if control else "line", stroke(number, control=control))
    small.mark(0, 0, number, f"fill: var(--paper); stroke: {ink}; stroke-width: 2" if control else f"fill: {ink}")
    return "".join(small.parts)


def _band_swatch(kind: str, i: int) -> str:
    small = Canvas(0)
    ink = f"var(--{kind})"
    small.box(-11, -6, 11, 6, "wash", f"fill: {ink}")
    small.line(-11, 0, 11, 0, "", f"stroke: {ink}; stroke-width: 1.8; stroke-dasharray: {dashes(i)}")
    return "".join(small.parts)


def _tick(band: Band, i: int) -> str:
    small = Canvas(0)
    dash = dashes(i) if band.kind == "monolith" else "none"
    small.line(0, -8, 0, 8, "", f"stroke: var(--{band.kind}); stroke-width: 2.6; stroke-dasharray: {dash}")
    return "".join(small.parts)


def _pct(e: Difference) -> str:
    return f"{100 * e.mean:.1f} %"
