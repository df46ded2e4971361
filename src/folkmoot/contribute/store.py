"""The folder of a registry while it is changed: one process at a time, and a kill at any moment leaves the old or the new.

The lock file is the one place that says who is in. New folders come to stand under their names before it is replaced, old
ones go after that; ``.partial/`` holds what is being made, and the names of folders that are in the way unless the lock
file names them. Whoever changes the registry next clears that first.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from folkmoot.engines.contract import Missing
from folkmoot.models.folder import replace_text
from folkmoot.progress import Progress, duration
from folkmoot.registry import LOCK, Registry

WORK = ".partial"
_KEPT = ("lock", ".gitignore")
_PASSING = "passing"


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[Registry]:
    """Only one process at a time changes a registry; the others wait, and say so. It is made if it is not there.

    Yields:
        The registry as it is now.

    Raises:
        Missing: The folder cannot be written.
        BadInput: Its lock file cannot be read.
    """
    from filelock import FileLock, Timeout

    with plain_errors(folder):
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
            raise Missing(f"{folder}: cannot be written ({e.strerror}); name a registry that you may write") from None
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
    """Remove what an earlier change left behind."""
    work = known.folder / WORK
    note = work / _PASSING
    named = {e.source for e in known.entries.values()}
    for path in note.read_text(encoding="utf-8").split("\n") if note.exists() else ():
        if path and path not in named:
            shutil.rmtree(known.folder / path, ignore_errors=True)
    for path_ in work.iterdir():
        if path_.name in _KEPT:
            continue
        if path_.is_dir():
            shutil.rmtree(path_, ignore_errors=True)
        else:
            path_.unlink()
