"""Landlock: a process forbids itself the file system, all but the files that it names. Linux 6.2 and later."""

from __future__ import annotations

import os
import struct
from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_OLDEST = 3
"""Version of the interface: before it, files could be truncated."""


def restrict(libc: Any, readable: list[str]) -> bool:
    """Allow reading what is under `readable` and nothing else of the file system. It needs PR_SET_NO_NEW_PRIVS.

    Args:
        libc: The C library.
        readable: Files and folders.

    Returns:
        Whether it is in force.
    """
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < _OLDEST:
        return False
    # all rights over files, all over TCP ports from version 4, signals and abstract sockets from version 6
    handled = struct.pack("=QQQ", (1 << (15 if version < 5 else 16)) - 1, 3, 3)
    rules = libc.syscall(_CREATE, handled, 8 if version < 4 else 16 if version < 6 else 24, 0)
    if rules < 0:
        return False
    try:
        for path in readable:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
                if libc.syscall(_ADD, rules, 1, struct.pack("=Qi", rights, fd), 0) != 0:
                    return False
            finally:
                os.close(fd)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)
