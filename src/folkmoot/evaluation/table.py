"""The comparison as a table: for terminals, for Markdown, for programs."""

from __future__ import annotations

import dataclasses
import io
import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from folkmoot.evaluation.summary import Comparison, Row, Summary
from folkmoot.evaluation.words import (
    KINDS,
    LEGEND,
    accuracy,
    amount,
    chance,
    compared,
    finished,
    notes,
    points,
    sentences,
    share,
    shortfall,
)
from folkmoot.visible import visible

ROOMY = 96
"""Columns from which on accuracies are set with a decimal and columns stand two apart."""


def render_table(summary: Summary, width: int = 100) -> Table:
    """The main table, set for so many columns; from 80 on no figure is cut or wrapped."""
    roomy = width >= ROOMY
    gap, against = 1 + roomy, summary.reference is not None
    widths = [max((len(c.plain) for c in column), default=1) for column in zip(*_figures(summary, roomy), strict=True)]
    heads = ["n", "accuracy [95 %]", "parsed", "calls", "prompt\ntokens", "compl.\ntokens", "seconds" if roomy else "s"]
    for i, head in enumerate(heads):
        widths[i] = max(widths[i], *map(len, head.split("\n")))
    left = width - sum(widths) - gap * len(widths)
    longest = max((len(_clean(r.system)) + 1 for r in summary.overall), default=8)
    verdict = 19 if left >= longest + gap + 19 else 13
    room = max(8, left - (gap + verdict if against else 0))
    table = _table(gap)
    table.add_column("system", no_wrap=True)
    for head, w in zip(heads, widths, strict=True):
        table.add_column(head, justify="right", no_wrap=True, width=w)
    if against:
        table.add_column(_fit(f"against {summary.reference}", verdict), width=verdict)
    kind = ""
    for row, figures in zip(summary.overall, _figures(summary, roomy), strict=True):
        if row.kind != kind:
            table.add_row(Text(_fit(KINDS.get(row.kind, row.kind), room).plain, style="italic"))
            kind = row.kind
        name = textwrap.indent(_fit(row.system, room - 1).plain, " " if row.kind else "")
        cells = [Text(name, style="bold" if row.kind == "graph" else ""), *figures]
        table.add_row(*cells, *([_verdict(row.against)] if against else []))
    return table


def render(summary: Summary, width: int = 100) -> Group:
    """The table, the differences, the tasks and the notes, for a `rich.console.Console` of that width."""
    parts: list[RenderableType] = []
    if short := shortfall(summary):
        parts += [Text(short, style="bold"), ""]
    parts += [render_table(summary, width), ""]
    if compared(summary):
        parts += [_differences(summary, width), ""]
    if len(summary.by_task) > 1:
        for table in _task_tables(summary, width):
            parts += [table, ""]
    parts += [Text(line, style="dim") for line in (LEGEND, *notes(summary))]
    return Group(*parts)


