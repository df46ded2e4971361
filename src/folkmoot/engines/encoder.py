"""A small sentence encoder: texts become vectors, and texts that mean alike lie close together.

Mean of the last hidden states over the tokens, scaled to length 1, as in Sentence-BERT (arXiv 1908.10084). It runs on a CPU, in
float32, on one thread of its own: what many discussions ask at the same time is encoded in one batch, and each text once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from folkmoot.engines.contract import Missing
from folkmoot.progress import Progress, silent

if TYPE_CHECKING:
    from folkmoot.models import LocalModel

MODEL = "all-minilm-l6-v2"
LENGTH = 256
"""Tokens of a text that are read: what the model was trained with."""
BATCH = 64
REMEMBERED = 8192
"""Texts whose vectors are kept: 12 MB of 384 numbers each."""


class SentenceEncoder:
    """Compares texts by meaning. Building one costs nothing; the model is fetched by `identity` and loaded by `start`.

    Safe to call from many tasks at once, and from more than one event loop, which never waits for it.

    Args:
        model: Name in the catalogue, hub id, or folder of an encoder such as BERT.
        revision: Branch, tag or commit on the hub.
        progress: Told about downloads and loading.
    """

    def __init__(self, model: str | Path = MODEL, *, revision: str | None = None, progress: Progress = silent) -> None:
        self._source, self._revision, self._progress = model, revision, progress
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="folkmoot-encoder")
        self._vectors: dict[str, Future[Any]] = {}
        self._waiting: deque[tuple[str, Future[Any]]] = deque()
        self._parts: tuple[Any, Any] | None = None

    @cached_property
    def _model(self) -> LocalModel:
        from folkmoot.models import resolve

        return resolve(self._source, revision=self._revision, progress=self._progress)

    @property
    def identity(self) -> str:
        """The model's content, and how it is used. Fetches the model if it is not on this machine yet."""
        return f"encoder:{self._model.identity}:mean-{LENGTH}"

    async def start(self) -> None:
        """Fetch and load the model, unless it is loaded.

        Raises:
            Missing: It cannot be had, or not be loaded.
        """
        await asyncio.wrap_future(self._thread.submit(self._loaded))

    async def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """The cosine of a text with each of the others, -1 to 1.

        Raises:
            Missing: The model cannot be had, or not be loaded.
        """
        # Shielded: who is cancelled must not take a text from others that wait for it.
        wanted = [asyncio.shield(asyncio.wrap_future(self._vector(t))) for t in (text, *others)]
        first, *rest = await asyncio.gather(*wanted)
        return [float(v @ first) for v in rest]

    def _vector(self, text: str) -> Future[Any]:
        with self._lock:
            found = self._vectors.pop(text, None)
            if found is None:
                found = Future()
                self._waiting.append((text, found))
                self._thread.submit(self._encode_waiting)
            self._vectors[text] = found  # at the end: those that nobody asked for longest go first
            while len(self._vectors) > REMEMBERED:
                del self._vectors[next(iter(self._vectors))]
        return found

    def _encode_waiting(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        if not batch:  # an earlier turn of the thread has done it all
            return
        try:
            vectors = self._encode([text for text, _ in batch])
        except BaseException as e:
            with self._lock:
                for text, _ in batch:
                    self._vectors.pop(text, None)  # the next one to ask tries again
            for _, future in batch:
                future.set_exception(e)
        else:
            for (_, future), vector in zip(batch, vectors, strict=True):
                future.set_result(vector)

    def _encode(self, texts: Sequence[str]) -> Any:
        tokenizer, model = self._loaded()
        import torch

        with torch.inference_mode():
            batch = tokenizer(list(texts), padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(mean, dim=1).numpy()

    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model; on the encoder's own thread only."""
        if self._parts is None:
            path = str(self._model.path)
            try:
                from folkmoot.engines.decoding.model import quiet
                from folkmoot.engines.decoding.openmp import import_transformers

                transformers = import_transformers()
                import torch
                from transformers.utils import logging
            except ImportError as e:
                raise Missing(f"{e}; install folkmoot with the extra 'local'") from None
            self._progress(f"load {self._model.name}")
            safely = {"trust_remote_code": False, "local_files_only": True}
            try:
                with quiet(logging):
                    tokenizer = transformers.AutoTokenizer.from_pretrained(path, **safely)
                    model = transformers.AutoModel.from_pretrained(
                        path, dtype=torch.float32, use_safetensors=True, **safely
                    )
            except (OSError, ValueError, KeyError, RuntimeError) as e:
                raise Missing(f"{path}: the encoder cannot be loaded: {(str(e).splitlines() or [''])[0]}") from None
            self._parts = tokenizer, model.eval().requires_grad_(False)
        return self._parts
