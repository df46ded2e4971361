"""Event loops: the fastest one there is, and the one sync door for code that has none (or must not use its own)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop of uvloop where that is installed, else of asyncio."""
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = new_event_loop()
    threading.Thread(target=loop.run_forever, name="folkmoot-door", daemon=True).start()
    return loop


def through(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a background event loop and wait for it. Many threads may do so at once; their calls overlap.

    Raises:
        RuntimeError: Called from the background loop itself, where waiting would block it for ever.
    """
    if threading.current_thread().name == "folkmoot-door":
        work.close()
        raise RuntimeError("this is async code already: await the coroutine (ainvoke, not invoke)")
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()
