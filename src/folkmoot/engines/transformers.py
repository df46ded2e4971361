"""The embedded engine: runs a model of transformers in this process, on a CPU or a GPU.

Requests of all tasks and event loops meet in one batch (see `folkmoot.engines.batching`); a thread of the engine's own
decodes it, so that no event loop ever waits for a token.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from folkmoot.engines.batching import Batcher, Decoder
from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    EngineError,
    PromptTooLong,
    Request,
    Sampling,
    require,
)
from folkmoot.engines.job import Job
from folkmoot.progress import Progress, duration, silent

if TYPE_CHECKING:
    from folkmoot.engines.chat import Chat
    from folkmoot.models import LocalModel

T = TypeVar("T")

_WINDOWS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""What configurations call the context window."""


class TransformersEngine:
    """Runs a causal language model with transformers. Takes adapters, seeds and choices.

    Building one costs nothing; the model is fetched and loaded by the first request, by `start`, or, as far as they
    need it, by `identity`, `context` and `count_tokens`.

    Args:
        model: Name in the catalogue, hub id, or folder.
        revision: Branch, tag or commit on the hub.
        device: ``cpu``, ``cuda``, ``cuda:1``; default: the GPU if there is one.
        dtype: ``auto`` (bfloat16 where the hardware computes in it, else float32), ``bfloat16``, ``float16``, ``float32``.
            Greedy replies in float32 do not depend on what else is in the batch; in the shorter formats they may.
        max_batch: Requests decoded together at most.
        context: Tokens of prompt and reply that fit; default: what the model was made for.
        threads: Of the CPU; default: the cores that this process may use.
        progress: Told about downloads and loading.
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
    ) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {max_batch}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self._parts = _Parts(model, revision, device, dtype, context, threads, progress)
        self._max_batch = max_batch
        self._lock = threading.Lock()
        self._batcher: Batcher | None = None

    def __repr__(self) -> str:
        return f"TransformersEngine({str(self._parts.source)!r})"

    @property
    def identity(self) -> str:
        """``transformers``, the model's content and the precision. Fetches the model if it is not on this machine yet."""
        return f"transformers:{self._parts.model().identity}:{self._parts.placed()[1]}"

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply that fit. Fetches the model if it is not on this machine yet."""
        return self._parts.window()

    def count_tokens(self, text: str) -> int:
        """Tokens in the model's own tokenizer, which is loaded if it is not yet."""
        return self._parts.chat().count(text)

    async def start(self) -> None:
        """Fetch and load the model, unless it is loaded."""
        await self._running()

    async def complete(self, request: Request) -> Completion:
        """See `folkmoot.engines.contract.Engine`.

        Raises:
            PromptTooLong: Prompt and reply do not fit the context window.
            EngineError: The adapter cannot be used, or the step that this request was in failed.
        """
        require(self, request)
        reply: Completion = await self._work(request, request.sampling, ())
        return reply

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """How likely each option is as the reply: mean log-probability per token, normalised over the options."""
        require(self, request)
        if not options or len(set(options)) != len(options) or not all(options):
            raise EngineError(f"{self}: options must be there, differ and not be empty: {list(options)!r}.")
        choice: Choice = await self._work(request, Sampling(max_tokens=1), options)
        return choice

    async def close(self) -> None:
        """Fail what is in flight, stop the thread and free the model. A later request loads it again."""
        with self._lock:
            batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await asyncio.to_thread(batcher.stop)

    async def _work(self, request: Request, sampling: Sampling, options: Sequence[str]) -> Any:
        queued = time.perf_counter()
        batcher = await self._running()
        chat = self._parts.chat()
        job = Job(
            prompt=chat.encode(request.messages),
            sampling=sampling,
            decode=chat.decode,
            eos=chat.eos_ids,
            adapter=request.adapter,
            options=[chat.text_ids(o) for o in options],
            queued=queued,
        )
        window = self._parts.window()
        if window is not None and job.longest > window:
            raise PromptTooLong(
                f"{self}: a prompt of {len(job.prompt)} tokens and a reply of {job.longest - len(job.prompt)} do not "
                f"fit the context of {window}. Shorten the prompt or lower max_tokens."
            )
        batcher.submit(job)
        return await asyncio.wrap_future(job.future)

    async def _running(self) -> Batcher:
        """The batcher, once its model is loaded; a new one if there is none or the last one could not load."""
        with self._lock:
            if self._batcher is None or self._batcher.ended:
                # The thread must not hold on to this engine: an engine that nobody uses any more ends its thread.
                self._batcher = Batcher(self._parts.load, repr(self), self._max_batch)
                weakref.finalize(self, self._batcher.stop, 5.0)
            batcher = self._batcher
        await asyncio.shield(asyncio.wrap_future(batcher.up))
        return batcher


@dataclass
class _Parts:
    """What an engine is made of, each part fetched or loaded when it is first wanted. Thread-safe."""

    source: str | Path
    revision: str | None
    device: str | None
    dtype: str
    context: int | None
    threads: int | None
    progress: Progress
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _known: dict[str, Any] = field(default_factory=dict, repr=False)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._known:
                self._known[name] = make()
            known: T = self._known[name]
            return known

    def model(self) -> LocalModel:
        """The model on this machine, fetched if need be."""
        from folkmoot.models import resolve

        return self._once("model", lambda: resolve(self.source, revision=self.revision, progress=self.progress))

    def placed(self) -> tuple[str, str]:
        """Device and precision."""
        from folkmoot.engines.transformers_model import placed

        return self._once("placed", lambda: placed(self.device, self.dtype))

    def chat(self) -> Chat:
        """The tokenizer and its template."""
        from folkmoot.engines.chat import load_chat

        return self._once("chat", lambda: load_chat(self.model().path))

    def window(self) -> int | None:
        """Tokens that fit."""
        return self.context or self._once("window", lambda: _window(self.model().path))

    def load(self) -> Decoder:
        """The model, ready to decode; on the thread that will use it."""
        from folkmoot.engines.transformers_model import load

        (device, dtype), model = self.placed(), self.model()
        self.chat()
        self.progress(f"load {model.name}")
        began = time.monotonic()
        decoder = load(model.path, device, dtype, self.threads)
        self.progress(f"load {model.name}", 1, 1, f"{dtype} on {device}, {duration(time.monotonic() - began)}")
        return decoder


def _window(folder: Path) -> int | None:
    """The context window that a model's configuration names."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= config.get("text_config") or {}
    return next((config[name] for name in _WINDOWS if isinstance(config.get(name), int)), None)
