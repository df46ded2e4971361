"""What a contribution says of itself: its manifest, read as the words of somebody who is not trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from folkmoot.contribute.check_endpoint import check_endpoint
from folkmoot.contribute.check_licences import licence_fault
from folkmoot.contribute.findings import Finding, hidden, passed, refuse, refused, warn
from folkmoot.documents import BadInput, Lines, line_of, load, validate
from folkmoot.manifest import MANIFEST, Manifest
from folkmoot.models.catalogue import known
from folkmoot.registry import Slug

PURPOSE, TEXT, NAMED = 400, 4_000, 120
"""Most characters of a purpose, of a system text or instruction, and of a name."""
TOKENS = 8_192
"""Most tokens of a reply that a contribution may ask for."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[\w./-]{1,100}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_SENTENCE = re.compile(r"[.!?]+(?=\s+\S)")
_ENGINES = (None, "transformers", "vllm", "openai")


@dataclass(frozen=True, slots=True)
class Told:
    """A manifest that fits its model, as written, and the line of every key."""

    manifest: Manifest
    lines: Lines

    def at(self, *key: str | int) -> str:
        """File and line of a key."""
        return f"{MANIFEST}:{line_of(self.lines, key)}"


def check_manifest(folder: Path) -> tuple[Told | None, list[Finding]]:
    """Read the manifest in a private copy of a contribution.

    Returns:
        The manifest if it fits its model, and the findings.
    """
    path = folder / MANIFEST
    if not path.is_file():
        remedy = "'folkmoot contribute init' writes one"
        return None, [refuse("manifest", f"there is no {MANIFEST}", remedy=remedy)]
    try:
        data, lines = load(path)
        told = Told(validate(data, lines, Manifest, path), lines)
    except BadInput as e:
        return None, [_placed(line, path) for line in str(e).splitlines()]
    findings = judged(told)
    if not refused(findings):
        findings.insert(0, passed("manifest", f"{told.manifest.name} of {told.manifest.contributor}"))
    return told, findings


def judged(told: Told) -> list[Finding]:
    """What can be said of a manifest without the files that it names."""
    findings = [*_texts(told), *_terms(told), *_paths(told), *_model(told), *_scores(told)]
    if told.manifest.engine == "openai":
        findings += check_endpoint(told.manifest, told.at)
    return findings


def _placed(line: str, path: Path) -> Finding:
    """A complaint of the reader of documents, with its file and line apart."""
    found = re.match(r"(?::(\d+))?: (.*)", line.removeprefix(str(path)))
    where, what = (found[1], found[2]) if found else ("", line)
    place = f"{MANIFEST}:{where}" if where else MANIFEST
    return refuse("manifest", what, place, "mend the line; docs/contribute.md shows a whole manifest")


def _texts(told: Told) -> Iterator[Finding]:
    m = told.manifest
    try:
        TypeAdapter(Slug).validate_python(m.name)
    except ValidationError:
        what = f"name {m.name!r}"
        yield refuse("name", what, told.at("name"), "use small letters, digits and - (it names folders): ana-units")
    for key, text, most in (
        ("contributor", m.contributor, NAMED),
        ("purpose", m.purpose, PURPOSE),
        ("system", m.system, TEXT),
        ("instruction", m.priority.instruction if m.priority else "", TEXT),
    ):
        at = told.at("priority", key) if key == "instruction" else told.at(key)
        if key in ("contributor", "purpose") and not text.strip():
            yield refuse(key, f"{key!r} is missing", at, f"say it in a line: {key}: ...")
        if len(text) > most:
            yield refuse(f"{key}-length", f"{key!r} has {len(text)} characters", at, f"say it in at most {most}")
        if hidden(text.replace("\n", " ").replace("\t", " ")):
            what = f"{key!r} holds characters that are not seen or that turn text around"
            yield refuse("hidden-characters", what, at, "write it in plain text")
    if len(_SENTENCE.findall(m.purpose.strip())) > 1 and len(m.purpose) <= PURPOSE:
        yield warn("purpose", "'purpose' has more than two sentences", told.at("purpose"), "say it in one or two")
    rest = [*m.languages, *(m.priority.labels if m.priority else ()), *(m.sampling.stop if m.sampling else ())]
    if any(len(t) > NAMED for t in rest) or len(rest) > 256 or len(m.tags) > 32 or any(len(t) > 40 for t in m.tags):
        yield refuse("manifest-length", "labels, tags, languages or stop strings are too long or too many", MANIFEST)
    if m.sampling and m.sampling.max_tokens > TOKENS:
        what = f"it asks for replies of {m.sampling.max_tokens} tokens"
        yield refuse("sampling", what, told.at("sampling", "max_tokens"), f"ask for at most {TOKENS}")


