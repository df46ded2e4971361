"""Which isolation this machine offers, found by trying; and the door through which programs are run."""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import dataclass
from functools import cache

from folkmoot.engines.contract import Missing
from folkmoot.sandbox.check import Exhausted, NotStarted, check
from folkmoot.sandbox.kinds import UNSAFE, Kind, kinds
from folkmoot.sandbox.limits import Limits, Verdict

_PROBE = """
import os, socket

def tried(what):
    try:
        what()
    except BaseException as e:
        return type(e).__name__
    return "it could"

def write(path):
    open(path, "w").write("x")

def attempts(port, private, outside, pid):
    def connect():
        socket.create_connection(("127.0.0.1", port), 2)
    def fork():
        if os.fork() == 0:
            os._exit(0)
    def execute():
        os.execv("/bin/true", ["true"]) if os.path.exists("/bin/true") else os.execv(os.__file__, ["x"])
    return {
        "open a connection": tried(connect),
        "read a private file": tried(lambda: open(private).read()),
        "write outside": tried(lambda: write(outside)),
        "signal another process": tried(lambda: os.kill(pid, 0)),
        "start a process": tried(fork),
        "start a program": tried(execute),
    }
"""
_LIMITS = Limits()
_TESTS = """
def check(candidate):
    for attempt, outcome in candidate({port}, {private!r}, {outside!r}, {pid}).items():
        assert outcome != "it could", attempt
"""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What untrusted programs are isolated with here.

    Attributes:
        name: Of the kind, or ``none``.
        layers: What it is made of.
        ok: The network, the file system and other processes are out of reach: seen by trying.
        why: Why a stronger kind, or any, is not available; empty if it is the strongest.
    """

    name: str
    layers: tuple[str, ...]
    ok: bool
    why: str


def probe(kind: Kind) -> str:
    """Try to break out of one kind of isolation.

    Returns:
        What went wrong, or nothing if it holds.

    Raises:
        Exhausted: It could not be tried: the machine is out of descriptors, processes or memory.
    """
    with (
        tempfile.TemporaryDirectory(prefix="folkmoot-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        private, outside = os.path.join(folder, "private"), os.path.join(folder, "outside")
        with open(private, "w", encoding="utf-8") as file:
            file.write("x")
        tests = _TESTS.format(port=server.getsockname()[1], private=private, outside=outside, pid=os.getpid())
        try:
            verdict = check(kind, _PROBE, tests, "attempts", limits=Limits())
        except Exhausted:  # says nothing of this kind, and would be remembered
            raise
        except NotStarted as e:
            return str(e)
        if os.path.exists(outside):
            return f"{kind.name}: a program could write outside"
    return "" if verdict.passed else f"{kind.name}: {verdict.why}"


@cache  # of what it returns, not of what it raises
def _found() -> tuple[Kind, Isolation]:
    failures: list[str] = []
    for kind in kinds():
        try:
            failure = probe(kind)
        except OSError as e:
            raise Exhausted(f"{kind.name} cannot be tried: {e}") from None
        if not failure:
            return kind, Isolation(kind.name, kind.layers, True, "; ".join(failures))
        failures.append(failure)
    return UNSAFE, Isolation(UNSAFE.name, UNSAFE.layers, False, "; ".join(failures) or "written for Linux only")


def isolation() -> Isolation:
    """The strongest isolation that works here, tried once per process (about a second).

    Raises:
        NotStarted: It could not be tried: the machine is out of descriptors, processes or memory.
    """
    return _found()[1]


def run_check(
    program: str, tests: str, entry: str, *, given: str = "", limits: Limits = _LIMITS, unsafe: bool = False
) -> Verdict:
    """Run an untrusted program against its tests, isolated. Safe to call from several threads.

    Args:
        program: Python source; the standard library is there, nothing else.
        tests: Python source that defines ``check(candidate)``, or asserts by itself.
        entry: The function under test.
        given: Python source that the tests may use: the imports and helpers of the question.
        limits: What the program may use.
        unsafe: Run it even where no isolation works.

    Raises:
        Missing: No isolation works here, and `unsafe` is not set.
        NotStarted: The sandbox did not start, though it did before.
    """
    kind, found = _found()
    if not found.ok and not unsafe:
        raise Missing(
            f"programs written by models cannot be isolated here ({found.why}): install bubblewrap "
            "(sudo apt-get install bubblewrap), or pass --unsafe-code on a machine that you can lose"
        )
    return check(kind, program, tests, entry, given=given, limits=limits)
