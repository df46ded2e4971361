"""A model of transformers that this process runs: found, placed, loaded, and driven by a batcher on a thread."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from folkmoot.engines.contract import PromptTooLong, Request, Sampling
from folkmoot.engines.decoding.batching import Batcher, Decoder
from folkmoot.engines.decoding.job import Job
from folkmoot.progress import Progress, duration

if TYPE_CHECKING:
    from folkmoot.engines.chat import Chat
    from folkmoot.models import LocalModel

T = TypeVar("T")

_WINDOWS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""What configurations call the context window."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is to be run, as plain data.

    Attributes:
        name: Of the engine, for error texts.
        device: ``cpu``, ``cuda``, ``cuda:1``, or None for the best there is.
        dtype: A precision, or ``auto``.
        max_batch: Rows at most.
        context: Tokens of prompt and reply that fit, or None for what the model was made for.
        threads: Of the CPU, or None for the free cores.
    """

    name: str
    device: str | None
    dtype: str
    max_batch: int
    context: int | None
    threads: int | None


class Parts:
    """What an engine is made of, each part fetched or loaded when it is first wanted. Thread-safe.

    Args:
        settings: How it is to be run.
        find: Says where the model is; may fetch it first.
        progress: Told about loading.
    """

    def __init__(self, settings: Settings, find: Callable[[], LocalModel], progress: Progress) -> None:
        self.settings, self.progress = settings, progress
        self._find = find
        self._lock = threading.RLock()
        self._known: dict[str, Any] = {}

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._known:
                self._known[name] = make()
            known: T = self._known[name]
            return known

    def model(self) -> LocalModel:
        """The model on this machine, fetched if need be."""
        return self._once("model", self._find)

    def placed(self) -> tuple[str, str]:
        """Device and precision. Imports torch."""
        from folkmoot.engines.decoding.model import placed

        return self._once("placed", lambda: placed(self.settings.device, self.settings.dtype))

    def chat(self) -> Chat:
        """The tokenizer and its template."""
        from folkmoot.engines.chat import load_chat

        return self._once("chat", lambda: load_chat(self.model().path))

    def window(self) -> int | None:
        """Tokens that fit."""
        return self.settings.context or self._once("window", lambda: _window(self.model().path))

    def load(self) -> Decoder:
        """The model, ready to decode; on the thread that will use it."""
        from folkmoot.engines.decoding.model import load

        (device, dtype), model = self.placed(), self.model()
        self.chat()
        self.progress(f"load {model.name}")
        began = time.monotonic()
        decoder = load(model.path, device, dtype, self.settings.threads)
        self.progress(f"load {model.name}", 1, 1, f"{dtype} on {device}, {duration(time.monotonic() - began)}")
        return decoder


class Local:
    """Runs a model on a thread of this process, from the first request on.

    Args:
        parts: The model.

    Attributes:
        batcher: The one at work, if there is one.
    """

    def __init__(self, parts: Parts) -> None:
        self.batcher: Batcher | None = None
        self._parts = parts
        self._lock = threading.Lock()

    def placed(self) -> tuple[str, str]:
        """Device and precision."""
        return self._parts.placed()

    def submit(self, request: Request | None, options: Sequence[str] = (), waited: float = 0.0) -> Future[Any]:
        """Answer a request once the model is loaded; with none, just load it. Never blocks for long.

        Args:
            request: What is asked, if anything.
            options: If given, a choice between these is wanted and not a reply.
            waited: Seconds for which the request has been waiting elsewhere.

        Returns:
            Gets a `Completion`, a `Choice`, or None if there is no request. Cancelling it takes the request back.
        """
        queued = time.perf_counter() - waited
        future: Future[Any] = Future()
        with self._lock:
            if self.batcher is None or self.batcher.ended:
                self.batcher = Batcher(self._parts.load, self._parts.settings.name, self._parts.settings.max_batch)
            batcher = self.batcher

        def begin(up: Future[None]) -> None:
            if request is None or up.exception() is not None:
                settle(future, up.exception())
            elif not future.cancelled():
                try:
                    batcher.submit(self._job(request, options, future, queued))
                except Exception as e:  # it is the asker's, whatever it is
                    settle(future, e)

        batcher.up.add_done_callback(begin)
        return future

    def stop(self, patience: float = 30.0) -> None:
        """Fail what is in flight, stop the thread and free the model. A later request loads it again."""
        with self._lock:
            batcher, self.batcher = self.batcher, None
        if batcher is not None:
            batcher.stop(patience)

    def _job(self, request: Request, options: Sequence[str], future: Future[Any], queued: float) -> Job:
        chat = self._parts.chat()
        job = Job(
            prompt=chat.encode(request.messages),
            sampling=Sampling(max_tokens=1) if options else request.sampling,
            decode=chat.decode,
            eos=chat.eos_ids,
            adapter=request.adapter,
            depth=request.depth,
            options=[chat.text_ids(o) for o in options],
            future=future,
            queued=queued,
        )
        window = self._parts.window()
        if window is not None and job.longest > window:
            raise PromptTooLong(
                f"{self._parts.settings.name}: a prompt of {len(job.prompt)} tokens and a reply of "
                f"{job.longest - len(job.prompt)} do not fit the context of {window}. Shorten the prompt or lower max_tokens."
            )
        return job


def settle(future: Future[Any], outcome: object) -> None:
    """Deliver a result or an error, unless nobody waits for it any more."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _window(folder: Path) -> int | None:
    """The context window that a model's configuration names."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= config.get("text_config") or {}
    return next((config[name] for name in _WINDOWS if isinstance(config.get(name), int)), None)
