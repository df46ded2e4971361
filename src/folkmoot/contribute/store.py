"""The folder of a registry while it is changed: one process at a time, and a kill at any moment leaves the old or the new.

The lock file is the one place that says who is in. New folders come to stand under their names before it is replaced, old
ones go after that; ``.partial/`` holds what is being made, and the names of folders that are in the way unless the lock
file names them. Whoever changes the registry next clears that first.

A registry may come from somebody else, by git: nothing in it is followed out of it, and only what ``add`` itself could have
put there is ever removed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models.folder import replace_text
from folkmoot.progress import Progress, duration
from folkmoot.registry import LOCK, Registry

WORK = ".partial"
_KEPT = ("lock", ".gitignore")
_PASSING = "passing"
_COPY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(\.[0-9a-f]{8,64})?")
"""How `add` calls the folders that it makes: NAME or NAME.DIGEST."""


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[Registry]:
    """Only one process at a time changes a registry; the others wait, and say so. It is made if it is not there.

    Yields:
        The registry as it is now.

    Raises:
        Missing: The folder cannot be written.
        BadInput: Its lock file cannot be read, or its working folder is not what this module makes.
    """
    from filelock import FileLock, Timeout

    with plain_errors(folder):
        _refuse_other(folder)
        (folder / WORK).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / WORK / "lock")
        waited = 0
        while True:
            try:
                lock.acquire(timeout=1 if waited else 0)
                break
            except Timeout:
                progress(f"wait for {folder}", note=f"another process changes it, {duration(waited)} so far")
                waited += 1
    try:
        known = _now(folder)
        with plain_errors(folder):
            _clear(known)
            if not (folder / WORK / ".gitignore").exists():
                replace_text(folder / WORK / ".gitignore", "*\n")
        try:
            yield known
        finally:
            with plain_errors(folder):
                _clear(_now(folder))
    finally:
        lock.release()


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


def announce(folder: Path, *paths: str) -> None:
    """Note folders that are to go unless the lock file names them: those about to come, and those about to be replaced."""
    replace_text(folder / WORK / _PASSING, "".join(f"{p}\n" for p in paths))


def settle(folder: Path) -> None:
    """Get everything in a folder onto the disk."""
    for home, _, names in os.walk(folder):
        for path in (*(Path(home, n) for n in names), Path(home)):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _clear(known: Registry) -> None:
    """Remove what an earlier change left behind.

    Raises:
        BadInput: The note of it is not what `announce` writes.
    """
    work = known.folder / WORK
    note = work / _PASSING
    named = {PurePosixPath(e.source).parts[0] for e in known.entries.values()}
    lines = note.read_text(encoding="utf-8", errors="replace").splitlines() if note.exists() else []
    if odd := [line for line in lines if not _COPY.fullmatch(line)]:
        raise BadInput(f"{note}: {odd[0]!r} is no folder that 'add' makes; nothing was removed: remove this file")
    for name in lines:
        path = known.folder / name
        if name not in named and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    for path in (*work.iterdir(), *known.folder.glob(f".{LOCK}.*")):
        if path.name in _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
