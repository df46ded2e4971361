"""``folkmoot eval``: plan and run suites, read their results, and take them elsewhere."""

from __future__ import annotations

import typer

from folkmoot.cli.eval import data, reading, running, writing

app = typer.Typer(no_args_is_help=True)
for name, verb in (
    ("plan", running.plan),
    ("run", running.run),
    ("resume", running.resume),
    ("status", reading.status),
    ("score", running.score),
    ("compare", reading.compare),
    ("report", writing.report),
    ("show", reading.show),
    ("export", writing.export),
    ("list", reading.list_),
    ("check", data.check),
):
    app.command(name)(verb)
