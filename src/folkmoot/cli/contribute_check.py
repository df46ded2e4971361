"""``folkmoot contribute check``: may this contribution be admitted?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from folkmoot.contribute.findings import Admission


def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The contribution: it holds a participant.yaml.")],
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Load the model, ask it, and score its own test set.")
    ] = True,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="A task or suite, by name or file, whose questions must not be in its data; may be repeated."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the data of tasks.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="A registry: the test questions of those in it must not be in its data.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check a contribution from somebody who is not trusted: files, manifest, weights, chat template, data, replies.

    Exit code 0 if it is admitted, 3 if not, 2 if there is no such folder, 4 if a prerequisite is missing.
    """
    from folkmoot.contribute.check import check as admission
    from folkmoot.progress import Line

    line = Line()
    try:
        found = admission(folder, run=run, suites=suite or (), data=data, registry=registry, progress=line)
    finally:
        line.close()
    if json:
        import json as j

        typer.echo(j.dumps(found.plain(), indent=2))
    else:
        show(found, folder)
    raise typer.Exit(0 if found.admitted else 3)


def show(found: Admission, folder: Path) -> None:
    """Print an admission for people: a table, its colours on a terminal only."""
    import shutil
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"refuse": "red", "warn": "yellow", "pass": "green"}
    table = Table("", "Check", "Where", "Found", "What to do", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for f in found.findings:
        what = (Text(t, overflow="fold") for t in (f.check, f.where, f.what, f.remedy))
        table.add_row(Text(f.level, colours[f.level]), *what)
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else max(160, shutil.get_terminal_size().columns))
    console.print(table)
    for name, s in found.scores.items():
        console.print(Text(f"{name}: {100 * s.score:.1f} % of {s.questions} questions, {s.unread} without an answer"))
    refusals, warnings = len(found.refusals), sum(f.level == "warn" for f in found.findings)
    told = f"{folder}: " + ("admitted" if found.admitted else f"not admitted: {refusals} to mend")
    console.print(Text(told + (f", {warnings} to look at" if warnings else "")))
