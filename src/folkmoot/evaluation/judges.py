"""The last stage of a run: judges compare replies to open questions with those of the reference system.

Until then such a sample counts as not there (outcome ``error``, with what it waits for), so that no figure can take a reply
that nobody has judged for a bad one. A judge that fails leaves the sample so; running the same command again asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import fmean

from folkmoot.engines.contract import EngineError, Missing
from folkmoot.evaluation.judging import TEMPLATE, judge
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import UNJUDGED, classify
from folkmoot.evaluation.samples import digest
from folkmoot.evaluation.store import RunStore
from folkmoot.participant import Participant, derive
from folkmoot.progress import Progress
from folkmoot.prompts import fingerprint

PATIENCE = 64
"""Failures of judges in a row that are too many."""
Slot = tuple[str, str, int]
"""Task, item and draw."""


class Judging:
    """Asks the judges of a suite about every reply that they have not judged on the present basis.

    The basis of a judgement is the judge, the words it is asked in, and the reply it compares with.

    Args:
        plan: A checked suite.
        people: From `engines`.
        store: Of the run.
        progress: Told how many are judged.
    """

    def __init__(self, plan: Plan, people: Mapping[str, Participant], store: RunStore, progress: Progress) -> None:
        self._plan, self._people, self._store, self._progress = plan, people, store, progress
        self._judges = [people[name] for name in plan.suite.judges if name in people]
        self._words = fingerprint((TEMPLATE,), plan.suite.prompts)
        self._tasks = {i.task for i in plan.items if i.metric == "judge"}
        self._items = store.items() if self._tasks else {}
        self._replies: dict[Slot, str] = {}
        self._failed = self._done = 0

    def waiting(self) -> list[str]:
        """Keys of the samples that have to be judged. Replies of the reference are settled here: it is level with itself."""
        reference = self._plan.reference
        for r in self._results():
            if r.system == reference and _replied(r):
                self._replies[_slot(r)] = r.answer or ""
                if r.outcome == "error":
                    self._store.add(_settled(replace(r, score=0.5)))
        keys = []
        for r in self._results():
            if r.system == reference or not _replied(r):
                continue
            against = self._replies.get(_slot(r))
            if against is None:
                self._store.add(_open(r, f"the reply of {reference}, to compare with, is not there"))
            elif r.outcome == "error" or [j.basis for j in r.judgements] != self._bases(against):
                keys.append(r.key)
        return keys

    async def ask(self, keys: list[str]) -> None:
        """Judge these samples, as many at a time as the suite has in flight.

        Raises:
            Missing: Judges fail every time.
        """
        queue = iter(keys)

        async def work() -> None:
            for key in queue:  # shared: each worker takes the next one
                r = self._store.result(key, self._items)
                settled = await self._settle(r)
                await asyncio.wrap_future(self._store.add(settled))
                self._done += 1
                self._progress("judged", self._done, len(keys))

        workers = [asyncio.create_task(work()) for _ in range(min(len(keys), self._plan.suite.in_flight))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _settle(self, r: Result) -> Result:
        against, reference, folder = self._replies[_slot(r)], self._plan.reference, self._plan.suite.prompts
        item, seed = self._items[r.task, r.item], derive(self._plan.suite.seed, r.task, r.item, r.draw, "judge")
        said = []
        try:
            for p, basis in zip(self._judges, self._bases(against), strict=True):
                told = await judge(item, r.answer or "", against, p, reference=reference, prompts=folder, seed=seed)
                said.append(replace(told, basis=basis))
        except EngineError as e:
            self._failed += 1
            if self._failed >= PATIENCE:
                raise Missing(f"judges failed {PATIENCE} times in a row, the last time: {e}") from None
            return _open(r, f"judge {self._judges[len(said)].name}: {e}")
        self._failed = 0
        return _settled(replace(r, judgements=tuple(said), score=fmean(j.score for j in said)))

    def _bases(self, against: str) -> list[str]:
        return [digest([p.spec(), self._words, self._plan.reference, against]) for p in self._judges]

    def _results(self) -> Iterator[Result]:
        return (r for r in self._store.results() if r.task in self._tasks)


def _slot(r: Result) -> Slot:
    return r.task, r.item, r.draw


def _replied(r: Result) -> bool:
    """There is a discussion that came to its end, whatever the answer."""
    return bool(r.turns) and classify(r.turns, r.answer) != "error"


def _settled(r: Result) -> Result:
    outcome = classify(r.turns, r.answer)
    return replace(r, outcome=outcome, error=None, score=r.score if outcome == "scored" else 0.0)


def _open(r: Result, why: str = UNJUDGED) -> Result:
    return replace(r, outcome="error", error=why, score=0.0, judgements=())
