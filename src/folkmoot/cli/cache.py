"""``folkmoot cache``: what the completion cache holds, and how to be rid of it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def info(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Say where the completion cache is, how much it holds and what that cost."""
    from folkmoot.engines.cache_file import completions_file, survey

    found = survey(completions_file())
    if json:
        import json as j

        typer.echo(j.dumps(found, indent=2))
        return
    typer.echo(f"{found['path']}: {found['bytes'] / 2**20:.1f} MiB")
    typer.echo(
        f"{found['completions']} replies, {found['completion_tokens']} tokens, {found['service_s']:.0f} s of work"
    )


@app.command()
def clear(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove all cached completions. Results of runs stay."""
    from folkmoot.engines.cache_file import completions_file, empty, survey

    file = completions_file()
    held = survey(file)["completions"]
    if held and not yes:
        typer.confirm(f"Remove {held} replies from {file}?", abort=True)
    empty(file)
    typer.echo(f"removed {held} replies")


@app.command()
def export(out: Annotated[Path, typer.Argument(help="A file, or - for standard output.")]) -> None:
    """Write all cached completions as JSON lines: the key, and what came back with its costs."""
    import sys

    from folkmoot.engines.cache_file import completions_file, exported
    from folkmoot.engines.contract import Missing

    if str(out) == "-":
        for line in exported(completions_file()):
            sys.stdout.write(line + "\n")
        return
    out = out.resolve()  # the file behind a link, not the link
    plain = not out.exists() or out.is_file()  # a device or pipe is written to, never replaced
    draft = out.with_name(f".{out.name}.part") if plain else out
    try:
        with draft.open("w", encoding="utf-8") as f:
            count = sum(1 for line in exported(completions_file()) if f.write(line + "\n"))
        if plain:
            draft.replace(out)
    except OSError as e:
        raise Missing(f"{out}: cannot be written: {e.strerror}. Give another file.") from None
    finally:
        if plain:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
    typer.echo(f"{count} replies in {out}")
