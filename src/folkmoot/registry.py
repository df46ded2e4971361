"""A registry: the contributions of a team, named in one lock file that is made for git.

A registry is a folder. ``registry.lock`` in it names every contribution, where it is, its revision and the hash of each of
its files; entries stand in the order of their names, so that two people who add one each rarely meet in a merge.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, StringConstraints, field_validator

from folkmoot.documents import BadInput, Document, did_you_mean, read
from folkmoot.manifest import MANIFEST, Manifest, beside, inside, read_manifest, weights
from folkmoot.models.folder import LOADED, PICKLES, replace_text, sha256
from folkmoot.visible import visible

LOCK = "registry.lock"
ALL = "all"
VERSION = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHOWN = 3
_LONGEST, _LONGEST_NAME, _SHORT = 1000, 255, 40
"""Bytes of a path in a lock, and of a name in it: file systems have no longer names; letters of one that is complained of."""


def _nameable(name: str) -> str:
    if not _SLUG.fullmatch(name):
        raise ValueError("use small letters, digits, '.', '_' or '-', at most 64, a letter or digit first")
    if name == ALL:
        raise ValueError(f"nobody can be called {ALL!r}: team files pick everybody by it")
    if name.endswith((".lock", ".yaml")):
        raise ValueError("a name cannot end in .lock or .yaml: files of a registry are called so")
    return name


Slug = Annotated[str, AfterValidator(_nameable)]
"""A contribution's name: it names folders and repositories, too."""


def _inside(path: str) -> str:
    if visible(path) != path or not {"\t", "\n"}.isdisjoint(path):
        raise ValueError(f"{path[:_SHORT]!r} holds characters that nobody sees, which no path may")
    pure = PurePosixPath(path)
    if len(path.encode()) > _LONGEST or any(len(part.encode()) > _LONGEST_NAME for part in pure.parts):
        raise ValueError(f"{path[:_SHORT]!r}... is too long for a path inside the registry")
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError(f"{path!r} must be a path inside the registry")
    return path


Inside = Annotated[str, AfterValidator(_inside)]

_HEAD = f"""\
# The contributions of this registry, by name. Written by 'folkmoot contribute add' and 'remove'; commit it to git together
# with their folders. Team files pick from it: 'registry: ./this-folder' and 'members: [{ALL}]'.
"""
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.M)


class Measured(Document):
    """What `add` measured of a contribution on its own test set.

    Attributes:
        score: Mean over the questions, 0 to 1.
        base: The same for its base alone, if it has one.
        questions: How many.
    """

    score: float = Field(ge=0, le=1)
    base: float | None = Field(default=None, ge=0, le=1)
    questions: int = Field(ge=1)


class Entry(Document):
    """One contribution in the lock file.

    Attributes:
        source: Its folder, relative to the registry.
        copied: The folder was put there by ``contribute add``, and goes with the entry; else it is its contributor's own.
        origin: The hub repository that it came from (``org/name``), or empty.
        revision: Commit of that repository.
        base: The base model, as its manifest names it.
        base_identity: Which base that is: what it was made for, or, if it does not say, what it was admitted with.
        tags: Copied from its manifest.
        measured: By the admission gate; None if it could not score it.
        files: SHA-256 of every file by path.
    """

    source: Inside
    copied: bool = False
    origin: str = ""
    revision: str = ""
    base: str
    base_identity: str = ""
    tags: tuple[str, ...] = ()
    measured: Measured | None = None
    files: Mapping[Inside, Sha256] = Field(min_length=1)


