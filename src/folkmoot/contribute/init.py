"""A new contribution: a folder that needs weights and data, and nothing else."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from folkmoot.answers.types import Kind
from folkmoot.contribute.card import write_card
from folkmoot.contribute.check_endpoint import key_variable
from folkmoot.contribute.check_licences import licence_fault
from folkmoot.contribute.check_manifest import Told, judged
from folkmoot.contribute.files import CARD, HUB_ID, ROWS
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST, Manifest
from folkmoot.models import check_source
from folkmoot.models.folder import replace_text
from folkmoot.registry import Slug

ADAPTER = "adapter"
MODEL = "./model"
TEST = "priority.jsonl"

EXAMPLES: Mapping[Kind, str] = {
    "text": '{"id": "1", "split": "test", "question": "What is the capital of Peru?", "answer": ["Lima"]}',
    "number": '{"id": "1", "split": "test", "question": "What is 17 * 24?", "answer": 408}',
    "math": '{"id": "1", "split": "test", "question": "Factor x^2 - 1.", "answer": "(x-1)(x+1)"}',
    "boolean": '{"id": "1", "split": "test", "question": "Is 1900 a leap year?", "answer": false}',
    "choice": '{"id": "1", "split": "test", "question": "Which is a fish?", "options": ["eel", "newt"], "answer": "eel"}',
    "labels": '{"id": "1", "split": "test", "question": "It rains and blows.", "options": ["rain", "wind", "snow"], '
    '"answer": ["rain", "wind"]}',
    "code": '{"id": "1", "split": "test", "question": "Write a function double(n).", '
    '"tests": "def check(f):\\n    assert f(2) == 4"}',
    "free": '{"id": "1", "split": "test", "question": "Explain tides to a child."}',
}
"""A row of a priority test set for each kind of answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new contribution is to be.

    Attributes:
        name, contributor, purpose, licence, languages, tags: As in the manifest.
        model: Base of the adapter, or the name that the endpoint knows; not used for full weights.
        revision: Of the base.
        answer: Kind of answer of its own test set.
        weights: It brings a whole model in ``model/``, not an adapter.
        url: It brings no weights: an endpoint serves it.
        api_key_env: Variable that holds the endpoint's key.
    """

    name: str
    contributor: str
    purpose: str
    licence: str
    model: str = ""
    revision: str | None = None
    answer: Kind = "text"
    languages: Sequence[str] = ("en",)
    tags: Sequence[str] = ()
    weights: bool = False
    url: str | None = None
    api_key_env: str | None = None


def init(folder: Path, plan: Plan) -> tuple[Path, ...]:
    """Write a contribution's folder: manifest, empty test set, card, ``.gitignore``. What is there already stays.

    All of it is written or nothing. An empty file is as good as none: a disk that was full may have left it.

    Returns:
        The files that were written.

    Raises:
        BadInput: A contribution is there already, or what was said does not fit.
        Missing: The folder cannot be written.
    """
    check_place(folder)
    check_plan(plan)
    manifest = _text(_told(plan), plan)
    with _whole(folder) as written:
        for name, content in ((TEST, ""), (".gitignore", "/training/checkpoint*/\n"), (MANIFEST, manifest)):
            if not _holds(folder / name):
                written.append(folder / name)
                replace_text(folder / name, content)
        if write_card(folder):
            written.append(folder / CARD)
    return tuple(written)


def check_place(folder: Path) -> None:
    """Refuse a folder that no contribution can be made in.

    Raises:
        BadInput: A file or a contribution is there already.
        Missing: It cannot be looked at.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder}: a file is there already; name a folder for the contribution")
        if _holds(folder / MANIFEST):
            raise BadInput(f"{folder / MANIFEST}: a contribution is here already; edit it, or name another folder")
    except OSError as e:
        raise _unwritable(folder, e) from None


def _holds(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def _whole(folder: Path) -> Iterator[list[Path]]:
    """Make a folder, and take it away again, with the files that are listed meanwhile, if they do not all get written.

    Raises:
        Missing: The system does not take them.
    """
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield written
    except BaseException as e:
        for path in written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
        if isinstance(e, OSError):
            raise _unwritable(folder, e) from None
        raise


def _unwritable(folder: Path, e: OSError) -> Missing:
    if e.errno in (errno.ENOSPC, errno.EDQUOT):
        return Missing(f"{folder}: no room on its disk; free some and run it again. Nothing was written")
    return Missing(f"{folder}: cannot be written ({e.strerror or e}); name a folder that you may write")


def check_plan(plan: Plan) -> None:
    """Refuse a plan that makes no contribution.

    Raises:
        BadInput: The first thing in it that cannot be.
    """
    _refuse(_told(plan), plan)


def check_contribution_name(name: str) -> str:
    """Return `name` if a contribution may have it.

    Raises:
        BadInput: It may not.
    """
    try:
        return TypeAdapter(Slug).validate_python(name)
    except ValidationError as e:
        raise BadInput(f"name {name!r}: {e.errors(include_url=False)[0]['ctx']['error']}") from None


def _told(plan: Plan) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": plan.name,
        "contributor": " ".join(plan.contributor.split()),
        "purpose": " ".join(plan.purpose.split()),
        "licence": plan.licence.strip(),
        "languages": list(plan.languages),
        "tags": list(plan.tags),
        "model": MODEL if plan.weights else plan.model,
    }
    if plan.url:
        told |= {"engine": "openai", "url": plan.url, **({"api_key_env": plan.api_key_env} if plan.api_key_env else {})}
    elif not plan.weights:
        told |= {**({"revision": plan.revision} if plan.revision else {}), "adapter": ADAPTER}
    return {**told, "priority": {"file": TEST, "answer": plan.answer}}


