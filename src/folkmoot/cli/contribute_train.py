"""``folkmoot contribute train``: fit an adapter to a contributor's own rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    folder: Annotated[Path, typer.Argument(help="The contribution: a folder with participant.yaml.")],
    data: Annotated[Path | None, typer.Option(help="Training rows, JSONL. Default: train.jsonl in the folder.")] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Times that every row is seen.")] = 4,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Rank of the adapter, on all linear layers.")] = 4,
    lr: Annotated[float, typer.Option(help="Learning rate at its highest; it falls to 0.")] = 2e-3,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Rows per step.")] = 16,
    seed: Annotated[int, typer.Option(help="Of first weights, held-out rows and order.")] = 0,
    held_out: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the rows that is not learnt from.")] = 0.1,
    patience: Annotated[
        int,
        typer.Option(min=1, help="Looks at the held-out rows (two an epoch) without a better loss before it stops."),
    ] = 4,
    max_tokens: Annotated[int, typer.Option(min=16, help="Tokens of the longest row that is taken.")] = 1024,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Default: the GPU if there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: the free cores.")] = None,
    score: Annotated[bool, typer.Option(help="Score before and after on the priority test set.")] = True,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew what is finished or differs.")] = False,
    json: Annotated[bool, typer.Option("--json", help="What was trained, as one object.")] = False,
) -> None:
    """Train a LoRA adapter on your rows; goes on where it was interrupted. Writes adapter/, training/ and the manifest."""
    from folkmoot.contribute.train import ADAPTER, DATA, Job
    from folkmoot.contribute.train import train as run
    from folkmoot.contribute.train_recipe import Recipe
    from folkmoot.documents import BadInput
    from folkmoot.progress import Line

    if not 0 < lr < 1:
        raise BadInput(f"--lr {lr:g}: a number above 0 and below 1, such as 0.002")
    if device is not None and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise BadInput(f"--device {device!r}: known: cpu, cuda, mps")
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; 'folkmoot contribute init' makes one")
    recipe = Recipe(rank, epochs, lr, batch, seed, held_out, patience, max_tokens)
    line = Line()
    job = Job(folder, data or folder / DATA, recipe, device, threads, score, restart, _command(folder, data, recipe))
    try:
        trained = run(job, line)
    finally:
        line.close()
    if json:
        import json as j

        typer.echo(j.dumps({"folder": str(folder), "adapter": str(folder / ADAPTER), **trained}))
        return
    _say(folder / ADAPTER, trained)


def _command(folder: Path, data: Path | None, recipe: Any) -> str:
    """The command in its shortest form, without paths of this machine."""
    import shlex
    from dataclasses import fields

    words = ["folkmoot", "contribute", "train", _shown(folder)]
    if data is not None:
        words += ["--data", _shown(data)]
    for f in fields(recipe):
        if (value := getattr(recipe, f.name)) != f.default:
            words += [f"--{f.name.replace('_', '-')}", f"{value:g}"]
    return shlex.join(words)


def _shown(path: Path) -> str:
    """A path as it was given, if it means the same to others: else only its name."""
    own = path.is_absolute() or ".." in path.parts or path == Path()
    return path.resolve().name if own else str(path)


def _say(adapter: Path, trained: dict[str, Any]) -> None:
    size = sum(p.stat().st_size for p in adapter.iterdir()) / 1e6
    loss = trained["loss"].get("held_out") or trained["loss"]["train"]
    first, last = loss["first"], loss.get("best", loss.get("last"))
    typer.echo(f"{adapter}: {size:.2f} MB, rank {trained['rank']}, {trained['examples']} examples")
    typer.echo(
        f"loss {first:.3f} -> {last:.3f} {'held out' if 'best' in loss else 'training'}, step {trained['best_step']} of "
        f"{trained['steps']}, {trained['seconds']:.0f} s"
    )
    if found := trained.get("score"):
        before, after = found["before"], found["after"]
        typer.echo(f"score on {after['items']} test questions: {_share(before)} -> {_share(after)}")


def _share(score: dict[str, Any]) -> str:
    return f"{100 * score['score']:.0f} % ({100 * score['low']:.0f} to {100 * score['high']:.0f})"
