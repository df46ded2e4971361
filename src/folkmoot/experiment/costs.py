"""What an experiment would take: samples and calls of every graph, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.tuning import rehearsed
from folkmoot.experiment.design import Design
from folkmoot.visible import visible

LARGE = 20_000
"""More calls than this are worth a word on how to make fewer."""
_HINT = "That is a lot. What makes it less: one graph (--graph NAME), fewer questions (--limit 8)"


def costs(d: Design, plan: Plan) -> list[dict[str, Any]]:
    """A row for the members alone, each graph, the systems beside them, and dev: sizes, teams, samples and most calls."""
    questions = len(plan.items) * plan.suite.draws
    dev = sum(len(t.dev) for t in plan.tasks)
    graphs = {s.name: s for s in plan.graphs}
    rows = [_row("members alone", [1], [s for s in plan.systems if s.kind == "member"], questions)]
    for line in dict.fromkeys(p.line for p in d.parts):
        parts = [p for p in d.parts if p.line == line and p.system in graphs]
        rows.append(_row(line, sorted({p.x for p in parts}), [graphs[p.system] for p in parts], questions))
    rows.append(_row("monoliths and base", [], [s for s in plan.systems if s.kind == "monolith"], questions))
    on_dev = [*(s for s in plan.systems if s.kind == "member"), *filter(None, map(rehearsed, plan.systems))]
    rows.append(_row("dev questions", [], on_dev, dev))
    return [r for r in rows if r["samples"]]


def _row(name: str, sizes: Sequence[int], who: Sequence[System], questions: int) -> dict[str, Any]:
    calls = questions * sum(s.protocol.most_calls(len(s.team), s.options) for s in who)
    return {"name": name, "sizes": list(sizes), "teams": len(who), "samples": questions * len(who), "most_calls": calls}


def said(found: Mapping[str, Any]) -> str:
    """An outline for a terminal."""
    heads = [
        "",
        "distinct members" if found["experiment"] == "diversity" else "members",
        "teams",
        "samples",
        "most calls",
    ]
    rows = [
        [r["name"], _sizes(r["sizes"]), str(r["teams"]), f"{r['samples']:,}", f"{r['most_calls']:,}"]
        for r in found["rows"]
    ]
    rows.append(["together", "", "", f"{found['samples']:,}", f"{found['most_calls']:,}"])
    fewer = "." if found["experiment"] == "priorities" else ", fewer teams (--draws 2)."
    more = [_HINT + fewer] if found["most_calls"] > LARGE else []
    told = f"{found['questions']} questions" + (f", {found['dev']} on dev" if found["dev"] else "")
    note: str = found["note"]
    return "\n".join(
        [told, "", *_lines([heads, *rows]), "", f"{note[0].upper()}{note[1:]}.", *map(visible, found["notes"]), *more]
    )


def _sizes(sizes: Sequence[int]) -> str:
    """Sizes in a few characters.

    >>> _sizes([2, 3, 4, 5]), _sizes([1, 2, 3, 6]), _sizes([6])
    ('2-5', '1, 2, 3, 6', '6')
    """
    if len(sizes) > 2 and list(sizes) == list(range(sizes[0], sizes[-1] + 1)):
        return f"{sizes[0]}-{sizes[-1]}"
    return ", ".join(map(str, sizes))


def _lines(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(visible(r[i])) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        first, *others = (visible(c) for c in r)
        yield "  ".join(
            [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
        ).rstrip()
