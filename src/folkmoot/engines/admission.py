"""Who may join a running batch, and which prompts are computed together. Pure functions over jobs."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.engines.job import Job

PATIENCE_S = 10.0
"""How old a batch may grow by newcomers while requests for another adapter wait."""

PREFILL_TOKENS = 1024
"""Prompt tokens that are computed in one go."""


def admit(
    waiting: Sequence[Job], running: Sequence[Job], *, limit: int, room: int, joins: bool = True, age: float = 0.0
) -> list[Job]:
    """Who may start now, in order of arrival.

    A batch has one adapter. A batch that lives on newcomers gives way after `PATIENCE_S` when another adapter is
    wanted. Nobody overtakes a request that does not fit yet, so that long ones are not starved.

    Args:
        waiting: Requests in order of arrival.
        running: Rows of the batch.
        limit: Rows at most.
        room: Tokens at most, counted as the rows times the longest with its reply.
        joins: Rows may join a running batch.
        age: Seconds since the batch began.
    """
    if not waiting or (running and not joins):
        return []
    adapter = (running or waiting)[0].adapter
    if running and age > PATIENCE_S and any(j.adapter != adapter for j in waiting):
        return []
    chosen: list[Job] = []
    rows = len(running)
    lengths = [j.longest for j in running]
    for job in waiting:
        if job.adapter != adapter:
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
    """Group jobs so that the prompts in a group are about as long as each other and not too many tokens together."""
    groups: list[list[Job]] = []
    for job in sorted(jobs, key=lambda j: j.tokens, reverse=True):
        group = groups[-1] if groups else []
        close = group and group[0].tokens <= 1.25 * job.tokens + 16
        if close and group[0].tokens * (len(group) + 1) <= PREFILL_TOKENS:
            group.append(job)
        else:
            groups.append([job])
    return groups
