"""What every engine promises: a request goes in, a completion comes out.

An engine runs weights (or talks to something that does). It knows nothing of graphs, participants or tasks. Five kinds
exist: ``transformers``, ``vllm``, ``openai``, ``simulated`` and ``scripted``; `tests/engines/test_conformance.py` holds them to this page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "refused"]
"""Why a completion ended: by itself (end token or stop string), at the token limit, or withheld by a content filter."""


class EngineError(Exception):
    """A request failed in a way that concerns this request only; the message says who, what and what to do."""


class Unsupported(EngineError):  # noqa: N818 - reads as a sentence: raise Unsupported(...)
    """The engine lacks what was asked for. Raised before any work is done."""


class PromptTooLong(EngineError):  # noqa: N818 - as above
    """The prompt and the reply asked for do not fit the model's context window."""


class Missing(Exception):  # noqa: N818 - as above
    """Something that must be there first is not (a package, a model file, the network). The command line exits with 4."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw a reply.

    Attributes:
        temperature: 0 takes the likeliest token each time.
        top_p: Nucleus mass, in (0, 1].
        max_tokens: Most tokens a reply may have.
        stop: The reply ends before the first of these strings; the string is not part of the reply.
        seed: Makes a draw repeatable where the engine can (`Capabilities.seeds`).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be 0 or more and finite, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if any(not s for s in self.stop):
            raise ValueError("a stop string must not be empty")


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model.

    Attributes:
        messages: The conversation, an optional system message first, a user message last.
        sampling: How to draw the reply.
        adapter: Folder of a LoRA adapter to apply, or None for the base model.
        draw: Tells repeated draws of one prompt apart in the completion cache. The model never sees it; engines without
            seeds need it, since their requests would else all look the same.
        depth: Steps of its discussion that are already done. Engines serve deeper requests first, so that what was begun
            is finished, its prefix is still warm, and memory stays flat. It never changes a reply.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str | None = None
    draw: int = 0
    depth: int = 0

    def canonical(self) -> dict[str, Any]:
        """All that determines the reply as plain data, for cache keys and traces."""
        s = self.sampling  # by hand: `dataclasses.asdict` takes ten times as long, and this is done for every call
        return {
            "messages": [[m.role, m.content] for m in self.messages],
            "sampling": [s.temperature, s.top_p, s.max_tokens, s.stop, s.seed],
            "adapter": self.adapter,
            "draw": self.draw,
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back.

    Attributes:
        text: The reply, without stop string and special tokens.
        finish: Why it ended.
        prompt_tokens: Tokens of the prompt as the model saw it.
        completion_tokens: Tokens generated.
        cached_tokens: Prompt tokens that the engine had already computed (prefix cache); 0 where it does not tell.
        queue_s: Seconds the request waited before work on it began.
        service_s: Seconds from the beginning of work to the end of the reply.
        hit: True if the reply came from the completion cache; all other figures are then those of the original call.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    queue_s: float = 0.0
    service_s: float = 0.0
    hit: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Probabilities over the options of `Engine.choose`, in their order, adding up to 1.

    Attributes:
        probabilities: One for each option.
        method: How they were read, for the trace: ``likelihood`` (mean log-probability per token of each option as the
            reply, normalised over the options) or ``constrained`` (the model could only say one of them).
    """

    probabilities: tuple[float, ...]
    method: Literal["likelihood", "constrained"]
    prompt_tokens: int
    completion_tokens: int = 0
    cached_tokens: int = 0
    queue_s: float = 0.0
    service_s: float = 0.0
    hit: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do. Asking for more raises `Unsupported`.

    Attributes:
        adapters: Requests may name a LoRA adapter.
        seeds: `Sampling.seed` makes draws repeatable.
        choose: `Engine.choose` works.
        counts: `Engine.count_tokens` uses the model's own tokenizer (False: an estimate that errs on the long side).
    """

    adapters: bool = False
    seeds: bool = False
    choose: bool = False
    counts: bool = False


@runtime_checkable
class Engine(Protocol):
    """Anything that answers requests. Safe to call from many tasks at once, and from more than one event loop."""

    @property
    def identity(self) -> str:
        """Engine kind, model, revision, precision: equal identities may share cached completions."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked for."""
        ...

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply together that fit, or None if unknown."""
        ...

    async def start(self) -> None:
        """Load what is needed. Idempotent; the first request does it too. Raises `Missing`."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Answer one request. Cancelling the task frees its place in the batch. Raises `EngineError`."""
        ...

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Say how likely each option is as the reply. Raises `Unsupported` if the engine cannot."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text in this model's tokenizer (without template)."""
        ...

    async def close(self) -> None:
        """Free what was loaded. Idempotent; a later request loads again."""
        ...


def require(engine: Engine, request: Request) -> None:
    """Refuse what the engine cannot do, before any work.

    Raises:
        Unsupported: The request names an adapter or a seed and the engine has no such thing.
    """
    if request.adapter is not None and not engine.capabilities.adapters:
        raise Unsupported(
            f"{engine.identity}: this engine has no adapters, but the request names {request.adapter!r}. "
            "Use an engine built with adapters, or leave the adapter out."
        )
    if request.sampling.seed is not None and not engine.capabilities.seeds:
        raise Unsupported(
            f"{engine.identity}: this engine takes no seed per request. Leave the seed out; the draws will not repeat."
        )
    if not request.messages or request.messages[-1].role != "user":
        raise EngineError(f"{engine.identity}: the last message must come from the user.")
