"""The stages of a run: dev samples and main samples, then baselines at the budgets of the graphs and coalitions, then the judges.

What is to be run follows from what has run: `staged` says it again after each stage, from the store alone, so that a run which
was interrupted goes on in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from folkmoot.door import new_event_loop
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.baselines import Best, Match, choose, matched
from folkmoot.evaluation.judges import Judging
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.runner import run_samples
from folkmoot.evaluation.samples import Sample, phases, samples
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.tuning import rehearsed, tuned, wants
from folkmoot.evaluation.worth.coalitions import Coalitions, of_graphs
from folkmoot.participant import Participant
from folkmoot.progress import Line
from folkmoot.routing import Similarity


@dataclass(frozen=True, slots=True)
class Staged:
    """What is known once the graphs have run.

    Attributes:
        systems: All systems, in the order of the tables; one that waits for dev results only once they are there.
        best: The member chosen on dev; None if none was.
        matches: Baselines of every graph.
        worth: The coalitions of the graphs whose members' worth is asked for.
        tuned: What dev results said, by system and option.
    """

    systems: tuple[System, ...]
    best: Best | None
    matches: tuple[Match, ...]
    worth: tuple[Coalitions, ...]
    tuned: Mapping[str, Mapping[str, Any]]

    @property
    def size(self) -> int:
        """How much is known."""
        return len(self.systems) + len(self.worth)


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
        self._router = Similarity(pool.encoder)
        self._dev_items = {(i.task, i.id): i for t in plan.tasks for i in t.dev}
        store.ask(plan.items)
        store.ask(self._dev_items.values(), dev=True)
        at_once = [s for s in plan.systems if not wants(s)]
        self._total = store.plan(s.key for s in self._planned(at_once))
        size = len(at_once)
        while (known := self.staged()).size > size:  # of an earlier part: they stay in sight, and may call for more
            self._plan_again(known)
            size = known.size
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
        plan, dev = self._plan, self._store.figures(dev=True)
        best = choose([m.name for m in plan.suite.team], dev) if plan.chooses else None
        named = best.name if best else plan.suite.team[0].name if len(plan.suite.team) == 1 else None
        figures = self._store.figures()
        more, matches = matched(plan, self._people, named, figures)
        order = {"member": 0, "baseline": 1, "graph": 2, "monolith": 3}
        more.sort(key=lambda s: (s.protocol.name, len(s.team) == 1, s.protocol.most_calls(len(s.team), s.options)))
        ready = self._ready(plan.systems)
        systems = sorted([*ready, *more], key=lambda s: order[s.kind])
        ran = {f.system for f in figures}
        shared = [s for s in systems if s.kind == "graph" and s.name in plan.suite.worth.systems and s.name in ran]
        asked = {s.name: wants(s) for s in plan.systems if wants(s)}
        told = {s.name: {k: s.options[k] for k in asked[s.name]} for s in ready if s.name in asked}
        return Staged(tuple(systems), best, tuple(matches), of_graphs(shared, plan.suite, self._people), told)

    def _ready(self, systems: Iterable[System]) -> list[System]:
        """The systems that can run now, with what dev results say filled in."""
        dev, store = self._store.figures(dev=True), self._store
        found = (tuned(s, dev, partial(store.results, dev=True), self._dev_items) if wants(s) else s for s in systems)
        return [s for s in found if s is not None]

    def _samples(self, systems: Sequence[System], *, dev: bool = False) -> Iterator[Sample]:
        return samples(self._plan, self._people, systems, dev=dev, router=self._router)

    def _planned(self, systems: Sequence[System]) -> Iterator[Sample]:
        yield from self._samples(self._dev(self._plan.systems), dev=True)
        yield from self._samples(systems)

    def _plan_again(self, staged: Staged) -> None:
        later = (s for c in staged.worth for s in self._played(c))
        self._total = self._store.plan(s.key for s in chain(self._planned(staged.systems), later))

    def _played(self, team: Coalitions) -> Iterator[Sample]:
        """Samples of coalitions; replies that judges would have to read are not asked for."""
        return (s for s in self._samples(team.extra) if s.item.metric != "judge")

    def _dev(self, systems: Iterable[System]) -> list[System]:
        """Those that answer the dev questions: members alone, and graphs that are calibrated there."""
        if not self._plan.chooses:
            return []
        return [d for s in systems if (d := s if s.kind == "member" else rehearsed(s)) is not None]

    async def _go(self) -> None:
        groups = phases(self._plan, self._people)
        with_members = [n for n, group in enumerate(groups) if any(s.kind != "monolith" for s in group)]
        try:
            for n, group in enumerate(groups):
                dev = self._dev(group)
                if any(s.kind == "graph" for s in dev):
                    self._line(
                        "dev", note=f"{self._plan.dev_calls()} calls at most, to choose a member and to calibrate"
                    )
                await self._run(dev, self._samples(dev, dev=True))
                if any(wants(s) for s in group):
                    await self._again(dev)
                    self._replanned(self.staged())
                ready = self._ready(group)
                await self._run(ready, self._samples(ready))
                if n == with_members[-1]:
                    await self._match()
                    await self._coalitions()
                await self._pool.rest()
            await self._judge()
        finally:
            await self._pool.close()

    async def _again(self, dev: Sequence[System]) -> None:
        """Dev samples that failed are tried once more: options that rest on fewer questions are others, and so are all samples."""
        self._finished = self._store.finished()
        await self._run(dev, self._samples(dev, dev=True))
        if failed := sum(f.outcome == "error" or f.failures > 0 for f in self._store.figures(dev=True)):
            self._line(
                "dev",
                note=f"calls failed in {failed} dev samples, twice: options from dev rest on the others, and systems that have such "
                "options start anew once these are mended",
            )

    async def _match(self) -> None:
        known = {s.name for s in self._plan.systems}
        while True:
            staged = self.staged()
            more = [s for s in staged.systems if s.name not in known]
            if not more:
                return
            self._replanned(staged)
            await self._run(more, self._samples(more))
            known |= {s.name for s in more}  # what these took may call for more

    async def _coalitions(self) -> None:
        if (staged := self.staged()).worth:
            self._replanned(staged)
        for team in staged.worth:
            await self._run(team.extra, self._played(team), words=False)

    def _replanned(self, staged: Staged) -> None:
        self._plan_again(staged)
        self._finished = self._store.finished()
        self._before = len(self._finished) - self._done

    async def _run(self, systems: Iterable[System], wanted: Iterable[Sample], *, words: bool = True) -> None:
        left = (s for s in wanted if s.key not in self._finished)
        if (first := next(left, None)) is None:
            return
        await self._reach()
        panels = {s.name: s.build(self._people, self._plan.suite.prompts, self._router) for s in systems}
        for panel in panels.values():
            for needed in panel.needs:
                await needed.start()
        self._done += await run_samples(
            _with(first, left),
            {name: panel.compile() for name, panel in panels.items()},
            self._store,
            in_flight=self._plan.suite.in_flight,
            progress=self._line,
            meter=self._pool.meter,
            before=self._done,
            total=self._total - self._before,
            unsafe_code=self._unsafe_code,
            words=words,
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
