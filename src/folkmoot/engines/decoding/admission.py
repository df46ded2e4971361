"""Who may join a running batch, and which prompts are computed together. Pure functions over jobs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from folkmoot.engines.decoding.job import Job

Company = Callable[[str | None], Hashable]
"""Of an adapter: requests whose adapters are of equal company may be in one batch."""

PATIENCE_S = 10.0
"""How old a batch may grow by newcomers while the first in line may not join it."""

PREFILL_TOKENS = 1024
"""Prompt tokens that are computed in one go."""


class RefusedError(Exception):
    """An adapter cannot be used.

    Attributes:
        adapter: Its folder.
        error: Why.
    """

    def __init__(self, adapter: str | None, error: Exception) -> None:
        super().__init__(adapter)
        self.adapter, self.error = adapter, error


class Companies:
    """Asks for the company of each adapter once.

    Args:
        ask: What it raises becomes a `RefusedError`.
    """

    def __init__(self, ask: Company) -> None:
        self._ask = ask
        self._known: dict[str | None, Hashable] = {}

    def __call__(self, adapter: str | None) -> Hashable:
        """The company of an adapter."""
        if adapter not in self._known:
            try:
                self._known[adapter] = self._ask(adapter)
            except Exception as e:
                raise RefusedError(adapter, e) from e
        return self._known[adapter]


def turn(job: Job) -> tuple[int, float]:
    """Sort key of the queue: what is furthest in its discussion first, then in order of arrival."""
    return -job.depth, job.queued


def admit(
    waiting: Sequence[Job],
    running: Sequence[Job],
    *,
    limit: int,
    room: int,
    joins: bool = True,
    age: float = 0.0,
    company: Company = lambda adapter: adapter,
    batch: Hashable = None,
) -> list[Job]:
    """Who may start now, in order.

    A batch is of one company. One that lives on newcomers gives way after `PATIENCE_S` to a first in line who is of
    another. Nobody overtakes a request of its company that does not fit yet, so that long ones are not starved.

    Args:
        waiting: Requests, sorted by `turn`.
        running: Rows of the batch.
        limit: Rows at most.
        room: Tokens at most, counted as the rows times the longest with its reply.
        joins: Rows may join a running batch.
        age: Seconds since the batch began.
        company: Of an adapter; asked only about those that may start now. What it raises is passed on.
        batch: Company of the rows that run.
    """
    if not waiting or (running and not joins):
        return []
    first = company(waiting[0].adapter)
    if not running:
        batch = first
    elif age > PATIENCE_S and first != batch:
        return []
    chosen: list[Job] = []
    rows = len(running)
    lengths = [j.longest for j in running]
    for job in waiting:
        if rows >= limit:
            break
        if company(job.adapter) != batch:
            continue
        if rows + job.rows > limit and rows:
            break
        wide = max([*lengths, job.longest]) * (rows + job.rows)
        # Short rows are computed as wide as the longest: a little waste is cheaper than waiting, a lot is not.
        wasteful = wide > 16_384 and wide > 4 * (sum(lengths) + job.longest * job.rows)
        if rows and (wide > room or wasteful):
            break
        chosen.append(job)
        rows += job.rows
        lengths += [job.longest] * job.rows
    return chosen


def prefills(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group jobs so that the prompts in a group are about as long as each other and not too many tokens together.

    Equal prompts (draws of one question) are a group of their own, where that saves enough: they are computed once.
    """
    alike: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        key = (job.adapter, *job.context) if not job.options else (id(job),)
        alike.setdefault(key, []).append(job)
    groups = [same for same in alike.values() if (len(same) - 1) * same[0].tokens >= PREFILL_TOKENS // 2]
    grouped = {id(job) for group in groups for job in group}
    group: list[Job] = []
    for job in sorted((j for j in jobs if id(j) not in grouped), key=lambda j: j.tokens, reverse=True):
        close = group and group[0].tokens <= 1.25 * job.tokens + 16
        if close and group[0].tokens * (len(group) + 1) <= PREFILL_TOKENS:
            group.append(job)
        else:
            group = [job]
            groups.append(group)
    return groups
