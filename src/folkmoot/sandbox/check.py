"""One program against its tests: two processes that see nothing of each other but plain data, and a token that proves it."""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any

from folkmoot.sandbox.kinds import Kind
from folkmoot.sandbox.limits import Limits, Verdict

START_S = 60.0
"""Patience until both processes stand ready, on a machine that is busy."""
_TOLD = 64 * 1024  # most that is read of a process
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_PACKAGE = "folkmoot.sandbox.inside"
_INSIDE = ("syscalls", "seccomp", "landlock", "confine", "wire", "namespaces", "solver", "checker", "start")


class NotStarted(RuntimeError):  # noqa: N818 - reads as a sentence: raise NotStarted(...)
    """The sandbox itself did not start; nothing is said about the program."""


class Exhausted(NotStarted):
    """The machine is out of descriptors, processes or memory: the next time it may start."""


@cache
def _modules() -> tuple[tuple[str, str], ...]:
    folder = Path(__file__).parent / "inside"
    packages = [("folkmoot", ""), ("folkmoot.sandbox", ""), (_PACKAGE, "")]
    return (*packages, *((f"{_PACKAGE}.{n}", (folder / f"{n}.py").read_text(encoding="utf-8")) for n in _INSIDE))


@dataclass(slots=True)
class _Process:
    """A process, what is still to be told to it, and what it has told."""

    popen: subprocess.Popen[bytes]
    stdin: FileIO
    stdout: FileIO
    stderr: FileIO
    todo: memoryview
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)


def check(kind: Kind, program: str, tests: str, entry: str, *, given: str = "", limits: Limits) -> Verdict:
    """Run the tests of a program.

    Args:
        kind: How both processes are isolated.
        program: Python source.
        tests: Python source that defines ``check(candidate)``, or asserts by itself.
        entry: The function under test.
        given: Python source that the tests may use: the imports and helpers of the question.
        limits: What the program may use; the tests get the same.

    Raises:
        NotStarted: The sandbox did not start.
    """
    token = secrets.token_hex(32)
    try:
        command, job = kind.command(), kind.job()
        job |= {"modules": _modules(), "limits": asdict(limits), "most": limits.output_kib * 1024}
        with contextlib.ExitStack() as processes:
            with contextlib.ExitStack() as ends:  # the processes have their own copies
                asked, call = _pipe(ends, ends)
                reply, told = _pipe(ends, ends)
                solver = {"role": "solver", "program": program, "requests": asked.fileno(), "replies": told.fileno()}
                checker: dict[str, Any] = {"role": "checker", "tests": tests, "given": given}
                checker |= {"entry": entry, "token": token, "requests": call.fileno(), "replies": reply.fileno()}
                one = processes.enter_context(_process(command, job | solver, (asked, told)))
                two = processes.enter_context(_process(command, job | checker, (call, reply)))
            return _verdict(kind, one, two, token, limits.seconds)
    except (OSError, subprocess.SubprocessError) as e:
        scarce = isinstance(e, OSError) and e.errno in _SCARCE
        raise (Exhausted if scarce else NotStarted)(f"{kind.name}: {e}") from None


def _pipe(reading: contextlib.ExitStack, writing: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """A pipe, and who closes its ends."""
    read, write = os.pipe()
    return reading.enter_context(FileIO(read, "rb")), writing.enter_context(FileIO(write, "wb"))


@contextlib.contextmanager
def _process(command: list[str], job: dict[str, Any], fds: tuple[FileIO, FileIO]) -> Iterator[_Process]:
    with contextlib.ExitStack() as ours:
        # subprocess.PIPE would leave pipes open if only some of the three can be made
        with contextlib.ExitStack() as theirs:
            stdin, told = _pipe(theirs, ours)
            out, stdout = _pipe(ours, theirs)
            err, stderr = _pipe(ours, theirs)
            popen = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[fd.fileno() for fd in fds],
                env={},
                cwd="/",
                start_new_session=True,
            )
        try:
            yield _Process(popen, told, out, err, memoryview(json.dumps(job).encode()))
        finally:
            _stop(popen)


def _stop(popen: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started."""
    # The child that was called holds the new process namespace: its first process first, with which all in it die, so that
    # the child can still wait for it and no dead process is left to a container without an init.
    try:
        children = Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text(encoding="ascii").split()
    except OSError:
        children = []
    with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        if children:
            popen.wait(1.0)
    # the group is its own; what has left it dies with the process that it belongs to
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()


def _verdict(kind: Kind, solver: _Process, checker: _Process, token: str, seconds: float) -> Verdict:
    """Feed both processes and listen to them until there is a verdict or the time is over."""
    begun, deadline = 0.0, time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        for process in (solver, checker):
            for stream in (process.stdin, process.stdout, process.stderr):
                os.set_blocking(stream.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, (process, None))
            selector.register(process.stdout, selectors.EVENT_READ, (process, process.out))
            selector.register(process.stderr, selectors.EVENT_READ, (process, process.err))
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                process, into = key.data
                if not (_write(process) if into is None else _read(key.fd, into)):
                    selector.unregister(key.fileobj)
                    if into is None:
                        process.stdin.close()
                    elif into is checker.out:
                        return _final(kind, solver, checker, token, begun)
            if not begun and _ready(_frames(checker.out)):
                begun = time.monotonic()
                deadline = begun + seconds
    if not begun:
        raise NotStarted(f"{kind.name}: {_said(solver, checker) or f'not ready after {START_S:.0f} s'}")
    return Verdict(False, f"no verdict within {seconds:g} s", time.monotonic() - begun)


def _write(process: _Process) -> bool:
    """Tell some more; whether there is more to tell."""
    try:
        process.todo = process.todo[os.write(process.stdin.fileno(), process.todo[: 1 << 16]) :]
    except BlockingIOError:
        return True
    except BrokenPipeError:
        return False
    return bool(process.todo)


def _read(fd: int, into: bytearray) -> bool:
    """Read some more, and keep no more than a little; whether there may be more."""
    try:
        part = os.read(fd, 1 << 16)
    except BlockingIOError:
        return True
    into += part[: _TOLD - len(into)]
    return bool(part)


def _frames(data: bytearray) -> list[Any]:
    """The frames that have come whole."""
    found = []
    while len(data) >= 4 and len(data) >= 4 + (size := int.from_bytes(data[:4], "big")):
        try:
            found.append(json.loads(data[4 : 4 + size]))
        except (ValueError, RecursionError):
            break
        data = data[4 + size :]
    return found


def _ready(frames: list[Any]) -> bool:
    return bool(frames) and isinstance(frames[0], dict) and "ready" in frames[0]


def _final(kind: Kind, solver: _Process, checker: _Process, token: str, begun: float) -> Verdict:
    frames = _frames(checker.out)
    if not _ready(frames):
        for process in (solver, checker):
            _read(process.stderr.fileno(), process.err)
        raise NotStarted(f"{kind.name}: {_said(solver, checker) or 'it ended before it began'}")
    seconds = time.monotonic() - begun if begun else 0.0
    last = frames[-1] if isinstance(frames[-1], dict) else {}
    if hmac.compare_digest(str(last.get("token", "")).encode(), token.encode()):
        return Verdict(True, "", seconds)
    why = str(last["failed"]) if "failed" in last else "the tests ended their process, or were ended for what they used"
    return Verdict(False, " ".join(why.split()), seconds)


def _said(*processes: _Process) -> str:
    said = " ".join(p.err.decode(errors="replace") for p in processes).strip().splitlines()
    return said[-1][:300] if said else ""
