"""Contributions put into a registry, looked at, and taken out again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from folkmoot.contribute.card import own_card, scores, write_card
from folkmoot.contribute.check import check
from folkmoot.contribute.fetch import fetch
from folkmoot.contribute.files import CARD, HUB_ID, belonging, files, taught
from folkmoot.contribute.findings import Admission, Finding, NotAdmitted, visible
from folkmoot.contribute.init import check_contribution_name
from folkmoot.contribute.store import WORK, alone, announce, plain_errors, settle
from folkmoot.contribute.untrusted_files import copy, look
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST, Manifest, read_manifest
from folkmoot.models import ready
from folkmoot.models.folder import sha256
from folkmoot.progress import Progress, silent
from folkmoot.registry import LOCK, Entry, Measured, Registry

_HUB = re.compile(rf"(?P<repo>{HUB_ID})(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did.

    Attributes:
        name: Whom.
        folder: Where the contribution is now.
        entry: As recorded.
        changed: False if exactly this was recorded already.
        warnings: What the gate admits and somebody should look at.
    """

    name: str
    folder: Path
    entry: Entry
    changed: bool
    warnings: tuple[Finding, ...] = ()


def add(
    source: str,
    registry: Path,
    *,
    replace: bool = False,
    rows: bool = False,
    endpoint: str | None = None,
    suites: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = silent,
) -> Added:
    """Check a contribution and record it in a registry; its files are copied there unless they lie there already.

    Args:
        source: A folder, or a hub repository (``org/name``, ``org/name@revision``), which is pinned to its commit.
        registry: The registry's folder; made if it is not there.
        replace: One with the same name gives way; the same again is checked and measured anew.
        rows: Copy and record the rows that it was trained on, too; they are checked in any case.
        endpoint: Address of the hub, if it is not the usual one.
        suites: As in `check`.
        data: As in `check`.
        progress: Told what is being done.

    Raises:
        NotAdmitted: `check` refuses it.
        BadInput: There is no such folder, it changed while it was checked, or one with its name is there already and differs.
        Missing: The registry cannot be written, the hub or the base model cannot be reached; or it was added in the place
            of one whose folder could not be deleted.
    """
    hub = None if Path(source).expanduser().is_dir() else _HUB.fullmatch(source)
    folder = Path(source).expanduser()
    if hub is None and not folder.is_dir():
        raise BadInput(f"{source}: no such folder; name one that holds a {MANIFEST}, or a hub repository (org/name)")
    with alone(registry, progress) as known:
        commit = ""
        if hub:
            folder = registry / WORK / "hub"
            with plain_errors(registry):
                commit = fetch(hub["repo"], hub["revision"], folder, endpoint, progress)
        inner = not hub and _within(folder, registry)
        others = registry if known.entries else None
        judge = partial(check, suites=suites, data=data, registry=others, called=source, progress=progress)
        try:
            place, name = (folder, _name(folder)) if inner else _copied(folder, registry, progress)
            manifest = read_manifest(place / MANIFEST, move=False)
            hashes = _hashes(place, manifest, rows=rows)
        except (BadInput, OSError):  # the gate says it as a whole; what it would admit is no fault of the contribution
            if (found := judge(folder)).admitted:
                raise
            raise NotAdmitted(source, found) from None
        at = place.resolve().relative_to(registry.resolve()).as_posix() if inner else _free(registry, name, hashes)
        try:
            entry = Entry(
                source=at,
                copied=not inner,
                origin=hub["repo"] if hub else "",
                revision=commit,
                base=manifest.model,
                tags=manifest.tags,
                files=hashes,
            )
        except ValidationError as e:  # its folder in the registry, which nobody else has looked at
            why = e.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise BadInput(f"{visible(source)}: {why}: rename the folder") from None
        old = known.entries.get(name)
        if old is not None and not replace and _same(old, entry) and not known.differences(name):
            return Added(name, registry / old.source, old, changed=False)
        _refuse_taken(known, name, old, entry, replace=replace)
        found = judge(place)
        if not found.admitted:
            raise NotAdmitted(source, found)
        may_go = (CARD, *taught(manifest))
        judged = {f: found.files[f] for f in belonging(found.files, manifest) if f in hashes or f not in may_go}
        if not hashes == judged == _hashes(place, manifest, rows=rows):
            raise BadInput(f"{source}: it changed while it was checked; add it again when nobody writes to it")
        with plain_errors(registry):
            if write_card(place):
                judged[CARD] = sha256(place / CARD)
            entry = entry.model_copy(
                update={"files": judged, "measured": _measured(found), "base_identity": _base(manifest)}
            )
            # what lies beside the files in their own folder could be loaded, too
            there = entry.source if inner else f"{WORK}/{place.name}"
            if wrong := Registry(registry, {name: entry.model_copy(update={"source": there})}).differences(name):
                raise BadInput("\n".join(wrong))
            coming = {} if inner else {entry.source: place}
            announce(registry, coming | (_copy(registry, old) if old is not None else {}))
            if not inner:
                for name_ in () if rows else found.files.keys() & set(taught(manifest)):
                    (place / name_).unlink()
                settle(place)
                place.rename(registry / entry.source)
            Registry(registry, {**known.entries, name: entry}).write()
    warnings = tuple(f for f in found.findings if f.level == "warn")
    return Added(name, registry / entry.source, entry, changed=True, warnings=warnings)


