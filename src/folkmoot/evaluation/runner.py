"""Runs the samples of a plan: many graph runs in flight, each stored as soon as it ends."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.cache import Meter
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.result import Outcome, Result
from folkmoot.evaluation.samples import Sample
from folkmoot.evaluation.scoring import Grade, graded
from folkmoot.evaluation.store import RunStore
from folkmoot.nodes import describe
from folkmoot.progress import Progress, silent

UNJUDGED = "its judges have not been asked yet"
"""What a reply to an open question waits for when its discussion is over."""


async def run_samples(
    samples: Iterable[Sample],
    panels: Mapping[str, Any],
    store: RunStore,
    *,
    in_flight: int = 256,
    progress: Progress = silent,
    meter: Meter | None = None,
    before: int = 0,
    total: int | None = None,
    unsafe_code: bool = False,
    words: bool = True,
) -> int:
    """Run samples and store each when it is finished. Cancelling keeps what is finished.

    Args:
        samples: What to run, begun in this order.
        panels: A compiled graph for each system.
        store: Where results go.
        in_flight: Most graph runs at once; the engines make their batches from what these ask.
        progress: Told twice a second.
        meter: Counts fresh tokens, for the speed shown.
        before: Samples done in earlier calls of this run, for the progress shown.
        total: Samples of all calls, if known.
        unsafe_code: Score programs even where this machine cannot isolate them.
        words: Keep the discussions; else figures alone, see `RunStore.add`.

    Returns:
        How many samples were run.

    Raises:
        Missing: A prerequisite is not there, somebody fails every time, or nothing can be stored: the run stops.
    """
    queue, streaks, tally = iter(samples), Streaks(), _Tally()
    thresholds = gc.get_threshold()

    async def work() -> None:
        for sample in queue:  # shared: each worker takes the next one
            result = await run_one(sample, panels[sample.system], unsafe_code=unsafe_code)
            tally.watch(store.add(result, words=words))
            streaks.see(result.turns)
            if tally.run == in_flight:
                _settle()

    async def report() -> None:
        began, meter_ = time.monotonic(), meter or Meter()
        earlier = meter_.tokens
        while True:
            speed = (meter_.tokens - earlier) / max(time.monotonic() - began, 0.1)
            note = f"{speed:.0f} tokens/s  {meter_.calls} calls, {meter_.hits} from the cache"
            progress("samples", before + tally.stored, total or 0, note)
            await asyncio.sleep(0.5)

    reporter = asyncio.create_task(report())
    workers = [asyncio.create_task(work()) for _ in range(in_flight)]
    try:
        await asyncio.gather(*workers)
        await tally.durable()
    finally:
        for task in (reporter, *workers):
            task.cancel()
        await asyncio.gather(reporter, *workers, return_exceptions=True)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    progress("samples", before + tally.stored, total or tally.stored)
    return tally.run


def _settle() -> None:
    """What is there after the first samples stays: the garbage collector need not look at it again and again.

    The young objects of hundreds of runs in flight live for seconds: looking for garbage among them seldom pays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


class _Tally:
    """Samples handed to the store, and how many of them are durable."""

    def __init__(self) -> None:
        self.run = self.stored = 0
        self._last: Future[None] | None = None
        self._trouble: BaseException | None = None

    def watch(self, future: Future[None]) -> None:
        """Count a sample; raises what went wrong with an earlier one."""
        if self._trouble is not None:
            raise self._trouble
        self.run, self._last = self.run + 1, future
        future.add_done_callback(self._count)

    def _count(self, future: Future[None]) -> None:
        if (trouble := future.exception()) is not None:
            self._trouble = trouble
        else:
            self.stored += 1  # on the writer's thread only

    async def durable(self) -> None:
        """Wait until everything is stored."""
        if self._last is not None:
            await asyncio.wait([asyncio.wrap_future(self._last)])
        if self._trouble is not None:
            raise self._trouble


class Streaks:
    """Finds a participant that fails every time: a run without it would measure something else.

    Args:
        patience: Failures in a row, over all its calls, that are too many.
    """

    def __init__(self, patience: int = 64) -> None:
        self._patience = patience
        self._failed: Counter[str] = Counter()

    def see(self, turns: Iterable[Turn]) -> None:
        """Take note of a finished discussion.

        Raises:
            Missing: Somebody has failed too often in a row; says who and why.
        """
        for t in turns:
            if t.error is None or t.finish == "limit":  # a prompt that does not fit is a matter of that question
                self._failed[t.speaker] = 0
                continue
            self._failed[t.speaker] += 1
            if self._failed[t.speaker] >= self._patience:
                raise Missing(
                    f"{t.speaker} failed {self._patience} times in a row, the last time: {t.error} "
                    "Run the same command again when this is mended; finished samples are kept."
                )


async def run_one(sample: Sample, panel: Any, *, unsafe_code: bool = False) -> Result:
    """Run one sample to its result; whatever goes wrong in the graph becomes an outcome."""
    turns: tuple[Turn, ...] = ()
    decision: Decision | None = None
    error: str | None = None
    try:
        end = await panel.ainvoke(sample.state)
        turns, decision = tuple(end.get("turns") or ()), end.get("decision")
        said = end.get("answer")
    except Missing:
        raise
    except Exception as e:  # a defect of a graph must not cost the other samples
        said, error = None, describe(e)
    outcome = classify(turns, said, error)
    if outcome in ("error", "limit") and error is None:
        error = next((t.error for t in turns if t.error), None)
    item = sample.item
    if item.metric == "judge" and outcome != "error":
        outcome, error = "error", UNJUDGED
    try:
        grade = await graded(item, said, turns, unsafe_code=unsafe_code)
    except RuntimeError as e:  # the sandbox did not start: that says nothing about the program
        outcome, error, grade = "error", describe(e), Grade(0.0, (None,) * len(turns))
    return Result(
        key=sample.key,
        system=sample.system,
        task=item.task,
        item=item.id,
        draw=sample.draw,
        question=item.question,
        gold=item.gold,
        outcome=outcome,
        answer=said,
        score=grade.score,
        turns=turns,
        decision=decision,
        seconds=critical_path(turns),
        error=error,
        marks=grade.marks,
        why=grade.why,
        dev=sample.dev,
    )


def classify(turns: Iterable[Turn], answer: str | None, error: str | None = None) -> Outcome:
    """What became of a sample. Without an answer the worst thing that happened to an answering turn names it."""
    if error is not None:
        return "error"
    if answer is not None:
        return "scored"
    voices = [t for t in turns if t.role in ("answer", "finish")]
    failed = [t for t in voices if t.error]
    if failed:
        return "limit" if all(t.finish == "limit" for t in failed) else "error"
    if any(t.finish == "refused" for t in voices):
        return "refused"
    if any(t.finish == "length" for t in voices):
        return "truncated"
    return "unparsed"


def critical_path(turns: Iterable[Turn]) -> float:
    """Seconds of work that cannot overlap: the longest call of every step (role and round), added up."""
    longest: dict[tuple[int, str], float] = {}
    for t in turns:
        step = (t.round, t.role)
        longest[step] = max(longest.get(step, 0.0), t.service_s)
    return sum(longest.values())
