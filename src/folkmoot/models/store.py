"""Models in the user's cache: a folder is trusted only with a manifest that was written last and still fits.

Layout under ``models/`` in the cache: one folder per model, ``.partial/`` for what is being made, ``.locks/``. Work
happens in ``.partial``; a finished folder appears under its name in one step. A model from the hub stays in the hub's own
cache, and its folder here holds only the manifest that points to it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from folkmoot.documents import Document
from folkmoot.engines.contract import Missing
from folkmoot.models.folder import LOADED, replace_text, sha256
from folkmoot.paths import cache_dir
from folkmoot.progress import Progress, duration, silent

MANIFEST = "folkmoot.json"


class File(Document):
    """What one file of a model must be."""

    bytes: int
    sha256: str


class Manifest(Document):
    """What was put into a folder, by whom and how.

    Attributes:
        name: The model's name.
        identity: Names the content: where equal, replies may be shared.
        source: Where it came from.
        folder: Where the files are: relative to the manifest, or absolute.
        parameters: How many.
        licence: As the catalogue has it, if it does.
        made_with: Versions of what made it.
        files: Every file, by name.
    """

    name: str
    identity: str
    source: Literal["hub", "wheels"]
    folder: str = "."
    parameters: int | None = None
    licence: str | None = None
    made_with: Mapping[str, str] = Field(default_factory=dict)
    files: Mapping[str, File] = Field(default_factory=dict)


def home() -> Path:
    """The folder that holds all models."""
    return cache_dir() / "models"


def partial(slug: str) -> Path:
    """Where a model is made."""
    return home() / ".partial" / slug


def trusted(slug: str, *, hashes: bool = False, progress: Progress = silent) -> Manifest | None:
    """The manifest of a model in the cache if every file is as it says, else None.

    Args:
        slug: The model's folder name.
        hashes: Compare contents too, not only sizes.
        progress: Told how far the comparison is.
    """
    entry = home() / slug
    try:
        manifest = Manifest.model_validate_json((entry / MANIFEST).read_bytes())
        total, seen = sum(f.bytes for f in manifest.files.values()), 0
        for name, file in manifest.files.items():
            path = entry / manifest.folder / name
            if path.stat().st_size != file.bytes:
                return None
            if hashes:
                progress(f"check {manifest.name}", seen, total)
                if sha256(path) != file.sha256:
                    return None
                seen += file.bytes
    except (OSError, ValidationError):
        return None
    if hashes:
        progress(f"check {manifest.name}", total, total)
    return manifest if manifest.files else None


def seal(entry: Path, manifest: Manifest) -> Manifest:
    """Record size and hash of every file, get all of it onto the disk, and write the manifest last."""
    folder = entry / manifest.folder
    files = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in LOADED and p.name != MANIFEST):
        files[path.name] = File(bytes=path.stat().st_size, sha256=sha256(path))
        with path.open("rb") as f:
            os.fsync(f.fileno())
    sealed = manifest.model_copy(update={"files": files})
    replace_text(entry / MANIFEST, sealed.model_dump_json(indent=2) + "\n")
    return sealed


def publish(made: Path, slug: str) -> None:
    """Let a sealed folder appear under its name in one step; what stood there is thrown away."""
    entry = home() / slug
    if entry.exists():
        old = partial(slug) / "replaced"
        shutil.rmtree(old, ignore_errors=True)
        old.parent.mkdir(parents=True, exist_ok=True)
        entry.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    made.rename(entry)


@contextmanager
def alone(slug: str, progress: Progress) -> Iterator[None]:
    """Only one process at a time makes a model; the others wait, and say so.

    Raises:
        Missing: The cache folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = home() / ".locks" / f"{slug}.lock"
    with plain_errors(slug):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        waited = 0.0
        while True:
            try:
                lock.acquire(timeout=0 if not waited else 1)
                break
            except Timeout:
                progress(f"wait for {slug}", note=f"another process is fetching it, {duration(waited)} so far")
                waited += 1
    try:
        yield
    finally:
        lock.release()


@contextmanager
def plain_errors(what: str) -> Iterator[None]:
    """Turn what the file system says into one line that says what to do.

    Raises:
        Missing: The disk is full, the cache cannot be written, or another error of the operating system.
    """
    try:
        yield
    except OSError as e:
        cache = cache_dir()
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Missing(disk_full(what)) from None
        if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise Missing(f"{what}: cannot write to {cache}; set FOLKMOOT_CACHE to a folder that you own") from None
        raise Missing(f"{what}: {e.strerror or e} ({e.filename or cache}); run it again") from None


def disk_full(what: str, needed: int | None = None, free: int | None = None) -> str:
    """The one line about a disk without room."""
    room = f"needs {needed / 1e9:.1f} GB free, and {free / 1e9:.1f} GB is" if needed and free is not None else "no room"
    return f"{what}: {room} in {cache_dir()}; free some, or set FOLKMOOT_CACHE to a folder on a larger disk"


def free_space() -> int:
    """Bytes free where the cache is, or will be."""
    place = home()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
