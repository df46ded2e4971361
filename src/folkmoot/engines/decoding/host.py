"""Child processes that run models, one for each device: started when first needed, ended with their last engine.

What is said to a child and by it is described in `folkmoot.engines.decoding.worker`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from folkmoot.engines.contract import Choice, Completion, EngineError, Missing, PromptTooLong, Unsupported
from folkmoot.engines.decoding.frames import Frame, Frames
from folkmoot.engines.decoding.local import settle
from folkmoot.progress import Progress

_LOG = logging.getLogger(__name__)
_ERRORS = {kind.__name__: kind for kind in (EngineError, PromptTooLong, Unsupported, Missing)}
_WORKER = ("-m", "folkmoot.engines.decoding.worker")
LOCK = threading.RLock()
"""Held for all that concerns who is attached to which child: never for long, never while anybody else's code runs."""

_HOSTS: dict[str, Host] = {}  # of the process, because the device is: engines know nothing of each other
_NUMBERS = itertools.count(1)


class Guest(Protocol):
    """An engine that a child runs.

    Attributes:
        name: For error texts.
        progress: Told about loading.
    """

    name: str
    progress: Progress

    def bereft(self, host: Host, status: int, calls: Sequence[Call]) -> dict[Call, EngineError]:
        """The child has died. Called by a holder of the lock.

        Args:
            host: The child.
            status: Its exit status, or the number of a signal below 0.
            calls: What was under way there for this engine.

        Returns:
            Those that fail by it, with what is to be said.
        """
        ...


@dataclass(eq=False, slots=True)
class Call:
    """Something that was asked of the child.

    Attributes:
        guest: Who asked.
        frame: What is sent.
        number: Of this call in this process.
        tries: How many children have been asked.
    """

    guest: Guest
    frame: Frame
    number: int = field(default_factory=lambda: next(_NUMBERS))
    future: Future[Any] = field(default_factory=Future)
    queued: float = field(default_factory=time.perf_counter)
    tries: int = 0


class Host:
    """A running child. All but `end` is for holders of the lock.

    Args:
        device: Of the engines that it will run.

    Attributes:
        engines: Those attached, by number.
        calls: Those not answered yet, by number.
        pid: Of the process that started it.
        child: Its process id.
    """

    def __init__(self, device: str) -> None:
        self.engines: dict[int, Guest] = {}
        self.calls: dict[int, Call] = {}
        self.pid = os.getpid()
        self._device = device
        ours, theirs = socket.socketpair()
        with theirs:
            debug = bool(os.environ.get("FOLKMOOT_DEBUG"))
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this very program
                    [sys.executable, "-P", *_WORKER, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=2 if debug else subprocess.DEVNULL,
                    stderr=None if debug else subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path)},
                    start_new_session=True,  # Ctrl-C at the terminal is for this process, which then says what it means
                )
            except OSError as e:
                ours.close()
                raise EngineError(f"a process for the model cannot be started ({e}); use process=False") from None
        self.child = self._process.pid
        self._frames = Frames(ours)
        threading.Thread(target=self._read, name=f"folkmoot {device}", daemon=True).start()

    @staticmethod
    def of(device: str) -> Host:
        """The child for a device, started if there is none."""
        host = _HOSTS.get(device)
        if host is None or host.pid != os.getpid():  # after a fork, it is the other process's
            host = _HOSTS[device] = Host(device)
        return host

    def attach(self, guest: Guest, opening: Frame) -> int:
        """Open an engine there; its number."""
        number = next(_NUMBERS)
        self.engines[number] = guest
        self._frames.send({"do": "open", "engine": number} | opening)
        return number

    def post(self, call: Call, engine: int) -> None:
        """Ask something. The answer, or the death of the child, comes to the call's `guest`."""
        if call.future.cancelled():
            return
        waited = time.perf_counter() - call.queued
        self._frames.send(call.frame | {"id": call.number, "engine": engine, "waited": waited})
        call.tries += 1
        self.calls[call.number] = call

    def cancel(self, call: Call) -> None:
        """Nobody waits for a call any more."""
        if self.calls.pop(call.number, None) is not None:
            self._frames.send({"do": "cancel", "id": call.number})

    def leave(self, engine: int) -> list[Call]:
        """Detach an engine; the calls that it had under way. A child without engines is forgotten: let it `end`."""
        guest = self.engines.pop(engine)
        calls = [c for c in self.calls.values() if c.guest is guest]
        for call in calls:
            del self.calls[call.number]
        if not self.engines and _HOSTS.get(self._device) is self:
            del _HOSTS[self._device]
        return calls

    def end(self, patience: float) -> None:
        """Let the child end, and wait for that; without the lock."""
        self._frames.finish()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        for frame in self._frames:
            with LOCK:
                call = self.calls.pop(frame["id"], None) if frame["do"] == "done" else None
                guest = self.engines.get(frame["engine"]) if frame["do"] == "progress" else None
            if call is not None:
                settle(call.future, _value(frame, call))
            if guest is not None:
                try:
                    guest.progress(*frame["values"])
                except Exception:
                    _LOG.debug("a progress function failed", exc_info=True)
        self._frames.finish()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        if self._process.poll() is None:  # it has closed the connection and lives on
            self._process.kill()
        status = self._process.wait()
        with LOCK:
            if _HOSTS.get(self._device) is self:
                del _HOSTS[self._device]
            guests = dict.fromkeys([*self.engines.values(), *(c.guest for c in self.calls.values())])
            calls, self.engines, self.calls = list(self.calls.values()), {}, {}
            lost: dict[Call, EngineError] = {}
            for guest in guests:
                lost |= guest.bereft(self, status, [c for c in calls if c.guest is guest])
        for call, error in lost.items():
            settle(call.future, error)


def _value(frame: Frame, call: Call) -> object:
    """What an answer holds: a result, or an error."""
    if "error" in frame:
        kind = _ERRORS.get(frame["error"], EngineError)
        return kind(
            frame["text"] if frame["error"] else f"{call.guest.name}: the model's process failed ({frame['text']})"
        )
    value = frame["value"]
    if call.frame["do"] != "ask" or value is None:
        return value
    try:
        if "probabilities" in value:
            return Choice(**value | {"probabilities": tuple(value["probabilities"])})
        return Completion(**value)
    except TypeError as e:  # the package was replaced under a running program, and the child is of the new one
        return EngineError(f"the model's process is of another version of this package ({e}); start the program again")
