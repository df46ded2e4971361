"""The other end of math_worker.py: one process, started when first needed, killed and replaced when it is late or dies."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

START = 60.0
"""Seconds that the worker may take to start: it imports sympy, on a busy machine."""
_GRACE = 2.0


class Worker:
    """One worker process, asked by one thread at a time. After a fork the child gets a worker of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._known = False

    def ask(self, question: dict[str, Any], seconds: float) -> Any:
        """The answer to one question; None if it could not be found in time.

        Raises:
            RuntimeError: The worker cannot be started at all.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._start()
            # The alarm inside is later than ours: it only matters if this process is gone by then.
            line = self._exchange(json.dumps({**question, "seconds": seconds + _GRACE}) + "\n", seconds)
            if line is None:
                self._end()
                return None
            return json.loads(line)

    def _start(self) -> None:
        if not self._known:
            self._known = True
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            # a socket, for its timeouts: waiting needs no further descriptor, which might be lacking
            self._socket, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "folkmoot.answers.math_worker"],  # -P: no module of the current folder
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
                )
        except OSError as e:
            self._end()
            raise RuntimeError(f"the process that compares mathematical answers cannot be started here: {e}") from None
        if self._exchange("", START) is None:
            process = self._process
            self._end()
            raise RuntimeError(
                f"the process that compares mathematical answers did not start (exit status {process.returncode}): "
                f"run {sys.executable} -m folkmoot.answers.math_worker to see why"
            )

    def _exchange(self, line: str, seconds: float) -> bytes | None:
        assert self._socket is not None
        until = time.monotonic() + seconds
        said = b""
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(line.encode())
            while not said.endswith(b"\n"):
                self._socket.settimeout(max(1e-6, until - time.monotonic()))  # 0 would not wait for what is there
                if not (part := self._socket.recv(65536)):
                    return None
                said += part
        except OSError:  # late, or gone
            return None
        return said

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None

    def _forget(self) -> None:
        """In a forked child: the process belongs to the parent, and so does the connection."""
        self._lock = threading.Lock()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.returncode = 0  # it is not ours to wait for
        self._socket = self._process = None


_WORKER = Worker()  # a process is worth keeping: it takes a second or more to start
close = _WORKER.close


@lru_cache(maxsize=16_384)
def same(a: str, b: str, seconds: float) -> bool:
    """True if math-verify finds two LaTeX expressions equal in that time. A pair that takes longer is not equal."""
    return _WORKER.ask({"same": [a, b]}, seconds) is True


@lru_cache(maxsize=16_384)
def value(a: str, seconds: float) -> float | None:
    """The value of a LaTeX expression without unknowns; None if it has none or takes too long."""
    said = _WORKER.ask({"value": a}, seconds)
    return None if said is None else float(said)
