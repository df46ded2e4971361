"""The state of a training on the disk: one safetensors file, replaced as a whole, from which it goes on after a kill."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing

FOLDER = "training"
_CHECKPOINT = "checkpoint"
_STATE = "state.safetensors"
_REMEDIES = {
    errno.ENOSPC: "Make room",
    errno.EDQUOT: "Make room",
    errno.EACCES: "Mend the permissions there",
    errno.EPERM: "Mend the permissions there",
}


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a training is.

    Attributes:
        terms: What it depends on, see `folkmoot.contribute.train_recipe.terms`.
        step: Steps taken.
        seconds: Of work, over all runs of the command.
        seen: Examples seen.
        train: Step and mean loss since the point before.
        held: Step and held-out loss.
        best: Step of the lowest held-out loss.
        stopped: Why it ended: ``epochs`` or ``early``; empty while it goes on.
    """

    terms: Mapping[str, Any]
    step: int = 0
    seconds: float = 0.0
    seen: int = 0
    train: tuple[tuple[int, float], ...] = ()
    held: tuple[tuple[int, float], ...] = ()
    best: int = 0
    stopped: str = ""


def checkpoint(folder: Path) -> Path:
    """Where the checkpoint of a contribution is."""
    return folder / FOLDER / _CHECKPOINT


def write(folder: Path, far: Progressed, tensors: Mapping[str, Any]) -> None:
    """Replace the checkpoint; the one before stays whole until the new one is.

    Raises:
        Missing: It cannot be written.
    """
    from safetensors.torch import save

    data = save(dict(tensors), {"progress": json.dumps(asdict(far))})
    replace_bytes(folder, f"{FOLDER}/{_CHECKPOINT}/{_STATE}", data)


def read(folder: Path) -> tuple[Progressed, dict[str, Any]] | None:
    """The checkpoint, or None if there is none.

    Raises:
        BadInput: It is damaged.
    """
    from safetensors import SafetensorError, safe_open

    place = checkpoint(folder) / _STATE
    if not place.is_file():
        return None
    try:
        with safe_open(str(place), framework="pt") as f:
            told = json.loads(f.metadata()["progress"])
            told |= {key: tuple((int(s), float(x)) for s, x in told[key]) for key in ("train", "held")}
            return Progressed(**told), {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as e:
        raise BadInput(f"{place}: the checkpoint cannot be read ({e}); start anew with --restart") from None


def forget(folder: Path) -> None:
    """Remove the checkpoint."""
    (checkpoint(folder) / _STATE).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else trains this contribution meanwhile; afterwards the checkpoint's folder is gone if it holds nothing.

    Raises:
        BadInput: Somebody does.
        Missing: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    place = checkpoint(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise BadInput(f"{folder}: another process is training it right now; wait for it or end it") from None
    except OSError as e:
        raise unwritable(folder, f"{FOLDER}/{_CHECKPOINT}", e) from None
    try:
        yield
    finally:
        lock.release()
        if not (place / _STATE).exists():
            shutil.rmtree(place, ignore_errors=True)
            with contextlib.suppress(OSError):
                place.parent.rmdir()  # nothing came of it


def replace_bytes(folder: Path, name: str, data: bytes) -> None:
    """Write a file of a contribution so that whoever reads it finds the old content or the new one, also after a crash.

    Raises:
        Missing: The disk is full or the folder cannot be written; nothing has changed then.
    """
    path = folder / name
    new = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        new.replace(path)
    except OSError as e:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise unwritable(folder, name, e) from None


def settle(folder: Path) -> None:
    """Get a folder's files, and their names, onto the disk.

    Raises:
        OSError: The system does not take them.
    """
    for path in (*(p for p in folder.iterdir() if p.is_file()), folder):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def unwritable(folder: Path, name: str, e: OSError) -> Missing:
    """What to say when the disk does not take a file of a contribution that is being trained."""
    then = ": training begins anew, there is no checkpoint yet"
    try:
        if (checkpoint(folder) / _STATE).is_file():
            then = ": training goes on from its last checkpoint"
    except OSError:  # it cannot be looked for, so nothing is promised
        then = ""
    return Missing(
        f"{folder / name}: cannot be written: {e.strerror or e}; what was there before is whole. "
        f"{_REMEDIES.get(e.errno or 0, 'See to that')} and give the same command again{then}"
    )
