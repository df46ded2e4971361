"""Verbs that read a run: ``status``, ``show``, ``compare``; and ``list`` for what there is to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from folkmoot.cli.eval.words import Folder, Json, say_json

if TYPE_CHECKING:
    from rich.console import Console

    from folkmoot.evaluation.folder import Run


def status(folder: Folder, json: Json = False) -> None:
    """Say how far a run is, what failed, whether a process is writing it, and what to do next."""
    from folkmoot.evaluation.report import width
    from folkmoot.evaluation.status import status as look
    from folkmoot.evaluation.status import status_json, status_text

    found = look(folder)
    if json:
        say_json(status_json(found))
    else:
        typer.echo(status_text(found, width()), nl=False)


def show(
    folder: Folder,
    item: Annotated[
        str | None, typer.Option(help="The transcripts of this question, side by side, instead of the table.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="The questions, with the outcome of every system.")] = False,
    task: Annotated[str | None, typer.Option(help="Questions of this task.")] = None,
    system: Annotated[list[str] | None, typer.Option(help="This system; give it several times for several.")] = None,
    draw: Annotated[int | None, typer.Option(min=0, help="This draw of every question, counted from 0.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="right, wrong, unparsed, truncated, refused, limit or error; several times for several."),
    ] = None,
    disagreements: Annotated[
        bool, typer.Option("--disagreements", help="Questions that some systems have right and some wrong.")
    ] = False,
    only_right: Annotated[
        str | None,
        typer.Option(metavar="SYSTEM", help="Questions that SYSTEM has right and every member alone has wrong."),
    ] = None,
    collapsed: Annotated[
        str | None,
        typer.Option(metavar="SYSTEM", help="Questions that SYSTEM has wrong and some member alone has right."),
    ] = None,
    prompts: Annotated[bool, typer.Option("--prompts", help="Show what every speaker was sent.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")] = False,
    json: Json = False,
) -> None:
    """Show the table of a run; or its questions; or all transcripts of one question.

    A filter without --item lists the questions that pass.
    """
    from folkmoot.evaluation.folder import find_run, opened
    from folkmoot.evaluation.show import Filter, Look

    wanted = Filter(
        task=task,
        systems=tuple(system or ()),
        draw=draw,
        only=cast("tuple[Look, ...]", tuple(only or ())),
        disagreements=disagreements,
        only_right=only_right,
        collapsed=collapsed,
    )
    if item is None and not list_ and wanted == Filter():
        from folkmoot.evaluation.report import show_table

        show_table(find_run(folder), "json" if json else "markdown" if markdown else "terminal")
        return
    with opened(folder) as run:
        if item is None:
            _list_questions(run, wanted, json)
        else:
            _show_item(run, item, wanted, prompts, json)


def _list_questions(run: Run, wanted: Any, json: bool) -> None:
    from folkmoot.evaluation.show import questions, questions_json

    found = questions(run, wanted)
    if json:
        say_json(questions_json(run, found, wanted.systems))
        return
    from folkmoot.evaluation.transcript import print_questions

    print_questions(_console(), run, found, wanted.systems)


def _show_item(run: Run, item: str, wanted: Any, prompts: bool, json: bool) -> None:
    from folkmoot.evaluation.show import transcripts, transcripts_json

    found = transcripts(run, item, wanted)
    if json:
        say_json(transcripts_json(found, run.items(), prompts=prompts))
        return
    from folkmoot.evaluation.transcript import print_transcripts

    print_transcripts(_console(), found, run.kinds, run.items(), prompts=prompts)


def compare(
    folder: Folder,
    a: Annotated[str, typer.Argument(metavar="A", help="The system in question.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    task: Annotated[str | None, typer.Option(help="Only questions of this task.")] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Points up to which the two count as equivalent. Default: what the suite says."),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Compare although samples are missing.")] = False,
    with_: Annotated[
        Path | None, typer.Option("--with", metavar="OTHER_RUN", help="Take B from this run: on the questions of both.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare two systems on the same questions and say in one sentence what may be said."""
    from folkmoot.documents import BadInput
    from folkmoot.evaluation.compare import alike
    from folkmoot.evaluation.compare import compare as contrast
    from folkmoot.evaluation.folder import opened
    from folkmoot.evaluation.verdicts import compare_json, sentence
    from folkmoot.visible import visible

    with opened(folder) as run:
        items = run.items()
        clusters = {key: item.cluster for key, item in items.items() if item.cluster}
        suited = run.manifest.get("margin")
        given: dict[str, Any] = {
            "task": task,
            "margin": suited if margin is None else margin / 100,
            "clusters": clusters,
            "seed": run.manifest.get("seed", 0),
            "partial": partial,
            "planned": run.tasks,
            "draws": run.manifest["draws"],
        }
        family = None
        if with_ is None:
            family = None if task or partial else _family(run, a, b)
            found = contrast(run.figures, a, b, **given, family=family)
        else:
            with opened(with_) as other:
                equal, differing = ({k for k in keys if task in (None, k[0])} for keys in alike(items, other.items()))
                if differing and not equal:
                    raise BadInput(
                        f"{other.folder}: none of the {len(differing)} questions of the same name is the same there, with "
                        "the same accepted answers; compare runs on the same data"
                    )
                given |= {
                    "others": other.figures,
                    "others_planned": other.tasks,
                    "others_draws": other.manifest["draws"],
                    "others_name": str(other.folder),
                    "only": equal,
                }
                found = contrast(run.figures, a, b, **given)
            if differing:
                of = f"{len(differing)} of {len(equal) + len(differing)} questions of the same name"
                why = f"{of} differ there in their words or accepted answers and are left out"
                typer.echo(visible(f"{other.folder}: {why}"), err=True)
    if json:
        say_json(compare_json(found, alone=family is None))
    else:
        typer.echo(visible(sentence(found, alone=family is None)))


def _family(run: Run, a: str, b: str) -> list[tuple[str, str]] | None:
    """The declared comparisons of a run with this one among them, put as it was asked; None if it is not."""
    family = [(system, reference) for system, reference in run.manifest.get("family", ())]
    family = [(a, b) if pair == (b, a) else pair for pair in family]
    return family if (a, b) in family else None


def list_(json: Json = False) -> None:
    """List the shipped suites and tasks."""
    from folkmoot.evaluation.suite import find_suite, read_suite, suite_names
    from folkmoot.evaluation.tasks import find_task, task_names

    suites = [{"name": n, "about": read_suite(find_suite(n))[0].about.strip()} for n in suite_names()]
    tasks = [{"name": n, "about": find_task(n).description.strip()} for n in task_names()]
    if json:
        say_json({"suites": suites, "tasks": tasks})
        return
    for title, found in (("suites", suites), ("tasks", tasks)):
        typer.echo(title)
        for entry in found:
            typer.echo(f"  {entry['name']:<28} {entry['about']}")


def _console() -> Console:
    """Standard output as wide as the terminal, COLUMNS or 100, coloured on a terminal only."""
    import shutil
    import sys

    from rich.console import Console

    width = shutil.get_terminal_size((100, 24)).columns
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
