"""Engines for a team: one engine for every different model, shared by all participants that use it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from folkmoot.engines.cache import Cached, Completions, Meter
from folkmoot.engines.contract import Engine, Message
from folkmoot.engines.scripted import Scripted
from folkmoot.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine runs a participant; equal specs share one engine.

    Attributes:
        kind: ``transformers``, ``vllm``, ``openai`` or ``scripted``.
        model: Model source, or the endpoint's model name.
        revision: Revision at the hub.
        url: Base URL of an endpoint.
        api_key_env: Name of the environment variable that holds the endpoint's key.
    """

    kind: str
    model: str
    revision: str | None = None
    url: str | None = None
    api_key_env: str | None = None


class Pool:
    """Builds engines on demand, each behind the completion cache.

    Args:
        completions: The cache.
        progress: Told about downloads and loading.
        scripted: Rehearse: every engine is a scripted one that answers in the right form without a model.
    """

    def __init__(self, completions: Completions, *, progress: Progress = silent, scripted: bool = False) -> None:
        self.meter = Meter()
        self._completions = completions
        self._progress = progress
        self._scripted = scripted
        self._engines: dict[EngineSpec, Cached] = {}

    def engine(self, spec: EngineSpec, *, adapters: int = 0) -> Engine:
        """The engine for `spec`; `adapters` is how many different adapters will be used on it at once."""
        if spec not in self._engines:
            built = rehearsal(spec.model) if self._scripted else _build(spec, adapters, self._progress)
            self._engines[spec] = Cached(built, self._completions, self.meter)
        return self._engines[spec]

    async def rest(self) -> None:
        """Free what the engines hold; they load again if they are asked again."""
        for engine in self._engines.values():
            await engine.close()

    async def close(self) -> None:
        """Close all engines."""
        await self.rest()
        self._engines.clear()


def _build(spec: EngineSpec, adapters: int, progress: Progress) -> Engine:
    if spec.kind == "openai":
        from folkmoot.engines.openai import OpenAIEngine

        assert spec.url is not None
        return OpenAIEngine(spec.url, spec.model, api_key_env=spec.api_key_env)
    if spec.kind == "vllm":
        from folkmoot.engines.vllm import VllmEngine

        return VllmEngine(spec.model, revision=spec.revision, max_loras=adapters, progress=progress)
    if spec.kind == "scripted":
        return rehearsal(spec.model)
    from folkmoot.engines.transformers import TransformersEngine

    return TransformersEngine(spec.model, revision=spec.revision, progress=progress)


_ONE_OF = re.compile(r"one of ([A-Z](?:, [A-Z])*)|a letter from A to ([A-Z])")


def rehearsal(model: str) -> Scripted:
    """A scripted engine that answers every prompt in the form asked for, with an answer that depends on its hash.

    It lets a suite run from end to end without weights. What it says is of course worthless.
    """

    def reply(messages: Sequence[Message]) -> str:
        prompt = messages[-1].content
        dice = hashlib.sha256(f"{model}\0{prompt}".encode("utf-8", "replace")).digest()
        if asked := _ONE_OF.search(prompt):
            letters = asked[1].split(", ") if asked[1] else [chr(i) for i in range(65, ord(asked[2]) + 1)]
            return f"I thought about it.\nAnswer: {letters[dice[0] % len(letters)]}"
        return f"I thought about it.\nAnswer: {dice[0] % 20}"

    def odds(request: Any, options: Sequence[str]) -> list[float]:
        dice = hashlib.sha256(f"{model}\0{request.messages[-1].content}".encode("utf-8", "replace")).digest()
        shares = [1 + dice[i] for i in range(len(options))]
        return [s / sum(shares) for s in shares]

    return Scripted(reply, name=f"rehearsal {model}", choices=odds)
