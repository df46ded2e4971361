"""The command tree."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="folkmoot",
    help="Small, contributed language models that answer as one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from folkmoot import __version__

        typer.echo(f"folkmoot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


def _mount() -> None:
    from folkmoot.cli import ask, bench, cache, contribute, doctor, eval, experiment, graph, model, team

    app.command("ask")(ask.ask)
    app.command("bench")(bench.bench)
    app.command("doctor")(doctor.doctor)
    app.add_typer(eval.app, name="eval", help="Run suites and read their results.")
    app.add_typer(graph.app, name="graph", help="List, show and draw collaboration graphs.")
    app.add_typer(contribute.app, name="contribute", help="Bring a model, look at what others brought, share it.")
    app.add_typer(experiment.app, name="experiment", help="The curves of participation, one command each.")
    app.add_typer(team.app, name="team", help="Propose a team under a budget.")
    app.add_typer(cache.app, name="cache", help="Look into the cache of completions, or empty it.")
    app.add_typer(model.app, name="model", help="List and fetch models.")


_mount()
