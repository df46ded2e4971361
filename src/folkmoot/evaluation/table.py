"""The comparison as a table: for terminals and for Markdown."""

from __future__ import annotations

import io
import itertools
import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from folkmoot.evaluation import collaboration_table
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.summary import Row, Summary
from folkmoot.evaluation.table_json import verdicts
from folkmoot.evaluation.words import (
    KINDS,
    LEGEND,
    accuracy,
    amount,
    chance,
    finished,
    notes,
    points,
    share,
    shortfall,
)
from folkmoot.evaluation.worth import view as worth
from folkmoot.visible import visible

ROOMY = 96
"""Columns from which on accuracies are set with a decimal and columns stand two apart."""


def render_table(summary: Summary, width: int = 100) -> Table:
    """The main table, set for so many columns; from 80 on no figure is cut or wrapped."""
    roomy = width >= ROOMY
    gap = 1 + roomy
    widths = [max((len(c.plain) for c in column), default=1) for column in zip(*_figures(summary, roomy), strict=True)]
    heads = ["n", "accuracy [95 %]", "parsed", "calls", "prompt\ntokens", "compl.\ntokens", "seconds" if roomy else "s"]
    for i, head in enumerate(heads):
        widths[i] = max(widths[i], *map(len, head.split("\n")))
    room = max(8, width - sum(widths) - gap * len(widths))
    table = _table(gap)
    table.add_column("system", no_wrap=True)
    for head, w in zip(heads, widths, strict=True):
        table.add_column(head, justify="right", no_wrap=True, width=w)
    kind = ""
    for row, figures in zip(summary.overall, _figures(summary, roomy), strict=True):
        if row.kind != kind:
            table.add_row(Text(_fit(KINDS.get(row.kind, row.kind), room).plain, style="italic"))
            kind = row.kind
        name = textwrap.indent(_fit(row.system, room - 1).plain, " " if row.kind else "")
        table.add_row(Text(name, style="bold" if row.kind == "graph" else ""), *figures)
    return table


def render(analysis: Analysis, width: int = 100) -> Group:
    """The table, the comparisons, the tasks and the notes, for a `rich.console.Console` of that width."""
    parts: list[RenderableType] = []
    summary = analysis.summary
    if short := shortfall(summary):
        parts += [Text(short, style="bold"), ""]
    parts += [render_table(summary, width), ""]
    if analysis.contrasts:
        parts += [_contrasts(analysis.contrasts, width), ""]
    if analysis.collaboration:
        parts += [_collaboration(analysis, width), ""]
    if analysis.participation:
        for block in worth.blocks(analysis.participation):
            for table in _block(block, width):
                parts += [table, ""]
    if len(summary.by_task) > 1:
        for table in _task_tables(summary, width):
            parts += [table, ""]
    parts += [Text(line, style="dim") for line in _notes(analysis)]
    return Group(*parts)


