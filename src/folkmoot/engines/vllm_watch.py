"""Loaded into vLLM's worker process, which it ends when the process that owns the engine is gone.

A process that is killed cannot end its children, and vLLM's engine process would wait for requests, and hold the
memory, for ever. vLLM takes the name of a class to mix into its workers; that is how this module gets there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import threading
import time

from folkmoot.engines.vllm_boot import OWNER


class Leash:
    """Adds nothing to a worker: naming it is what has vLLM import this module."""


def watch(owner: int) -> None:
    """Wait until the owner is gone, then kill this process, and the engine process if that is another one."""
    parent = os.getppid()
    try:
        ended = os.pidfd_open(owner)
    except ProcessLookupError:
        pass
    except (AttributeError, OSError):  # not every system can watch a process that is no child
        while os.getppid() == parent:
            time.sleep(1)
    else:
        select.select([ended], [], [])
    if parent != owner and os.getppid() == parent:  # one of several workers, which are children of the engine process
        with contextlib.suppress(ProcessLookupError):
            os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _begin() -> None:
    owner = os.environ.get(OWNER, "")
    if owner.isdecimal() and multiprocessing.parent_process() is not None:
        threading.Thread(target=watch, args=(int(owner),), name="folkmoot-watch", daemon=True).start()


# Done at import, unlike anywhere else: nothing in a worker calls a mixed-in class, and loading the model, the longest
# time in which the owner may be killed, comes right after.
_begin()