def render_text(summary: Summary, width: int = 100) -> str:
    """`render` as plain text, no line longer than `width`."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(render(summary, width))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def render_markdown(summary: Summary) -> str:
    """The same as Markdown, for documents and pull requests."""
    reference = _clean(summary.reference or "")
    heads = [
        "system",
        "kind",
        "n",
        "accuracy [95 %]",
        "parsed",
        "calls",
        "prompt tokens",
        "completion tokens",
        "seconds",
    ]
    body = [
        [_clean(row.system), _clean(row.kind), *(cell.plain for cell in figures)]
        for row, figures in zip(summary.overall, _figures(summary, roomy=True), strict=True)
    ]
    if reference:
        heads.append(f"against {reference}")
        for line, row in zip(body, summary.overall, strict=True):
            line.append(_verdict(row.against).plain)
    blocks = [f"**{short}**"] if (short := shortfall(summary)) else []
    blocks.append(_markdown(heads, body, right=range(2, 9)))
    if verdicts := sentences(summary):
        blocks.append("\n".join(f"- {_escape(_clean(s))}" for s in verdicts))
    if compared(summary):
        heads, body = _difference_cells(summary)
        blocks.append(_markdown([f"against {reference}", *heads], body, right=range(1, 6)))
    if len(summary.by_task) > 1:
        names = [_clean(r.system) for r in summary.overall]
        body = [[_clean(t), *(_task_cell(r).rstrip() for r in rows)] for t, rows in summary.by_task.items()]
        blocks.append(_markdown(["accuracy by task, %", *names], body, right=range(1, len(names) + 1)))
        if compared(summary):
            blocks.append(_escape(_task_key(summary)))
    blocks.append("\n".join(f"- {_escape(_clean(line))}" for line in (LEGEND, *notes(summary))))
    return "\n\n".join(blocks) + "\n"


def to_json(summary: Summary) -> dict[str, Any]:
    """The summary as plain data. Figures of a system without a finished sample are null."""

    def plain(row: Row) -> dict[str, Any]:
        data = dataclasses.asdict(row)
        data["interval"] = list(row.interval)
        if row.against:
            data["against"]["difference"] = row.against.difference._asdict()
        if not row.n:
            data |= dict.fromkeys(("accuracy", "parse_rate", "calls", "prompt_tokens", "completion_tokens", "seconds"))
        return data

    return {
        "reference": summary.reference,
        "partial": summary.partial,
        "finished": summary.finished,
        "planned": summary.planned,
        "draws": summary.draws,
        "systems": [plain(r) for r in summary.overall],
        "tasks": {task: [plain(r) for r in rows] for task, rows in summary.by_task.items()},
        "ceiling": summary.ceiling
        and {"n": summary.ceiling.n, "accuracy": summary.ceiling.accuracy, "interval": list(summary.ceiling.interval)},
        "verdicts": sentences(summary),
    }


def _figures(summary: Summary, roomy: bool) -> Iterator[list[Text]]:
    for row in summary.overall:
        n = finished(row) if roomy else finished(row).replace(" of ", "/")
        cells = [n, accuracy(row, 1 if roomy else 0), *["-"] * 5]
        if row.n:
            tokens = (f"{row.prompt_tokens:,.0f}", f"{row.completion_tokens:,.0f}")
            cells[2:] = [share(row.parse_rate, 0), amount(row.calls), *tokens, amount(row.seconds)]
        yield [Text(c) for c in cells]


def _verdict(c: Comparison | None) -> Text:
    if c is None or not c.n:
        return Text("-" if c else "")
    return Text(c.verdict, style={"better": "green", "worse": "red"}.get(c.verdict, ""))


def _difference_cells(summary: Summary) -> tuple[list[str], list[list[str]]]:
    pairs = compared(summary)
    whole = all(c.p is not None for _, c in pairs)
    heads = ["only it right", "only reference right"] if whole else ["it higher", "reference higher"]
    body = [
        [_clean(r.system), points(c), str(c.n), str(c.only_this), str(c.only_reference), chance(c.p)] for r, c in pairs
    ]
    return ["points [95 %]", "n", *heads, "McNemar p"], body


def _differences(summary: Summary, width: int) -> Table:
    heads, body = _difference_cells(summary)
    room = max(8, width - 59)
    table = _table()
    table.add_column(_fit(f"against {summary.reference}", room), no_wrap=True)
    for head, w in zip(heads, (22, 4, 7, 9, 7), strict=True):
        table.add_column(head, justify="right", width=w)
    for name, *figures in body:
        table.add_row(_fit(name, room), *map(Text, figures))
    return table


def _task_cell(row: Row) -> str:
    word = row.against.verdict if row.against else ""
    mark = {"better": " >", "worse": " <"}.get(word, "  ")
    return accuracy(row, 0).replace(" %", "") + mark if row.n else "-  "


def _task_key(summary: Summary) -> str:
    return f"> better, < worse than {_clean(summary.reference or '')} on this task"


def _task_tables(summary: Summary, width: int) -> Iterator[Table]:
    """Systems down, tasks across, as many tasks side by side as fit."""
    room = min(max((len(r.system) for r in summary.overall), default=8), 24)
    at_once = max(1, (width - room) // 18)
    tasks = list(summary.by_task.items())
    for start in range(0, len(tasks), at_once):
        part = tasks[start : start + at_once]
        table = _table()
        table.add_column("accuracy by task, %", no_wrap=True)
        for task, rows in part:
            n = max((r.n for r in rows), default=0)
            table.add_column(Text(f"{_fit(task, 15).plain}\nn = {n}  "), justify="right", no_wrap=True)
        for cells in zip(*(rows for _, rows in part), strict=True):
            table.add_row(_fit(cells[0].system, room), *(Text(_task_cell(r)) for r in cells))
        if start + at_once >= len(tasks) and compared(summary):
            table.caption = Text(_task_key(summary))
            table.caption_justify = "left"
        yield table


def _fit(name: str, width: int) -> Text:
    """A name on as many lines as it needs, broken between words if possible."""
    return Text("\n".join(textwrap.wrap(_clean(name), width)))


def _table(gap: int = 2) -> Table:
    # The box itself sets columns one apart
    return Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")


def _markdown(heads: Sequence[str], body: Sequence[Sequence[str]], right: range) -> str:
    rule = ["---:" if i in right else "---" for i in range(len(heads))]
    lines = itertools.chain([list(map(_escape, heads)), rule], (list(map(_escape, line)) for line in body))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    for c in "\\|`*_":
        text = text.replace(c, "\\" + c)
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _clean(name: str) -> str:
    return " ".join(visible(name).split())
