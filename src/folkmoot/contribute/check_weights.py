"""The weights of a contribution: sound files, configurations that run nothing, and a fit with the base model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from folkmoot.contribute.check_configurations import check_configurations, check_names
from folkmoot.contribute.check_manifest import Told
from folkmoot.contribute.check_model import as_object, check_model
from folkmoot.contribute.findings import Finding, passed, refuse, refused, warn
from folkmoot.contribute.untrusted_template import check_templates
from folkmoot.contribute.untrusted_tensors import Spans, spans, unsound
from folkmoot.engines.placement.bases import folder as folder_of
from folkmoot.engines.placement.lora import CONFIG, RANKS, WEIGHTS, examine
from folkmoot.models.catalogue import known
from folkmoot.models.sources import ready
from folkmoot.progress import Progress, silent

ALPHA = 64
"""Most that lora_alpha may be, as a multiple of the rank."""

NAMES = 1_000
"""Most modules and patterns that an adapter's configuration may name."""
_MODULES = re.compile(r"[A-Za-z0-9_.^$\\]{1,200}")
_TOKENIZER = ("tokenizer.json", "added_tokens.json", "special_tokens_map.json", "vocab.json", "tokenizer.model")
_AGAIN = "save the adapter again with PEFT"


def check_weights(
    folder: Path, told: Told, hashes: Mapping[str, str], base: Path | None, progress: Progress = silent
) -> list[Finding]:
    """Everything about weights and their configurations that can be seen without loading them.

    Args:
        folder: A private copy of the contribution.
        told: Its manifest, in order.
        hashes: SHA-256 of its files by name.
        base: Folder of its base model; None if that is not on this machine, or is its own.
        progress: Told which file is looked through.
    """
    m = told.manifest
    findings = [*_hashes(told, hashes), *check_configurations(folder, hashes), *check_names(told.manifest, hashes)]
    headers: dict[str, Spans] = {}
    for name in (n for n in hashes if n.endswith(".safetensors")):
        progress(f"check: {name}")
        header = spans(folder / name, name)
        if isinstance(header, Finding):
            findings.append(header)
        else:
            headers[name] = header
    if refused(findings):
        return findings
    own = m.model if m.model.startswith("./") and m.engine != "openai" else None
    if own is not None:
        findings += check_model(folder / own, str(PurePosixPath(own)), headers)
    if m.adapter is not None:
        findings += _adapter(folder / m.adapter, str(PurePosixPath(m.adapter)), told, folder / own if own else base)
    for name, header in headers.items():
        progress(f"check: {name}")
        finding, zeros = unsound(folder / name, name, header)
        if finding:
            findings.append(finding)
        elif (twins := [t for t in header.tensors if ".lora_B." in t]) and zeros.issuperset(twins):
            findings.append(warn("zero", "all its lora_B are zero, so that it changes nothing", name, "train it"))
    if headers and not refused(findings):
        total = sum(len(h.tensors) for h in headers.values())
        findings.append(passed("weights", f"{total} tensors in {len(headers)} files, all numbers finite"))
    return findings


def _hashes(told: Told, hashes: Mapping[str, str]) -> Iterator[Finding]:
    said = {str(PurePosixPath(name)): value for name, value in told.manifest.hashes.items() if name != "base"}
    for name, value in said.items():
        at = told.at("hashes", name)
        if name not in hashes:
            yield refuse("hash", f"{name} is listed, and is not there", at, "add the file, or delete this line")
        elif value.removeprefix("sha256:").lower() != hashes[name]:
            remedy = "restore the file, or delete this line: 'folkmoot contribute add' records the file as it is"
            yield refuse("hash", f"{name} has not the hash that the manifest says", at, remedy)
    weights = [n for n in hashes if n.endswith(".safetensors")]
    if weights and not set(weights) <= set(said):
        lacking = next(n for n in weights if n not in said)
        remedy = f"under hashes, add a line '{lacking}: ' with what sha256sum prints; or train it here"
        yield warn("hash", f"the manifest has no hash of {lacking}", told.at("hashes"), remedy)
    elif said and all(hashes.get(n) == v.removeprefix("sha256:").lower() for n, v in said.items()):
        yield passed("hashes", f"{len(said)} files are what the manifest says")


def check_base(told: Told) -> list[Finding]:
    """Whether the base model here is the one that the contribution was made for.

    A model of the catalogue comes from a hub or, converted, from wheels; an adapter made on one of these is taken on the
    other, and the finding says so.
    """
    m, wanted = told.manifest, told.manifest.hashes.get("base")
    if m.engine == "openai" or m.model.startswith("./"):
        return []
    found = ready(f"{m.model}@{m.revision}" if m.revision else m.model)
    if found is None:
        remedy = f"folkmoot model pull {m.model}"
        return [warn("base", f"its base {m.model} is not on this machine, so its fit is not checked", "", remedy)]
    here = f"{m.model}, as it is on this machine"
    if not wanted:
        return [passed("base", here)]
    if wanted.removeprefix("sha256:") == found.identity.removeprefix("sha256:"):
        return [passed("base", f"{here}, by its hash")]
    made, used = origin(m.model, wanted), origin(m.model, found.identity)
    if made and used:
        return [passed("base", f"{here} ({used}); it was made on the same model {made}")]
    what = f"it was made for another {m.model}: {wanted!r} there, {found.identity!r} here"
    return [refuse("base-hash", what, told.at("hashes", "base"), "train it on the base that is named")]


