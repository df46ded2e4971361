"""Verbs that write files from a run: ``report`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from folkmoot.cli.eval.words import Folder, Json, say_json


def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(help="Write the page there; the run is only read. Default: into the run.")
    ] = None,
    without_texts: Annotated[
        bool,
        typer.Option(
            "--without-texts", help="Leave questions and discussions out: for data that may not be published."
        ),
    ] = False,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json: Json = False,
) -> None:
    """Write the report of a run again from its samples: the page, and the tables beside it."""
    from folkmoot.documents import BadInput
    from folkmoot.evaluation.export_file import fresh
    from folkmoot.evaluation.folder import find_run
    from folkmoot.evaluation.report import render, rewrite

    if without_texts and out is None:
        raise BadInput("--without-texts: name another file with --out; the run's own page keeps its texts")

    run = find_run(folder)
    if out is None:
        page = rewrite(run)
        files = [page, run / "table.md", run / "table.json"]
    else:
        text = render(run, texts=not without_texts)
        with fresh(out, force=True) as f:
            f.write(text.encode("utf-8", "replace"))
        page, files = out, [out]
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    if json:
        say_json({"files": [str(p) for p in files]})
    elif str(page) != "-":
        typer.echo(page)


def export(
    folder: Folder,
    to: Annotated[
        str, typer.Option("--to", metavar="FORM", help="csv, parquet, json, or inspect (logs of inspect_ai).")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File (for inspect: folder) to write; a name that ends in .jsonl gets a line per sample; - is standard "
            "output. Default: inside the run."
        ),
    ] = None,
    turns: Annotated[
        bool, typer.Option("--turns", help="For csv and parquet: a row for every turn instead of every sample.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Json = False,
) -> None:
    """Write the samples of a run for other programs."""
    from folkmoot.documents import BadInput
    from folkmoot.evaluation.export import export as write
    from folkmoot.progress import Line, silent

    if json and str(out) == "-":
        raise BadInput("--json and --out -: both want standard output; name a file")
    line = Line()
    try:
        done = write(folder, to, out=out, turns=turns, force=force, progress=silent if str(out) == "-" else line)
    finally:
        line.close()
    if json:
        files = [str(p) for p in done.files]
        say_json({"form": done.form, "files": files, "samples": done.samples, "rows": done.rows})
        return
    for path in done.files[:1] if to != "inspect" else ():
        typer.echo(f"{done.rows} rows in {path}" if to != "json" else f"{done.rows} samples in {path}")
    if to == "inspect" and done.files:
        parent = done.files[0].parent
        typer.echo(f"{done.rows} logs in {parent}; look at them with: inspect view --log-dir {parent}")
