"""``folkmoot contribute init``: a new contribution, by options or by questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from folkmoot.contribute.init import Plan

_BASE = "smollm2-135m-instruct"


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
        str | None,
        typer.Option(help="Kind of answer of its test set: text, number, math, boolean, choice, labels, code, free."),
    ] = None,
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

    On a terminal it asks for name, contributor, purpose, licence, base, its commit and the kind of answer where the options
    leave them out. What is in the folder already stays as it is.
    """
    from dataclasses import replace

    from folkmoot.contribute.init import Plan, check_place
    from folkmoot.contribute.init import init as write

    check_place(folder)
    needs = {"name": name, "contributor": contributor, "purpose": purpose, "licence": licence}
    if not weights:
        needs |= {"model": model, "revision": revision}
    needs["answer"] = answer
    # Stands for what is not known yet, so that every answer can be judged by itself.
    blank = Plan("x", "x", "x", "MIT", _BASE, "main", weights=weights, url=url)
    blank = replace(blank, languages=tuple(language or ("en",)), tags=tuple(tag or ()))
    told = _asked(needs, blank, folder.resolve().name)
    plan = replace(blank, **{"revision": None, **told}, api_key_env=api_key_env)
    for path in write(folder, plan):
        typer.echo(f"wrote {path}")
    typer.echo("\n" + _next(folder, plan))


def _asked(needs: dict[str, str | None], blank: Plan, folder: str) -> dict[str, Any]:
    """What the options say, and what they leave out, from whoever sits at the terminal; each is judged when it is said."""
    import sys
    from dataclasses import replace
    from functools import partial

    from folkmoot.contribute.init import EXAMPLES, check_plan
    from folkmoot.documents import BadInput

    defaults = {"name": folder.lower().replace(" ", "-"), "model": _BASE, "licence": "Apache-2.0", "answer": "text"}
    if blank.url:
        del defaults["model"]
    words = {
        "name": "Name (small letters, digits, . _ -)",
        "contributor": "Who contributes it",
        "purpose": "What it is good for, in one or two sentences",
        "licence": "Licence of weights and data (SPDX name)",
        "model": "The name under which the endpoint serves it" if blank.url else "Base model (folkmoot model list)",
        "revision": "Commit of the base on the hub (it may change there)",
        "answer": f"Kind of answer of its test set ({', '.join(EXAMPLES)})",
    }
    told: dict[str, Any] = {key: value for key, value in needs.items() if value is not None}
    if not sys.stdin.isatty():
        told = {"name": defaults["name"], "answer": defaults["answer"], **told}
        if lacking := [f"--{key}" for key in needs if key not in told and key != "revision"]:
            raise BadInput(f"init: {', '.join(lacking)} missing, and there is no terminal to ask at")
        return told
    check_plan(replace(blank, **told))
    for key in needs:
        if key in told or (key == "revision" and (blank.url or "/" not in told["model"])):
            continue
        told[key] = typer.prompt(words[key], default=defaults.get(key), value_proc=partial(_judged, blank, key))
    return told


def _judged(blank: Plan, key: str, value: str) -> str:
    """An answer, if it can be; else the prompt says why not and asks again."""
    from dataclasses import replace

    from folkmoot.contribute.init import check_plan
    from folkmoot.documents import BadInput

    said: dict[str, Any] = {key: value}
    try:
        check_plan(replace(blank, **said))
    except BadInput as e:
        raise typer.BadParameter(str(e)) from None
    return value


def _next(folder: Path, plan: Plan) -> str:
    """What a contributor does after `init`."""
    from shlex import quote

    from folkmoot.contribute.files import ROWS
    from folkmoot.contribute.init import EXAMPLES, TEST

    here, test, rows, model = (quote(str(p)) for p in (folder, folder / TEST, folder / ROWS, folder / "model"))
    steps = [f"put your own test questions into {test}: {EXAMPLES[plan.answer]}"]
    if plan.weights:
        steps.append(f"put config.json, tokenizer and *.safetensors into {model}")
    elif not plan.url:
        steps.append(f"put questions to learn from into {rows}, then: folkmoot contribute train {here}")
    steps += [f"folkmoot contribute check {here}", f"folkmoot contribute add {here} --registry DIR"]
    return "Next:\n" + "\n".join(f"  {i}. {step}" for i, step in enumerate(steps, 1))
