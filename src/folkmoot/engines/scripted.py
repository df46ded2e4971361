"""An engine that says what it is told: the test double for graphs, runners and your own code.

>>> import asyncio
>>> from folkmoot.engines.contract import Message, Request
>>> ana = Scripted(["42", "It is 43."], name="ana")
>>> asyncio.run(ana.complete(Request((Message("user", "What is 6 * 7?"),)))).text
'42'
>>> ana.calls[0].messages[-1].content
'What is 6 * 7?'
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    EngineError,
    PromptTooLong,
    Request,
    Unsupported,
    require,
)

Reply: TypeAlias = str | Completion | Exception
"""A text (token counts and finish are worked out), a whole completion (returned untouched) or what is to be raised."""

Pick: TypeAlias = str | Sequence[float] | Exception
"""The option that is certain, a weight for each option (normalised to add up to 1) or what is to be raised."""

T = TypeVar("T")
Script: TypeAlias = Sequence[T] | Callable[..., T | Awaitable[T]]


class Scripted:
    """Answers from a queue or a function; needs no weights and no network.

    A token is a word here: everything between white space. Stop strings, token limits and the context window hold as in
    a real engine. A list is a queue, shared by all callers and served in the order of the calls; when it is used up,
    `EngineError` says so. A function takes the messages of the request, or the `Request` itself if its first parameter
    is named ``request`` or annotated with `Request`; it may be async.

    Args:
        replies: Queue or function for `complete`.
        name: Part of the identity: scripted engines of one name share cached completions, so name them apart.
        capabilities: What may be asked for. Default: seeds and counts, and choose if `choices` is given.
        context: Tokens of prompt and reply that fit, or None for no limit.
        latency: Seconds that each call takes, at least.
        choices: Queue or function for `choose`; a function takes the options as its second argument.

    Attributes:
        calls: Every request that `complete` accepted, in order, the ones that failed later included.
        choose_calls: Every request that `choose` accepted, with its options.
    """

    def __init__(
        self,
        replies: Script[Reply],
        *,
        name: str = "scripted",
        capabilities: Capabilities | None = None,
        context: int | None = None,
        latency: float = 0.0,
        choices: Script[Pick] | None = None,
    ) -> None:
        self.name = name
        self.latency = latency
        self.calls: list[Request] = []
        self.choose_calls: list[tuple[Request, tuple[str, ...]]] = []
        self._context = context
        self._capabilities = capabilities or Capabilities(seeds=True, counts=True, choose=choices is not None)
        self._reply = _script(replies, self.identity, "replies")
        self._pick = None if choices is None else _script(choices, self.identity, "choices")

    def __repr__(self) -> str:
        return f"Scripted(name={self.name!r}, calls={len(self.calls)})"

    @property
    def identity(self) -> str:
        """``scripted:`` and the name."""
        return f"scripted:{self.name}"

    @property
    def capabilities(self) -> Capabilities:
        """As given."""
        return self._capabilities

    @property
    def context(self) -> int | None:
        """As given."""
        return self._context

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free; a later request works."""

    def count_tokens(self, text: str) -> int:
        """Words of the text."""
        return len(text.split())

    async def complete(self, request: Request) -> Completion:
        """The next scripted reply, cut at stop strings and at the token limit."""
        require(self, request)
        prompt_tokens = self._prompt_tokens(request, request.sampling.max_tokens)
        self.calls.append(request)
        began = time.perf_counter()
        reply = await self._slowly(self._reply(request))
        if isinstance(reply, Completion):
            return reply
        return _completion(reply, request, prompt_tokens, time.perf_counter() - began)

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """The next scripted pick as probabilities."""
        require(self, request)
        if self._pick is None or not self._capabilities.choose:
            raise Unsupported(
                f"{self.identity}: it cannot choose. Build it with choices=[...], or let it reply in words."
            )
        if not options:
            raise EngineError(f"{self.identity}: there is nothing to choose from. Give at least one option.")
        prompt_tokens = self._prompt_tokens(request, 1)
        self.choose_calls.append((request, tuple(options)))
        began = time.perf_counter()
        pick = await self._slowly(self._pick(request, options))
        weights = [float(o == pick) for o in options] if isinstance(pick, str) else [float(w) for w in pick]
        if len(weights) != len(options) or min(weights) < 0 or not sum(weights):
            raise EngineError(
                f"{self.identity}: the scripted choice {pick!r} does not fit the {len(options)} options "
                f"{list(options)!r}. Script one of them, or a weight of 0 or more for each."
            )
        total = sum(weights)
        return Choice(
            probabilities=tuple(w / total for w in weights),
            method="constrained",
            prompt_tokens=prompt_tokens,
            completion_tokens=1,
            service_s=time.perf_counter() - began,
        )

    def _prompt_tokens(self, request: Request, reply: int) -> int:
        prompt = sum(self.count_tokens(m.content) for m in request.messages)
        if self._context is not None and prompt + reply > self._context:
            raise PromptTooLong(
                f"{self.identity}: a prompt of {prompt} tokens and a reply of {reply} do not fit the context of "
                f"{self._context}. Shorten the prompt or lower max_tokens."
            )
        return prompt

    async def _slowly(self, scripted: Any) -> Any:
        # Sleeping for 0 seconds still lets other tasks run, as any real engine does.
        await asyncio.sleep(self.latency)
        said = await scripted if inspect.isawaitable(scripted) else scripted
        if isinstance(said, Exception):
            raise said
        return said


def _script(script: Script[Any], identity: str, what: str) -> Callable[..., Any]:
    """One callable taking the request (and more), whatever was given."""
    if callable(script):
        if _takes_request(script):
            return script
        return lambda request, *more: script(request.messages, *more)
    if isinstance(script, str):
        raise TypeError(f"{identity}: {what} must be a list or a function; write [{script!r}] for a single one.")
    queue, total = deque(script), len(script)

    def following(request: Request, *more: object) -> Any:
        try:
            return queue.popleft()
        except IndexError:
            raise EngineError(
                f"{identity}: all {total} scripted {what} are used up. Script more of them, or give a function."
            ) from None

    return following


def _takes_request(function: Callable[..., object]) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and (first.name == "request" or first.annotation in (Request, "Request"))


def _completion(text: str, request: Request, prompt_tokens: int, service_s: float) -> Completion:
    sampling = request.sampling
    text = text[: min((at for s in sampling.stop if (at := text.find(s)) >= 0), default=len(text))]
    words = list(re.finditer(r"\S+", text))
    cut = len(words) > sampling.max_tokens
    return Completion(
        text=text[: words[sampling.max_tokens - 1].end()] if cut else text,
        finish="length" if cut else "stop",
        prompt_tokens=prompt_tokens,
        completion_tokens=min(len(words), sampling.max_tokens),
        service_s=service_s,
    )
