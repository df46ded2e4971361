"""A participant's score on its own priority test set, alone: the base, and the base with its adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from folkmoot.discussion import Discussion
from folkmoot.engines.contract import Missing
from folkmoot.engines.transformers import TransformersEngine
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.samples import Sample
from folkmoot.evaluation.statistics import wilson
from folkmoot.evaluation.tasks import load_split, own_task
from folkmoot.manifest import Manifest
from folkmoot.participant import Participant
from folkmoot.progress import Progress
from folkmoot.protocol import find


@dataclass(frozen=True, slots=True)
class Score:
    """A mean score with its 95 % Wilson interval, and how many items it is over; where a call fails there is no score."""

    score: float
    low: float
    high: float
    items: int


def scores(
    manifest: Manifest, model: str, *, device: str | None, threads: int | None, progress: Progress
) -> dict[str, Score]:
    """Scores on the ``test`` split ``before`` (the base alone) and ``after`` (with the adapter), greedy.

    Args:
        manifest: With its adapter.
        model: Name or folder of the base model.
        device: Of the engine.
        threads: Of the engine.
        progress: Told about it.

    Raises:
        BadInput: The test set cannot be used.
        Missing: A call fails, or programs cannot be isolated here.
    """
    items = load_split(own_task(manifest), "test").items
    engine = TransformersEngine(model, revision=manifest.revision, device=device, threads=threads, progress=progress)
    me = manifest.participant(engine)
    me = replace(me, sampling=replace(me.sampling, temperature=0.0))

    async def both() -> dict[str, Score]:
        try:
            return {
                name: await _score(member, items, f"score {name}", progress)
                for name, member in (("before", replace(me, adapter=None)), ("after", me))
            }
        finally:
            await engine.close()

    return asyncio.run(both())


async def _score(me: Participant, items: Sequence[Item], stage: str, progress: Progress) -> Score:
    panel = find("majority_vote").panel([me], {}, {}, None).compile()
    done = 0
    progress(stage, 0, len(items))

    async def one(item: Item) -> float | None:
        nonlocal done
        state: Discussion = {"question": item.question, "answer_type": item.answer_type, "seed": 0}
        result = await run_one(Sample("", me.name, item, 0, state), panel)
        done += 1
        progress(stage, done, len(items))
        if result.outcome == "error":
            raise Missing(f"{me.name}: {result.error or 'the call failed'}")
        return result.score

    found = [s for s in await asyncio.gather(*map(one, items)) if s is not None]
    low, high = wilson(sum(found), len(found))
    return Score(sum(found) / len(found), low, high, len(found))
