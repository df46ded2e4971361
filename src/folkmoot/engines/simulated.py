"""An engine that takes the time a GPU would take and says nothing of worth: for scheduling at GPU speeds without one.

>>> import asyncio
>>> from folkmoot.engines.contract import Message, Request
>>> engine = SimulatedEngine("h100-8b", speed=100)
>>> request = Request((Message("user", 'Is it so? End with "Answer: X", where X is one of A, B.'),))
>>> reply = asyncio.run(engine.complete(request))
>>> reply.text.splitlines()[-1] in ("Answer: A", "Answer: B")
True
>>> engine.usage().reply_tokens == reply.completion_tokens
True
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from folkmoot.engines.batch_clock import BatchClock, Size, Ticket, Usage
from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    EngineError,
    Finish,
    PromptTooLong,
    Request,
    require,
)
from folkmoot.engines.simulated_profile import load_profile
from folkmoot.engines.simulated_reply import CHARACTERS, made_up, odds, tokens_of

_TEMPLATE = 4
"""Tokens that a chat template puts around a message."""


@dataclass(slots=True)
class _Alarm:
    """Of one event loop.

    Attributes:
        waiting: Requests whose callers live in it.
        timer: Its next look at the clock.
        ringing: A look is on its way.
    """

    waiting: int = 0
    timer: asyncio.TimerHandle | None = None
    ringing: bool = False


class SimulatedEngine:
    """Answers with made-up words when a real engine with continuous batching would have answered.

    Replies end in a line ``Answer: X`` of the form that the prompt asks for; words, answer and length follow from a hash
    of `name` and the request, so they repeat. A token is four characters. The times in completions and `usage` are
    simulated seconds. The simulated device keeps its own time: an event loop that looks late finds everything that
    finished meanwhile, and only what it asks for next comes late. Nothing is cached between requests.

    Args:
        profile: Name of a shipped profile (``h100-0.5b``, ``h100-3b``, ``h100-8b``) or the path of a YAML file like them.
        name: Stands for the weights: engines of different names give different replies.
        speed: Simulated seconds per second.
        tokens: Median and sigma of the log-normal reply length; default: the profile's.
        fifo: Serve in order of arrival instead of deeper requests first.
        says: Text of the reply to a request, instead of made-up words.

    Attributes:
        loads: How often the model was loaded.

    Raises:
        BadInput: There is no such profile, or its file does not fit.
    """

    capabilities = Capabilities(adapters=True, seeds=True, choose=True, counts=True)

    def __init__(
        self,
        profile: str | Path = "h100-0.5b",
        *,
        name: str | None = None,
        speed: float = 1.0,
        tokens: tuple[int, float] | None = None,
        fifo: bool = False,
        says: Callable[[Request], str] | None = None,
    ) -> None:
        if not 0 < speed < math.inf:
            raise ValueError(f"speed must be above 0 and finite, got {speed}")
        self.profile = load_profile(profile)
        self._median, self._sigma = tokens or (self.profile.reply_median, self.profile.reply_sigma)
        if self._median < 1 or not 0 <= self._sigma < math.inf:
            raise ValueError(f"tokens: a median of at least 1 and a sigma of at least 0, got {tokens}")
        self.loads = 0
        self._name = name or "model"
        self._speed = speed
        self._says = says
        told = [self.profile.model_dump(), self._median, self._sigma, fifo]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
        self._identity = f"simulated:{Path(profile).name}:{self._name}:{digest}"
        self._clock = BatchClock(self.profile, fifo=fifo)
        self._origin = time.perf_counter()
        self._lock = threading.Lock()
        self._loaded = False
        self._asked: dict[Ticket, tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = {}
        self._alarms: dict[asyncio.AbstractEventLoop, _Alarm] = {}
        self._adapters: set[str] = set()

    def __repr__(self) -> str:
        return f"SimulatedEngine({self._identity.split(':')[1]!r}, name={self._name!r})"

    @property
    def identity(self) -> str:
        """``simulated``, profile, name, and a digest of all parameters that replies and times depend on."""
        return self._identity

    @property
    def context(self) -> int | None:
        """The profile's."""
        return self.profile.context

    def count_tokens(self, text: str) -> int:
        """A quarter of the characters, rounded up."""
        return tokens_of(text)

    def mark(self) -> None:
        """`usage` and `served` count from here on. Call it while nothing runs."""
        with self._lock:
            self._clock.mark()

    def usage(self) -> Usage:
        """What the simulated device did since the mark, on its own time: seats busy, steps, tokens, makespan."""
        with self._lock:
            return self._clock.usage()

    def served(self) -> list[Size]:
        """Tokens of every request finished since the mark, for `folkmoot.engines.batch_clock.replay`."""
        with self._lock:
            return self._clock.served()

    async def start(self) -> None:
        """Load, as far as `loads` is concerned."""
        with self._lock:
            self.loads += not self._loaded
            self._loaded = True

    async def close(self) -> None:
        """Fail what is in flight. A later request loads again."""
        with self._lock:
            self._loaded = False
            asked, now = dict(self._asked), self._now()
            for ticket in asked:
                self._clock.cancel(ticket, now)
        for loop, future in asked.values():
            error = EngineError(f"{self}: it was closed while it replied. Ask again; a later request loads it.")
            _call(loop, _settle, future, error)

    async def complete(self, request: Request) -> Completion:
        """See `folkmoot.engines.contract.Engine`.

        Raises:
            PromptTooLong: Prompt and reply do not fit the context window.
            EngineError: There is no such adapter, or the engine was closed meanwhile.
        """
        self._check(request)
        prompt_tokens = self._prompt_tokens(request, request.sampling.max_tokens)
        text, tokens, finish = self._reply(request)
        ticket = await self._serve(prompt_tokens, max(1, tokens), -request.depth)
        return Completion(
            text=text,
            finish=finish,
            prompt_tokens=prompt_tokens,
            completion_tokens=tokens,
            queue_s=ticket.begun - ticket.arrival,
            service_s=ticket.done - ticket.begun,
        )

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Probabilities out of a hash; takes the time of reading prompt and options."""
        self._check(request)
        if not options or len(set(options)) != len(options) or not all(options):
            raise EngineError(f"{self}: options must be there, differ and not be empty: {list(options)!r}.")
        prompt_tokens = self._prompt_tokens(request, 1)
        ticket = await self._serve(prompt_tokens, 1, -request.depth)
        return Choice(
            probabilities=odds(self._name, request, options),
            method="likelihood",
            prompt_tokens=prompt_tokens,
            completion_tokens=1,
            queue_s=ticket.begun - ticket.arrival,
            service_s=ticket.done - ticket.begun,
        )

    def _check(self, request: Request) -> None:
        require(self, request)
        adapter = request.adapter
        if adapter is not None and adapter not in self._adapters:
            if not Path(adapter).is_dir():
                raise EngineError(f"{self}: the adapter {adapter!r} is no folder. Give the path of one.")
            self._adapters.add(adapter)

    def _prompt_tokens(self, request: Request, reply: int) -> int:
        tokens = sum(_TEMPLATE + tokens_of(m.content) for m in request.messages)
        if tokens + reply > self.profile.context:
            raise PromptTooLong(
                f"{self}: a prompt of {tokens} tokens and a reply of {reply} do not fit the context of "
                f"{self.profile.context}. Shorten the prompt or lower max_tokens."
            )
        return tokens

    def _reply(self, request: Request) -> tuple[str, int, Finish]:
        """Text, tokens, and why it ends there."""
        most = request.sampling.max_tokens
        if self._says is not None:
            text = self._says(request)
        else:
            text = made_up(self._name, request, self._median, self._sigma)
        for stop in request.sampling.stop:
            text = text.partition(stop)[0]
        if len(text) > CHARACTERS * most:
            return text[: CHARACTERS * most], most, "length"
        return text, tokens_of(text), "stop"

    def _now(self) -> float:
        return (time.perf_counter() - self._origin) * self._speed

    async def _serve(self, prompt_tokens: int, reply_tokens: int, priority: int) -> Ticket:
        """Wait until the simulated device is done with a request."""
        if not self._loaded:
            await self.start()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            ticket = self._clock.submit(self._now(), prompt_tokens, reply_tokens, priority)
            self._asked[ticket] = loop, future
            alarm = self._alarms.setdefault(loop, _Alarm())
            alarm.waiting += 1
        try:
            self._ring(loop, alarm)
            await future
        finally:
            with self._lock:
                alarm.waiting -= 1
                if not alarm.waiting:
                    del self._alarms[loop]
                    if alarm.timer:
                        alarm.timer.cancel()
                sooner = []
                if self._asked.pop(ticket, None):  # cancelled, so that others may be done sooner than they were told
                    self._clock.cancel(ticket, self._now())
                    sooner = list(self._alarms.items())
            for other, its in sooner:
                _call(other, self._ring, other, its)
        return ticket

    def _ring(self, loop: asyncio.AbstractEventLoop, alarm: _Alarm) -> None:
        if not alarm.ringing:  # one look for all who ask in this round of the loop
            alarm.ringing = True
            loop.call_soon(self._look, loop, alarm)

    def _look(self, loop: asyncio.AbstractEventLoop, alarm: _Alarm) -> None:
        """Hand out what is done by now, and look again when something else may be."""
        with self._lock:
            now = self._now()
            done = [self._asked.pop(t, None) for t in self._clock.advance(now)]
            next_event = self._clock.next_event()
        for asked in done:
            if asked:
                _call(asked[0], _settle, asked[1])
        if alarm.timer:
            alarm.timer.cancel()
        alarm.ringing, alarm.timer = False, None
        if next_event < math.inf and alarm.waiting:
            alarm.timer = loop.call_later((next_event - now) / self._speed, self._look, loop, alarm)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call in this very loop, or from the thread of another one."""
    if loop is asyncio.get_running_loop():
        function(*arguments)
    else:
        with contextlib.suppress(RuntimeError):  # it is closed, and nobody waits there any more
            loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future[None], error: Exception | None = None) -> None:
    if future.done():
        return
    if error:
        future.set_exception(error)
    else:
        future.set_result(None)
