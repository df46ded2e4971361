"""Pieces of SVG: a canvas whose colours follow the reader's, text, marks, and a legend that wraps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from folkmoot.evaluation.plots import CHARACTER, Scale
from folkmoot.visible import visible

LINES = 8
"""Different colours of lines; later lines begin again, with dashes."""
FORMS = 6
"""Different marks of lines."""
MONOLITHS = 4
"""The same for monoliths, by dashes."""
_DASHES = ("8 4", "2 4", "12 3 2 3", "5 2")

STYLE = """
.picture { --paper: #faf9f5; --ink: #1c1e23; --soft: #585c66; --grid: #e2dfd5; --monolith: #8a2f7c; --base: #6a6f7a;
  --c0: #2158b0; --c1: #b04a12; --c2: #00857c; --c3: #a37a00; --c4: #7a35c9; --c5: #d0213c; --c6: #4f8a10; --c7: #5a4030;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .picture { --paper: #14161a; --ink: #e7e5e0; --soft: #a8adb8; --grid: #31363f; --monolith: #e59ad6; --base: #a8adb8;
  --c0: #5c9dff; --c1: #ff8a4c; --c2: #3fd6d0; --c3: #f0d050; --c4: #b18cff; --c5: #ff6b88; --c6: #8fd14a; --c7: #b88d6e; } }
.picture text { fill: var(--ink); } .picture .soft { fill: var(--soft); } .picture .title { font-size: 16px; font-weight: 600; }
.picture .warn { fill: var(--c5); font-weight: 600; }
.picture .grid { stroke: var(--grid); } .picture .axis { stroke: var(--soft); }
.picture .line { fill: none; stroke-width: 2.2; } .picture .whisker { stroke-width: 1.6; } .picture .dot { opacity: .5; }
.picture .control { stroke-dasharray: 5 4; } .picture .wash { opacity: .13; stroke: none; }
"""


def colour(i: int) -> str:
    """Of line `i`."""
    return f"var(--c{i % LINES})"


def stroke(i: int, *, control: bool = False) -> str:
    """The style of line `i`: its colour, and dashes from the second time that the colours are used; controls have their own."""
    again = i // LINES
    return f"stroke: {colour(i)}" + (f"; stroke-dasharray: {14 + 6 * again} 3" if again and not control else "")


def dashes(i: int) -> str:
    """Of monolith `i`."""
    return _DASHES[i % MONOLITHS]


@dataclass(slots=True)
class Canvas:
    """An SVG in the making; height grows with what is put on it."""

    width: int
    height: float = 0.0
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, kind: str = "", anchor: str = "start", turn: bool = False
    ) -> None:
        """Words with their baseline at (x, y)."""
        turned = f' transform="rotate(-90 {x:g} {y:g})"' if turn else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}"{turned}>{escape(visible(words))}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str, style: str = "") -> None:
        """A straight line."""
        self.parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}" style="{style}"/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str, style: str) -> None:
        """A line through points."""
        at = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path d="{at}" class="{kind}" style="{style}"/>')

    def box(self, x1: float, y1: float, x2: float, y2: float, kind: str, style: str) -> None:
        """A filled rectangle; never so flat that it cannot be seen."""
        height = max(1.0, y2 - y1)
        self.parts.append(
            f'<rect x="{x1:g}" y="{y1:g}" width="{x2 - x1:g}" height="{height:g}" class="{kind}" style="{style}"/>'
        )

    def mark(
        self, x: float, y: float, form: int, style: str, *, size: float = 4.6, hint: str = "", kind: str = ""
    ) -> None:
        """A mark of one of the `FORMS`, such as a circle or a square; `hint` shows when it is pointed at."""
        s = size
        shape = (
            f'<circle cx="{x:g}" cy="{y:g}" r="{s:g}"',
            f'<rect x="{x - s * 0.9:g}" y="{y - s * 0.9:g}" width="{1.8 * s:g}" height="{1.8 * s:g}"',
            f'<path d="M{x:g} {y - 1.3 * s:g}L{x + 1.3 * s:g} {y:g}L{x:g} {y + 1.3 * s:g}L{x - 1.3 * s:g} {y:g}Z"',
            f'<path d="M{x:g} {y - 1.2 * s:g}L{x + 1.2 * s:g} {y + s:g}L{x - 1.2 * s:g} {y + s:g}Z"',
            f'<path d="M{x:g} {y + 1.2 * s:g}L{x + 1.2 * s:g} {y - s:g}L{x - 1.2 * s:g} {y - s:g}Z"',
            f'<path d="M{x - 1.2 * s:g} {y - 0.4 * s:g}h{0.8 * s:g}v{-0.8 * s:g}h{0.8 * s:g}v{0.8 * s:g}h{0.8 * s:g}v{0.8 * s:g}'
            f'h{-0.8 * s:g}v{0.8 * s:g}h{-0.8 * s:g}v{-0.8 * s:g}h{-0.8 * s:g}Z"',
        )[form % FORMS]
        title = f"<title>{escape(visible(hint))}</title>" if hint else ""
        self.parts.append(f'{shape} class="{kind}" style="{style}">{title}</{shape[1:].split(" ", 1)[0]}>')

    def legend(self, y: float, entries: Sequence[tuple[str, str]]) -> float:
        """Entries of a swatch (SVG around the origin) and words, in as many rows as they need; returns the y below."""
        x = 12.0
        for swatch, words in entries:
            wide = 36 + len(words) * CHARACTER
            if x > 12 and x + wide > self.width:
                x, y = 12.0, y + 20
            self.parts.append(f'<g transform="translate({x + 12:g} {y - 4:g})">{swatch}</g>')
            self.text(x + 30, y, words)
            x += wide + 8
        return y + 14

    def svg(self, title: str, about: str) -> str:
        """The whole picture, to be put into a page.

        Args:
            title: For readers who do not see it.
            about: What it shows, and how it was made.
        """
        body = "\n".join(self.parts)
        return (
            f'<svg class="picture" role="img" aria-label="{escape(visible(title))}" xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {self.width} {self.height:g}" width="{self.width}" height="{self.height:g}">\n'
            f"<title>{escape(visible(title))}</title>\n<desc>{escape(visible(about))}</desc>\n{body}\n</svg>\n"
        )


def alone(svg: str) -> str:
    """A picture as a file of its own: with its style and a ground."""
    head, _, body = svg.partition("<title>")
    ground = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    return f"{head}<style>{STYLE}</style>\n{ground}\n<title>{body}"


def shares(lows: Sequence[float], highs: Sequence[float], a: float, b: float) -> Scale:
    """A scale of shares that leaves no room empty: from a round share below all to one above all."""
    low, high = max(0.0, min(lows, default=0.0)), min(1.0, max(highs, default=1.0))
    step = next((s for s in (0.01, 0.02, 0.05, 0.1) if high - low <= 7 * s), 0.2)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(first + 2, last)
    ticks = tuple(round(i * step, 4) for i in range(first, last + 1) if i * step <= 1 + 1e-9)
    return Scale(ticks[0], ticks[-1], a, b, ticks)
