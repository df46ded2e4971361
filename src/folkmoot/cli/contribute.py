"""``folkmoot contribute``: bring a model, look at what others brought, share it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from folkmoot.cli.contribute_check import check
from folkmoot.cli.contribute_check import show as findings
from folkmoot.cli.contribute_init import init
from folkmoot.cli.contribute_train import train

if TYPE_CHECKING:
    from folkmoot.contribute.findings import NotAdmitted

app = typer.Typer(no_args_is_help=True)
app.command()(init)
app.command()(train)
app.command()(check)

REGISTRY = Path("moot")
At = Annotated[Path, typer.Option("--registry", metavar="DIR", help="Folder of the registry.")]
Hub = Annotated[str | None, typer.Option(help="Address of the hub, if it is not the usual one.")]
Suites = Annotated[
    list[str] | None,
    typer.Option(
        "--suite", help="A task or suite, by name or file, whose questions must not be in its data; may be repeated."
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder with the data of tasks.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="FOLDER|ORG/NAME[@REVISION]", help="A folder, or a hub repository.")],
    registry: At = REGISTRY,
    replace: Annotated[
        bool, typer.Option("--replace", help="One with the same name gives way; the same again is measured anew.")
    ] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="Copy and record the rows it was trained on (train.jsonl) too.")
    ] = False,
    endpoint: Hub = None,
    suite: Suites = None,
    data: Data = None,
    json: AsJson = False,
) -> None:
    """Check a contribution, and record it in a registry if it is admitted.

    A folder inside the registry is recorded where it lies; another one, or a hub repository, is copied into it. Exit code
    3 if it is not admitted.
    """
    from folkmoot.contribute.findings import NotAdmitted
    from folkmoot.contribute.keep import add as record
    from folkmoot.progress import Line

    line = Line()
    try:
        done = record(
            source,
            registry,
            replace=replace,
            rows=rows,
            endpoint=endpoint,
            suites=suite or (),
            data=data,
            progress=line,
        )
    except NotAdmitted as e:
        line.close()
        raise _refused(e, source, as_json=json) from None
    finally:
        line.close()
    if json:
        _print(
            {
                "name": done.name,
                "folder": str(done.folder),
                "changed": done.changed,
                "warnings": [f.line() for f in done.warnings],
                **done.entry.model_dump(mode="json"),
            }
        )
        return
    for finding in done.warnings:
        typer.echo(f"warning: {finding.line()}", err=True)
    if done.changed:
        typer.echo(f"{done.name}: added to {registry}, {len(done.entry.files)} files in {done.folder}")
    else:
        typer.echo(f"{done.name}: in {registry} already, unchanged")


@app.command("list")
def list_(
    registry: At = REGISTRY,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    json: AsJson = False,
) -> None:
    """Show what is in a registry, and whether it is as it was when it was added.

    Measured is what `add` measured on its own test set, beside its base alone; claimed is what its manifest says.
    """
    from folkmoot.contribute.keep import listing

    rows = listing(registry, tag)
    if json:
        _print(rows)
        return
    from rich.table import Table

    scores = ("Measured", "Base alone", "Claimed")
    table = Table("Name", "Purpose", "Base", "Licence", "Tags", *scores, "State", box=None, pad_edge=False)
    for row in rows:
        measured, claimed = row["measured"] or {}, row.get("claimed", {}).get("after", {})
        cells = [row["name"], row.get("purpose", ""), row["base"], row.get("licence", ""), ", ".join(row["tags"])]
        told = [measured.get("score"), measured.get("base"), claimed.get("score")]
        table.add_row(*map(_shown, [*cells, *map(_percent, told), row["state"]]))
    _console().print(table)
    for row in rows:
        for wrong in row["differences"] if row["state"] == "changed" else ():
            typer.echo(_shown(wrong).plain, err=True)


@app.command()
def show(
    who: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="A name in the registry, or a contribution's folder.")
    ],
    registry: At = REGISTRY,
    json: AsJson = False,
) -> None:
    """Show one contribution: what it is for, where it comes from, its scores and its files."""
    from folkmoot.contribute.keep import facts, recorded
    from folkmoot.manifest import MANIFEST
    from folkmoot.registry import LOCK, Registry

    known = Registry.read(registry) if (registry / LOCK).is_file() else None
    if Path(who).is_dir() and not (known and who in known.entries) and (Path(who) / MANIFEST).exists():
        told = facts(Path(who))
    else:
        told = recorded(known or Registry.read(registry), who)
    if json:
        _print(told)
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in told.items():
        if text := _lines(key, value):
            table.add_row(key, _shown(text))
    _console().print(table)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Whom.")],
    registry: At = REGISTRY,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")] = False,
    json: AsJson = False,
) -> None:
    """Take a contribution out of a registry. A copy that `add` made goes too; a contributor's own folder stays."""
    import sys

    from folkmoot.contribute.keep import remove as take_out
    from folkmoot.documents import BadInput
    from folkmoot.registry import Registry

    entry = Registry.read(registry).entry(name)
    folder = registry / entry.source
    if not yes and not sys.stdin.isatty():
        raise BadInput(f"remove {name}: there is no terminal to ask at; give --yes")
    if not yes:
        goes = f", with its folder {folder}" if entry.copied else f"; its folder {folder} stays"
        typer.confirm(f"Remove {name} from {registry}{goes}?", abort=True)
    entry = take_out(registry, name)
    if json:
        _print({"name": name, "folder": str(folder), "folder_removed": entry.copied})
    else:
        typer.echo(
            f"{name}: removed from {registry}" + ("" if entry.copied else f"; its folder {folder} is still there")
        )


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="The contribution.")],
    to: Annotated[
        str, typer.Option("--to", metavar="ORG/NAME", help="Repository on the hub; made if it is not there.")
    ],
    endpoint: Hub = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private, if it is made now.")] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Send the rows it was trained on (train.jsonl) too.")] = False,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    suite: Suites = None,
    data: Data = None,
    json: AsJson = False,
) -> None:
    """Check a contribution and send it to a model hub, with its card. The token is that of HF_TOKEN or `hf auth login`.

    Files of an earlier version that are not in this one are removed there; what is no part of a contribution stays.
    """
    from folkmoot.contribute.findings import NotAdmitted
    from folkmoot.contribute.publish import publish as send
    from folkmoot.progress import Line

    line = Line()
    try:
        done = send(
            folder,
            to,
            endpoint=endpoint,
            private=private,
            rows=rows,
            message=message,
            suites=suite or (),
            data=data,
            progress=line,
        )
    except NotAdmitted as e:
        line.close()
        raise _refused(e, str(folder), as_json=json) from None
    finally:
        line.close()
    if json:
        _print({"repo": done.repo, "commit": done.commit, "url": done.url, "files": list(done.files)})
        return
    typer.echo(f"sent {len(done.files)} files: {done.url}")
    typer.echo(f"others add it with: folkmoot contribute add {done.repo}@{done.commit}")


