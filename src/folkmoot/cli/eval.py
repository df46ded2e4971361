"""``folkmoot eval``: run suites and read their results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def run(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    out: Annotated[Path | None, typer.Option(help="Run directory; the same one resumes. Default: runs/SUITE.")] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="FOLKMOOT_DATA", help="Folder with data sets that are not bundled.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions of each task.")] = None,
    engine: Annotated[str | None, typer.Option(help="transformers or vllm, for members that name no engine.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the suite; load and run nothing.")] = False,
    scripted: Annotated[bool, typer.Option("--scripted", help="Rehearse without models: made-up replies.")] = False,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Neither use nor fill the cache of earlier runs. Equal calls of this run are still made once.",
        ),
    ] = False,
) -> None:
    """Run a suite, print the comparison, and write the results and a page with all transcripts.

    Running the same command again resumes: finished samples are not paid for again.
    """
    from folkmoot.evaluation.run import RunOptions, execute

    options = RunOptions(out=out, data=data, limit=limit, engine=engine, scripted=scripted, cache=not no_cache)
    raise typer.Exit(execute(suite, options, check_only=check))


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    item: Annotated[
        str | None, typer.Option(help="Show the discussions of this question instead of the table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The table as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")] = False,
) -> None:
    """Print the table of a run, or the transcripts of one question."""
    from folkmoot.evaluation.report import show_item, show_table

    if item is not None:
        show_item(run, item)
    else:
        show_table(run, "json" if json else "markdown" if markdown else "terminal")


@app.command("list")
def list_() -> None:
    """List the shipped suites and tasks."""
    from folkmoot.evaluation.suite import find_suite, read_suite, suite_names
    from folkmoot.evaluation.tasks import find_task, task_names

    typer.echo("suites")
    for name in suite_names():
        typer.echo(f"  {name:<20} {read_suite(find_suite(name))[0].about.strip()}")
    typer.echo("tasks")
    for name in task_names():
        typer.echo(f"  {name:<28} {find_task(name).description.strip()}")
