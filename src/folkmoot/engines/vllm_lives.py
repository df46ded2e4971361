"""The processes that one vLLM engine has in the course of time: started when wanted, started again after a death."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Missing
from folkmoot.engines.vllm_boot import Boot
from folkmoot.engines.vllm_process import Died, Process

T = TypeVar("T")

FORGIVEN_S = 600.0
"""A death so long after the one before does not count on top of it."""
_LIVES = 2
_LOOK_S = 0.05


class Lives:
    """At most one process at a time. Thread-safe. When it is collected, the process ends.

    Args:
        name: Begins error lines.
        boot: Says how to start; called in the background, for each process once.
    """

    def __init__(self, name: str, boot: Callable[[], Boot]) -> None:
        self._name, self._boot = name, boot
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._deaths = self._under_way = 0
        self._died = -math.inf

    def __str__(self) -> str:
        return self._name

    async def running(self) -> Process:
        """The process, started if it is not there, and started again once if it died.

        Raises:
            Missing: See `Process.up`.
            EngineError: It did not start, or has died too often.
        """
        with self._lock:
            if self._process is not None and self._process.died:
                self._bury(self._process)
            if self._deaths >= _LIVES:
                raise self._given_up()
            if self._process is None:
                self._process = Process(self._boot, self)
            process = self._process
        try:
            await process.up()
        except Exception:
            with self._lock:
                if self._process is process:
                    self._process = None
            raise
        return process

    async def surely(self, ask: Callable[[Process], Awaitable[T]]) -> T:
        """Ask the process; if it dies meanwhile, ask once more when it is up again.

        Raises:
            EngineError: It died again; or what `running` and `ask` raise.
        """
        with self._lock:
            self._under_way += 1
        try:
            for _ in range(_LIVES):
                process = await self.running()
                try:
                    return await ask(process)
                except Died:
                    with self._lock:
                        self._bury(process)
            raise self._given_up()
        finally:
            with self._lock:
                self._under_way -= 1

    async def rest(self, *, asleep: bool) -> None:
        """Give memory back once the requests under way are answered; the next request takes it again.

        Args:
            asleep: The process stays and moves its weights to the host's memory; else it ends.
        """
        while True:
            with self._lock:
                if not self._under_way:
                    process = self._process
                    if not asleep:
                        self._process = None
                    break
            await asyncio.sleep(_LOOK_S)
        if process is not None:
            await (_lie_down(process) if asleep else asyncio.to_thread(process.stop))

    async def close(self) -> None:
        """End the process, and forget deaths."""
        with self._lock:
            process, self._process, self._deaths = self._process, None, 0
        if process is not None:
            await asyncio.to_thread(process.stop)

    def _bury(self, process: Process) -> None:
        """Count a death, once. Under the lock."""
        if self._process is process:
            process.stop(0, dead=True)
            if time.monotonic() - self._died > FORGIVEN_S:
                self._deaths = 0
            self._process, self._deaths, self._died = None, self._deaths + 1, time.monotonic()

    def _given_up(self) -> EngineError:
        return EngineError(
            f"{self}: vLLM's engine process died {_LIVES} times. Set FOLKMOOT_DEBUG=1 to see why, then close the engine "
            "and begin again."
        )


async def _lie_down(process: Process) -> None:
    try:
        await process.up()
        await process.sleep()
    except (Died, Missing, BadInput):
        pass  # it holds nothing then, and the next request tells why
