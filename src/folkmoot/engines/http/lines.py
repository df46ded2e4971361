"""What an endpoint keeps for each event loop, and how it ends: on request, with the loop, or at the end of the process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from folkmoot.engines.http.circuit import Circuit
from folkmoot.engines.http.limits import Limiter

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class Line:
    """A session with its limits."""

    session: aiohttp.ClientSession
    limits: Limiter
    circuit: Circuit


Lines = dict[asyncio.AbstractEventLoop, Line]


async def close(lines: Lines) -> None:
    """Close all sessions, those of other event loops too."""
    here = asyncio.get_running_loop()
    for loop, line in list(lines.items()):
        lines.pop(loop, None)
        if loop is here:
            await line.session.close()
        elif loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(line.session.close(), loop))
        elif loop.is_closed():
            _end(line)
        else:
            await asyncio.to_thread(loop.run_until_complete, line.session.close())


def prune(lines: Lines) -> None:
    """End sessions whose event loop is over."""
    for loop, line in list(lines.items()):
        if loop.is_closed():
            lines.pop(loop, None)
            _end(line)


def abandon(lines: Lines) -> None:
    """End all sessions of an endpoint that nobody holds any more, or of a process that ends.

    aiohttp complains about sessions that are left open; nobody has promised to close this one.
    """
    here = None
    with contextlib.suppress(RuntimeError):
        here = asyncio.get_running_loop()
    for loop, line in list(lines.items()):
        lines.pop(loop, None)
        if loop.is_closed():
            _end(line)
        elif loop is here:
            loop.call_soon(_end, line)
        elif loop.is_running():
            # Another thread's loop. It is waited for, since at the end of the process that thread stops anywhere.
            closing = asyncio.run_coroutine_threadsafe(line.session.close(), loop)
            with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
                closing.result(0.5)
        elif here is None:
            loop.run_until_complete(line.session.close())


def _end(line: Line) -> None:
    """Close a session without waiting; where its loop is over, there is nothing to wait for."""
    with contextlib.suppress(StopIteration, RuntimeError):
        line.session.close().send(None)