class Lock(Document):
    """The lock file."""

    version: int = VERSION
    participants: Mapping[Slug, Entry] = Field(default_factory=dict)

    @field_validator("version")
    @classmethod
    def _known(cls, v: int) -> int:
        if v != VERSION:
            raise ValueError(f"this folkmoot reads version {VERSION}, the file has {v}; update folkmoot")
        return v

    @field_validator("participants")
    @classmethod
    def _copies(cls, v: Mapping[str, Entry]) -> Mapping[str, Entry]:
        for name, entry in v.items():
            if entry.copied and not re.fullmatch(rf"{re.escape(name)}(\.[0-9a-f]{{8,64}})?", entry.source):
                raise ValueError(f"{name}: 'add' makes no copy at {entry.source!r}; add it again")
        return v


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
        path = folder / LOCK
        if not path.is_file():
            raise BadInput(f"{folder}: no registry: it has no {LOCK}; 'folkmoot contribute add' makes one")
        _refuse_unfinished(path)
        lock = read(path, Lock)
        return cls(folder, dict(sorted(lock.participants.items())))

    def write(self) -> None:
        """Write the lock file: whoever reads it sees the old one or the new one.

        Raises:
            OSError: It cannot be written.
        """
        entries = {n: e.model_dump(mode="json", exclude_defaults=True) for n, e in sorted(self.entries.items())}
        told: dict[str, Any] = {"version": VERSION, "participants": entries}
        text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)
        replace_text(self.folder / LOCK, _HEAD + text)

    def entry(self, name: str) -> Entry:
        """One contribution.

        Raises:
            BadInput: Nobody has this name.
        """
        if name not in self.entries:
            raise BadInput(f"{self.folder}: nobody is called {name!r}; {did_you_mean(name, self.entries)}")
        return self.entries[name]

    def picked(self, name: str = ALL, tag: str | None = None) -> tuple[str, ...]:
        """Names of those picked, in order.

        Args:
            name: A name, or ``all``.
            tag: A tag; then `name` does not count.

        Raises:
            BadInput: Nobody fits.
        """
        if tag is not None:
            found = tuple(n for n, e in self.entries.items() if tag in e.tags)
            if not found:
                tags = {t for e in self.entries.values() for t in e.tags}
                raise BadInput(f"{self.folder}: nobody has the tag {tag!r}; {did_you_mean(tag, tags)}")
            return found
        if name == ALL:
            if not self.entries:
                raise BadInput(f"{self.folder}: the registry is empty; add somebody with 'folkmoot contribute add'")
            return tuple(self.entries)
        if name not in self.entries:
            raise BadInput(f"{self.folder}: nobody is called {name!r}; {did_you_mean(name, [ALL, *self.entries])}")
        return (name,)

    def members(self, name: str = ALL, tag: str | None = None, *, home: Path | None = None) -> tuple[Manifest, ...]:
        """Manifests of those picked, in the order of their names; every file is compared with the lock first.

        Args:
            name: A name, or ``all``.
            tag: A tag; then `name` does not count.
            home: Paths in the manifests are made relative to this folder; to the working folder if left out.

        Raises:
            BadInput: Nobody fits, or a file is not as the lock says.
        """
        picked = self.picked(name, tag)
        if wrong := [line for n in picked for line in self.differences(n)]:
            raise BadInput("\n".join(wrong))
        return tuple(self._manifest(n, home) for n in picked)

    def differences(self, name: str) -> list[str]:
        """What is not as the lock says about one contribution, in as few lines as can be.

        What the lock does not name is left alone, unless it would be loaded.
        """
        entry = self.entry(name)
        home = self.folder / entry.source
        try:
            return self._different(name, entry, home)
        except OSError as e:  # of one of many, which says nothing of the others
            what = f"{e.filename or home} cannot be read ({e.strerror}): mend its permissions"
            return [f"{name}: {what}, or take it out: 'folkmoot contribute remove {name}'"]

    def _different(self, name: str, entry: Entry, home: Path) -> list[str]:
        for file in entry.files:
            if link := _link(self.folder, f"{entry.source}/{file}"):
                return [f"{link}: a link, which could lead anywhere: put the folder or file itself there"]
        if self.missing(name):
            out = f"'folkmoot contribute remove {name}' takes it out"
            return [f"{name}: its folder {home} is missing; restore it or add it again ({out})"]
        gone = [f for f in entry.files if not (home / f).is_file()]
        changed = [f for f, digest in entry.files.items() if f not in gone and sha256(home / f) != digest]
        told = [f"{_files(which)} {how}" for which, how in ((gone, "missing"), (changed, "changed")) if which]
        if told:
            return [f"{name}: in {home} {', '.join(told)} since it was added: restore, or add {name!r} again"]
        return self._loose(name, entry)

    def missing(self, name: str) -> bool:
        """Whether nothing of a contribution is where the lock says that it is."""
        entry = self.entry(name)
        try:
            return not any((self.folder / entry.source / file).is_file() for file in entry.files)
        except OSError:  # something is there that cannot be looked at
            return False

    def _loose(self, name: str, entry: Entry) -> list[str]:
        """What would be loaded with a contribution, and is not what the lock names."""
        home = self.folder / entry.source
        if MANIFEST not in entry.files:
            return [f"{self.folder / LOCK}: {name!r} lists no {MANIFEST}; add it again"]
        try:
            manifest = read_manifest(home / MANIFEST, move=False)
        except BadInput as e:
            return str(e).split("\n")
        own = [*map(str, weights(manifest)), *([manifest.priority.file] if manifest.priority else [])]
        if out := [path for path in own if not inside(home, path)]:
            return [f"{home / MANIFEST}: {out[0]!r} leads out of its folder; add {name!r} again"]
        read = sorted({path for folder in own for path in _read(home, folder)} - entry.files.keys())
        if read:
            more = f" (and {len(read) - 1} more)" if read[1:] else ""
            first = home / read[0]
            # a part of the model whose line was lost must not be thrown away; what the gate refuses cannot be added
            addable = first.suffix.lower() in LOADED and not first.is_symlink()
            remedy = f"add {name!r} again, or remove it if it is no part of that" if addable else "remove it"
            return [f"{first}: it would be loaded, and is not in {LOCK}{more}: {remedy}"]
        if manifest.engine == "openai":
            return _other_endpoint(name, home / MANIFEST, manifest)
        return _other_base(name, entry, manifest)

    def _manifest(self, name: str, home: Path | None) -> Manifest:
        entry = self.entries[name]
        folder = self.folder / entry.source
        manifest = read_manifest(folder / MANIFEST, move=False)
        if manifest.name != name:
            raise BadInput(f"{folder / MANIFEST}: its name is {manifest.name!r}, the registry says {name!r}")
        return beside(manifest, Path(os.path.relpath(folder, home)) if home is not None else folder)


