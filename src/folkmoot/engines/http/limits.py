"""How many requests an engine serves at once, and who is next."""

from __future__ import annotations

import asyncio
import time
from heapq import heappop, heappush
from typing import Literal

from folkmoot.engines.http.circuit import Circuit

Place = tuple[int, int]
"""A place in the queue: deeper requests first, then in order of arrival. A request that comes back keeps its own."""

Outcome = Literal["fine", "busy", "void"]
"""What a place was good for: a reply, a refusal because the server has too much to do, or nothing that says either."""

SHRINK = 0.7
"""Factor of the limit when the server refuses work."""


class Down(Exception):  # noqa: N818 - reads as a sentence: raise Down
    """The circuit has been open for longer than anybody should wait."""


class Limiter:
    """Places at a server, for one event loop: bounded, by priority, and fewer when the server has too much to do.

    The limit grows by one in a round of replies while it is really used, and shrinks to `SHRINK` of itself when the server
    refuses work; refusals of requests that were sent before the limit last shrank do not count again (additive increase,
    multiplicative decrease, as in TCP). It stays between 1 and `most`.

    Args:
        most: Requests in flight at most.
        circuit: Holds requests back while the server is down.
    """

    def __init__(self, most: int, circuit: Circuit | None = None) -> None:
        self._most, self._limit, self._circuit = most, float(most), circuit
        self._taken = self._era = self._arrived = 0
        self._line: list[tuple[Place, asyncio.Future[int]]] = []
        self._resume = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """Requests in flight at most, as things are."""
        return int(self._limit)

    @property
    def taken(self) -> int:
        """Requests in flight."""
        return self._taken

    def place(self, depth: int = 0) -> Place:
        """Line up."""
        self._arrived += 1
        return -depth, self._arrived

    async def take(self, place: Place) -> int:
        """Wait for one's turn.

        Returns:
            The limit's era, for `give_back`.

        Raises:
            Down: The server has been down for too long.
        """
        if not self._line and self._taken < int(self._limit) and not self._held():
            return self._go()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        heappush(self._line, (place, future))
        self._serve()
        try:
            era = await future
        except asyncio.CancelledError:
            if not future.cancelled() and (era := future.result()) >= 0:
                self.give_back(era)  # it was granted at the very moment of the cancellation
            raise
        if era < 0:
            raise Down
        return era

    def give_back(self, era: int, outcome: Outcome = "void") -> None:
        """Leave a place.

        Args:
            era: What `take` returned.
            outcome: What came of it.
        """
        if era == self._era:
            if outcome == "busy":
                self._limit, self._era = max(self._limit * SHRINK, 1.0), era + 1
            elif outcome == "fine" and self._limit < self._most and self._taken >= int(self._limit):
                self._limit = min(self._limit + 1 / self._limit, self._most)
        self._taken -= 1
        if self._line:
            self._serve()

    def pause(self, seconds: float) -> None:
        """Let nobody go for a while; the longest pause asked for counts."""
        self._resume = max(self._resume, time.monotonic() + seconds)

    def _go(self) -> int:
        self._taken += 1
        if self._circuit is not None:
            self._circuit.sent()
        return self._era

    def _held(self) -> float:
        """Seconds until the next one may go."""
        hold = 0.0
        if self._resume:
            hold = max(self._resume - time.monotonic(), 0.0)
            if not hold:
                self._resume = 0.0
        return max(hold, self._circuit.wait()) if self._circuit is not None and self._circuit.open else hold

    def _serve(self) -> None:
        """Let those go who may."""
        while self._line and self._taken < int(self._limit):
            if self._line[0][1].done():  # cancelled
                heappop(self._line)
            elif hold := self._held():
                if self._circuit is not None and self._circuit.hopeless:
                    self._dismiss()
                else:
                    self._wake(hold)
                return
            else:
                heappop(self._line)[1].set_result(self._go())

    def _dismiss(self) -> None:
        for _, future in self._line:
            if not future.done():
                future.set_result(-1)
        self._line.clear()

    def _wake(self, seconds: float) -> None:
        """Serve again after a while. One timer is enough: what holds requests back is never shortened, only ended."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._serve()
