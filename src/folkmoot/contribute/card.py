"""The card of a contribution: README.md, written from its manifest and its test set.

Everything in a manifest is somebody's text: it is shown as text, whatever Markdown or HTML it may look like.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from folkmoot.contribute.check_licences import SPDX
from folkmoot.contribute.files import CARD, HUB_ID, TRAINING, files
from folkmoot.documents import BadInput
from folkmoot.engines.placement.lora import CONFIG
from folkmoot.evaluation.tasks import Split, examined, own_task
from folkmoot.manifest import MANIFEST, Manifest, beside, inside, read_manifest
from folkmoot.models import known
from folkmoot.models.folder import replace_text, sha256
from folkmoot.visible import visible

MARK = "# Written by folkmoot from participant.yaml: change that file, not this one."
EXAMPLES = 3
_LONGEST = 400
_MANY = 10**15
_NAMES = re.compile(r"[\w ./:@=,+~'-]+")
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]#|~$!])")


def write_card(folder: Path) -> bool:
    """Write a contribution's card, unless its README.md is the contributor's own.

    Returns:
        Whether the card was written.

    Raises:
        BadInput: The manifest cannot be read.
        OSError: The folder cannot be written.
    """
    path = folder / CARD
    if own_card(folder):
        return False
    text = card(folder)
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        replace_text(path, text)
    return True


def own_card(folder: Path) -> bool:
    """Whether a contribution's README.md is the contributor's own; an empty one is nobody's."""
    path = folder / CARD
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return text != "" and MARK not in text.split("\n", 2)[:2]


def card(folder: Path) -> str:
    """The card as Markdown, with the front matter that model hubs read.

    Raises:
        BadInput: The manifest cannot be read, or names a file elsewhere: a card shows what is in it to everybody.
    """
    manifest = read_manifest(folder / MANIFEST, move=False)
    for path in (manifest.adapter, manifest.priority and manifest.priority.file):
        if path and not inside(folder, path):
            raise BadInput(f"{folder / MANIFEST}: {path!r} leads out of the folder; name a path inside it")
    parts = [
        f"---\n{MARK}\n{_front(manifest)}---",
        f"# {plain(manifest.name)}",
        plain(manifest.purpose) or "*It does not say yet what it is good for.*",
        _table(("", ""), _facts(folder, manifest)),
        *_tests(folder, manifest),
        *_training(folder, manifest),
        *_use(folder, manifest),
        *_files(folder, manifest),
    ]
    return "\n\n".join(parts) + "\n"


def plain(text: str, longest: int = _LONGEST) -> str:
    r"""Somebody's text as one line of Markdown that shows exactly this text.

    >>> plain("# Trust *me*\n<script>")
    '\\# Trust \\*me\\* &lt;script&gt;'
    """
    line = visible(" ".join(text.split()))
    if len(line) > longest:
        line = line[: longest - 3] + "..."
    line = _PUNCTUATION.sub(r"\\\1", html.escape(line, quote=False))
    return re.sub(r"^([-+=]|\d+(?=[.)](?:\s|$)))", lambda m: f"&#{ord(m[0][0])};{m[0][1:]}", line)


def hub_base(manifest: Manifest) -> str | None:
    """The hub id of its base model, if the hub has it."""
    if manifest.engine == "openai":
        return None
    if entry := known().get(manifest.model):
        return entry.hub.id
    name = manifest.model.partition("@")[0]
    return name if re.fullmatch(HUB_ID, name) else None


