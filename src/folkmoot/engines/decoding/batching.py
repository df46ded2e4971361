"""Requests from any thread become batches for one model: who joins when, who leaves, what happens if it goes wrong.

Nothing here knows tensors. A `Decoder` holds the rows of the running batch and says the next token of each; one thread
per engine drives it, and requests join and leave between two tokens.
"""

from __future__ import annotations

import bisect
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Protocol

from folkmoot.engines.contract import Choice, EngineError
from folkmoot.engines.decoding.admission import Companies, RefusedError, admit, prefills, turn
from folkmoot.engines.decoding.job import Draw, Job
from folkmoot.engines.decoding.turnstile import Turnstile

_LOG = logging.getLogger(__name__)

SLICE_S = 0.3
"""How long an engine keeps a device to itself while another one waits for it."""

IDLE_S = 2.0
"""How long an idle engine keeps the memory of its last batch; rounds of a graph follow each other quickly."""

COMPANY_S = 0.004
"""How long an idle engine waits for companions of a request; requests of a graph come in bursts."""


class Decoder(Protocol):
    """A model and the rows it is writing. Used by one thread only.

    Attributes:
        room: Tokens that fit into its memory: rows times the longest of them.
        turnstile: Where it queues for its device.
    """

    room: int
    turnstile: Turnstile

    @property
    def joins(self) -> bool:
        """Rows may be added while others run."""
        ...

    def company(self, adapter: str | None) -> Hashable:
        """Load an adapter. Rows whose adapters are of equal company may run together.

        Raises `EngineError` if it cannot be loaded, and nothing has changed then.
        """
        ...

    def add(self, prompts: Sequence[Sequence[int]], draws: Sequence[Draw], adapters: Sequence[str | None]) -> list[int]:
        """Append rows; the first token of each, below 0 where the model has no numbers. `MemoryError` if full."""
        ...

    def step(self, last: Sequence[int], draws: Sequence[Draw]) -> list[int]:
        """The next token of every row, given its last one."""
        ...

    def drop(self, gone: Sequence[int]) -> list[int]:
        """Take rows out; where the remaining ones were before, in their new order."""
        ...

    def score(
        self,
        prompts: Sequence[Sequence[int]],
        options: Sequence[Sequence[Sequence[int]]],
        adapters: Sequence[str | None],
    ) -> list[list[float]]:
        """Mean log-probability per token of each option after its prompt. Leaves the rows alone."""
        ...

    def clear(self) -> None:
        """Take all rows out and free their memory. Never raises."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


class Batcher:
    """One model's queue and the thread that works it off.

    Args:
        load: Makes the decoder, on the thread; what it raises, `up` raises.
        name: Of the engine, for error texts.
        max_batch: Rows at most.
    """

    def __init__(self, load: Callable[[], Decoder], name: str, max_batch: int) -> None:
        self.up: Future[None] = Future()
        self._load, self._name, self._max = load, name, max_batch
        self._limit = max_batch
        self._news = threading.Condition()
        self._waiting: list[Job] = []  # sorted by `turn`
        self._hand: list[Job] = []
        self._rows: list[Job] = []
        self._born = 0.0
        self._company: Hashable = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"folkmoot {name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """It takes no more requests: stopped, or never got up."""
        return self._ended

    def submit(self, job: Job) -> None:
        """Put a job in the queue; its future gets the outcome."""
        with self._news:
            if self._ended:
                raise self._closed()
            bisect.insort(self._waiting, job, key=turn)
            self._news.notify()

    def stop(self, patience: float = 30.0) -> None:
        """End after the step under way, fail what is in flight, and wait for that."""
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _closed(self) -> EngineError:
        return EngineError(f"{self._name}: the engine was closed before this request was done; ask again")

    def _run(self) -> None:
        decoder = None
        self.up.set_running_or_notify_cancel()  # from here on a caller that gives up cannot cancel it for the others
        try:
            decoder = self._load()
            self.up.set_result(None)
            while self._wait(decoder):
                with decoder.turnstile:
                    until = time.monotonic() + SLICE_S
                    while self._busy() and not (decoder.turnstile.contended and time.monotonic() > until):
                        self._round(decoder)
        except BaseException as e:
            if self.up.done():
                raise
            self.up.set_exception(e)
        finally:
            with self._news:
                self._ended = True
                left = [*self._rows, *self._hand, *self._waiting]
                self._rows, self._hand, self._waiting = [], [], []
            for job in left:
                job.fail(self._closed())
            if decoder is not None:
                decoder.close()

    def _busy(self) -> bool:
        return not self._ended and bool(self._rows or self._waiting)

    def _wait(self, decoder: Decoder) -> bool:
        """Sleep until there is work; False if there will be none."""
        if not self._rows and not self._comes(IDLE_S):
            decoder.clear()
            self._limit = self._max
            self._comes(None)
        with self._news:
            seen = 0
            while not self._rows and not self._ended and seen < len(self._waiting) < self._limit:
                seen = len(self._waiting)
                self._news.wait(COMPANY_S)
            return not self._ended

    def _comes(self, patience: float | None) -> bool:
        """Wait for a request or the end; False if there was neither."""
        with self._news:
            return self._news.wait_for(lambda: self._ended or bool(self._waiting), patience)

    def _round(self, decoder: Decoder) -> None:
        """Let rows leave and join, then one token for everybody."""
        try:
            self._leave(decoder, [i for i, job in enumerate(self._rows) if job.cancelled])
            self._take(decoder)
            while self._hand:
                self._join(decoder)
            if self._rows:
                self._push(decoder, self._rows, decoder.step([j.last for j in self._rows], _draws(self._rows)))
        except Exception as e:
            self._recover(decoder, e)

    def _take(self, decoder: Decoder) -> None:
        if len(self._rows) >= self._limit:
            return
        companies = Companies(decoder.company)
        try:
            new = admit(
                self._without([]),
                self._rows,
                limit=self._limit,
                room=decoder.room,
                joins=decoder.joins,
                age=time.monotonic() - self._born,
                company=companies,
                batch=self._company,
            )
        except RefusedError as e:
            refused = [j for j in self._without([]) if j.adapter == e.adapter]
            self._without(refused)
            for job in refused:
                job.fail(self._failure(e.error, job))
            return  # the others are asked again before the next token
        if not new:
            return
        self._without(new)
        self._hand = [job for group in prefills(new) for job in group]
        for job in new:
            job.begin()
        if not self._rows:
            self._born = time.monotonic()
            self._company = companies(new[0].adapter)

    def _without(self, taken: Sequence[Job]) -> list[Job]:
        """Take jobs, and those that nobody waits for any more, out of the queue; what is left of it."""
        out = set(map(id, taken))
        with self._news:
            self._waiting = [j for j in self._waiting if id(j) not in out and not j.cancelled]
            return list(self._waiting)

    def _join(self, decoder: Decoder) -> None:
        """Bring the next group of newcomers in: prompts to be continued become rows, the others are scored."""
        choosing = [j for j in self._hand if j.options]
        if choosing:
            group = prefills(choosing)[0]
            scores = decoder.score([j.context for j in group], [j.options for j in group], _adapters(group))
            for job, means in zip(group, scores, strict=True):
                job.finish(_choice(job, means))
        else:
            group = prefills(self._hand)[0] if decoder.joins else list(self._hand)
            self._rows += group
        done = set(map(id, group))
        self._hand = [j for j in self._hand if id(j) not in done]
        if not choosing:
            self._push(decoder, group, decoder.add([j.context for j in group], _draws(group), _adapters(group)))

    def _push(self, decoder: Decoder, jobs: Sequence[Job], tokens: Sequence[int]) -> None:
        """Hand out the new tokens; rows that end by them leave."""
        over: set[int] = set()
        sick = False
        for job, token in zip(jobs, tokens, strict=True):
            if token < 0:
                job.fail(
                    EngineError(
                        f"{self._name}: the model's output is not a number; use dtype='float32', or check the adapter"
                    )
                )
                over.add(id(job))
                sick = True
            elif job.push(token):
                over.add(id(job))
        self._leave(decoder, [i for i, job in enumerate(self._rows) if id(job) in over])
        if sick:  # what is not a number stays in the memory that the rows share, and spreads
            self._restart(decoder, [*self._rows, *self._hand])

    def _leave(self, decoder: Decoder, gone: list[int]) -> None:
        if not gone:
            return
        self._rows = [self._rows[i] for i in decoder.drop(gone)]
        if not self._rows:  # a batch has come to its end: after a shortage of memory the next may be larger again
            self._limit = min(self._max, 2 * self._limit)

    def _recover(self, decoder: Decoder, error: Exception) -> None:
        """After a failed step nothing is known of the rows: begin them again in smaller batches, or fail them."""
        _LOG.debug("%s: a step failed", self._name, exc_info=error)
        held = [*self._rows, *self._hand]
        if isinstance(error, MemoryError) and len(held) > 1:
            self._limit = max(1, len(held) // 2)
            self._restart(decoder, held)
            return
        self._restart(decoder, [])
        for job in held:
            job.fail(self._failure(error, job))

    def _failure(self, error: Exception, job: Job) -> EngineError:
        """What a job is told; each its own, because who waits for it raises it."""
        if isinstance(error, EngineError):
            return type(error)(*error.args)
        if isinstance(error, MemoryError):
            return EngineError(
                f"{self._name}: not enough memory even for one request of {job.tokens} tokens; "
                "shorten it, or use a smaller model or another machine"
            )
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
        return EngineError(f"{self._name}: a step failed ({why}); this request is lost, later ones are served")

    def _restart(self, decoder: Decoder, held: Sequence[Job]) -> None:
        """Empty the decoder; these jobs are in the queue again, by their old time of arrival, and go on where they were."""
        self._rows, self._hand = [], []
        decoder.clear()
        with self._news:
            for job in held:
                bisect.insort(self._waiting, job, key=turn)


def _adapters(jobs: Sequence[Job]) -> list[str | None]:
    return [job.adapter for job in jobs]


def _draws(jobs: Sequence[Job]) -> list[Draw]:
    return [job.draw() for job in jobs]


def _choice(job: Job, means: Sequence[float]) -> Choice:
    top = max(means)
    weights = [math.exp(m - top) for m in means]
    queue_s, service_s = job.times()
    return Choice(
        probabilities=tuple(w / sum(weights) for w in weights),
        method="likelihood",
        prompt_tokens=len(job.prompt),
        queue_s=queue_s,
        service_s=service_s,
    )
