"""Runs the samples of a plan: many graph runs in flight, each stored as soon as it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.cache import Meter
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.plan import Sample
from folkmoot.evaluation.result import Outcome, Result
from folkmoot.evaluation.store import RunStore
from folkmoot.nodes import describe
from folkmoot.progress import Progress, silent


async def run_samples(
    samples: Sequence[Sample],
    panels: Mapping[str, Any],
    store: RunStore,
    *,
    in_flight: int = 128,
    progress: Progress = silent,
    meter: Meter | None = None,
    before: int = 0,
    total: int | None = None,
) -> None:
    """Run samples and store each when it is finished. Cancelling keeps what is finished.

    Args:
        samples: What to run, in this order.
        panels: A compiled graph for each system.
        store: Where results go.
        in_flight: Most graph runs at once; the engines make their batches from what these ask.
        progress: Told after every sample, and twice a second in between.
        meter: Counts fresh tokens, for the speed shown.
        before: Samples done in earlier calls of this run, for the progress shown.
        total: Samples of all calls; these if left out.

    Raises:
        Missing: A prerequisite is not there: no sample could work, so the run stops.
    """
    queue = iter(samples)
    done, total = before, before + len(samples) if total is None else total

    async def work() -> None:
        nonlocal done
        for sample in queue:  # shared: each worker takes the next one
            store.add(await run_one(sample, panels[sample.system]))
            done += 1

    async def report() -> None:
        began = time.monotonic()
        meter_ = meter or Meter()
        while True:
            speed = meter_.tokens / max(time.monotonic() - began, 0.1)
            note = f"{speed:.0f} tokens/s  {meter_.calls} calls, {meter_.hits} from the cache"
            progress("samples", done, total, note)
            await asyncio.sleep(0.5)

    reporter = asyncio.create_task(report())
    workers = [asyncio.create_task(work()) for _ in range(min(in_flight, len(samples)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (reporter, *workers):
            task.cancel()
        await asyncio.gather(reporter, *workers, return_exceptions=True)
    progress("samples", done, total)


async def run_one(sample: Sample, panel: Any) -> Result:
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
    score = item.answer_type.score(said, item.gold, sample.task.metric) if said is not None else 0.0
    return Result(
        key=sample.key,
        system=sample.system,
        task=sample.task.name,
        item=item.id,
        draw=sample.draw,
        question=item.question,
        gold=item.gold,
        outcome=outcome,
        answer=said,
        score=score,
        turns=turns,
        decision=decision,
        seconds=critical_path(turns),
        error=error,
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
