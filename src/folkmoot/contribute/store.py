"""The folder of a registry while it is changed: one process at a time, and a kill at any moment leaves the old or the new.

The lock file is the one place that says who is in. New folders come to stand under their names before it is replaced, old
ones go after that; ``.partial/`` holds what is being made, and the names of folders that are in the way unless the lock
file names them, each with its device and inode. Whoever changes the registry next clears that first.

A registry may come from somebody else, by git: nothing in it is followed out of it, and what goes is the copy of the entry
that its user replaces or removes, and what was noted on this machine. A note that came by git names no inode here.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models.folder import replace_text
from folkmoot.progress import Progress, duration
from folkmoot.registry import LOCK, Registry

WORK = ".partial"
_KEPT = ("lock", ".gitignore")
_PASSING = "passing"
_NOTED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]{0,63}(\.[0-9a-f]{8,64})?) (?P<which>\d{1,20} \d{1,20})")
"""A line of the note: how `add` calls a folder that it makes (NAME or NAME.DIGEST), its device and its inode."""
_MOST = 2
"""Lines of a note: a folder comes, another one goes."""
_LONGEST, _SHORT = 1000, 80


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[Registry]:
    """Only one process at a time changes a registry; the others wait, and say so. It is made if it is not there.

    What was made goes again if no lock file came of it.

    Yields:
        The registry as it is now.

    Raises:
        Missing: The folder cannot be written; or all is done, and a folder that goes with it could not be deleted.
        BadInput: Its lock file cannot be read, or its working folder is not what this module makes.
    """
    from filelock import FileLock, Timeout

    with plain_errors(folder):
        _refuse_other(folder)
        lock = FileLock(folder / WORK / "lock")
        made: list[Path] = []
        waited = 0
        while True:
            made += [p for p in (folder / WORK, folder, *folder.parents) if not p.exists()]
            (folder / WORK).mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=1 if waited else 0)
                if (folder / WORK / "lock").exists():
                    break
                lock.release()  # whoever had it has taken it away with the folder
            except FileNotFoundError:
                continue  # the same, a moment earlier
            except Timeout:
                progress(f"wait for {folder}", note=f"another process changes it, {duration(waited)} so far")
                waited += 1
    try:
        known = _now(folder)
        with plain_errors(folder):
            left = _clear(known)
            if not (folder / WORK / ".gitignore").exists():
                replace_text(folder / WORK / ".gitignore", "*\n")
        try:
            yield known
        finally:
            with plain_errors(folder):
                left += _clear(_now(folder))
        if left:  # no entry leads there any more, so nobody else would say so
            raise Missing(
                f"{left[0]}: the registry is changed, but this folder, which is out of it now, could not be deleted: "
                "mend the permissions of what is in it, then delete it yourself"
            )
    finally:
        if not (folder / LOCK).exists():
            _unmake(folder, made)
        lock.release()


def _unmake(folder: Path, made: list[Path]) -> None:
    """Remove the folders that were made for nothing, the innermost first, as far as nobody else put anything there."""
    with suppress(OSError):
        if folder / WORK in made:
            for name in _KEPT:
                (folder / WORK / name).unlink(missing_ok=True)
        for path in dict.fromkeys(made):
            path.rmdir()


def _refuse_other(folder: Path) -> None:
    """Refuse a link, a pipe or anything else that stands where this module has a folder or a file of its own."""
    wanted = {WORK: stat.S_ISDIR, f"{WORK}/lock": stat.S_ISREG, f"{WORK}/{_PASSING}": stat.S_ISREG}
    for name, right in wanted.items():
        if os.path.lexists(folder / name) and not right((folder / name).lstat().st_mode):
            raise BadInput(f"{folder / name}: a link, or no {'folder' if name == WORK else 'file'} at all: remove it")


def _now(folder: Path) -> Registry:
    return Registry.read(folder) if (folder / LOCK).exists() else Registry(folder, {})


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system says into one line that says what to do.

    Raises:
        Missing: The disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Missing(f"{folder}: no room on its disk; free some and run it again. Nothing was recorded") from None
        if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise Missing(f"{folder}: cannot be written ({e.strerror}); name a folder that you may write") from None
        raise Missing(f"{folder}: {e.strerror or e} ({e.filename or folder}); nothing was recorded") from None


def announce(folder: Path, passing: Mapping[str, Path]) -> None:
    """Note folders that are to go unless the lock file names them: the one about to come, and the one to be replaced.

    Args:
        folder: The registry.
        passing: By the name that it has or will have there, where each is now.
    """
    lines = [f"{name} {which}\n" for name, path in passing.items() if (which := _which(path))]
    replace_text(folder / WORK / _PASSING, "".join(lines))


def _which(path: Path) -> str:
    """Device and inode of a folder on this machine; empty if it is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    return f"{found.st_dev} {found.st_ino}" if stat.S_ISDIR(found.st_mode) else ""


def settle(folder: Path) -> None:
    """Get everything in a folder onto the disk."""
    for home, _, names in os.walk(folder):
        for path in (*(Path(home, n) for n in names), Path(home)):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _lines(note: Path) -> list[str]:
    """The beginning of a note; none that `announce` wrote is longer."""
    if not note.exists():
        return []
    with note.open(encoding="utf-8", errors="replace") as f:
        return f.read(_LONGEST).splitlines()


def _clear(known: Registry) -> list[Path]:
    """Remove what an earlier change left behind.

    Returns:
        Noted folders that could not be deleted.

    Raises:
        BadInput: The note of it is not what `announce` writes.
    """
    work = known.folder / WORK
    note = work / _PASSING
    named = {PurePosixPath(e.source).parts[0] for e in known.entries.values()}
    noted: list[re.Match[str]] = []
    for line in _lines(note):
        if not (read := _NOTED.fullmatch(line)) or len(noted) == _MOST:
            raise BadInput(
                f"{note}: {line[:_SHORT]!r} is nothing that 'add' notes; nothing was removed: remove this file"
            )
        noted.append(read)
    left = []
    for read in noted:
        path = known.folder / read["name"]
        if read["name"] not in named and _which(path) == read["which"]:
            shutil.rmtree(path, ignore_errors=True)
            left += [path] if _which(path) else []
    for path in (*work.iterdir(), *known.folder.glob(f".{LOCK}.*")):
        if path.name in _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left
