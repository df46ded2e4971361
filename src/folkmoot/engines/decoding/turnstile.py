"""Engines on one device take turns: two models that compute at the same time slow each other down many times over."""

from __future__ import annotations

import threading


class Turnstile:
    """A lock that serves in order of arrival, so that engines on one device take turns."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._next = self._serving = 0

    def __enter__(self) -> None:
        with self._turn:
            mine = self._next
            self._next += 1
            self._turn.wait_for(lambda: self._serving == mine)

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._serving += 1
            self._turn.notify_all()

    @property
    def contended(self) -> bool:
        """Somebody waits behind the one inside."""
        return self._next - self._serving > 1


_DEVICES: dict[str, Turnstile] = {}  # of the process, because the device is: engines know nothing of each other
_LOCK = threading.Lock()


def turnstile(device: str) -> Turnstile:
    """The turnstile of a device."""
    with _LOCK:
        return _DEVICES.setdefault(device, Turnstile())
