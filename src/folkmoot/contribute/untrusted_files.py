"""A folder from somebody who is not trusted: looked at without following anything, then copied to a private place.

Every later check works on that copy, so that nothing it reads can be exchanged under it, lead out of the folder or never
end. The folder itself is opened once; all in it is reached from there, a name at a time, and links are never followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from folkmoot.contribute.findings import Finding, passed, refuse, refused, warn
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST
from folkmoot.models.folder import PICKLES
from folkmoot.progress import Progress, silent

KIB, MIB, GIB = 2**10, 2**20, 2**30
FILES, DEPTH = 256, 3
"""Most files of a contribution, and most folders inside one another."""
TOTAL = 40 * GIB

_KINDS: Mapping[str, int] = {
    ".md": MIB, ".txt": 16 * MIB, ".json": 4 * MIB, ".jsonl": 5 * MIB, ".jinja": 100 * KIB, ".svg": MIB, ".log": MIB,
    ".csv": MIB, ".model": 16 * MIB, ".safetensors": 10 * GIB,
}  # fmt: skip
"""Most bytes by ending; what is not here is not part of a contribution."""
_NAMED: Mapping[str, int] = {
    MANIFEST: 64 * KIB, "LICENSE": MIB, "NOTICE": MIB, ".gitignore": 64 * KIB, ".gitattributes": 64 * KIB,
    "train.jsonl": 50 * MIB, "tokenizer.json": 40 * MIB, "vocab.json": 16 * MIB, "adapter_config.json": 64 * KIB,
    "adapter_model.safetensors": GIB,
}  # fmt: skip
_PASSED_OVER = frozenset({".git", ".cache"})
_UNFINISHED = frozenset({"training/checkpoint", ".adapter.part", ".adapter.old"})
"""Folders that a training leaves only where it was interrupted."""
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+=@-]{0,127}")
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl", ".npz"})
_WEIGHTS = frozenset({".h5", ".hdf5", ".onnx", ".gguf", ".ggml", ".msgpack", ".tflite", ".pb", ".npy", ".nemo", ".mar"})
_CODE = frozenset({".py", ".pyc", ".pyi", ".so", ".dll", ".dylib", ".sh", ".ipynb", ".exe", ".js", ".cu", ".c", ".cpp"})
_REST = {
    "pickle": ("pickled weights, and loading a pickle can run any code", "save the weights as safetensors"),
    "archive": ("an archive, whose contents nobody sees", "put the files themselves into the folder"),
    "weights-format": ("weights in a format that is not loaded here", "save the weights as safetensors"),
    "code": ("a program; nothing that comes with a contribution is run", "remove it"),
    "unknown-file": ("no file that a contribution has", "remove it"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A regular file of the folder.

    Attributes:
        name: Path inside the folder, with slashes.
        size: Bytes.
        device, inode: Which file it is.
    """

    name: str
    size: int
    device: int
    inode: int


class _Changed(Exception):  # noqa: N818
    """A file is no longer the one that was looked at."""


def look(folder: Path) -> tuple[list[Held], list[Finding]]:
    """All files of a folder, and what is wrong with their names, kinds and sizes. Reads none of them."""
    held: list[Held] = []
    findings: list[Finding] = []
    seen_, most = 0, 2 * FILES
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for item in _walk(root, PurePosixPath(), 0):
            seen_ += 1
            if isinstance(item, Finding):
                findings.append(item)
            elif item is not None:
                held.append(item)
            if len(held) > FILES or seen_ > most:
                findings.append(refuse("file-count", f"more than {FILES} files", remedy="leave out what is not needed"))
                break
    finally:
        os.close(root)
    seen: dict[str, str] = {}
    for file in held:
        twin = seen.setdefault(file.name.casefold(), file.name)
        if twin != file.name:
            what = f"its name and {twin!r} are one name on other systems"
            findings.append(refuse("case-collision", what, file.name, "rename one of them"))
    if sum(f.size for f in held) > TOTAL:
        findings.append(
            refuse("total-size", f"more than {TOTAL // GIB} GiB in all", remedy="contribute a smaller model")
        )
    if not refused(findings):
        findings.append(passed("files", f"{len(held)} files of known kinds, {sum(f.size for f in held)} bytes"))
    return sorted(held, key=lambda f: f.name), findings


