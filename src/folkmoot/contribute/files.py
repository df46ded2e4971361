"""Which files belong to a contribution: these are copied, hashed and published, and nothing else."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from folkmoot.documents import BadInput
from folkmoot.manifest import MANIFEST, Manifest, weights
from folkmoot.models.folder import LOADED

CARD = "README.md"
HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
"""Form of a repository's name on a model hub."""
ROWS = "train.jsonl"
TRAINING = "training"
"""Folder of what training leaves to look at."""

TERMS = frozenset({"LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE"})
_OWN = frozenset({MANIFEST, CARD, ROWS, *TERMS, f"{TRAINING}/loss.svg", f"{TRAINING}/log.jsonl"})
_MOST = 10_000


def belonging(paths: Iterable[str], manifest: Manifest) -> tuple[str, ...]:
    """Those of some paths that belong to a contribution, in order.

    Args:
        paths: Relative to the contribution, with ``/``.
        manifest: As written: paths in it are relative to the contribution.
    """
    own = {*_OWN, *taught(manifest)}
    if manifest.priority:
        own.add(PurePosixPath(manifest.priority.file).as_posix())
    loaded = set(weights(manifest))
    found = []
    for path in paths:
        pure = PurePosixPath(path)
        if path in own or (pure.suffix.lower() in LOADED and not loaded.isdisjoint(pure.parents)):
            found.append(path)
    return tuple(sorted(found))


def taught(manifest: Manifest) -> tuple[str, ...]:
    """Files with training rows, if they are there: ``train.jsonl``, and what it says in the folder it was trained on.

    Rows may stay at home, so nothing else that belongs to it can be called rows.
    """
    data = manifest.trained.get("data")
    named = data.get("file") if isinstance(data, dict) else None
    path = posixpath.normpath(named) if isinstance(named, str) else ROWS
    needed = {*_OWN, PurePosixPath(manifest.priority.file).as_posix() if manifest.priority else ROWS}
    away = path.startswith(("/", "..")) or not path.endswith(".jsonl")
    return (ROWS,) if away or path in needed else (ROWS, path)


def files(folder: Path, manifest: Manifest, *, rows: bool = True) -> tuple[str, ...]:
    """Paths of the files in a folder that belong to its contribution, in order. Links are not followed, nor listed.

    Args:
        folder: The contribution.
        manifest: As written.
        rows: With the rows that it was trained on.

    Raises:
        BadInput: The folder holds more files than anybody would contribute.
    """
    found = []
    for home, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in names:
            path = Path(home, name)
            if path.is_file() and not path.is_symlink():
                found.append(path.relative_to(folder).as_posix())
        if len(found) > _MOST:
            raise BadInput(f"{folder}: more than {_MOST} files in it; name the folder of one contribution")
    return tuple(f for f in belonging(found, manifest) if rows or f not in taught(manifest))