def render_text(analysis: Analysis, width: int = 100) -> str:
    """`render` as plain text, no line longer than `width`."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(render(analysis, width))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def render_markdown(analysis: Analysis) -> str:
    """The same as Markdown, for documents and pull requests."""
    summary = analysis.summary
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
    blocks = [f"**{short}**"] if (short := shortfall(summary)) else []
    blocks.append(_markdown(heads, body, right=range(2, 9)))
    if analysis.contrasts:
        blocks.append("\n".join(f"- {_escape(_clean(s))}" for s in verdicts(analysis)))
        blocks.append(_markdown(list(_CONTRAST), [_contrast_cells(c) for c in analysis.contrasts], right=range(2, 7)))
    if analysis.collaboration:
        heads = list(collaboration_table.heads(analysis.collaboration))
        blocks.append(_markdown(heads, collaboration_table.lines(analysis.collaboration), right=range(1, len(heads))))
    if analysis.participation:
        for block in worth.blocks(analysis.participation):
            lines = [[_clean(cell) for cell in row] for row in block.rows]
            blocks.append(_markdown(list(map(_clean, block.heads)), lines, right=range(1, len(block.heads))))
    if len(summary.by_task) > 1:
        names = [_clean(r.system) for r in summary.overall]
        body = [[_clean(t), *(_task_cell(r).rstrip() for r in rows)] for t, rows in summary.by_task.items()]
        blocks.append(_markdown(["accuracy by task, %", *names], body, right=range(1, len(names) + 1)))
    blocks.append("\n".join(f"- {_escape(_clean(line))}" for line in _notes(analysis)))
    return "\n\n".join(blocks) + "\n"


def _notes(analysis: Analysis) -> list[str]:
    said = [
        LEGEND,
        *([collaboration_table.legend(analysis.collaboration)] if analysis.collaboration else []),
        *notes(analysis.summary),
    ]
    if analysis.members and analysis.members.best:
        said.append(f"Best member, chosen on questions of the dev split: {analysis.members.best}.")
    if analysis.participation:
        said += [*worth.notes(analysis.participation), *([worth.DRAFTS] if analysis.participation.shares else [])]
    if left := sum(f.excluded for f in analysis.findings):
        said.append(f"{left} items were left out by the data checks: see 'findings' in table.json, or the report.")
    if many := len(analysis.contrasts):
        said.append(
            f"Verdicts of graphs: exact McNemar or sign-flip permutation tests, Holm-corrected for the {many} declared "
            "comparisons. Intervals: 95 %, BCa bootstrap, paired by question, not corrected."
        )
    return said


def _figures(summary: Summary, roomy: bool) -> Iterator[list[Text]]:
    for row in summary.overall:
        n = finished(row) if roomy else finished(row).replace(" of ", "/")
        cells = [n, accuracy(row, 1 if roomy else 0), *["-"] * 5]
        if row.n:
            tokens = (f"{row.prompt_tokens:,.0f}", f"{row.completion_tokens:,.0f}")
            cells[2:] = [share(row.parse_rate, 0), amount(row.calls), *tokens, amount(row.seconds)]
        yield [Text(c) for c in cells]


def _verdict(c: Contrast | None) -> Text:
    if c is None or not c.n:
        return Text("-" if c else "")
    return Text(c.verdict, style={"better": "green", "worse": "red"}.get(c.verdict, ""))


_CONTRAST = {
    "graph": 0,
    "against": 0,
    "points [95 %]": 22,
    "n": 5,
    "only it": 7,
    "only other": 10,
    "p (Holm)": 8,
    "verdict": 19,
}
"""Columns of the comparisons, and how wide they are; 0 shares what is left."""


def _contrast_cells(c: Contrast) -> list[str]:
    figures = [points(c), str(c.n), str(c.only_system), str(c.only_reference), chance(c.adjusted)]
    return [_clean(c.system), _clean(c.reference), *figures, c.verdict]


def _contrasts(contrasts: Sequence[Contrast], width: int) -> Table:
    roomy = width >= ROOMY
    gap, left_out = (2, ()) if width >= 120 else (1 + roomy, ("only it", "only other"))
    columns = {name: w for name, w in _CONTRAST.items() if name not in left_out}
    if not roomy:
        columns["verdict"] = 13  # on two lines
    room = max(8, (width - sum(columns.values()) - gap * (len(columns) - 1)) // 2)
    table = _table(gap)
    for name, w in columns.items():
        words = name in ("graph", "against", "verdict")
        table.add_column(name, justify="left" if words else "right", width=w or room)
    last = ""
    for c in contrasts:
        cells = dict(zip(_CONTRAST, _contrast_cells(c), strict=True))
        graph, last = ("" if cells["graph"] == last else cells["graph"]), cells["graph"]
        shown: dict[str, str | Text] = {
            **cells,
            "graph": _fit(graph, room),
            "against": _fit(cells["against"], room),
            "verdict": _verdict(c),
        }
        table.add_row(*(v if isinstance(v, Text) else Text(v) for k, v in shown.items() if k in columns))
    return table


def _collaboration(analysis: Analysis, width: int) -> Table:
    table = _table(1 + (width >= ROOMY))
    body = collaboration_table.lines(analysis.collaboration)
    heads = collaboration_table.heads(analysis.collaboration)[1:]
    rest = [max(len(w) for w in head.split()) for head in heads]
    rest = [max(w, *(len(row[i + 1]) for row in body)) for i, w in enumerate(rest)]
    room = max(8, width - sum(rest) - (1 + (width >= ROOMY)) * len(rest))
    table.add_column("graph", no_wrap=True)
    for head, w in zip(heads, rest, strict=True):
        table.add_column(head, justify="right", width=w)
    for name, *cells in body:
        table.add_row(_fit(name, room), *map(Text, cells))
    return table


def _block(block: worth.Block, width: int) -> Iterator[Table]:
    """A table of texts: as many columns side by side as fit beside the names."""
    gap = 1 + (width >= ROOMY)
    room = min(max(len(_clean(row[0])) for row in block.rows), 24) if block.rows else 8
    widths = [
        max([len(_clean(row[i])) for row in block.rows] + [len(word) for word in _clean(head).split()])
        for i, head in enumerate(block.heads)
    ]
    room = max(room, min(len(_clean(block.heads[0])), 24))
    start = 1
    while start < len(block.heads):
        end, left = start, width - room
        while end < len(block.heads) and (end == start or left >= gap + widths[end]):
            left -= gap + widths[end]
            end += 1
        table = _table(gap)
        table.add_column(Text(_clean(block.heads[0])), max_width=room)
        for i in range(start, end):
            table.add_column(Text(_clean(block.heads[i])), justify="right", max_width=widths[i])
        for row in block.rows:
            table.add_row(_fit(row[0], room), *(Text(_clean(row[i])) for i in range(start, end)))
        yield table
        start = end


def _task_cell(row: Row) -> str:
    return accuracy(row, 0).replace(" %", "") if row.n else "-"


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
            table.add_column(Text(f"{_fit(task, 15).plain}\nn = {n}"), justify="right", no_wrap=True)
        for cells in zip(*(rows for _, rows in part), strict=True):
            table.add_row(_fit(cells[0].system, room), *(Text(_task_cell(r)) for r in cells))
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
