"""``folkmoot model``: which models there are, and fetching them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(help="Models that folkmoot knows by name, and fetching them.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the models of the catalogue, and which are on this machine."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = [("NAME", "PARAMETERS", "LICENCE", "SIZE", "STATE", "PATH")]
    for row in rows:
        size = _size(row["bytes"]) if row["path"] else f"{_size(row['download_bytes'])} to fetch"
        table.append(
            (row["name"], f"{row['parameters'] / 1e6:.0f} M", row["licence"], size, row["state"], row["path"] or "")
        )
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@app.command()
def pull(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Catalogue name or hub id.")]) -> None:
    """Fetch models, or check those that are here against their hashes; prints where they are."""
    from folkmoot.models import resolve
    from folkmoot.progress import Line

    line = Line()
    try:
        for name in names:
            found = resolve(name, progress=line, thorough=True)
            line.close()
            typer.echo(str(found.path))
    finally:
        line.close()


def _rows() -> list[dict[str, Any]]:
    from folkmoot.models import known, ready

    rows = []
    for name, entry in known().items():
        here = ready(name)
        rows.append(
            {
                "name": name,
                "about": entry.about,
                "parameters": entry.parameters,
                "licence": entry.licence,
                "state": "ready" if here else "absent",
                "path": str(here.path) if here else None,
                "identity": here.identity if here else None,
                "bytes": sum(p.stat().st_size for p in here.path.iterdir()) if here else entry.disk,
                "download_bytes": entry.download,
                "hub": entry.hub.id,
            }
        )
    return rows


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
