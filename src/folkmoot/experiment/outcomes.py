"""What every member did alone on the dev questions: the ground on which a team is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from folkmoot.documents import BadInput
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.experiment.crossed import Questions

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]
    Forms = NDArray[numpy.int64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Members by dev questions.

    Attributes:
        members: Names, in the order of the team.
        scores: A row per member, a column per question.
        forms: Likewise: equal numbers stand for equal answers; -1 for none.
        tasks: Number of the task of every question.
        names: Of the tasks.
        questions: Clusters and tasks, for resampling.
        tokens: Mean prompt and completion tokens per question of every member.
        chance: What guessing gets on every question: one over the options; 0 for open answers.
        base: Score of the base model alone on every question, for members that have one that was run; by member.
    """

    members: tuple[str, ...]
    scores: Floats
    forms: Forms
    tasks: NDArray[numpy.int64]
    names: tuple[str, ...]
    questions: Questions
    tokens: Floats
    chance: Floats
    base: Mapping[str, Floats]


def outcomes(
    results: Iterable[Result], items: Mapping[Key, Item], members: Sequence[str], bases: Mapping[str, str] = {}
) -> Outcomes:
    """Collect the outcomes on the questions that all members have finished.

    Args:
        results: Samples of members alone, and of bases.
        items: Their questions.
        members: Names.
        bases: The system that is a member's base model alone, by member.

    Raises:
        BadInput: No question was finished by all.
    """
    import numpy as np

    found: dict[str, dict[Key, Result]] = {name: {} for name in (*members, *bases.values())}
    for r in results:
        if r.system in found and r.outcome != "error" and r.draw == 0:
            found[r.system][r.task, r.item] = r
    keys = sorted(set.intersection(*(set(f) for f in found.values())) & set(items))
    if not keys:
        raise BadInput("team select: no dev question was finished by all members; does any task have a dev split?")
    scores = {
        name: np.array([f[k].score if f[k].outcome == "scored" else 0.0 for k in keys]) for name, f in found.items()
    }
    known: dict[tuple[Key, str], int] = {}

    def form(k: Key, r: Result) -> int:
        if r.answer is None:
            return -1
        return known.setdefault((k, items[k].answer_type.canonical(r.answer)), len(known))

    names = tuple(sorted({task for task, _ in keys}))
    return Outcomes(
        members=tuple(members),
        scores=np.array([scores[m] for m in members]),
        forms=np.array([[form(k, found[m][k]) for k in keys] for m in members]),
        tasks=np.array([names.index(task) for task, _ in keys]),
        names=names,
        questions=Questions([items[k].cluster for k in keys], [task for task, _ in keys]),
        tokens=np.array(
            [
                fmean(found[m][k].figures.prompt_tokens + found[m][k].figures.completion_tokens for k in keys)
                for m in members
            ]
        ),
        chance=np.array([_chance(items[k]) for k in keys]),
        base={m: scores[b] for m, b in bases.items()},
    )


def _chance(item: Item) -> float:
    kind = item.answer_type
    if kind.kind == "boolean":
        return 0.5
    # Of labels several may be right at once: one over them errs on the safe side
    return 1 / len(kind.options) if kind.kind in ("choice", "labels") and kind.options else 0.0