def remove(registry: Path, name: str, *, progress: Progress = silent) -> Entry:
    """Take a contribution out of a registry; its folder goes too if `add` had put it there.

    Raises:
        BadInput: Nobody has this name.
        Missing: The registry cannot be written; or it is taken out, and its folder could not be deleted.
    """
    Registry.read(registry).entry(name)  # a registry that is not there is not made
    with alone(registry, progress) as known:
        entry = known.entry(name)
        with plain_errors(registry):
            announce(registry, _copy(registry, entry))
            Registry(registry, {n: e for n, e in known.entries.items() if n != name}).write()
    return entry


def listing(registry: Path, tag: str | None = None) -> list[dict[str, Any]]:
    """What is in a registry, as plain data, a contribution each; see `facts`.

    Raises:
        BadInput: There is no registry, or nobody has the tag.
    """
    known = Registry.read(registry)
    names = known.picked(tag=tag) if known.entries or tag else ()
    return [recorded(known, name) for name in names]


def recorded(known: Registry, name: str) -> dict[str, Any]:
    """One contribution of a registry as plain data, with ``state``: ``ok``, ``missing`` or ``changed``; see ``differences``.

    Raises:
        BadInput: Nobody has this name.
    """
    entry, wrong = known.entry(name), known.differences(name)
    try:
        told = facts(known.folder / entry.source)
    except BadInput as e:
        told, wrong = {"name": name}, wrong or str(e).split("\n")
    return {
        **told,
        "name": name,
        "base": entry.base,
        "tags": list(entry.tags),
        "measured": entry.measured.model_dump(mode="json") if entry.measured else None,
        "origin": f"{entry.origin}@{entry.revision}" if entry.origin else "",
        "folder": str(known.folder / entry.source),
        "state": "missing" if known.missing(name) else "changed" if wrong else "ok",
        "differences": wrong,
    }


def facts(folder: Path) -> dict[str, Any]:
    """What a contribution's folder says of itself, as plain data.

    Raises:
        BadInput: Its manifest or another of its files cannot be read.
    """
    manifest = read_manifest(folder / MANIFEST, move=False)
    try:
        held = {f: sha256(folder / f) for f in files(folder, manifest)}
    except OSError as e:
        raise BadInput(f"{e.filename or folder} cannot be read ({e.strerror}): mend its permissions") from None
    return {
        "name": manifest.name,
        "contributor": manifest.contributor,
        "purpose": manifest.purpose,
        "licence": manifest.licence,
        "base": manifest.model,
        "revision": manifest.revision or "",
        "languages": list(manifest.languages),
        "tags": list(manifest.tags),
        "claimed": scores(manifest.trained),
        "folder": str(folder),
        "files": held,
    }


def _hashes(place: Path, manifest: Manifest, *, rows: bool) -> dict[str, str]:
    """SHA-256 of what belongs to a contribution, by path, without the card that is written when it has been checked."""
    return {f: sha256(place / f) for f in files(place, manifest, rows=rows) if f != CARD or own_card(place)}