def _refuse_unfinished(path: Path) -> None:
    """Name an empty file, and what git leaves of a merge that it could not finish: as YAML it reads as nonsense."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from None
    if not text.strip():
        raise BadInput(f"{path}: the file is empty: restore it from git, or remove it and add everybody again")
    if mark := _CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        raise BadInput(
            f"{path}:{line}: a merge was left unfinished here; keep the entries of both sides, remove the lines with "
            "<<<<<<<, ======= and >>>>>>>"
        )


def _files(names: list[str]) -> str:
    """Some files for people: ``5 files (a, b, c, ...)``."""
    shown = ", ".join([*names[:_SHOWN], *(["..."] if names[_SHOWN:] else [])])
    return f"{len(names)} file{'s' if names[1:] else ''} ({shown})"


def _read(home: Path, path: str) -> Iterator[str]:
    """What loaders can come to read at a path in a contribution, links included: a file, or what is in a folder."""
    if (home / path).is_file():
        yield PurePosixPath(path).as_posix()
    for at, folders, names in os.walk(home / path):
        for name in (*folders, *names):
            found = Path(at, name)
            if found.is_symlink() or (name in names and found.suffix.lower() in LOADED | PICKLES):
                yield Path(os.path.relpath(found, home)).as_posix()


def _other_endpoint(name: str, path: Path, manifest: Manifest) -> list[str]:
    """What the admission gate refuses of an endpoint's address and key: a registry may come with a lock of its own."""
    from folkmoot.contribute.check_endpoint import check_endpoint

    wrong = [f for f in check_endpoint(manifest, lambda *_: str(path)) if f.level == "refuse"]
    return [f"{f.line()}; or take it out: 'folkmoot contribute remove {name}'" for f in wrong]


def _other_base(name: str, entry: Entry, manifest: Manifest) -> list[str]:
    """Whether another base is here under the same name; one from the hub and one from wheels cannot be compared."""
    from folkmoot.models import ready

    if not entry.base_identity or manifest.model.startswith((".", "/", "~")):
        return []
    found = ready(f"{manifest.model}@{manifest.revision}" if manifest.revision else manifest.model)
    if found is None:
        return []
    here, there = (i.partition(":conversion-")[0] for i in (found.identity, entry.base_identity))
    if here == there or here.startswith("gguf:") != there.startswith("gguf:"):
        return []
    what = f"{name!r} is for {entry.base_identity}, on this machine it is {found.identity}"
    return [f"{manifest.model}: another base than the registry says: {what}: fetch that one, or add {name!r} again"]


def _link(root: Path, path: str) -> Path | None:
    """The first symbolic link on the way from a folder to something in it."""
    here = root
    for part in PurePosixPath(path).parts:
        here = here / part
        if here.is_symlink():
            return here
    return None
