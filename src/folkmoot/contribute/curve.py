"""The loss curve as a picture: one SVG file that needs nothing else, readable in light and in dark surroundings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 64, 52
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:16px;font-weight:600}.soft{fill:#666}"
    ".grid{stroke:#ddd;stroke-width:1}.axis{stroke:#888;stroke-width:1}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".train{stroke:#7a8794}.held{stroke:#0b6bb3}.dot{fill:#0b6bb3}.best{fill:none;stroke:#0b6bb3;stroke-width:2}"
    ".paper{fill:#fff}.mark{paint-order:stroke;stroke:#fff;stroke-width:5px;stroke-linejoin:round}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.soft{fill:#aaa}.grid{stroke:#333}.axis{stroke:#777}"
    ".train{stroke:#9aa7b4}.held{stroke:#5db3f0}.dot{fill:#5db3f0}.best{stroke:#5db3f0}.paper{fill:#161616}.mark{stroke:#161616}}"
)

Points = Sequence[tuple[int, float]]


def curve(title: str, train: Points, held: Points, best: int | None) -> str:
    """Training and held-out loss over the steps.

    Args:
        title: Above the picture.
        train: Step and loss per token.
        held: The same for the held-out examples; may be empty.
        best: The step whose weights were kept, marked on the held-out curve; None if there is no mark.
    """
    values = [y for _, y in (*train, *held)]
    steps = max([s for s, _ in (*train, *held)], default=1) or 1
    ticks = _ticks(0.0, max(values, default=1.0))
    top = ticks[-1]

    def x(step: float) -> float:
        return round(_LEFT + step / steps * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(loss: float) -> float:
        return round(_HEIGHT - _BOTTOM - loss / top * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="{escape(_said(title, train, held, best), quote=True)}">',
        f'<style>{_STYLE}</style><rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text class="title" x="{_LEFT}" y="28">{escape(title)}</text>',
    ]
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text class="soft" x="{x(tick)}" y="{_HEIGHT - 30}" text-anchor="middle">{tick:g}</text>'
        for tick in _ticks(0, steps, whole=True)
        if tick <= steps
    ]
    base = _HEIGHT - _BOTTOM
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    parts.append(
        f'<text class="soft" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">step</text>'
    )
    parts.append(f'<text class="soft" x="{_LEFT}" y="50">loss per learnt token (nats)</text>')
    for name, points in (("train", train), ("held", held)):
        if points:
            path = "L".join(f"{x(s)} {y(v)}" for s, v in points)
            parts.append(f'<path class="line {name}" d="M{path}"/>')
    parts += [f'<circle class="dot" cx="{x(s)}" cy="{y(v)}" r="3"/>' for s, v in held]
    marked = dict(held).get(best) if best is not None else None
    if best is not None and marked is not None:
        near = x(best) > _WIDTH * 0.75
        parts.append(f'<circle class="best" cx="{x(best)}" cy="{y(marked)}" r="7"/>')
        parts.append(
            f'<text class="mark" x="{x(best) + (-2 if near else 10)}" y="{y(marked) - 18}" text-anchor="{"end" if near else "start"}">'
            f"kept: step {best}, held-out {marked:.3f}</text>"
        )
    at = _WIDTH - _RIGHT
    names = [("train", "training"), *([("held", "held out")] if held else [])]
    for i, (name, word) in enumerate(names):
        left = at - (len(names) - i) * 100
        parts.append(f'<line class="line {name}" x1="{left}" x2="{left + 24}" y1="46" y2="46"/>')
        parts.append(f'<text x="{left + 30}" y="50">{word}</text>')
    return "".join(parts) + "</svg>\n"


def _said(title: str, train: Points, held: Points, best: int | None) -> str:
    """The picture in words, for those who cannot see it."""
    words = [f"{title}."]
    for name, points in (("Training", train), ("Held-out", held)):
        if points:
            (a, first), (b, last) = points[0], points[-1]
            words.append(f"{name} loss goes from {first:.3f} at step {a} to {last:.3f} at step {b}.")
    return " ".join([*words, *([f"The weights of step {best} were kept."] if best is not None else [])])


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Round values from `low` to at least `high`, four to nine of them.

    >>> _ticks(0, 4.7), _ticks(0, 3, whole=True)
    ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3])
    """
    span = max(high - low, 1e-6)
    unit = 10.0 ** math.floor(math.log10(span / 4))
    step = next(unit * m for m in (1, 2, 5, 10) if span / (unit * m) <= 8)
    step = max(1.0, step) if whole else step
    count = math.ceil(round(span / step, 6))
    found = [round(low + i * step, 10) for i in range(count + 1)]
    return [int(t) if t == int(t) else t for t in found]
