"""``folkmoot contribute init``: a new contribution, by options or by questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from folkmoot.answers.types import Kind
    from folkmoot.contribute.init import Plan


def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if it is not there.")] = Path("."),
    name: Annotated[
        str | None, typer.Option(help="Small letters, digits, . _ -; the folder's name if left out.")
    ] = None,
    contributor: Annotated[str | None, typer.Option(help="Who you are.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What it is good for, in one or two sentences.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX name, such as Apache-2.0, MIT or CC-BY-4.0.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Base model: a name from 'folkmoot model list' or a hub id (org/name).")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of the base on the hub; needed for org/name.")] = None,
    answer: Annotated[
        str,
        typer.Option(help="Kind of answer of its test set: text, number, math, boolean, choice, labels, code, free."),
    ] = "text",
    language: Annotated[list[str] | None, typer.Option(help="May be repeated; en if left out.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A word by which teams pick it; may be repeated.")] = None,
    weights: Annotated[
        bool, typer.Option("--weights/--adapter", help="It brings a whole model in model/, not a LoRA adapter.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="It brings no weights: an endpoint at this address serves it.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="With --url: the variable that holds the key, FOLKMOOT_KEY_...")
    ] = None,
) -> None:
    """Write a new contribution: a folder that needs weights and data, and nothing else.

    On a terminal it asks for what the options leave out. What is in the folder already stays as it is.
    """
    import sys

    from folkmoot.contribute.init import EXAMPLES, TEST, Plan, check_contribution_name
    from folkmoot.contribute.init import init as write
    from folkmoot.contribute.store import plain_errors
    from folkmoot.documents import BadInput, did_you_mean

    if answer not in EXAMPLES:
        raise BadInput(f"--answer {answer!r}: {did_you_mean(answer, EXAMPLES)}")
    needs = {"name": name, "contributor": contributor, "purpose": purpose, "licence": licence}
    if not weights:
        needs["model"] = model
    told = _asked(needs, folder.resolve().name, served=url is not None)
    check_contribution_name(told["name"])
    if revision is None and url is None and "/" in told.get("model", "") and sys.stdin.isatty():
        revision = str(typer.prompt("Commit of the base on the hub (it may change there)"))
    plan = Plan(
        **told,
        revision=revision,
        answer=cast("Kind", answer),
        languages=tuple(language or ("en",)),
        tags=tuple(tag or ()),
        weights=weights,
        url=url,
        api_key_env=api_key_env,
    )
    with plain_errors(folder):
        for path in write(folder, plan):
            typer.echo(f"wrote {path}")
    typer.echo("\n" + _next(folder, plan, f"{TEST}: {EXAMPLES[plan.answer]}"))


def _asked(needs: dict[str, str | None], folder: str, *, served: bool) -> dict[str, str]:
    """What the options leave out, from whoever sits at the terminal."""
    import sys

    from folkmoot.documents import BadInput

    defaults = {"name": folder.lower().replace(" ", "-"), "model": "smollm2-135m-instruct", "licence": "Apache-2.0"}
    words = {
        "name": "Name (small letters, digits, . _ -)",
        "contributor": "Who contributes it",
        "purpose": "What it is good for, in one or two sentences",
        "licence": "Licence of weights and data (SPDX name)",
        "model": "The name under which the endpoint serves it" if served else "Base model (folkmoot model list)",
    }
    if not sys.stdin.isatty():
        if needs["name"] is None:
            needs["name"] = defaults["name"]
        if lacking := [f"--{key}" for key, value in needs.items() if value is None]:
            raise BadInput(f"init: {', '.join(lacking)} missing, and there is no terminal to ask at")
    told = {}
    for key, value in needs.items():
        default = None if served and key == "model" else defaults.get(key)
        told[key] = value if value is not None else str(typer.prompt(words[key], default=default))
    return told


def _next(folder: Path, plan: Plan, row: str) -> str:
    """What a contributor does after `init`."""
    here = str(folder)
    steps = [f"put your own test questions into {row}"]
    if plan.weights:
        steps.append(f"put config.json, tokenizer and *.safetensors into {folder / 'model'}")
    elif not plan.url:
        steps.append(
            f"put questions to learn from into {folder / 'train.jsonl'}, then: folkmoot contribute train {here}"
        )
    steps += [f"folkmoot contribute check {here}", f"folkmoot contribute add {here} --registry DIR"]
    return "Next:\n" + "\n".join(f"  {i}. {step}" for i, step in enumerate(steps, 1))
