"""One line that always says what is happening: on a terminal it is redrawn, elsewhere a new line every few seconds."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol, TextIO


class Progress(Protocol):
    """Called with what is happening; cheap enough to call often."""

    def __call__(self, stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
        """Report.

        Args:
            stage: What is being done, to what: ``download smollm2-135m-instruct``.
            done: How much of it is done, in any unit.
            total: How much there is to do, or 0 if unknown.
            note: Anything else in a few words: ``41 MB/s``, ``212 tokens/s``.
        """
        ...


def silent(stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
    """A `Progress` that says nothing."""


@dataclass
class Line:
    """A `Progress` on a stream (default: standard error). Thread-safe.

    A change of stage is always shown; within a stage a terminal line is redrawn at most five times a second, and a
    line of a log is written at most every ten seconds.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _stage: str = ""
    _began: float = 0.0
    _shown: float = 0.0
    _open: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
        """See `Progress`."""
        with self._lock:
            now = time.monotonic()
            live = self.stream.isatty()
            fresh = stage != self._stage
            if fresh:
                self._stage, self._began = stage, now
            elif now - self._shown < (0.2 if live else 10.0) and not (total and done >= total):
                return
            self._shown = now
            text = render(stage, done, total, note, now - self._began)
            if live:
                self.stream.write(("\n" if fresh and self._open else "") + f"\r\x1b[2K{text}")
                self._open = True
            else:
                self.stream.write(text + "\n")
            self.stream.flush()

    def close(self) -> None:
        """End the line, so that what is printed next starts on a new one."""
        with self._lock:
            if self._open:
                self.stream.write("\n")
                self.stream.flush()
            self._open, self._stage = False, ""


def render(stage: str, done: float, total: float, note: str, elapsed: float) -> str:
    """The line as text, with the time left once it can be told.

    >>> render("samples", 50, 100, "210 tokens/s", 30.0)
    'samples  50/100  50 %  210 tokens/s  30 s left'
    """
    parts = [stage]
    if total:
        parts += [f"{_n(done)}/{_n(total)}", f"{100 * done / total:.0f} %"]
    if note:
        parts.append(note)
    if total and 0 < done < total and elapsed > 1:
        parts.append(f"{duration(elapsed * (total - done) / done)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(75), duration(8), duration(4000)
    ('1 min 15 s', '8 s', '1 h 7 min')
    """
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60} s"
    return f"{s // 3600} h {s % 3600 // 60} min"


def _n(x: float) -> str:
    return f"{x / 1e6:.0f} MB" if x >= 1e6 else f"{x:g}"
