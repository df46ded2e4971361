"""The embedded engine: runs a model of transformers on a CPU or a GPU, by default in a process of its own.

Requests of all tasks and event loops meet in one batch (see `folkmoot.engines.decoding.batching`), which a child process decodes
(`folkmoot.engines.decoding.remote`), or a thread of this one (`folkmoot.engines.decoding.local`). No event loop ever waits for a token.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from folkmoot.engines.contract import Capabilities, Choice, Completion, EngineError, Request, require
from folkmoot.engines.decoding.local import Local, Parts, Settings
from folkmoot.engines.decoding.remote import Remote
from folkmoot.progress import Progress, silent

if TYPE_CHECKING:
    from folkmoot.models import LocalModel


class TransformersEngine:
    """Runs a causal language model with transformers. Takes adapters, seeds and choices.

    Building one costs nothing; the model is fetched and loaded by the first request, by `start`, or, as far as they
    need it, by `identity`, `context` and `count_tokens`.

    All engines of a device share one child process, which ends with the last of them, or with this process, however that
    ends. If it dies, requests under way are asked once more of another one; after a second death requests fail and say so
    until the engine is closed.

    Args:
        model: Name in the catalogue, hub id, or folder.
        revision: Branch, tag or commit on the hub.
        device: ``cpu``, ``cuda``, ``cuda:1``; default: the GPU if there is one.
        dtype: ``auto`` (bfloat16 where the hardware computes in it, else float32), ``bfloat16``, ``float16``, ``float32``.
            Greedy replies in float32 do not depend on what else is in the batch; in the shorter formats they may.
        max_batch: Requests decoded together at most.
        context: Tokens of prompt and reply that fit; default: what the model was made for.
        threads: Of the CPU; default: the cores that are free when the model is loaded (`folkmoot.engines.decoding.cores`).
        progress: Told about downloads and loading.
        process: Run the model in a child process; False: on a thread of this one, which then shares its interpreter lock
            with every event loop. It is always a thread where there are no POSIX processes.
    """

    capabilities = Capabilities(adapters=True, seeds=True, choose=True, counts=True)

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        max_batch: int = 32,
        context: int | None = None,
        threads: int | None = None,
        progress: Progress = silent,
        process: bool = True,
    ) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {max_batch}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self._source = model
        settings = Settings(repr(self), device, dtype, max_batch, context, threads)

        def find() -> LocalModel:
            from folkmoot.models import resolve

            return resolve(model, revision=revision, progress=progress)

        self._parts = Parts(settings, find, progress)
        self._runner: Local | Remote
        if process and os.name == "posix":
            self._runner = Remote(self._parts)
            # Not in the garbage collector, which may run while any lock is held; and a child needs no word at exit.
            weakref.finalize(self, _stop_soon, self._runner).atexit = False
        else:
            self._runner = Local(self._parts)
            weakref.finalize(self, self._runner.stop, 5.0)

    def __repr__(self) -> str:
        return f"TransformersEngine({str(self._source)!r})"

    @cached_property
    def identity(self) -> str:
        """``transformers``, the model's content and the precision. Fetches the model if it is not on this machine yet."""
        return f"transformers:{self._parts.model().identity}:{self._runner.placed()[1]}"

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply that fit. Fetches the model if it is not on this machine yet."""
        return self._parts.window()

    def count_tokens(self, text: str) -> int:
        """Tokens in the model's own tokenizer, which is loaded if it is not yet."""
        return self._parts.chat().count(text)

    async def start(self) -> None:
        """Fetch and load the model, unless it is loaded."""
        await asyncio.wrap_future(self._runner.submit(None))

    async def complete(self, request: Request) -> Completion:
        """See `folkmoot.engines.contract.Engine`.

        Raises:
            PromptTooLong: Prompt and reply do not fit the context window.
            EngineError: The adapter cannot be used, the step that this request was in failed, or the process did.
        """
        require(self, request)
        reply: Completion = await asyncio.wrap_future(self._runner.submit(request))
        return reply

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """How likely each option is as the reply: mean log-probability per token, normalised over the options."""
        require(self, request)
        if not options or len(set(options)) != len(options) or not all(options):
            raise EngineError(f"{self}: options must be there, differ and not be empty: {list(options)!r}.")
        choice: Choice = await asyncio.wrap_future(self._runner.submit(request, options))
        return choice

    async def close(self) -> None:
        """Fail what is in flight and free the model. A later request loads it again."""
        await asyncio.to_thread(self._runner.stop)


def _stop_soon(remote: Remote) -> None:
    threading.Thread(target=remote.stop, daemon=True).start()
