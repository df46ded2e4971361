"""A registry: the contributions of a team, named in one lock file that is made for git.

A registry is a folder. ``registry.lock`` in it names every contribution, where it is, its revision and the hash of each of
its files; entries stand in the order of their names, so that two people who add one each rarely meet in a merge.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from folkmoot.documents import BadInput, Document, did_you_mean, read
from folkmoot.manifest import MANIFEST, Manifest, beside, read_manifest

LOCK = "registry.lock"
ALL = "all"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A contribution's name: it names folders and repositories, too."""


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError(f"{path!r}: must be a path inside the registry")
    return path


Inside = Annotated[str, AfterValidator(_inside)]


class Entry(Document):
    """One contribution in the lock file.

    Attributes:
        source: Its folder, relative to the registry.
        origin: Where it came from: ``org/name`` of a hub repository, or empty for a folder.
        revision: Commit of that repository.
        base: The base model, as its manifest names it.
        tags: Copied from its manifest.
        files: SHA-256 of every file by path.
    """

    source: Inside
    origin: str = ""
    revision: str = ""
    base: str
    tags: tuple[str, ...] = ()
    files: Mapping[Inside, Sha256] = Field(min_length=1)


class Lock(Document):
    """The lock file."""

    version: Literal[1] = 1
    participants: Mapping[Slug, Entry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as it is on the disk.

    Attributes:
        folder: Where it is.
        entries: Its contributions by name, in the order of the names.
    """

    folder: Path
    entries: Mapping[str, Entry]

    @classmethod
    def read(cls, folder: Path) -> Registry:
        """Read a registry's lock file.

        Raises:
            BadInput: There is none, or it does not fit.
        """
        if not (folder / LOCK).is_file():
            raise BadInput(f"{folder}: no registry: it has no {LOCK}; 'folkmoot contribute add' makes one")
        lock = read(folder / LOCK, Lock)
        return cls(folder, dict(sorted(lock.participants.items())))

    def members(
        self, name: str | None = None, tag: str | None = None, *, home: Path | None = None
    ) -> tuple[Manifest, ...]:
        """Manifests of those picked, in the order of their names; every file is compared with the lock first.

        Args:
            name: A name, or ``all``.
            tag: A tag.
            home: Paths in the manifests are made relative to this folder; to the working folder if left out.

        Raises:
            BadInput: Nobody fits, or a file is not as the lock says.
        """
        if tag is not None:
            picked = [n for n, e in self.entries.items() if tag in e.tags]
            if not picked:
                tags = sorted({t for e in self.entries.values() for t in e.tags})
                raise BadInput(f"{self.folder}: nobody has the tag {tag!r}; {did_you_mean(tag, tags)}")
        elif name in (None, ALL):
            picked = list(self.entries)
            if not picked:
                raise BadInput(f"{self.folder}: the registry is empty; add somebody with 'folkmoot contribute add'")
        elif name in self.entries:
            picked = [str(name)]
        else:
            raise BadInput(f"{self.folder}: nobody is called {name!r}; {did_you_mean(str(name), [ALL, *self.entries])}")
        if wrong := [line for n in picked for line in self.differences(n)]:
            raise BadInput("\n".join(wrong))
        return tuple(self._manifest(n, home) for n in picked)

    def differences(self, name: str) -> list[str]:
        """What is not as the lock says about one contribution, a line each; what the lock does not name is left alone."""
        entry = self.entries[name]
        root = self.folder / entry.source
        found = []
        for file, expected in entry.files.items():
            path = root / file
            if not path.is_file():
                found.append(f"{path}: missing; {self.folder / LOCK} lists it: restore it, or add {name!r} again")
            elif file_hash(path) != expected:
                found.append(f"{path}: changed since {name!r} was added: restore it, or add {name!r} again")
        return found

    def _manifest(self, name: str, home: Path | None) -> Manifest:
        folder = self.folder / self.entries[name].source
        manifest = read_manifest(folder / MANIFEST, move=False)
        if manifest.name != name:
            raise BadInput(f"{folder / MANIFEST}: its name is {manifest.name!r}, the registry says {name!r}")
        return beside(manifest, Path(os.path.relpath(folder, home)) if home is not None else folder)


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
