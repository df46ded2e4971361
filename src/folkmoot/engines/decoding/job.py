"""One request on its way through a batch: what it still wants, what it has, and when it is done."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from folkmoot.engines.contract import Completion, Finish, Sampling

Decode = Callable[[Sequence[int]], str]


class Draw(NamedTuple):
    """How to pick one token.

    Attributes:
        temperature: 0 takes the likeliest.
        top_p: Nucleus mass.
        luck: A number in [0, 1): the place in the cumulated probabilities that is drawn.
    """

    temperature: float
    top_p: float
    luck: float


@dataclass(eq=False, slots=True)
class Job:
    """One request.

    Attributes:
        prompt: Token ids.
        sampling: How to draw.
        decode: Ids to text.
        eos: Tokens that end a reply.
        adapter: LoRA folder, or None.
        depth: Steps of its discussion that are already done.
        options: Token ids of the options, if it is a choice and not a reply that is wanted.
        future: Gets the `Completion` or `Choice`, or an `EngineError`. Cancelling it takes the job out.
        queued: When it came in (seconds of `time.perf_counter`).
        ids: Tokens of the reply so far.
    """

    prompt: list[int]
    sampling: Sampling
    decode: Decode
    eos: frozenset[int] = frozenset()
    adapter: str | None = None
    depth: int = 0
    options: list[list[int]] = field(default_factory=list)
    future: Future[Any] = field(default_factory=Future)
    queued: float = field(default_factory=time.perf_counter)
    ids: list[int] = field(default_factory=list)
    _begun: float | None = None
    _watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = Watch(self.sampling.stop, self.decode)

    @property
    def context(self) -> list[int]:
        """What the model has to read before it goes on: after a restart the begun reply as well."""
        return self.prompt + self.ids

    @property
    def tokens(self) -> int:
        """Length of `context`."""
        return len(self.prompt) + len(self.ids)

    @property
    def rows(self) -> int:
        """Rows that it takes in a batch."""
        return max(1, len(self.options))

    @property
    def longest(self) -> int:
        """Tokens that one of its rows may come to have."""
        return len(self.prompt) + max(map(len, self.options), default=self.sampling.max_tokens)

    @property
    def last(self) -> int:
        """The newest token."""
        return self.ids[-1]

    @property
    def cancelled(self) -> bool:
        """Nobody waits for it any more."""
        return self.future.cancelled()

    def begin(self) -> None:
        """Work on it begins; a restart does not count."""
        if self._begun is None:
            self._begun = time.perf_counter()

    def draw(self) -> Draw:
        """How to pick the next token."""
        s = self.sampling
        if s.temperature == 0:
            return Draw(0.0, s.top_p, 0.0)
        # Of seed and place alone, so that a row that had to begin again draws the same.
        luck = random.random() if s.seed is None else random.Random(f"{s.seed} {len(self.ids)}").random()  # noqa: S311
        return Draw(s.temperature, s.top_p, luck)

    def push(self, token: int) -> bool:
        """Take the next token; True if that was the last one."""
        self.ids.append(token)
        if token in self.eos:
            self._reply(self.ids[:-1], "stop")
        elif self._watch.sees(self.ids):
            self._reply(self.ids, "stop")
        elif len(self.ids) >= self.sampling.max_tokens:
            self._reply(self.ids, "length")
        else:
            return False
        return True

    def _reply(self, ids: Sequence[int], finish: Finish) -> None:
        text = self.decode(ids)
        if finish == "length":
            text = text.rstrip("\ufffd")  # the limit may fall inside a character
        at = min((i for s in self.sampling.stop if (i := text.find(s)) >= 0), default=None)
        if at is not None:
            text, finish = text[:at], "stop"
        queue_s, service_s = self.times()
        self.finish(
            Completion(
                text=text,
                finish=finish,
                prompt_tokens=len(self.prompt),
                completion_tokens=len(self.ids),
                queue_s=queue_s,
                service_s=service_s,
            )
        )

    def times(self) -> tuple[float, float]:
        """Seconds in the queue and in work until now."""
        now = time.perf_counter()
        begun = now if self._begun is None else self._begun
        return begun - self.queued, now - begun

    def finish(self, outcome: object) -> None:
        """Deliver the outcome, unless nobody waits."""
        with contextlib.suppress(InvalidStateError):  # cancelled in this moment, from another thread
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Deliver an error, unless nobody waits."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class Watch:
    """Looks for stop strings in a growing reply, decoding only its newest tokens.

    Args:
        stops: The stop strings.
        decode: Ids to text.
    """

    def __init__(self, stops: Sequence[str], decode: Decode) -> None:
        self._stops, self._decode = stops, decode
        self._keep = max(map(len, stops), default=1) - 1
        self._tail = ""
        # Text of a token may depend on the one before it (spaces, characters of several tokens): tokens from `_from`
        # are decoded again together with the new ones, and the text of those before `_read` is taken off.
        self._from = self._read = 0

    def sees(self, ids: Sequence[int]) -> bool:
        """True if a stop string is complete."""
        if not self._stops:
            return False
        before = self._decode(ids[self._from : self._read])
        now = self._decode(ids[self._from :])
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return False  # an unfinished character
        self._tail += now[len(before) :]
        self._from, self._read = self._read, len(ids)
        found = any(s in self._tail for s in self._stops)
        self._tail = self._tail[-self._keep :] if self._keep else ""
        return found
