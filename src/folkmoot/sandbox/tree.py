"""The files that Python needs, found by asking it: all that a sandboxed process sees of this machine."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ASK = """
import importlib, json, os, sys
for folder in sys.path:
    if folder.endswith("lib-dynload"):
        for file in sorted(os.listdir(folder)):
            name = file.split(".")[0]
            if name.startswith(("_test", "_xx", "xx", "_tkinter", "_curses", "readline", "nis", "_dbm", "_gdbm", "ossaudio")):
                continue
            try:
                importlib.import_module(name)
            except Exception:
                pass
maps = sorted({line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if " /" in line})
print(json.dumps({"path": sys.path, "maps": maps}))
"""
_PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Tree:
    """Files and folders for the sandbox, all read-only.

    Attributes:
        executable: The interpreter that it starts, outside any virtual environment.
        files: Path inside, and path here.
        links: Symbolic links: path, and target.
        hidden: Folders inside those of `files` whose contents are not to be seen: installed packages.
    """

    executable: str
    files: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]


def interpreter() -> str:
    """The interpreter itself, not the one of a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@cache
def tree() -> Tree:
    """Find out what Python needs, once per process (about 0.2 s).

    Raises:
        OSError: The interpreter cannot be asked.
    """
    executable = interpreter()
    done = subprocess.run(  # noqa: S603 - our own interpreter and a constant script
        [executable, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=False, env={}, timeout=60
    )
    if done.returncode != 0:
        raise OSError(f"{executable} does not start: {done.stderr.strip()[-200:]}")
    told = json.loads(done.stdout)
    folders = sorted({p for p in told["path"] if os.path.exists(p)})
    folders = [f for f in folders if not any(f.startswith(other + "/") for other in folders)]
    files = {folder: folder for folder in folders}
    links = {
        f"/{name}": os.readlink(f"/{name}") for name in ("lib", "lib64", "lib32", "bin") if os.path.islink(f"/{name}")
    }
    for file in [executable, *told["maps"]]:
        if os.path.isfile(file) and not any(file.startswith(folder + "/") for folder in folders):
            files[file] = file
            links |= _names(Path(file))
    if loader := _loader(executable):
        files.setdefault(_resolved(loader), os.path.realpath(loader))
    if os.path.exists("/etc/ld.so.cache"):
        files["/etc/ld.so.cache"] = "/etc/ld.so.cache"
    links = {path: target for path, target in links.items() if path not in files}
    hidden = tuple(f"{f}/{name}" for f in folders for name in _PACKAGES if os.path.isdir(f"{f}/{name}"))
    return Tree(executable, tuple(sorted(files.items())), tuple(sorted(links.items())), hidden)


def _names(file: Path) -> dict[str, str]:
    """The other names of a library: the loader looks for libz.so.1, and the file is libz.so.1.2.13."""
    stem = file.name.split(".so")[0]
    if ".so" not in file.name:
        return {}
    return {str(p): file.name for p in file.parent.glob(f"{stem}.so*") if p.is_symlink() and p.resolve() == file}


def _resolved(path: str) -> str:
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _loader(executable: str) -> str:
    """The program loader that an ELF file names (PT_INTERP), or nothing."""
    with open(executable, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return ""
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        for i in range(count):
            file.seek(offset + i * size)
            entry = file.read(size)
            if struct.unpack_from("<I", entry)[0] == 3:
                at, length = struct.unpack_from("<Q", entry, 8)[0], struct.unpack_from("<Q", entry, 32)[0]
                file.seek(at)
                return file.read(length).rstrip(b"\0").decode()
    return ""
