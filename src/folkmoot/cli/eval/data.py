"""The verb about data: ``check`` lists what is wrong with the items of a task."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from folkmoot.cli.eval.words import Data, Json, say_json


def check(
    task: Annotated[list[str], typer.Argument(metavar="TASK...", help="Names of tasks, or task files.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Check the data of tasks: items that cannot be answered or scored, duplicates, questions that are in both splits."""
    from folkmoot.evaluation.checks import check as look
    from folkmoot.evaluation.checks import findings_table
    from folkmoot.evaluation.tasks import find_task
    from folkmoot.visible import visible

    tasks = [find_task(name) for name in task]
    found = [f for t in tasks for f in look(t, data)]
    if json:
        say_json([dataclasses.asdict(f) for f in found])
        return
    for f in found:
        typer.echo(visible(f"{f.task} {f.split} {f.item}: {f.kind}: {f.what}{' (left out)' if f.excluded else ''}"))
    typer.echo(("\n" if found else "") + findings_table(tasks, data))