def _walk(folder: int, at: PurePosixPath, depth: int) -> Iterator[Held | Finding | None]:
    """Everything in a folder; None for a folder in it, so that these can be counted, too."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name, where = entry.name, str(at / entry.name)
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as e:
                yield refuse("unreadable", f"it cannot be looked at: {e.strerror}", where, "mend its permissions")
                continue
            if not depth and name in _PASSED_OVER and stat.S_ISDIR(found.st_mode):
                yield warn("passed-over", "not part of the contribution; it is left out", where)
            elif where in _UNFINISHED and stat.S_ISDIR(found.st_mode):
                remedy = "give the same 'folkmoot contribute train' again; or remove this folder"
                yield refuse("unfinished", "a training that has not ended", where, remedy)
            elif not _NAME.fullmatch(name) or name.endswith("."):
                what = "its name has characters that a contribution's files do not have"
                yield refuse("file-name", what, where, "rename it: letters, digits, . _ - and no spaces")
            elif stat.S_ISLNK(found.st_mode):
                yield refuse("symlink", "a symbolic link, which may lead anywhere", where, "put the file itself there")
            elif stat.S_ISDIR(found.st_mode):
                yield None
                yield from _inner(folder, name, at, depth)
            else:
                yield _fault(found, where) or Held(where, found.st_size, found.st_dev, found.st_ino)


def _inner(folder: int, name: str, at: PurePosixPath, depth: int) -> Iterator[Held | Finding | None]:
    where = str(at / name)
    if depth == DEPTH:
        yield refuse("depth", f"more than {DEPTH} folders inside one another", where, "put the files higher up")
        return
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as e:
        yield _unopened(where, e)
        return
    try:
        yield from _walk(inner, at / name, depth + 1)
    finally:
        os.close(inner)


def _unopened(where: str, e: OSError) -> Finding:
    return refuse("unreadable", f"it cannot be opened: {e.strerror}", where, "mend its permissions")


def _fault(found: os.stat_result, where: str) -> Finding | None:
    """What is wrong with something that is neither a folder nor a link."""
    if not stat.S_ISREG(found.st_mode):
        return refuse("special-file", "no regular file: a pipe, a socket or a device", where, "remove it")
    if found.st_nlink > 1:
        what = "a hard link: the same file has another name, perhaps outside"
        return refuse("hardlink", what, where, "put a copy of its own there (cp, not ln)")
    pure = PurePosixPath(where)
    suffix = pure.suffix.lower()
    if suffix != pure.suffix:
        what = f"its ending {pure.suffix} would be taken for another kind of file on other systems"
        return refuse("file-name", what, where, "write the ending in small letters")
    most = most_bytes(where)
    if most is None:
        check = _kind(suffix)
        return refuse(check, _REST[check][0], where, _REST[check][1])
    if found.st_size > most:
        return refuse("file-size", f"{found.st_size} bytes; at most {most} are allowed", where, "make it smaller")
    if found.st_size > 64 * MIB and found.st_blocks * 512 < found.st_size // 8:
        return refuse("sparse", "most of it is a hole and not on the disk", where, "save it again")
    return None


def most_bytes(path: str) -> int | None:
    """Most bytes that a contribution's file of this name may have; None if a contribution has no such file."""
    pure = PurePosixPath(path)
    return _NAMED.get(pure.name, _KINDS.get(pure.suffix.lower()))


def _kind(suffix: str) -> str:
    kinds = {"pickle": PICKLES, "archive": _ARCHIVES, "weights-format": _WEIGHTS, "code": _CODE}
    return next((check for check, endings in kinds.items() if suffix in endings), "unknown-file")


def copy(folder: Path, held: list[Held], to: Path, progress: Progress = silent) -> tuple[dict[str, str], list[Finding]]:
    """Copy the files that were looked at, and nothing else.

    Args:
        folder: The contribution.
        held: From `look`.
        to: An empty folder that nobody else can write.
        progress: Told how far it is.

    Returns:
        SHA-256 of every file as copied, by name, and what was wrong.

    Raises:
        Missing: There is no room.
    """
    total, done = sum(f.size for f in held), 0
    free = shutil.disk_usage(to).free
    if total + 16 * MIB > free:
        raise Missing(f"{to}: {total} bytes are needed to look at a copy, {free} are free; set TMPDIR to a larger disk")
    hashes: dict[str, str] = {}
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for file in held:
            progress("check: copy", done, total)
            target = to / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                hashes[file.name] = _copied(root, file, target)
            except (_Changed, OSError) as e:
                if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise Missing(f"{to}: {e.strerror}; set TMPDIR to another disk") from None
                if isinstance(e, PermissionError):
                    return hashes, [_unopened(file.name, e)]
                what = f"it changed while it was read, or cannot be read: {e}"
                return hashes, [refuse("changed", what, file.name, "check it when nobody else writes to it")]
            done += file.size
    finally:
        os.close(root)
    return hashes, []


def _copied(root: int, file: Held, target: Path) -> str:
    *folders, name = PurePosixPath(file.name).parts
    here = os.dup(root)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        # a pipe that has taken the file's place must not make anybody wait
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=here)
    finally:
        os.close(here)
    with open(fd, "rb", buffering=0) as source, target.open("xb") as out:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != (file.device, file.inode):
            raise _Changed("another file took its place")
        digest, left = hashlib.sha256(), file.size
        while left:
            part_ = source.read(min(left, 4 * MIB))
            if not part_:
                raise _Changed("it became shorter")
            digest.update(part_)
            out.write(part_)
            left -= len(part_)
        if source.read(1):
            raise _Changed("it became longer")
    return digest.hexdigest()
