"""New namespaces and a file system of a few read-only files, by our own hand: what bubblewrap does where it is installed."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

NOBODY = 65534
_USER, _MOUNT, _NET, _PID, _IPC, _UTS, _CGROUP = (
    0x10000000,
    0x00020000,
    0x40000000,
    0x20000000,
    0x08000000,
    0x04000000,
    0x02000000,
)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_MOUNT_SETATTR, _PIVOT_ROOT = 442, {"x86_64": 155, "aarch64": 41}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_BASE, _OLD = "/tmp", "/old"  # noqa: S108 - covered by a file system of our own before anything is put there
_DEVICES = ("null", "zero", "full", "random", "urandom")


def enter(tree: dict[str, Any]) -> None:
    """Go into new namespaces; return only in the process that is to run the code. The others wait for it.

    Three processes are left: the one that was called, which ends when the code has ended; the first of the new process
    namespace, with whose death everything in it dies; and the caller of the code. As root, the last one is mapped to the user
    nobody; else to the user that started it.

    Args:
        tree: ``files`` (path inside and path here), ``links`` (path and target), ``empty`` (folders), ``root`` (map to nobody).

    Raises:
        OSError: The machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _die_with_parent(libc)
    _user_namespace(libc, tree["root"])
    kinds = _MOUNT | _NET | _PID | _IPC | _UTS | _CGROUP
    _must(libc.unshare(kinds), "new namespaces")
    first = os.fork()
    if first:
        _wait(first)
    _die_with_parent(libc)
    _file_system(libc, tree)
    os.setsid()
    code = os.fork()
    if code:
        _wait(code)
    _die_with_parent(libc)
    os.setsid()
    if tree["root"]:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        # the capability for the file system that is still to be mounted outlives the change of user; `confine` drops it
        libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _must(libc.capset(_header(), _wanted(1 << 21)), "keep one capability")
        _die_with_parent(libc)  # cleared by the change of user


def _header() -> Any:
    return (ctypes.c_uint32 * 2)(0x20080522, 0)


def _wanted(mask: int) -> Any:
    return (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)


def _must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _die_with_parent(libc: Any) -> None:
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _wait(pid: int) -> None:
    """Wait for a child, and for whatever else falls to this process; then end as it ended."""
    os.closerange(0, 65536)
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            os._exit(1)
        if ended == pid:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _user_namespace(libc: Any, root: bool) -> None:
    """Map users: root to root and nobody to nobody, or just oneself to nobody."""
    uid, gid, me = os.getuid(), os.getgid(), os.getpid()
    if not root:
        _must(libc.unshare(_USER), "a new user namespace")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
        _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
        return
    # two users can be mapped only from outside: a child stays there until this process has gone in
    ready, go = os.pipe()
    helper = os.fork()
    if not helper:
        status = 1
        try:
            os.close(go)
            os.read(ready, 1)
            for name in ("uid_map", "gid_map"):
                _write(f"/proc/{me}/{name}", f"0 0 1\n{NOBODY} {NOBODY} 1")
            status = 0
        finally:
            os._exit(status)
    try:
        _must(libc.unshare(_USER), "a new user namespace")
    finally:
        os.close(go)
        os.close(ready)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError(1, "cannot map the user nobody")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _file_system(libc: Any, tree: dict[str, Any]) -> None:
    def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
        done = libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
        _must(done, f"mount {target}")

    def read_only(path: str, attributes: int) -> None:
        told = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
        done = libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, told, ctypes.sizeof(told))
        _must(done, f"make {path} read-only")

    mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    mount("base", _BASE, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,nr_inodes=4096,mode=755")
    os.mkdir(_BASE + _OLD)
    os.chdir(_BASE)
    _must(libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", f".{_OLD}".encode()), "pivot_root")
    os.chdir("/")
    for folder in tree["empty"]:
        os.makedirs(folder, mode=0o755, exist_ok=True)
    for path, target in tree["links"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for inside, here in tree["files"]:
        source = _OLD + here
        if os.path.isdir(source):
            os.makedirs(inside, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            os.close(os.open(inside, os.O_CREAT | os.O_WRONLY, 0o444))
        mount(source, inside, "", _MS_BIND | _MS_REC)
        read_only(inside, _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    for hidden in tree["hidden"]:
        mount("hidden", hidden, "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
    for device in _DEVICES:
        os.close(os.open(f"/dev/{device}", os.O_CREAT | os.O_WRONLY, 0o666))
        mount(f"{_OLD}/dev/{device}", f"/dev/{device}", "", _MS_BIND)
    _must(libc.umount2(_OLD.encode(), _MNT_DETACH), "leave the old file system")
    os.rmdir(_OLD)
    mount("none", "/", "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    libc.sethostname(b"sandbox", 7)