def _refused(e: NotAdmitted, source: str, *, as_json: bool) -> typer.Exit:
    """What `check` would have said, and its exit code."""
    if as_json:
        _print(e.admission.plain())
    else:
        findings(e.admission, Path(source))
    return typer.Exit(3)


def _lines(key: str, value: Any) -> str:
    """A value of a contribution, for people."""
    if key == "measured" and value:
        beside = f", its base alone {_percent(value['base'])}" if value["base"] is not None else ""
        return f"{_percent(value['score'])} of {value['questions']} questions{beside}"
    if key == "claimed":
        return ", ".join(f"{when} {_percent(score['score'])}" for when, score in value.items())
    if key == "files":
        return "\n".join(f"{digest[:12]}  {file}" for file, digest in value.items())
    return ("\n" if key == "differences" else ", ").join(value) if isinstance(value, list) else value


def _print(data: Any) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _percent(score: float | None) -> str:
    return f"{100 * score:.1f} %" if score is not None else ""


def _shown(text: Any) -> Any:
    """A text of somebody else's for the terminal: nothing in it acts, and brackets are no colours."""
    from rich.text import Text

    from folkmoot.visible import visible

    return Text(visible(str(text)))


def _console() -> Any:
    """As wide as the terminal, and wide where there is none."""
    import shutil
    import sys

    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else max(160, shutil.get_terminal_size().columns))
