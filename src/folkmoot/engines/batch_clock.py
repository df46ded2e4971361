"""When an engine with continuous batching would have finished which request: a timing model without weights.

All sequences of a batch get one token per step; whoever is new joins at the next step, its prompt being read in chunks
beside the decoding of the others (Orca, OSDI 2022; chunked prefill as in Sarathi-Serve, arXiv 2403.02310). The model goes
from event to event, not from step to step: with nobody joining or leaving for k steps, their duration is one sum.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from folkmoot.engines.simulated_profile import Profile


class Size(NamedTuple):
    """Tokens of one request."""

    prompt_tokens: int
    reply_tokens: int


@dataclass(eq=False, slots=True)
class Ticket:
    """One request on the clock. Times are seconds of the clock.

    Attributes:
        arrival: When it came.
        begun: When it joined the batch; -1 before.
        done: When its last token was there; -1 before.
    """

    arrival: float
    prompt_tokens: int
    reply_tokens: int
    priority: int
    begun: float = -1.0
    done: float = -1.0
    _unread: int = 0
    _last_step: int = 0
    _gone: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the batch did since the clock's mark, on the clock's own time.

    Attributes:
        seconds: Seconds with 0, 1, 2, ... seats busy, from the first arrival to the last step.
        steps: Steps of the batch.
        requests: Requests finished.
        prompt_tokens: Tokens read.
        reply_tokens: Tokens written.
    """

    seconds: tuple[float, ...]
    steps: int
    requests: int
    prompt_tokens: int
    reply_tokens: int

    @property
    def makespan(self) -> float:
        """Seconds from the first arrival to the end of the last step."""
        return math.fsum(self.seconds)

    @property
    def peak(self) -> int:
        """Most seats that were busy at once."""
        return max((busy for busy, s in enumerate(self.seconds) if s), default=0)

    @property
    def busy(self) -> float:
        """Seats busy, on average over the makespan."""
        return math.fsum(busy * s for busy, s in enumerate(self.seconds)) / self.makespan if self.makespan else 0.0

    def slack(self, level: float = 0.25) -> float:
        """Share of the makespan with fewer than `level` of the peak's seats busy."""
        low = math.fsum(s for busy, s in enumerate(self.seconds) if busy < level * self.peak)
        return low / self.makespan if self.makespan else 0.0


