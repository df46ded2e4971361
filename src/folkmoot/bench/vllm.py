"""The graph against a flat batch on real vLLM, and its prefix cache against the ideal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from folkmoot.bench.figure import Figure, figure, ratios
from folkmoot.bench.work import desk, on_loop, work
from folkmoot.engines.contract import Message, Request, Sampling
from folkmoot.engines.vllm import VllmEngine
from folkmoot.engines.vllm_boot import on_cpu
from folkmoot.participant import Participant

MODEL = "smollm2-135m-instruct"
QUESTIONS, REPLY = 64, 48
KV_GIB = 2.0
"""Room for the keys and values of all requests in flight and of what is to be found again."""
BLOCK = 32 if on_cpu() else 16


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as vLLM saw it.

    Attributes:
        ids: Tokens of the prompt.
        reply: Tokens of the reply.
        cached: Tokens of the prompt that the prefix cache held.
    """

    ids: tuple[int, ...]
    reply: int
    cached: int


class Recorder(VllmEngine):
    """Real vLLM that keeps a list of what it was asked.

    Attributes:
        asked: Every request since the list was last cleared, in the order in which they were answered.
    """

    def __init__(self) -> None:
        super().__init__(MODEL, context=2048, kv_cache_gib=KV_GIB)
        self.asked: list[Asked] = []

    async def _outputs(self, request: Request, prompts: Sequence[tuple[list[int], Any]]) -> list[Any]:
        outputs = await super()._outputs(request, prompts)
        for (ids, _), output in zip(prompts, outputs, strict=True):
            self.asked.append(Asked(tuple(ids), len(output.outputs[0].token_ids), output.num_cached_tokens or 0))
        return outputs

    async def flat(self, asked: Sequence[Asked]) -> float:
        """Seconds for the same prompts and lengths as one batch."""
        from vllm.sampling_params import SamplingParams

        prompts = [
            (list(a.ids), SamplingParams(max_tokens=a.reply, min_tokens=a.reply, ignore_eos=True, temperature=0.0))
            for a in asked
        ]
        began = time.perf_counter()
        await super()._outputs(Request((Message("user", ""),)), prompts)
        return time.perf_counter() - began

    async def forget(self) -> None:
        """Empty the prefix cache."""
        process = await self._lives.running()
        await process.run(lambda llm: llm.reset_prefix_cache())


def _debate(engine: Recorder, rounds: int) -> Callable[[Any], Any]:
    from folkmoot.graphs import debate

    sampling = Sampling(max_tokens=REPLY)

    def panel(d: Any) -> Any:
        team = [
            Participant(name, d.cached(engine), system=f"You are {name}.", sampling=sampling)
            for name in ("ana", "bo", "cy")
        ]
        return debate(team, rounds=rounds).compile()

    return panel


def saturation(times: int) -> Figure:
    """Time of the requests of a debate suite as one flat batch over the time of the suite."""

    async def measure() -> dict[str, list[float]]:
        engine = Recorder()
        seen: dict[str, list[float]] = {"graph_s": [], "flat_s": [], "tokens": [], "requests": []}
        try:
            await engine.start()
            await engine.flat([Asked(tuple(range(100, 200)), 8, 0)] * 8)  # warms up
            for _ in range(times):
                await engine.forget()
                engine.asked.clear()
                with desk() as d:
                    spent = await d.run(_debate(engine, 2)(d), list(work(QUESTIONS)), in_flight=256)
                asked = list(engine.asked)
                await engine.forget()
                seen["flat_s"].append(await engine.flat(asked))
                seen["graph_s"].append(spent.wall_s)
                seen["tokens"].append(float(sum(a.reply for a in asked)))
                seen["requests"].append(float(len(asked)))
        finally:
            await engine.close()
        return seen

    seen: dict[str, Any] = on_loop(measure())
    speed: dict[str, Any] = {
        "graph_tokens_per_s": ratios(seen["tokens"], seen["graph_s"]),
        "flat_tokens_per_s": ratios(seen["tokens"], seen["flat_s"]),
    }
    return figure(ratios(seen["flat_s"], seen["graph_s"]), **seen, **speed, model=MODEL, questions=QUESTIONS)


def prefix(times: int) -> Figure:
    """Prompt tokens found in the prefix cache over those that an ideal cache would find."""

    async def measure() -> tuple[list[float], list[float]]:
        engine, measured, possible = Recorder(), [], []
        try:
            for _ in range(times):
                await engine.start()
                await engine.forget()
                engine.asked.clear()
                with desk() as d:
                    await d.run(_debate(engine, 3)(d), list(work(QUESTIONS)), in_flight=256)
                total = sum(len(a.ids) for a in engine.asked)
                measured.append(sum(a.cached for a in engine.asked) / total)
                possible.append(ideal([a.ids for a in engine.asked], BLOCK) / total)
        finally:
            await engine.close()
        return measured, possible

    measured, possible = on_loop(measure())
    return figure(
        ratios(measured, possible), hit_rate=measured, ideal=possible, block=BLOCK, kv_gib=KV_GIB, model=MODEL
    )


def ideal(prompts: Sequence[Sequence[int]], block: int) -> int:
    """Tokens that a radix tree of whole blocks would find, each prompt after all before it.

    A prompt's last token is always computed, since its output is what is asked for.

    >>> ideal([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 4]], block=2)
    6
    """
    known: set[tuple[int, ...]] = set()
    found = 0
    for ids in prompts:
        at = block
        while at <= len(ids) - 1 and tuple(ids[:at]) in known:
            found += block
            at += block
        known.update(tuple(ids[:end]) for end in range(block, len(ids) + 1, block))
    return found
