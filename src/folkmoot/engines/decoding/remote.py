"""A model that a child process runs: what is asked of the child, and what happens if that dies.

The event loop and the other engines of this process never wait for a model: its computing, its tokenizer and the
import of torch are the child's. Engines on one device share a child (`folkmoot.engines.decoding.host`), because there they take
turns (`folkmoot.engines.decoding.turnstile`).
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import EngineError, Request
from folkmoot.engines.decoding.frames import Frame
from folkmoot.engines.decoding.host import LOCK, Call, Host
from folkmoot.engines.decoding.local import Parts, settle

_RESTARTS = 1
FORGIVEN_S = 600.0
"""A death so long after the one before does not count on top of it."""
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


class Remote:
    """Has a model run by the child of its device, from the first request on. Does what `folkmoot.engines.decoding.local.Local` does.

    If the child dies, what was under way there is asked once more of another one, and then fails. After a second death
    everything is refused until `stop`.

    Args:
        parts: The model. Only `model` is used of it, and what it is told about.
    """

    def __init__(self, parts: Parts) -> None:
        self.name, self.progress = parts.settings.name, parts.progress
        self.host: Host | None = None
        self._parts = parts
        self._engine = 0
        self._waiting: list[Call] = []
        self._opening = False
        self._deaths = 0
        self._died = -math.inf
        self._status = 0

    def placed(self) -> tuple[str, str]:
        """Device and precision; waits for the child."""
        device, dtype = self._ask({"do": "placed"}).result()
        return device, dtype

    def submit(self, request: Request | None, options: Sequence[str] = ()) -> Future[Any]:
        """See `folkmoot.engines.decoding.local.Local.submit`."""
        data = None if request is None else asdict(request)
        if data is not None and data["adapter"] is not None:
            data["adapter"] = os.path.abspath(data["adapter"])  # the child may live in another folder
        return self._ask({"do": "ask", "request": data, "options": list(options)})

    def stop(self, patience: float = 30.0) -> None:
        """Fail what is in flight and free the model; the child ends if it has no other. A later request begins again."""
        freed: Future[Any] | None = None
        with LOCK:
            host, self.host, self._deaths = self.host, None, 0
            calls, self._waiting = self._waiting, []
            if host is not None and host.pid == os.getpid():
                calls += host.leave(self._engine)
                if host.engines:
                    closing = Call(self, {"do": "close"})
                    host.post(closing, self._engine)
                    freed = closing.future
        for call in calls:
            settle(
                call.future, EngineError(f"{self.name}: the engine was closed before this request was done; ask again")
            )
        if freed is not None:
            with contextlib.suppress(TimeoutError, EngineError):
                freed.result(patience)
        elif host is not None and host.pid == os.getpid():
            host.end(patience)

    def bereft(self, host: Host, status: int, calls: Sequence[Call]) -> dict[Call, EngineError]:
        """See `folkmoot.engines.decoding.host.Guest`: ask again, or fail."""
        if self.host is host:  # else it has been left, and only a call to close is under way
            self.host, self._status = None, status
            now = time.monotonic()
            self._deaths = 1 if now - self._died > FORGIVEN_S else self._deaths + 1
            self._died = now
        again = [c for c in calls if c.tries <= _RESTARTS >= self._deaths and c.frame["do"] != "close"]
        self._waiting += again
        self._open_soon()
        ended = f"{self.name}: the process that runs the model ended while this request was under way"
        return {
            call: EngineError(f"{ended}{' for the second time' if call.tries > 1 else ''}, {_why(status)}")
            for call in calls
            if call not in again
        }

    def _ask(self, frame: Frame) -> Future[Any]:
        call = Call(self, frame)
        with LOCK:
            if self.host is not None and self.host.pid != os.getpid():
                self.host = None
            if self._deaths > _RESTARTS:
                raise EngineError(
                    f"{self.name}: the process that runs the model ended {self._deaths} times, the last time "
                    f"{_why(self._status)}; then close the engine and begin again"
                )
            if self.host is None:
                self._waiting.append(call)
                self._open_soon()
            else:
                self.host.post(call, self._engine)
        call.future.add_done_callback(lambda future: self._gone(call) if future.cancelled() else None)
        return call.future

    def _gone(self, call: Call) -> None:
        with LOCK:
            if self.host is not None:
                self.host.cancel(call)

    def _open_soon(self) -> None:
        """Open the engine, on a thread, because the model may have to be fetched first."""
        if self._waiting and not self._opening:
            self._opening = True
            threading.Thread(target=self._open, name=f"folkmoot {self.name}", daemon=True).start()

    def _open(self) -> None:
        failed: list[Call] = []
        error: BaseException | None = None
        try:
            model = self._parts.model()
            opening = {
                "settings": asdict(self._parts.settings),
                "model": {"path": str(model.path.absolute()), "name": model.name},
            }
        except BaseException as e:  # it is the asker's, whatever it is
            error = e
        with LOCK:
            self._opening = False
            waiting, self._waiting = self._waiting, []
            try:
                if error is not None:
                    raise error
                if waiting:  # else the engine was closed meanwhile
                    host = Host.of(self._parts.settings.device or _likely_device())
                    self.host, self._engine = host, host.attach(self, opening)
                    for call in waiting:
                        host.post(call, self._engine)
            except BaseException as e:
                error, failed = e, waiting
        for call in failed:
            settle(call.future, error)


def _why(status: int) -> str:
    if status == -signal.SIGKILL:
        return "killed by signal 9, mostly for lack of memory: use a smaller model or a lower max_batch"
    how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
    return f"{how}: set FOLKMOOT_DEBUG=1 to see what it says"


def _likely_device() -> str:
    """Which child an engine without a device belongs to; told without torch, as the child decides what it really uses."""
    return "cuda" if any(Path(p).exists() for p in _GPUS) else "cpu"