class BatchClock:
    """The timing model. Times are in seconds, from any origin, and never go back.

    A request joins at the boundary between two steps, if there is a seat, room in the step's token budget, and room in the
    KV cache for its prompt and its whole reply (so nobody is ever thrown out again). Until then it waits: lower priority
    first, then earlier arrival; who does not fit blocks those behind.

    What comes out depends on the arrivals only, not on how often or how late `advance` is called.

    Args:
        profile: Model and device.
        fifo: Serve in order of arrival, whatever the priority.
    """

    def __init__(self, profile: Profile, *, fifo: bool = False) -> None:
        self._seats, self._budget, self._room = profile.max_num_seqs, profile.max_num_batched_tokens, profile.kv_tokens
        self._fifo = fifo
        bandwidth = profile.bandwidth_tb_s * 1e12
        self._fixed_s = profile.overhead_ms / 1e3
        self._sequence_s = profile.overhead_us_per_sequence / 1e6
        self._weights_s = profile.weights_gb * 1e9 / bandwidth
        self._token_s = profile.gflop_per_token * 1e9 / (profile.tflops * 1e12)
        self._kv_s = profile.kv_kib_per_token * 1024 / bandwidth
        self._now = 0.0  # the last boundary
        self._step = 0  # steps until then
        self._order = 0
        self._coming: list[tuple[float, int, Ticket, bool]] = []  # heap by time: arrivals, and departures (True)
        self._waiting: list[tuple[int, float, int, Ticket]] = []  # heap
        self._reading: deque[Ticket] = deque()  # prompts not read to the end
        self._unread = 0
        self._writing = 0
        self._last: dict[int, list[Ticket]] = {}  # by the step that writes their last token
        self._last_steps: list[int] = []  # heap of its keys
        self._held = 0  # KV tokens promised
        self._filled = 0  # KV tokens there
        self.mark()

    def mark(self) -> None:
        """`usage` and `served` count from here on. Call it while nothing runs."""
        self._seconds = [0.0] * (self._seats + 1)
        self._any = False
        self._mark_step = self._step
        self._read = self._written = 0
        self._served = array("I")

    def usage(self) -> Usage:
        """What the batch did since the mark."""
        steps, requests = self._step - self._mark_step, len(self._served) // 2
        return Usage(tuple(self._seconds), steps, requests, self._read, self._written)

    def served(self) -> list[Size]:
        """Sizes of the requests that finished since the mark, in the order in which they did."""
        return [Size(*pair) for pair in zip(self._served[::2], self._served[1::2], strict=True)]

    def submit(self, arrival: float, prompt_tokens: int, reply_tokens: int, priority: int = 0) -> Ticket:
        """Let a request come in.

        Args:
            arrival: Not before the time that `advance` was last called with.
            prompt_tokens: At least 1.
            reply_tokens: At least 1.
            priority: Lower goes first.

        Raises:
            ValueError: It has no tokens, or more than the whole KV cache.
        """
        if prompt_tokens < 1 or reply_tokens < 1 or prompt_tokens + reply_tokens > self._room:
            raise ValueError(f"{prompt_tokens} + {reply_tokens} tokens: at least 1 each, at most {self._room} in all")
        ticket = Ticket(arrival, prompt_tokens, reply_tokens, 0 if self._fifo else priority)
        self._come(arrival, ticket, False)
        return ticket

    def cancel(self, ticket: Ticket, at: float) -> None:
        """Take a request out at the first boundary not before `at`; nothing happens if it is done by then."""
        self._come(at, ticket, True)

    def advance(self, now: float) -> list[Ticket]:
        """Simulate up to `now` and return what finished since the last call, in order of time."""
        done: list[Ticket] = []
        while True:
            end, steps = self._ahead()
            if end > now or end == math.inf:
                return done
            if steps < 0:
                if self._any:
                    self._seconds[0] += end - self._now
                self._now = end
            else:
                self._go(end, steps, done)

    def next_event(self) -> float:
        """When something may finish next, if nobody else comes; infinity if nothing is on its way."""
        return self._ahead()[0]

    def _come(self, at: float, ticket: Ticket, leaving: bool) -> None:
        self._order += 1
        heappush(self._coming, (at, self._order, ticket, leaving))

    def _ahead(self) -> tuple[float, int]:
        """End of the next stretch in which nothing changes, and its steps: 0 for one with prefill, -1 for idle time."""
        coming, now = self._coming, self._now
        while coming and coming[0][0] <= now:
            arrival, order, ticket, leaving = heappop(coming)
            if leaving:
                self._remove(ticket)
            else:
                heappush(self._waiting, (ticket.priority, arrival, order, ticket))
        if self._waiting:
            self._admit()
        if self._reading:
            tokens = min(self._budget, self._writing + self._unread)
            return now + self._each(self._writing + len(self._reading), tokens) + self._kv_s * self._filled, 0
        if not self._writing:
            return (coming[0][0] if coming else math.inf), -1
        first = self._each(self._writing, self._writing) + self._kv_s * self._filled
        more = self._kv_s * self._writing  # each step reads one token more for each sequence
        k = self._last_steps[0] - self._step
        if coming and now + _span(k - 1, first, more) >= coming[0][0]:
            k = _steps_until(coming[0][0] - now, first, more)
        return now + _span(k, first, more), k

    def _each(self, sequences: int, tokens: int) -> float:
        return self._fixed_s + self._sequence_s * sequences + max(self._weights_s, self._token_s * tokens)

    def _admit(self) -> None:
        waiting = self._waiting
        free = self._seats - self._writing - len(self._reading)
        while waiting and free > 0 and self._writing + self._unread < self._budget:
            ticket = waiting[0][3]
            if not ticket._gone:
                need = ticket.prompt_tokens + ticket.reply_tokens
                if self._held + need > self._room:
                    return
                self._held += need
                self._unread += ticket.prompt_tokens
                free -= 1
                ticket._unread = ticket.prompt_tokens
                ticket.begun = self._now
                self._reading.append(ticket)
            heappop(waiting)

    def _go(self, end: float, steps: int, done: list[Ticket]) -> None:
        """Let the stretch that `_ahead` saw happen."""
        self._any = True
        self._seconds[self._writing + len(self._reading)] += end - self._now
        self._now = end
        self._step += steps or 1
        self._filled += (steps or 1) * self._writing
        self._written += (steps or 1) * self._writing
        finished = self._read_prompts(self._budget - self._writing) if not steps else []
        while self._last_steps and self._last_steps[0] <= self._step:
            tickets = self._last.pop(heappop(self._last_steps))
            self._writing -= len(tickets)
            finished += tickets
        for ticket in finished:
            ticket.done = end
            self._leave(ticket, ticket.prompt_tokens + ticket.reply_tokens - 1)
            self._served.extend((ticket.prompt_tokens, ticket.reply_tokens))
        done += finished

    def _read_prompts(self, budget: int) -> list[Ticket]:
        """Prefill with the tokens that decoding leaves; a prompt read to its end gives the first token of the reply."""
        finished = []
        reading = self._reading
        while reading and budget:
            ticket = reading[0]
            chunk = min(ticket._unread, budget)
            budget -= chunk
            ticket._unread -= chunk
            self._unread -= chunk
            self._read += chunk
            self._filled += chunk
            if ticket._unread:
                break
            reading.popleft()
            self._written += 1
            if ticket.reply_tokens == 1:
                finished.append(ticket)
                continue
            self._writing += 1
            ticket._last_step = last = self._step + ticket.reply_tokens - 1
            if last in self._last:
                self._last[last].append(ticket)
            else:
                self._last[last] = [ticket]
                heappush(self._last_steps, last)
        return finished

    def _remove(self, ticket: Ticket) -> None:
        if ticket._gone:
            return
        if ticket.begun < 0:
            ticket._gone = True  # the queue drops it when its turn comes
        elif ticket._unread:
            self._reading.remove(ticket)
            self._unread -= ticket._unread
            self._leave(ticket, ticket.prompt_tokens - ticket._unread)
        else:
            self._last[ticket._last_step].remove(ticket)
            self._writing -= 1
            self._leave(ticket, ticket.prompt_tokens + ticket.reply_tokens - 1 - (ticket._last_step - self._step))

    def _leave(self, ticket: Ticket, filled: int) -> None:
        ticket._gone = True
        self._held -= ticket.prompt_tokens + ticket.reply_tokens
        self._filled -= filled


def _span(steps: int, first: float, more: float) -> float:
    """Seconds of `steps` steps, the first of which takes `first` and every further one `more` more."""
    return steps * first + more * (steps * (steps - 1) // 2)


def _steps_until(seconds: float, first: float, more: float) -> int:
    """Fewest steps, at least one, that take `seconds` or longer."""
    linear = first - more / 2
    k = max(1, math.ceil(2 * seconds / (linear + math.sqrt(linear * linear + 2 * more * seconds))))
    while _span(k, first, more) < seconds:  # rounding
        k += 1
    while k > 1 and _span(k - 1, first, more) >= seconds:
        k -= 1
    return k


def replay(profile: Profile, sizes: Iterable[Size]) -> float:
    """Seconds that the same requests take as one flat batch: all there at the start, none depending on another.

    It is the yardstick of saturation: what nobody who asks one engine can beat by better scheduling of the graph.
    """
    clock = BatchClock(profile)
    for size in sizes:
        clock.submit(0.0, *size)
    clock.advance(math.inf)
    return clock.usage().makespan
