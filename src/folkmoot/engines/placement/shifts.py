"""Engines that do not fit into memory together work in shifts: those of one shift at a time, the others rest.

Engines that share a device in one shift are loaded one after the other. A shift ends when all its requests are answered and
another one has some waiting, so that memory changes hands as rarely as can be. It takes new requests until then, but not for
ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from folkmoot.engines.contract import Choice, Completion, Engine, Request
from folkmoot.engines.wrapped import Wrapped

LONGEST_S = 120.0
"""Once another shift has waited for so long, the one at work takes no new requests."""


@dataclass
class Floor:
    """The devices that shifts work on in turn. Used from any thread and event loop."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_work: int | None = None
    _running: int = 0
    _waiting: list[tuple[int, float, Future[None]]] = field(default_factory=list)
    _loaded: dict[int, list[Engine]] = field(default_factory=dict)
    _change: Future[None] | None = None

    @asynccontextmanager
    async def work(self, shift: int, engine: Engine) -> AsyncIterator[None]:
        """Wait until `shift` is at work and all others rest; it stays at work for as long as this lasts."""
        await self._enter(shift)
        try:
            await self._settle(shift, engine)
            yield
        finally:
            self._leave()

    async def _enter(self, shift: int) -> None:
        with self._lock:
            if self._at_work in (None, shift) and not self._overdue(shift):
                self._at_work, self._running = shift, self._running + 1
                return
            turn: Future[None] = Future()
            self._waiting.append((shift, time.monotonic(), turn))
        try:
            await asyncio.shield(asyncio.wrap_future(turn))
        except asyncio.CancelledError:
            with self._lock:
                granted = turn.done()
                self._waiting = [w for w in self._waiting if w[2] is not turn]
            if granted:
                self._leave()
            raise

    def _overdue(self, shift: int) -> bool:
        return any(s != shift and time.monotonic() - since > LONGEST_S for s, since, _ in self._waiting)

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running:
                return
            self._at_work = self._waiting[0][0] if self._waiting else None
            called = [w for w in self._waiting if w[0] == self._at_work]
            self._waiting = [w for w in self._waiting if w[0] != self._at_work]
            self._running = len(called)
            for _, _, turn in called:
                turn.set_result(None)

    async def _settle(self, shift: int, engine: Engine) -> None:
        """Have the engines of other shifts rest, then load this one. One request does it, the others wait for it.

        Engines are loaded one after the other: vLLM measures free memory then, and must not be misled by another one.
        """
        while True:
            with self._lock:
                others = [s for s in self._loaded if s != shift]
                here = self._loaded.setdefault(shift, [])
                if not others and any(e is engine for e in here):
                    return
                if self._change is None:
                    mine, theirs = Future[None](), None
                    self._change = mine
                else:
                    theirs = self._change
            if theirs is not None:
                await asyncio.shield(asyncio.wrap_future(theirs))
                continue
            try:
                for other in others:
                    for tired in self._loaded[other]:
                        await rest(tired)
                    with self._lock:
                        del self._loaded[other]
                await engine.start()
                with self._lock:
                    here.append(engine)
            finally:
                with self._lock:
                    self._change = None
                mine.set_result(None)

    def clear(self) -> None:
        """All engines have given their memory back."""
        with self._lock:
            self._loaded.clear()


async def rest(engine: Engine) -> None:
    """Have an engine give memory back and keep what makes coming back quick, if it can do that; else close it."""
    resting = getattr(engine, "rest", None)
    await (resting() if resting is not None else engine.close())


@dataclass
class InShift(Wrapped):
    """An engine that works in a shift; itself an `Engine`.

    Attributes:
        engine: The engine.
        floor: Where it works.
        shift: Its shift there.
    """

    engine: Engine
    floor: Floor
    shift: int

    async def start(self) -> None:
        """Start the engine once its shift is at work."""
        async with self.floor.work(self.shift, self.engine):
            pass

    async def complete(self, request: Request) -> Completion:
        """See `Engine.complete`."""
        async with self.floor.work(self.shift, self.engine):
            return await self.engine.complete(request)

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """See `Engine.choose`."""
        async with self.floor.work(self.shift, self.engine):
            return await self.engine.choose(request, options)

    async def rest(self) -> None:
        """Have the engine rest."""
        await rest(self.engine)
