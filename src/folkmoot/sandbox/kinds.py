"""The ways to isolate a process, the strongest first: how one is started, and what of the job changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from folkmoot.sandbox.tree import Tree, interpreter, tree

NOBODY = "65534"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_BOOT = """
import json, sys, types
job = json.load(sys.stdin.buffer)
for name, source in job.pop("modules"):
    module = sys.modules[name] = types.ModuleType(name)
    package, _, short = name.rpartition(".")
    if package:
        setattr(sys.modules[package], short, module)
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules["folkmoot.sandbox.inside.start"].main(job)
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to isolate a process.

    Attributes:
        name: For people.
        layers: What it is made of, for people.
        command: The command line, made when it is needed; raises OSError where it cannot be.
        job: What the process has to do itself; as `command`.
    """

    name: str
    layers: tuple[str, ...]
    command: Callable[[], list[str]]
    job: Callable[[], dict[str, Any]]


def kinds() -> tuple[Kind, ...]:
    """All ways that exist on this system, the strongest first; whether one works is another question."""
    return (BUBBLEWRAP, NAMESPACES, LANDLOCK) if sys.platform == "linux" else ()


def _python() -> list[str]:
    return [interpreter(), "-I", "-S", "-X", "utf8", "-c", _BOOT]


def _job(**changed: Any) -> dict[str, Any]:
    return {"namespaces": None, "landlock": None, "scratch": "", "threads": False, "strict": True, **changed}


def bwrap() -> str | None:
    """Where bubblewrap is, or None."""
    return shutil.which("bwrap")


def _bubblewrap() -> list[str]:
    program = bwrap()
    if program is None:
        raise OSError("bubblewrap is not installed")
    found: Tree = tree()
    command = [program, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    # the process itself mounts its scratch folder, with room for few files, and then drops this capability too
    command += [
        "--uid",
        NOBODY,
        "--gid",
        NOBODY,
        "--hostname",
        "sandbox",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_SYS_ADMIN",
    ]
    for inside, here in found.files:
        command += ["--ro-bind", here, inside]
    for path, target in found.links:
        command += ["--symlink", target, path]
    for folder in found.hidden:
        command += ["--tmpfs", folder, "--remount-ro", folder]
    for name in _DEVICES:
        command += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*command, "--dir", "/tmp", "--remount-ro", "/", "--", *_python()]  # noqa: S108 - inside


def _namespaces() -> dict[str, Any]:
    if os.uname().machine not in ("x86_64", "aarch64"):
        raise OSError(f"not written for {os.uname().machine}")
    told = asdict(tree()) | {"empty": ["/tmp", "/dev"], "root": _root()}  # noqa: S108 - inside
    return _job(namespaces=told, scratch="/tmp", threads=True)  # noqa: S108 - as above


def _root() -> bool:
    return os.geteuid() == 0


BUBBLEWRAP = Kind(
    "bubblewrap",
    ("user, mount, network, process, IPC, UTS and cgroup namespaces", "read-only files", "seccomp", "limits"),
    _bubblewrap,
    # the kernel does not count the threads of root, so none may start
    lambda: _job(scratch="/tmp", threads=not _root()),  # noqa: S108 - as above
)
NAMESPACES = Kind("namespaces", BUBBLEWRAP.layers, _python, _namespaces)
LANDLOCK = Kind(
    "landlock",
    ("Landlock", "seccomp", "limits"),
    _python,
    lambda: _job(landlock=[here for _, here in tree().files] + [f"/dev/{name}" for name in _DEVICES]),
)
UNSAFE = Kind("none", ("limits",), _python, lambda: _job(strict=False))