def origin(model: str, identity: str) -> str:
    """Where the catalogue has its model of this identity from, in words; empty if it has not.

    How a file is converted changes over time, and a hub's branch moves; neither makes it another model.
    """
    entry = known().get(model)
    if entry is None:
        return ""
    hub, at, commit = identity.partition("@")
    if hub == entry.hub.id and at and entry.hub.revision in ("main", commit):
        return "from the hub"
    whole = identity if identity.startswith("gguf:") else f"gguf:{identity}"
    if entry.wheels and re.fullmatch(rf"gguf:{entry.wheels.sha256}(:conversion-\d{{1,6}})?", whole):
        return "from wheels"
    packed = json.dumps(entry.packed.files, sort_keys=True) if entry.packed else ""
    if packed and identity.removeprefix("sha256:") == hashlib.sha256(packed.encode()).hexdigest():
        return "from a wheel"
    return ""


def _adapter(path: Path, name: str, told: Told, base: Path | None) -> Iterator[Finding]:
    if not (path / WEIGHTS).is_file() or not (path / CONFIG).is_file():
        lacking = CONFIG if (path / WEIGHTS).is_file() else WEIGHTS
        yield refuse("adapter", f"there is no {lacking} in it", name, "'folkmoot contribute train' makes an adapter")
        return
    where = f"{name}/{CONFIG}"
    config = as_object(path / CONFIG)
    said = str(config.get("base_model_name_or_path") or "")
    if said.startswith(("/", "~", ".")) or "\\" in said or ".." in said or ":" in said:
        what = f"its base is a path on somebody's machine: {said!r}"
        yield refuse("base-path", what, where, "name the base as its hub or the catalogue does")
    if isinstance(config.get("target_modules"), str) and config["target_modules"] != "all-linear":
        what = "target_modules is a pattern, which may be made to run for ever"
        yield refuse("pattern", what, where, "list the names of the modules")
    tables = [config.get(k) or {} for k in ("rank_pattern", "alpha_pattern")]
    ranks, alphas = (t if isinstance(t, dict) else {} for t in tables)
    lists = [config.get(k) for k in ("target_modules", "exclude_modules", "layers_to_transform", "modules_to_save")]
    if max(len(ranks), len(alphas), *(len(v) for v in lists if isinstance(v, list)), 0) > NAMES:
        yield refuse("names", f"it names more than {NAMES} modules", where, "name them by the ends of their names")
        return
    if any(not _MODULES.fullmatch(k) for k in (*ranks, *alphas)) or not _plain(config.get("exclude_modules")):
        yield refuse("pattern", "a pattern of it may be made to run for ever", where, "list the names of the modules")
    most = max((r for r in (config.get("r"), *ranks.values()) if type(r) is int), default=0)
    if most > RANKS[-1]:
        yield refuse("rank", f"its rank is {most}; at most {RANKS[-1]} is taken", where, "train a smaller rank")
        return
    # Which engine a team runs on is for its owner to say, so an adapter has to be one that each of them takes.
    lora, faults = examine(path, base, engine="vllm")
    for fault in faults:
        what, _, remedy = fault.rpartition(". ")
        remedy = remedy.removeprefix("Use the transformers engine, or ") or _AGAIN
        yield refuse("adapter", (what or fault).replace(str(path), name), name, remedy)
    if lora is not None:
        least = min((config["r"], *ranks.values()))
        wild = [a for a in (lora.alpha, *alphas.values()) if not 0 < a <= ALPHA * least]
        if wild:
            yield refuse("alpha", f"lora_alpha is {wild[0]} at rank {least}", where, "use 1 to 4 times the rank")
        fits = "" if base is None else ", and it fits its base"
        yield passed("adapter", f"rank {lora.rank}, {len(lora.modules)} modules{fits}")
    yield from _tokenizer(path, name, base)
    yield from check_templates(path, name)


def _plain(names: Any) -> bool:
    several = [names] if isinstance(names, str) else names or []
    return isinstance(several, list) and all(isinstance(n, str) and _MODULES.fullmatch(n) for n in several)


def _tokenizer(path: Path, name: str, base: Path | None) -> Iterator[Finding]:
    """An adapter speaks with the tokenizer of its base: one of its own may only be the same."""
    brought = [n for n in _TOKENIZER if (path / n).is_file()]
    if not brought:
        return
    mine = _vocabulary(path)
    theirs = _vocabulary(base) if base is not None else None
    if theirs is not None and (more := sorted(mine - theirs)):
        what = f"it brings tokens that its base does not have, such as {more[0]!r}"
        remedy = "train on the base's own tokenizer, and leave tokenizer files out"
        yield refuse("tokenizer", what, f"{name}/{brought[0]}", remedy)
    else:
        what = "an adapter's own tokenizer is not used; that of its base is"
        yield warn("tokenizer", what, f"{name}/{brought[0]}", "leave tokenizer files out")


def _vocabulary(path: Path) -> set[str]:
    """Every token that the files of a folder know."""
    whole = as_object(path / "tokenizer.json")
    model, added = whole.get("model"), whole.get("added_tokens")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    found = set(map(str, vocab)) if isinstance(vocab, dict) else set()
    if isinstance(vocab, list):
        found |= {str(v[0]) for v in vocab if isinstance(v, list) and v}
    if isinstance(added, list):
        found |= {str(t.get("content")) for t in added if isinstance(t, dict)}
    return found | set(as_object(path / "added_tokens.json")) | set(as_object(path / "vocab.json"))


def base_folder(told: Told) -> Path | None:
    """Where the base of an adapter is on this machine; None if it is not, or there is none. Fetches nothing."""
    m = told.manifest
    if m.engine == "openai" or m.model.startswith("./"):
        return None
    return folder_of(m.engine_spec("transformers"))