def _refuse(told: Mapping[str, Any], plan: Plan) -> None:
    check_contribution_name(plan.name)
    if empty := [key for key in ("contributor", "purpose", "licence") if not told[key]]:
        raise BadInput(f"{', '.join(empty)}: empty; say it in a few words")
    if fault := licence_fault(told["licence"]):
        raise BadInput(f"licence {told['licence']!r} is not known: {fault}")
    if plan.answer not in EXAMPLES:
        raise BadInput(f"answer {plan.answer!r}: {did_you_mean(plan.answer, EXAMPLES)}")
    if plan.api_key_env and plan.api_key_env != (own := key_variable(told["name"])):
        raise BadInput(f"api_key_env {plan.api_key_env!r}: whoever adds it sends what it holds there: name it {own}")
    if plan.url and plan.weights:
        raise BadInput("--url and --weights: an endpoint brings no weights; leave one of them out")
    if not plan.url and not plan.weights:
        if plan.model.startswith((".", "/", "~")):
            raise BadInput(
                f"model {plan.model!r}: others must be able to fetch the base, so a folder of yours will not do; give a "
                "name from 'folkmoot model list' or a hub id, or bring whole weights with --weights"
            )
        check_source(plan.model)
        if re.fullmatch(HUB_ID, plan.model) and not plan.revision:
            raise BadInput(f"model {plan.model!r} may change on the hub: name the commit that you mean with --revision")
    try:
        manifest = Manifest.model_validate(dict(told))
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        if first["loc"][0] == "tags":
            raise BadInput(f"tag {first['input']!r}: use small letters, digits and '-', such as sea-tides") from None
        why = str(first.get("ctx", {}).get("error", first["msg"]))
        raise BadInput(f"{'.'.join(map(str, first['loc'])) or 'manifest'}: {why}") from None
    if wrong := next((f for f in judged(Told(manifest, {})) if f.level == "refuse"), None):
        raise BadInput(replace(wrong, where="").line())


def _text(told: Mapping[str, Any], plan: Plan) -> str:
    """The manifest with a comment wherever a contributor will ask."""
    key = {k: _line(k, v) for k, v in told.items()}
    if plan.url:
        source = ["# An endpoint serves it, under the name 'model'.", key["engine"], key["url"]]
        source += (
            [key["api_key_env"]]
            if "api_key_env" in key
            else [f"# api_key_env: {key_variable(told['name'])}, the variable that holds the key"]
        )
        source += [key["model"]]
    elif plan.weights:
        source = ["# A whole model: config.json, tokenizer and *.safetensors in this folder.", key["model"]]
    else:
        source = [
            "# Base model, and the folder of a LoRA adapter on it: what 'folkmoot contribute train' or PEFT writes."
        ]
        source += [key["model"], key.get("revision", "# revision: commit on the hub, for a base named as org/name")]
        source += [key["adapter"]]
    parts = [
        "# A contribution to a Folkmoot team. Next: 'folkmoot contribute train' and 'check' (docs/contribute.md).",
        key["name"],
        key["contributor"],
        "# What it is good for, in one or two sentences. Routers read this to decide whom to ask.",
        key["purpose"],
        "# SPDX name of the licence of the weights and the data, such as Apache-2.0, MIT or CC-BY-4.0.",
        key["licence"],
        key["languages"],
        "# Words by which teams pick members.",
        key["tags"],
        "",
        *source,
        "# system: A sentence that stands before every question.",
        "",
        f"# Its own test set, {TEST}: one JSON object per line; 'split' is dev or test, ids differ, 20 or more of each.",
        f"#   {EXAMPLES[plan.answer]}",
        f"# Questions to learn from are in {ROWS}, in the same form or as chats; none of them may be in the test set.",
        key["priority"],
        "",
        "# 'trained' and 'hashes' are written here by 'folkmoot contribute train'.",
    ]
    return "\n".join(parts) + "\n"


def _line(key: str, value: Any) -> str:
    """One key as YAML on one line."""
    text = yaml.safe_dump({key: value}, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return text.strip()[1:-1]