def _measured(found: Admission) -> Measured | None:
    mine, base = found.scores.get("contribution"), found.scores.get("base")
    if mine is None:
        return None
    return Measured(score=round(mine.score, 4), base=round(base.score, 4) if base else None, questions=mine.questions)


def _base(manifest: Manifest) -> str:
    """Which base it was checked with; as its manifest says where none is on this machine."""
    if manifest.engine == "openai" or manifest.model.startswith("./"):
        return ""
    found = ready(f"{manifest.model}@{manifest.revision}" if manifest.revision else manifest.model)
    return found.identity if found else manifest.hashes.get("base", "")


def _within(folder: Path, registry: Path) -> bool:
    """Whether a contribution lies in the registry's folder; neither may be the other, nor the registry inside."""
    mine, theirs = folder.resolve(), registry.resolve()
    if mine == theirs:
        raise BadInput(f"{folder}: this is the registry's own folder; put the contribution into a folder of its own")
    if mine in theirs.parents:
        raise BadInput(f"{registry}: the registry lies inside the contribution {folder}; name a registry beside it")
    return theirs in mine.parents


def _name(folder: Path) -> str:
    """The name of a contribution, after a look at its files and its manifest."""
    if wrong := [f.line() for f in look(folder)[1] if f.level == "refuse"]:
        raise BadInput("\n".join(f"{folder}: {line}" for line in wrong))
    return check_contribution_name(read_manifest(folder / MANIFEST, move=False).name)


def _copied(folder: Path, registry: Path, progress: Progress) -> tuple[Path, str]:
    """A private copy of what belongs to a contribution, in the registry's working folder, and its name."""
    name = _name(folder)
    wanted = set(files(folder, read_manifest(folder / MANIFEST, move=False)))
    held = [f for f in look(folder)[0] if f.name in wanted]
    place = registry / WORK / "new"
    with plain_errors(registry):
        place.mkdir()
        try:
            wrong = copy(folder, held, place, progress)[1]
        except Missing:
            size = sum(f.size for f in held)
            raise Missing(
                f"{registry}: no room for {name!r} on its disk ({size} bytes); free some and add it again. "
                "Nothing was recorded"
            ) from None
    if wrong:
        raise BadInput("\n".join(f"{folder}: {f.line()}" for f in wrong))
    return place, name


def _copy(registry: Path, entry: Entry) -> dict[str, Path]:
    """The folder that goes with an entry; none if it is a contributor's own."""
    return {entry.source: registry / entry.source} if entry.copied else {}


def _free(registry: Path, name: str, hashes: Mapping[str, str]) -> str:
    """Where in the registry a copy goes: under its name, or, beside one that it replaces, under its name and a digest."""
    if not os.path.lexists(registry / name):
        return name
    digest = hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()
    return next(n for i in range(8, 65) if not os.path.lexists(registry / (n := f"{name}.{digest[:i]}")))


def _same(old: Entry, new: Entry) -> bool:
    """Whether two entries are of the same content, wherever copies of it were put."""
    return (old.source == new.source or (old.copied and new.copied)) and not _differences(old, new)


def _refuse_taken(known: Registry, name: str, old: Entry | None, new: Entry, *, replace: bool) -> None:
    if old is not None and not replace:
        raise BadInput(
            f"{known.folder / LOCK}: {name!r} is there already and differs ({_differences(old, new) or 'its files or its base are not as recorded'}); "
            "add it with --replace to put this one in its place"
        )
    for other, entry in known.entries.items():
        if other != name and entry.source == new.source:
            raise BadInput(f"{known.folder / new.source}: it is recorded as {other!r}; remove that first")


def _differences(old: Entry, new: Entry) -> str:
    """What differs between two entries, for people; not what only checking tells, nor a card that is written then."""
    said = [
        f"{key} {a!r}, now {b!r}"
        for key in ("origin", "revision", "base", "tags")
        if (a := getattr(old, key)) != (b := getattr(new, key))
    ]
    if old.copied != new.copied:
        said.append("it was copied, and now lies there" if old.copied else "it lay there, and now is copied")
    both = old.files.keys() | new.files.keys()
    changed = sorted(f for f in both if old.files.get(f) != new.files.get(f) and (f != CARD or CARD in new.files))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        said.append(f"other content: {', '.join(changed[:3])}{more}")
    return "; ".join(said)
