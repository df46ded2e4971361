"""What an experiment found as Markdown, as text for a terminal, and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from folkmoot.evaluation.report import REHEARSAL
from folkmoot.evaluation.statistics import Difference
from folkmoot.experiment.sizes import told
from folkmoot.experiment.values import Found, Line, Meta
from folkmoot.visible import visible

Rows = list[list[str]]


def tables(found: Found) -> list[tuple[str, list[str], Rows]]:
    """Every table: its caption, heads and rows. The first column is text, the others are figures."""
    made: list[tuple[str, list[str], Rows]] = []
    if any(line.stops for line in found.lines):
        lines = [line for line in found.lines if line.stops]
        heads = [found.x, *(f"{named(line)} [95 %]" for line in lines)]
        spent = any(s.tokens is not None for line in lines for s in line.stops)
        heads += ["calls per question", "tokens per question"] if spent else []
        heads.append("teams")
        made.append((f"{found.y.capitalize()}, %", heads, _stops(lines, spent)))
    beside = [line for line in found.lines if line.beside]
    if found.bands or beside:
        rows = [[f"{b.name} ({b.kind})", _share(b.estimate), told(b.parameters)] for b in found.bands]
        rows += [[named(line), "at each stop, above", told(line.parameters)] for line in beside]
        if found.together is not None:
            rows.append(["all contributions together", "", told(found.together)])
        made.append(("Beside them", ["system", "score, % [95 %]", "parameters"], rows))
    if found.own:
        names = list(found.own[0].scores)
        rows = [[o.name, str(o.n), *(_share(o.scores[n]) if n in o.scores else "" for n in names)] for o in found.own]
        made.append(("Own test set of each contributor, %", ["contributor", "questions", *names], rows))
    if found.effects:
        rows = [[e.what, points(e.estimate)] for e in found.effects]
        made.append(("Trends and differences", ["figure", "points [95 %]"], rows))
    if found.contrasts:
        rows = [
            [
                f"{c.system} against {c.reference}" + (f" on {c.task}" if c.task else ""),
                str(c.n),
                points(c.difference),
                p(c.adjusted),
                c.verdict,
            ]
            for c in found.contrasts
        ]
        caption = f"Tests, corrected for all {len(rows)} of them (Holm)"
        made.append((caption, ["pair", "questions", "points [95 %]", "p", "verdict"], rows))
    return made


def named(line: Line) -> str:
    """The name of a line; a control bears that of its graph."""
    if line.beside:
        return f"{line.name} ({line.beside})"
    return f"{line.name}, control" if line.control else line.name


def p(value: float) -> str:
    """A p with as many digits as mean something.

    >>> p(0.00004), p(0.0312), p(0.4)
    ('<0.001', '0.031', '0.40')
    """
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def progress(found: Found) -> str:
    """How much of what is planned is in the figures; empty if it is all."""
    if found.questions == found.planned:
        return ""
    return f"{found.questions} of {found.planned} questions are finished in all systems; only these are in the figures."


def markdown(found: Found, meta: Meta) -> str:
    """The file ``table.md``."""
    blocks = [f"# {_safe(found.title)}", f"{found.asks}"]
    if meta["scripted"]:
        blocks.insert(1, REHEARSAL)
    blocks.append(f"```sh\n{meta['command']}\n```")
    if short := progress(found):
        blocks.append(f"**{short}**")
    for caption, heads, rows in tables(found):
        right = ["---"] + ["---:"] * (len(heads) - 1)
        body = [heads, right, *rows]
        blocks.append(f"**{caption}**\n\n" + "\n".join("| " + " | ".join(map(_safe, r)) + " |" for r in body))
    blocks.append("\n".join(f"- {_safe(n)}" for n in found.notes))
    return "\n\n".join(blocks) + "\n"


def text(found: Found) -> str:
    """For a terminal."""
    blocks = [found.title]
    if short := progress(found):
        blocks.append(short)
    for caption, heads, rows in tables(found):
        widths = [max(len(visible(r[i])) for r in [heads, *rows]) for i in range(len(heads))]
        lines = [
            "  ".join(
                visible(c).ljust(w) if i == 0 else visible(c).rjust(w)
                for i, (c, w) in enumerate(zip(r, widths, strict=True))
            )
            for r in [heads, *rows]
        ]
        blocks.append("\n".join([caption, *(line.rstrip() for line in lines)]))
    blocks.append("\n".join(visible(n) for n in found.notes))
    return "\n\n".join(blocks)


def plain(found: Found, meta: Meta) -> dict[str, Any]:
    """The JSON file: every figure in shares, 0 to 1."""
    return {
        "command": meta["command"],
        "scripted": meta["scripted"],
        **({"warning": REHEARSAL} if meta["scripted"] else {}),
        "date": meta["date"],
        "seed": meta["seed"],
        "versions": meta["versions"],
        **_plain(asdict(found)),
    }


def points(d: Difference) -> str:
    """A difference in points.

    >>> points(Difference(0.1, -0.021, 0.2))
    '+10.0 [-2.1, +20.0]'
    """
    return f"{100 * d.mean:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"


def _share(d: Difference) -> str:
    return f"{100 * d.mean:.1f} [{100 * d.low:.1f}, {100 * d.high:.1f}]"


def _stops(lines: Sequence[Line], spent: bool) -> Rows:
    rows = []
    for x in sorted({s.x for line in lines for s in line.stops}):
        at = [next((s for s in line.stops if s.x == x), None) for line in lines]
        there = [s for s in at if s is not None]
        tried = max(there, key=lambda s: len(s.dots))
        calls = [f"{s.calls:.3g}" for s in there if s.calls is not None]
        tokens = [f"{s.tokens:.0f}" for s in there if s.tokens is not None]
        rows.append(
            [
                str(x),
                *(_share(s.estimate) if s is not None else "" for s in at),
                *([" / ".join(calls), " / ".join(tokens)] if spent else []),
                f"{len(tried.dots)} of {tried.possible}",
            ]
        )
    return rows


def _plain(value: Any) -> Any:
    """Intervals by name: a tuple of three numbers would not say what they are."""
    if isinstance(value, Difference):
        return value._asdict()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _safe(cell: str) -> str:
    return visible(cell).replace("|", "\\|").replace("\n", " ")
