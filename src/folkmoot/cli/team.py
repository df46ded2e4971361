"""``folkmoot team``: propose teams."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from folkmoot.cli.eval.words import Data, Engine, Json, Limit, Scripted, Unsafe

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep ``select`` a verb although it is the only one."""


@app.command()
def select(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|TEAM", help="A finished run; or a team, with a suite after it.")
    ],
    suite: Annotated[
        str | None, typer.Argument(metavar="SUITE", help="With a team: the suite whose dev questions it is asked.")
    ] = None,
    members: Annotated[int | None, typer.Option(min=1, help="At most so many members.")] = None,
    tokens: Annotated[
        float | None, typer.Option(min=1, help="At most so many tokens per question, one draft of each.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="What a team is worth: routed, vote or coverage.")] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the proposal as a team file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file if it is there.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the dev run. Default: runs/SUITE-select.")] = None,
    data: Data = None,
    engine: Engine = None,
    limit: Limit = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    json: Json = False,
) -> None:
    """Propose a team under a budget, from what the members got right on dev questions, with the gain to expect."""
    from folkmoot.documents import BadInput, did_you_mean
    from folkmoot.evaluation.folder import find_run
    from folkmoot.evaluation.run import RunOptions
    from folkmoot.experiment.choosing import WHY, from_run, from_team
    from folkmoot.experiment.selecting import Budget

    if members is None and tokens is None:
        raise BadInput("team select: give a budget: --members K, --tokens N, or both")
    if by is not None and by not in WHY:
        raise BadInput(f"--by {by}: {did_you_mean(by, WHY)}")
    if write is not None and os.path.lexists(write) and not force:
        raise BadInput(f"--write {write}: is there already; name another file, or replace it with --force")
    budget, wanted = Budget(members, tokens), next((w for w in WHY if w == by), None)
    if suite is None:
        raise typer.Exit(from_run(find_run(source), budget, wanted, write, as_json=json))
    run = RunOptions(out=out, data=data, engine=engine, limit=limit, scripted=scripted, unsafe_code=unsafe_code)
    raise typer.Exit(from_team(source, suite, run, budget, wanted, write, as_json=json))
