"""The stages of a run: dev and main samples, then the baselines at the budgets of the graphs, then the judges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from folkmoot.door import new_event_loop
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.baselines import Best, Match, choose, matched
from folkmoot.evaluation.judges import Judging
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.runner import run_samples
from folkmoot.evaluation.samples import Sample, phases, samples
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.systems import System
from folkmoot.participant import Participant
from folkmoot.progress import Line


@dataclass(frozen=True, slots=True)
class Staged:
    """What is known once the graphs have run.

    Attributes:
        systems: All systems, in the order of the tables.
        best: The member chosen on dev; None if none was.
        matches: Baselines of every graph.
    """

    systems: tuple[System, ...]
    best: Best | None
    matches: tuple[Match, ...]


class Stages:
    """Runs a plan to its end, or to where it is interrupted: running it again goes on there.

    Args:
        plan: A checked suite.
        people: From `engines`.
        store: Where results go.
        pool: Of the engines.
        line: Told about progress.
        unsafe_code: Score programs even where this machine cannot isolate them.
    """

    def __init__(
        self,
        plan: Plan,
        people: Mapping[str, Participant],
        store: RunStore,
        pool: Pool,
        line: Line,
        *,
        unsafe_code: bool = False,
    ) -> None:
        self._plan, self._people, self._store, self._pool, self._line = plan, people, store, pool, line
        self._unsafe_code = unsafe_code
        self._done, self._reached = 0, False
        store.ask(plan.items)
        store.ask((i for t in plan.tasks for i in t.dev), dev=True)
        self._total = store.plan(s.key for s in self._planned(plan.systems))
        if len(known := self.staged().systems) > len(plan.systems):  # of an earlier part: they stay in sight
            self._total = store.plan(s.key for s in self._planned(known))
        self._finished = store.finished()
        self._before = len(self._finished)

    def run(self) -> bool:
        """Run what is not yet in the store; True if it was interrupted."""
        if self._finished:
            self._line("resume", note=f"{len(self._finished)} of {self._total} samples are there already")
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._go())
        except KeyboardInterrupt:
            return True
        return False

    def staged(self) -> Staged:
        """The systems as far as they are known by now."""
        plan = self._plan
        best = choose([m.name for m in plan.suite.team], self._store.figures(dev=True)) if plan.chooses else None
        named = best.name if best else plan.suite.team[0].name if len(plan.suite.team) == 1 else None
        more, matches = matched(plan, self._people, named, self._store.figures())
        order = {"member": 0, "baseline": 1, "graph": 2, "monolith": 3}
        more.sort(key=lambda s: (s.protocol.name, len(s.team) == 1, s.protocol.most_calls(len(s.team), s.options)))
        systems = sorted([*plan.systems, *more], key=lambda s: order[s.kind])
        return Staged(tuple(systems), best, tuple(matches))

    def _planned(self, systems: Sequence[System]) -> Iterator[Sample]:
        yield from samples(self._plan, self._people, self._dev(systems), dev=True)
        yield from samples(self._plan, self._people, systems)

    def _dev(self, systems: Iterable[System]) -> list[System]:
        return [s for s in systems if s.kind == "member"] if self._plan.chooses else []

    async def _go(self) -> None:
        groups = phases(self._plan, self._people)
        with_members = [n for n, group in enumerate(groups) if any(s.kind != "monolith" for s in group)]
        try:
            for n, group in enumerate(groups):
                await self._run(group, samples(self._plan, self._people, self._dev(group), dev=True))
                await self._run(group, samples(self._plan, self._people, group))
                if n == with_members[-1]:
                    await self._match()
                await self._pool.rest()
            await self._judge()
        finally:
            await self._pool.close()

    async def _match(self) -> None:
        known = {s.name for s in self._plan.systems}
        while True:
            staged = self.staged()
            more = [s for s in staged.systems if s.name not in known]
            if not more:
                return
            self._total = self._store.plan(s.key for s in self._planned(staged.systems))
            self._finished = self._store.finished()
            self._before = len(self._finished) - self._done
            await self._run(more, samples(self._plan, self._people, more))
            known |= {s.name for s in more}  # what these took may call for more

    async def _run(self, systems: Iterable[System], wanted: Iterable[Sample]) -> None:
        left = (s for s in wanted if s.key not in self._finished)
        if (first := next(left, None)) is None:
            return
        await self._reach()
        panels = {s.name: s.build(self._people, self._plan.suite.prompts).compile() for s in systems}
        self._done += await run_samples(
            _with(first, left),
            panels,
            self._store,
            in_flight=self._plan.suite.in_flight,
            progress=self._line,
            meter=self._pool.meter,
            before=self._done,
            total=self._total - self._before,
            unsafe_code=self._unsafe_code,
        )

    async def _reach(self) -> None:
        """Endpoints are asked whether they are there once something is to be asked of them."""
        if not self._reached:
            await self._pool.reach()
            self._reached = True

    async def _judge(self) -> None:
        judging = Judging(self._plan, self._people, self._store, self._line)
        if keys := judging.waiting():
            await self._reach()
            await judging.ask(keys)


def _with(first: Sample, rest: Iterable[Sample]) -> Iterator[Sample]:
    yield first
    yield from rest
