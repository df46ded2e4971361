"""``folkmoot experiment``: the curves of participation, one command each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from folkmoot.cli.eval.words import Data, Engine, Json, Limit, Scripted, Suite, Unsafe, say_json

if TYPE_CHECKING:
    from folkmoot.experiment.design import Name

app = typer.Typer(no_args_is_help=True)

Team = Annotated[Path, typer.Argument(metavar="TEAM", help="A team file, a registry's folder, or a participant.yaml.")]
Graph = Annotated[
    str | None, typer.Option(metavar="NAME", help="Graph of the curve. Default: the graphs of the suite.")
]
With = Annotated[
    list[str] | None, typer.Option("--with", metavar="KEY=VALUE", help="Option of that graph; repeatable.")
]
Draws = Annotated[int, typer.Option(min=1, help="Random teams of each size; all of them if there are fewer.")]
Seed = Annotated[int | None, typer.Option(help="Of the choice of teams. Default: the seed of the suite.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; the same one resumes. Default: runs/SUITE-EXPERIMENT.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what it would take; nothing is loaded or asked.")]


@app.command()
def scaling(
    team: Team,
    suite: Suite,
    graph: Graph = None,
    with_: With = None,
    draws: Draws = 5,
    seed: Seed = None,
    out: Out = None,
    data: Data = None,
    engine: Engine = None,
    limit: Limit = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    dry_run: Dry = False,
    json: Json = False,
) -> None:
    """Score against the number of members: random teams of every size, beside monoliths.

    Running the same command again resumes: finished samples are not paid for again.
    """
    _run("scaling", **locals())


@app.command()
def diversity(
    team: Team,
    suite: Suite,
    slots: Annotated[
        int | None,
        typer.Option(min=2, help="Seats of every team. Default: the number up to the members with most divisors."),
    ] = None,
    graph: Graph = None,
    with_: With = None,
    draws: Draws = 5,
    seed: Seed = None,
    out: Out = None,
    data: Data = None,
    engine: Engine = None,
    limit: Limit = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    dry_run: Dry = False,
    json: Json = False,
) -> None:
    """Score against the number of distinct members at a fixed number of seats; copies fill the rest.

    Running the same command again resumes.
    """
    _run("diversity", **locals())


@app.command()
def priorities(
    team: Team,
    suite: Suite,
    graph: Graph = None,
    with_: With = None,
    out: Out = None,
    data: Data = None,
    engine: Engine = None,
    limit: Limit = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    dry_run: Dry = False,
    json: Json = False,
) -> None:
    """Each contributor's own test set: the contribution alone, the system, and monoliths.

    Running the same command again resumes.
    """
    _run("priorities", **locals())


@app.command()
def emergence(
    team: Team,
    suite: Suite,
    graph: Graph = None,
    with_: With = None,
    draws: Draws = 5,
    seed: Seed = None,
    out: Out = None,
    data: Data = None,
    engine: Engine = None,
    limit: Limit = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    dry_run: Dry = False,
    json: Json = False,
) -> None:
    """Share solved of the questions that every member fails, against the number of members, beside a resampling control.

    Running the same command again resumes.
    """
    _run("emergence", **locals())


def _run(
    name: Name,
    *,
    team: Path,
    suite: str,
    graph: str | None,
    with_: list[str] | None,
    out: Path | None,
    data: Path | None,
    engine: str | None,
    limit: int | None,
    scripted: bool,
    unsafe_code: bool,
    dry_run: bool,
    json: bool,
    draws: int = 5,
    seed: int | None = None,
    slots: int | None = None,
) -> None:
    """Run the experiment `name`, or outline it; the parameters are those of the commands, which pass them on whole."""
    from folkmoot.cli.ask import settings
    from folkmoot.evaluation.run import RunOptions
    from folkmoot.experiment.costs import said
    from folkmoot.experiment.run import ExperimentOptions, experiment, outline

    options = ExperimentOptions(
        RunOptions(out=out, data=data, engine=engine, limit=limit, scripted=scripted, unsafe_code=unsafe_code),
        graph,
        settings(with_ or [], "--with"),
        draws,
        slots,
        seed,
    )
    if not dry_run:
        raise typer.Exit(experiment(name, team, suite, options, as_json=json))
    found = outline(name, team, suite, options)
    if json:
        say_json(found)
        return
    typer.echo(said(found))
