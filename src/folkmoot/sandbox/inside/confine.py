"""What a process gives up before it runs code that is not ours: capabilities, resources, descriptors, system calls."""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Any

from folkmoot.sandbox.inside import landlock, seccomp

MIB = 2**20
MS_NOSUID, MS_NODEV = 2, 4


def confine(job: dict[str, Any]) -> dict[str, bool]:
    """Give up everything that running the code does not take. There is no way back.

    Args:
        job: ``limits`` (``memory_mib``, ``cpu_seconds``, ``file_kib``), ``threads`` (they may be started), ``keep``
            (descriptors that stay open), ``scratch`` (a folder to put an empty file system on, or empty), ``landlock``
            (folders and files that may be read, or None), ``strict`` (fail if a layer is missing).

    Returns:
        Which layers are in force.

    Raises:
        RuntimeError: A layer is missing and ``strict`` is set.
    """
    libc = ctypes.CDLL(None, use_errno=True) if os.uname().sysname == "Linux" else None
    _descriptors([*job["keep"], 2])
    _resources(job["limits"], strict=job["strict"])
    found = {"seccomp": False, "landlock": False}
    if libc is not None:
        if job["scratch"]:
            _scratch(libc, job["scratch"], job["limits"]["file_kib"])
        _capabilities(libc)
        libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(seccomp.PR_SET_DUMPABLE, 0, 0, 0, 0)
        if job["landlock"] is not None:
            found["landlock"] = landlock.restrict(libc, job["landlock"])
        found["seccomp"] = seccomp.install(threads=job["threads"])
    if job["strict"] and not (found["seccomp"] and (job["landlock"] is None or found["landlock"])):
        missing = ", ".join(name for name, there in found.items() if not there)
        raise RuntimeError(f"the kernel does not offer: {missing}")
    os.dup2(1, 2)  # last: until here a failure can be told
    return found


def _descriptors(keep: list[int]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        if fd not in keep:
            os.dup2(nowhere, fd)
    low = 3
    for fd in sorted(fd for fd in keep if fd > 2):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 65536)


def _resources(limits: dict[str, int], *, strict: bool) -> None:
    wanted = {
        "RLIMIT_AS": limits["memory_mib"] * MIB,
        "RLIMIT_CPU": limits["cpu_seconds"],
        "RLIMIT_FSIZE": limits["file_kib"] * 1024,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_NPROC": 32,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):  # macOS knows some of these and refuses to set them
            if strict:
                raise


def _scratch(libc: Any, folder: str, kib: int) -> None:
    # the number of files is limited too: the kernel's own memory for each does not count as theirs
    options = f"size={kib}k,nr_inodes=256,mode=700".encode()
    if libc.mount(b"scratch", folder.encode(), b"tmpfs", ctypes.c_ulong(MS_NOSUID | MS_NODEV), options) != 0:
        raise OSError(ctypes.get_errno(), f"cannot put an empty file system on {folder}")
    os.chdir(folder)


def _capabilities(libc: Any) -> None:
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: refused where there are none to drop
    libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, clear all
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")
