"""The other end of math_worker.py: one process, started when first needed, killed and replaced when it is late or dies."""

from __future__ import annotations

import atexit
import json
import os
import selectors
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
        self._lock = threading.Lock()
        self._known = False

    def ask(self, question: dict[str, Any], seconds: float) -> Any:
        """The answer to one question; None if it could not be found in time.

        Raises:
            RuntimeError: The worker cannot be started at all.
        """
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                self._end()
                process = self._process = self._start()
            # The alarm inside is later than ours: it only matters if this process is gone by then.
            line = self._exchange(process, json.dumps({**question, "seconds": seconds + _GRACE}) + "\n", seconds)
            if line is None:
                self._end()
                return None
            return json.loads(line)

    def _start(self) -> subprocess.Popen[bytes]:
        if not self._known:
            self._known = True
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "folkmoot.answers.math_worker"],  # -P: no module of the current folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        )
        if self._exchange(process, "", START) is None:
            process.kill()
            process.communicate()
            raise RuntimeError(
                f"the process that compares mathematical answers did not start (exit status {process.returncode}): "
                f"run {sys.executable} -m folkmoot.answers.math_worker to see why"
            )
        return process

    @staticmethod
    def _exchange(process: subprocess.Popen[bytes], line: str, seconds: float) -> bytes | None:
        assert process.stdin is not None
        assert process.stdout is not None
        until = time.monotonic() + seconds
        said = b""
        try:
            process.stdin.write(line.encode())
            with selectors.DefaultSelector() as ready:
                ready.register(process.stdout, selectors.EVENT_READ)
                while not said.endswith(b"\n"):
                    if not ready.select(max(0.0, until - time.monotonic())):
                        return None
                    if not (part := process.stdout.read(65536)):
                        return None
                    said += part
        except OSError:
            return None
        return said

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if (process := self._process) is not None:
            self._process = None
            process.kill()
            process.communicate()

    def _forget(self) -> None:
        """In a forked child: the process belongs to the parent, and so do the pipes."""
        self._lock = threading.Lock()
        if (process := self._process) is not None:
            self._process = None
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.returncode = 0  # it is not ours to wait for


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
