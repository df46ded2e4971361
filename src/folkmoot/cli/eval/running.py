"""Verbs that spend: ``plan`` says what it would take, ``run`` and ``resume`` ask models, ``score`` runs the scorers again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from folkmoot.cli.eval.words import Data, Engine, Folder, Json, Limit, Scripted, Suite, Unsafe, say_json


def plan(
    suite: Suite,
    data: Data = None,
    limit: Limit = None,
    engine: Engine = None,
    scripted: Scripted = False,
    unsafe_code: Unsafe = False,
    earlier: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="An earlier run of these systems: how often they differ is taken from it."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a suite and say what it would cost and what it could show, before anything is spent.

    Nothing is loaded or asked.
    """
    from folkmoot.evaluation.folder import find_run
    from folkmoot.evaluation.planning import outline, outline_json, outline_text
    from folkmoot.evaluation.run import RunOptions

    options = RunOptions(data=data, limit=limit, engine=engine, scripted=scripted, unsafe_code=unsafe_code)
    found = outline(suite, options, find_run(earlier) if earlier else None)
    if json:
        say_json(outline_json(found))
    else:
        typer.echo(outline_text(found))


def run(
    suite: Suite,
    out: Annotated[Path | None, typer.Option(help="Run directory; the same one resumes. Default: runs/SUITE.")] = None,
    data: Data = None,
    limit: Limit = None,
    engine: Engine = None,
    scripted: Scripted = False,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Neither use nor fill the cache of earlier runs. Equal calls of this run are still made once.",
        ),
    ] = False,
    unsafe_code: Unsafe = False,
    json: Json = False,
) -> None:
    """Run a suite, print the comparison, and write the results and a page with all transcripts.

    Running the same command again resumes: finished samples are not paid for again.
    """
    from folkmoot.evaluation.run import RunOptions, execute

    options = RunOptions(
        out=out,
        data=data,
        limit=limit,
        engine=engine,
        scripted=scripted,
        cache=not no_cache,
        unsafe_code=unsafe_code,
    )
    raise typer.Exit(execute(suite, options, as_json=json))


def resume(folder: Folder, json: Json = False) -> None:
    """Go on with a run that was interrupted, or try its failed samples again, with the options that it was begun with."""
    from folkmoot.evaluation.folder import find_run
    from folkmoot.evaluation.run import resume as go_on

    raise typer.Exit(go_on(find_run(folder), as_json=json))


def score(folder: Folder, unsafe_code: Unsafe = False, json: Json = False) -> None:
    """Read and score the stored replies of a run again, and write its report again. No model is asked."""
    from folkmoot.evaluation.folder import find_run
    from folkmoot.evaluation.rescore import rescore

    raise typer.Exit(rescore(find_run(folder), unsafe_code=unsafe_code, as_json=json))
