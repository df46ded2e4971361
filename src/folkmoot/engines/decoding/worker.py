"""The child process that runs the transformers engines of one device: ``python -m folkmoot.engines.decoding.worker DESCRIPTOR``.

It takes frames (`folkmoot.engines.decoding.frames`) from the process that started it and ends with it. What it is asked to do:

==========  ================================================  ===========================================
``do``      with                                              answered by
==========  ================================================  ===========================================
``open``    engine, settings, model                           nothing; loading begins with the first request
``ask``     id, engine, request or null, options, waited      ``done``: the completion, choice or null
``placed``  id, engine                                        ``done``: device and precision
``close``   id, engine                                        ``done`` once the model is freed
``cancel``  id                                                nothing
==========  ================================================  ===========================================

Every ``done`` has the id and either ``value`` or ``error`` and ``text``. Besides, there is ``progress`` of an engine.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import Choice, Completion, EngineError, Message, Missing, Request, Sampling
from folkmoot.engines.decoding.frames import Frame, Frames
from folkmoot.engines.decoding.local import Local, Parts, Settings, settle
from folkmoot.engines.decoding.openmp import calm
from folkmoot.models import LocalModel


class Worker:
    """What the process does with frames.

    Args:
        frames: The way back.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._engines: dict[int, Local] = {}
        self._asked: dict[int, Future[Any]] = {}

    def take(self, frame: Frame) -> None:
        """Do what a frame says. Returns at once."""
        what = frame["do"]
        if what == "open":
            self._engines[frame["engine"]] = Local(self._parts(frame))
        elif what == "ask":
            engine = self._engines[frame["engine"]]
            request = None if frame["request"] is None else request_of(frame["request"])
            self._reply(frame["id"], engine.submit(request, frame["options"], frame["waited"]))
        elif what == "placed":
            self._aside(frame["id"], self._engines[frame["engine"]].placed)
        elif what == "close":
            self._aside(frame["id"], self._engines.pop(frame["engine"]).stop)
        elif what == "cancel" and (future := self._asked.get(frame["id"])) is not None:
            future.cancel()

    def _parts(self, frame: Frame) -> Parts:
        number, path, name = frame["engine"], Path(frame["model"]["path"]), frame["model"]["name"]

        def progress(stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
            self._frames.send({"do": "progress", "engine": number, "values": [stage, done, total, note]})

        return Parts(Settings(**frame["settings"]), lambda: LocalModel(path, name, identity=""), progress)

    def _aside(self, number: int, work: Callable[[], Any]) -> None:
        """Do what takes time on a thread of its own."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                settle(future, work())
            except BaseException as e:  # it is the asker's, whatever it is
                settle(future, e)

        self._reply(number, future)
        threading.Thread(target=run, daemon=True).start()

    def _reply(self, number: int, future: Future[Any]) -> None:
        def done(future: Future[Any]) -> None:
            self._asked.pop(number, None)
            if not future.cancelled():
                self._frames.send({"do": "done", "id": number} | outcome(future))

        self._asked[number] = future
        future.add_done_callback(done)


def request_of(data: dict[str, Any]) -> Request:
    """A request from its `asdict` after a way through JSON."""
    sampling = data["sampling"] | {"stop": tuple(data["sampling"]["stop"])}
    messages = tuple(Message(**m) for m in data["messages"])
    return Request(**data | {"messages": messages, "sampling": Sampling(**sampling)})


def outcome(future: Future[Any]) -> Frame:
    """The result or error of a future as plain data. What is no error of the contract keeps its kind in the text."""
    error = future.exception()
    if error is None:
        value = future.result()
        return {"value": asdict(value) if isinstance(value, Completion | Choice) else value}
    if isinstance(error, EngineError | Missing):
        return {"error": type(error).__name__, "text": str(error)}
    return {"error": None, "text": f"{type(error).__name__}: {error}".rstrip(": ")}


def main() -> None:
    """Serve until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what an interruption means is for the parent to say
    calm()
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    frames = Frames(socket.socket(fileno=int(sys.argv[1])))
    worker = Worker(frames)
    for frame in frames:
        worker.take(frame)
    _leave()


def _follow(parent: int) -> None:
    """End with the parent, even where a copy of it holds the connection open."""
    while os.getppid() == parent:
        time.sleep(1.0)
    _leave()


def _leave() -> None:
    sys.stderr.flush()
    os._exit(0)  # at once, whatever is being computed: nobody will read it


if __name__ == "__main__":
    main()