def _terms(told: Told) -> Iterator[Finding]:
    m = told.manifest
    if not m.licence.strip():
        yield refuse("licence", "'licence' is missing", MANIFEST, "name one from the SPDX list, such as Apache-2.0")
    elif hint := licence_fault(m.licence):
        yield refuse("licence", f"licence {m.licence!r} is not known", told.at("licence"), hint)
    else:
        yield passed("licence", m.licence)
    if wrong := [v for v in m.languages if not _LANGUAGE.fullmatch(v)]:
        yield refuse("languages", f"{wrong[0]!r} is no language", told.at("languages"), "write en, de, pt-BR (BCP 47)")
    if not m.languages:
        yield warn("languages", "'languages' is missing", MANIFEST, "write languages: [en]")


def _paths(told: Told) -> Iterator[Finding]:
    m = told.manifest
    named: list[tuple[str, tuple[str, ...]]] = [(p, ("hashes", p)) for p in m.hashes if p != "base"]
    if m.adapter is not None:
        named.append((m.adapter, ("adapter",)))
    if m.priority is not None:
        named.append((m.priority.file, ("priority", "file")))
    if m.model.startswith((".", "/", "~")):
        named.append((m.model, ("model",)))
    for path, key in named:
        if not inside(path):
            remedy = "name a path inside the folder, with /"
            yield refuse("path-outside", f"{path!r} leads out of the folder", told.at(*key), remedy)
        elif key[0] != "hashes" and any(part.startswith(".") for part in PurePosixPath(path).parts):
            what = f"{path!r} begins with a dot somewhere, and such folders are neither copied nor published"
            yield refuse("path-hidden", what, told.at(*key), "rename it, and write its new name here")


def inside(path: str) -> bool:
    """Whether a path written by somebody else stays in the folder."""
    pure = PurePosixPath(path)
    odd = "\\" in path or "~" in path or hidden(path) or ":" in path
    return len(path) <= 200 and bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and not odd


def _model(told: Told) -> Iterator[Finding]:
    m = told.manifest
    if m.engine not in _ENGINES:
        remedy = "leave 'engine' out, or use transformers, vllm or openai"
        yield refuse("engine", f"engine {m.engine!r} runs no model", told.at("engine"), remedy)
        return
    if m.engine == "openai":
        return
    if m.model.startswith("./"):
        return
    if m.model not in known() and not _HUB_ID.fullmatch(m.model):
        remedy = "name a model of 'folkmoot model list', a hub id (org/name), or ./model"
        yield refuse("base", f"model {m.model!r} is not known", told.at("model"), remedy)
        return
    if m.revision is not None and (not _REVISION.fullmatch(m.revision) or ".." in m.revision):
        yield refuse("base", f"revision {m.revision!r} is none", told.at("revision"), "name a commit")
    elif not m.revision and not m.hashes.get("base"):
        if m.model in known():
            yield warn(
                "base", f"which {m.model} it was made for is not said", told.at("model"), "add 'base' under hashes"
            )
        else:
            what = "the base model has neither a revision nor a hash, so it may change under the adapter"
            yield refuse("base", what, told.at("model"), "add revision: (a commit), or 'base' under hashes")
    elif m.revision and not _COMMIT.fullmatch(m.revision) and not m.hashes.get("base"):
        what = f"revision {m.revision!r} is no commit and may be moved"
        yield warn("base", what, told.at("revision"), "name a commit")
    if not m.adapter:
        what = "neither an adapter nor weights of its own: there is nothing contributed"
        yield refuse("weights", what, told.at("model"), "add adapter: ./adapter, or weights and model: ./model")


def _scores(told: Told) -> Iterator[Finding]:
    """Whether the scores that it says it has can be shown; whether they are true is seen in the trial."""
    said = told.manifest.trained.get("score", {})
    parts = said.values() if isinstance(said, dict) else [None]
    for part in (p for p in parts if not isinstance(p, str)):
        shares: list[Any] = [part.get(k) for k in ("score", "low", "high")] if isinstance(part, dict) else [None]
        items = part.get("items") if isinstance(part, dict) else None
        sound = all(type(v) in (int, float) and 0 <= v <= 1 for v in shares)
        if not sound or type(items) is not int or not 0 < items < 2**31:
            remedy = "'folkmoot contribute train' writes scores; or leave them out"
            yield refuse("trained", "its scores are no numbers from 0 to 1", told.at("trained"), remedy)
            return
