"""A thread that stores what is handed to it: everything that has come meanwhile goes into one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

BACKLOG = 256
"""Things that may wait; whoever adds more waits, so that a slow disk slows the run and does not fill the memory."""


class Writer(Generic[T]):
    """Stores things in the order in which they come.

    Args:
        store: Stores several at once, durably, on the writer's thread. What it raises, the futures of these things raise.
        name: Of the thread.
    """

    def __init__(self, store: Callable[[list[T]], None], name: str) -> None:
        self._store = store
        self._news = threading.Condition()
        self._waiting: list[tuple[T, Future[None]]] = []
        self._closing = self._busy = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, thing: T) -> Future[None]:
        """Hand over; the future is done once it is stored."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever waits may be cancelled; what was handed over is stored all the same
        with self._news:
            if self._closing:
                raise RuntimeError("the writer is closed")
            self._news.wait_for(lambda: len(self._waiting) < BACKLOG)
            self._waiting.append((thing, done))
            self._news.notify_all()
        return done

    def drain(self) -> None:
        """Wait until everything that was handed over is stored, or has failed."""
        with self._news:
            self._news.wait_for(lambda: not self._waiting and not self._busy)

    def close(self) -> None:
        """Store what is waiting and end. Idempotent."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closing)
                batch, self._waiting = self._waiting, []
                self._busy = bool(batch)
                self._news.notify_all()
            if not batch:
                return
            try:
                self._store([thing for thing, _ in batch])
            except BaseException as e:
                for _, done in batch:
                    done.set_exception(e)
            else:
                for _, done in batch:
                    done.set_result(None)
            with self._news:
                self._busy = False
                self._news.notify_all()
