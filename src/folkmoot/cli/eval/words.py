"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Suite = Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or the name of a shipped suite.")]
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or its name under runs/.")]
Json = Annotated[bool, typer.Option("--json", help="Standard output is one JSON document and nothing else.")]
Data = Annotated[Path | None, typer.Option(envvar="FOLKMOOT_DATA", help="Folder with data sets that are not bundled.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many questions of each task.")]
Engine = Annotated[str | None, typer.Option(help="transformers or vllm, for members that name no engine.")]
Scripted = Annotated[bool, typer.Option("--scripted", help="Rehearse without models: made-up replies.")]
Unsafe = Annotated[
    bool,
    typer.Option(
        "--unsafe-code", help="Score programs even where this machine cannot isolate them; for machines you can lose."
    ),
]


def say_json(data: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(data, indent=2))
