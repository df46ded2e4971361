"""The finished samples of an experiment as one table: systems by questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.summary import scores_of
from folkmoot.experiment.crossed import Questions, Teams

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of systems on the questions that all of them have finished.

    Attributes:
        keys: The questions.
        scores: Mean score over the draws of each question, by system.
        questions: Clusters and tasks.
        tokens: Mean prompt and completion tokens per question, by system.
        calls: Mean model calls per question, by system; those from the cache count.
    """

    keys: tuple[Key, ...]
    scores: Mapping[str, NDArray[numpy.float64]]
    questions: Questions
    tokens: Mapping[str, float]
    calls: Mapping[str, float]

    def teams(self, systems: Sequence[str], possible: int) -> Teams:
        """The rows of some systems."""
        import numpy as np

        return Teams(np.array([self.scores[s] for s in systems]), possible)


def measured(figures: Iterable[Figures], systems: Iterable[str], items: Mapping[Key, Item]) -> Measured:
    """Put samples into a table; questions on which calls of some system failed, or that are not finished, are left out.

    Args:
        figures: Of the run.
        systems: Rows of the table.
        items: The questions.
    """
    import numpy as np

    done: dict[str, dict[Key, list[Figures]]] = {s: {} for s in systems}
    for f in figures:
        if f.system in done:
            done[f.system].setdefault((f.task, f.item), []).append(f)
    scores = {s: scores_of(found) for s, found in done.items()}
    common = sorted(set.intersection(*(set(s) for s in scores.values()))) if scores else []
    spent = {s: [f for key in common for f in found[key]] for s, found in done.items()}
    return Measured(
        tuple(common),
        {s: np.array([fmean(found[k]) for k in common]) for s, found in scores.items()},
        Questions([items[k].cluster for k in common], [task for task, _ in common]),
        {s: fmean(f.prompt_tokens + f.completion_tokens for f in own) if own else 0.0 for s, own in spent.items()},
        {s: fmean(f.calls for f in own) if own else 0.0 for s, own in spent.items()},
    )
