"""A filter for system calls, assembled here for the kernel's packet-filter machine (seccomp mode 2)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

from folkmoot.sandbox.inside.syscalls import ARCHES, DENIED, LAST, SPECIAL

EPERM, ENOSYS = 1, 38
CLONE_THREAD = 0x10000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38

_LOAD, _EQUAL, _ABOVE, _BITS, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCH, _FIRST, _SECOND = (
    0,
    4,
    16,
    24,
)  # offsets into what the kernel tells of a call; arguments are 8 bytes, low half first
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_REQUESTS = (0x5421, 0x5450, 0x5451, 0x5401)  # FIONBIO, FIONCLEX, FIOCLEX, TCGETS
_SIGNALLING = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def program(machine: str, pid: int, threads: bool) -> bytes:
    """The filter's instructions.

    Args:
        machine: The processor, as in `platform.machine`.
        pid: The process itself, which may signal itself and nobody else.
        threads: It may start threads.

    Raises:
        LookupError: There is no table for that processor.
    """
    arch, denied, special = ARCHES[machine], DENIED[machine], SPECIAL[machine]
    allow, refuse = _op(_RETURN, _ALLOW), _op(_RETURN, _ERRNO | EPERM)
    code = [_op(_LOAD, _ARCH), _op(_EQUAL, arch, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]

    def case(name: str, *body: bytes) -> None:
        code.extend((_op(_EQUAL, special[name], 0, len(body)), *body))

    # newer calls, and those of x86-64's 32-bit pointers, whose numbers are far above
    code += [_op(_ABOVE, LAST, 0, 1), _op(_RETURN, _ERRNO | ENOSYS)]
    # its flags lie in memory, which a filter cannot see; the C library then takes clone
    case("clone3", _op(_RETURN, _ERRNO | ENOSYS))
    if threads:
        case("clone", _op(_LOAD, _FIRST), _op(_BITS, CLONE_THREAD, 0, 1), allow, refuse)
    else:
        case("clone", refuse)
    for name in ("kill", "tgkill"):
        case(name, _op(_LOAD, _FIRST), _op(_EQUAL, pid, 0, 1), allow, refuse)
    case("prlimit64", _op(_LOAD, _FIRST), _op(_EQUAL, 0, 1, 0), _op(_EQUAL, pid, 0, 1), allow, refuse)
    case(
        "prctl",
        _op(_LOAD, _FIRST),
        _op(_EQUAL, PR_SET_PDEATHSIG, 1, 0),
        _op(_EQUAL, PR_SET_DUMPABLE, 0, 1),
        refuse,
        allow,
    )
    # what Python asks of files: non-blocking, close-on-exec, whether it is a terminal
    known = [_op(_EQUAL, request, len(_REQUESTS) - i, 0) for i, request in enumerate(_REQUESTS)]
    case("ioctl", _op(_LOAD, _SECOND), *known, refuse, allow)
    # the kernel can be told to signal any process when a file is ready
    known = [_op(_EQUAL, command, len(_SIGNALLING) - i, 0) for i, command in enumerate(_SIGNALLING)]
    case("fcntl", _op(_LOAD, _SECOND), *known, allow, refuse)
    for number in denied.values():
        code += [_op(_EQUAL, number, 0, 1), refuse]
    return b"".join([*code, allow])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def install(*, threads: bool) -> bool:
    """Put the filter on this process, for good.

    Returns:
        Whether it is in force: not so on a processor without a table here, or a kernel without filters.
    """
    machine = platform.machine()
    if machine not in ARCHES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(machine, os.getpid(), threads)
    held = ctypes.create_string_buffer(code, len(code))
    told = _Program(len(code) // 8, ctypes.cast(held, ctypes.c_void_p))
    return bool(libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(told), 0, 0) == 0)