def scores(trained: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Its scores on its own test set as its contributor tells them, ``before`` and ``after``, those that are there."""
    told = trained.get("score")
    found = {when: told.get(when) for when in ("before", "after")} if isinstance(told, dict) else {}
    shares = {w: {k: v for k, v in s.items() if _sound(k, v)} for w, s in found.items() if isinstance(s, dict)}
    return {w: s for w, s in shares.items() if "score" in s}


def _sound(key: str, value: Any) -> bool:
    """Whether what a manifest says of a score can be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= 1 if key in ("score", "low", "high") else key == "items" and 0 < value < _MANY


def _front(manifest: Manifest) -> str:
    adapter = manifest.adapter is not None
    base = hub_base(manifest)
    spdx = re.sub(r"-(only|or-later)$", "", manifest.licence.lower())  # as hubs write it
    named = manifest.licence in SPDX
    told: dict[str, Any] = {
        **({"base_model": base, "base_model_relation": "adapter"} if base and adapter else {}),
        **({"language": [_single(x) for x in manifest.languages]} if manifest.languages else {}),
        "license": spdx if named else "other",
        **({} if named or not manifest.licence else {"license_name": _single(manifest.licence)}),
        **({} if manifest.engine == "openai" else {"library_name": "peft" if adapter else "transformers"}),
        "pipeline_tag": "text-generation",
        "tags": ["folkmoot", *(["lora"] if adapter else []), *manifest.tags],
    }
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _single(text: str) -> str:
    """One line: a line of dashes would end the front matter."""
    return visible(" ".join(text.split()))


def _facts(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "Contributor", plain(manifest.contributor)
    yield "Licence", plain(manifest.licence)
    if manifest.engine == "openai":
        yield "Served by", f"an endpoint, as {_code(manifest.model)}"
    elif manifest.adapter is None:
        yield "Kind", f"a whole model, {_size(folder, manifest)}"
    else:
        revision = f", revision {_code(manifest.revision)}" if manifest.revision else ""
        yield "Base model", _code(manifest.model) + revision
        yield "Kind", f"LoRA adapter{_rank(folder / manifest.adapter)}, {_size(folder, manifest)}"
    if manifest.languages:
        yield "Languages", plain(", ".join(manifest.languages))
    if manifest.tags:
        yield "Tags", plain(", ".join(manifest.tags))
    if manifest.system:
        yield "System text", plain(manifest.system)


def _tests(folder: Path, manifest: Manifest) -> Iterator[str]:
    if manifest.priority is None:
        return
    yield "## Its own test set"
    try:
        splits = {s.name: s for s in examined(own_task(beside(manifest, folder)))}
    except BadInput:
        splits = {}
    sizes = {name: len(splits[name].items) if name in splits else 0 for name in ("dev", "test")}
    if not any(sizes.values()):
        yield f"Nothing is in {_code(manifest.priority.file)} yet."
        return
    scored = f", scored by {manifest.priority.metric}" if manifest.priority.answer == "text" else ""
    yield (
        f"What it is for, as questions: {sizes['dev']} to develop on (dev) and {sizes['test']} to be judged by (test), in "
        f"{_code(manifest.priority.file)}. Kind of answer: {manifest.priority.answer}{scored}. Of those on dev:"
        if sizes["dev"]
        else f"{sizes['test']} questions to be judged by, in {_code(manifest.priority.file)}. "
        f"Kind of answer: {manifest.priority.answer}."
    )
    yield from _examples(splits.get("dev"))
    found = scores(manifest.trained)
    if found:
        names = {"before": "the base alone", "after": "with this contribution"}
        rows = [(names[when], _score(told)) for when, told in found.items()]
        yield "Share right on test, with the 95 % interval:"
        yield _table(("", "score"), iter(rows))


def _examples(split: Split | None) -> Iterator[str]:
    items = split.items if split else ()
    for item in items[:: max(1, len(items) // EXAMPLES)][:EXAMPLES]:
        answer = f" → {plain(item.gold[0], 100)}" if item.gold else ""
        yield f"> {plain(item.question)}{answer}"


def _training(folder: Path, manifest: Manifest) -> Iterator[str]:
    told = manifest.trained
    if not told:
        return
    yield "## How it was trained"
    data, loss = told.get("data"), told.get("loss")
    rows = [(k, v) for k, v in _plain_values(told).items() if k not in ("command", "terms")]
    if isinstance(data, dict):
        held = _plain_values(data)
        rows.insert(0, ("data", f"{held.get('rows')} rows of {held.get('file')}, SHA-256 {held.get('sha256')}"))
    if isinstance(loss, dict):
        kinds = {name: _plain_values(part) for name, part in loss.items() if isinstance(part, dict)}
        rows += [(f"loss, {name}", ", ".join(f"{k} {v}" for k, v in part.items())) for name, part in kinds.items()]
    yield _table(("", ""), ((plain(str(k).replace("_", " ")), plain(str(v))) for k, v in rows))
    if isinstance(command := told.get("command"), str):
        yield f"Again: {_code(command)}"
    if (folder / TRAINING / "loss.svg").is_file():
        yield f"![Loss while training]({TRAINING}/loss.svg)"


def _plain_values(told: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """What is a text or a number that can be written out."""
    return {
        k: v
        for k, v in told.items()
        if isinstance(k, str) and (isinstance(v, (str, float)) or (isinstance(v, int) and abs(v) < _MANY))
    }


def _use(folder: Path, manifest: Manifest) -> Iterator[str]:
    """A team file and a few lines of Python; ``./NAME`` stands for this folder."""
    here = f"./{manifest.name}"
    yield "## How to use it"
    yield f"Check it and put it into a registry (`folkmoot contribute add {here} --registry ./moot`), then in a team file:"
    yield f"```yaml\nregistry: ./moot\nmembers: [{json.dumps(manifest.name)}]\n```"
    if manifest.engine == "openai":
        return
    model = here + manifest.model[1:] if manifest.model.startswith("./") else manifest.model
    revision = f", revision={_string(manifest.revision)}" if manifest.revision else ""
    extra = f", adapter={_string(f'{here}/{manifest.adapter}')}" if manifest.adapter else ""
    extra += f", system={_string(visible(manifest.system))}" if manifest.system else ""
    yield "In Python, without a registry:"
    yield (
        "```python\nfrom folkmoot import Participant, TransformersEngine\n\n"
        f"engine = TransformersEngine({_string(model)}{revision})\n"
        f"member = Participant({_string(manifest.name)}, engine{extra})\n```"
    )


def _string(text: str) -> str:
    """A Python string, in double quotes where that needs no escapes."""
    written = repr(text)
    return written if '"' in written else f'"{written[1:-1]}"'


def _files(folder: Path, manifest: Manifest) -> Iterator[str]:
    own = files(folder, manifest, rows=False)
    held = [f for f in own if f not in (CARD, MANIFEST) and not f.startswith(f"{TRAINING}/")]
    rows = [(_code(name), f"`{sha256(folder / name)}`") for name in held]
    if base := manifest.hashes.get("base"):
        rows.append(("base model", _code(base)))
    if rows:
        yield "## Hashes (SHA-256)"
        yield _table(("file", "hash"), iter(rows))


def _score(told: Mapping[str, Any]) -> str:
    low, high, items = told.get("low"), told.get("high"), told.get("items")
    text = f"{100 * told['score']:.1f} %"
    if low is not None and high is not None:
        text += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return text + (f" of {items} questions" if items else "")


def _rank(adapter: Path) -> str:
    try:
        rank = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))["r"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" of rank {rank}" if isinstance(rank, int) else ""


def _size(folder: Path, manifest: Manifest) -> str:
    found = sum((folder / f).stat().st_size for f in files(folder, manifest) if f.endswith(".safetensors"))
    if not found:
        return "weights not there yet"
    return f"{found / 1e6:.1f} MB" if found < 1e9 else f"{found / 1e9:.1f} GB"


def _code(text: str) -> str:
    """A text as code; one that is no name, path or command is shown as any other text."""
    line = " ".join(text.split())
    return f"`{line}`" if _NAMES.fullmatch(line) else plain(line)


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines)
