"""Priority gain (arXiv 2606.07812): what a system adds for each contributor on what the contribution was made for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from folkmoot.evaluation.compare import of_plan, pairs, scores
from folkmoot.evaluation.contrast import Contrast, Key, contrast, holm_family
from folkmoot.evaluation.result import Figures

PREFIX = "priority-"
ALONE = "each contributor alone"
"""What the contributors are called together, each on its own questions."""


def own_tasks(tasks: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The task of each contributor's own test set, of those that the run has."""
    known = set(tasks)
    return {name: PREFIX + name for name in names if PREFIX + name in known}


def gains(
    figures: Sequence[Figures],
    own: Mapping[str, str],
    graphs: Sequence[str],
    monoliths: Sequence[str],
    *,
    clusters: Mapping[Key, str] = {},
    planned: Mapping[str, int] = {},
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """On every contributor's own test set: each graph against that contributor alone and against each monolith.

    All of these comparisons are one family for Holm's correction.

    Args:
        figures: Finished samples of the run.
        own: The task of each contributor.
        graphs: The graphs.
        monoliths: The monoliths; the base of the contributors is one of them if the suite runs it alone.
        clusters: The cluster of each question that is in one.
        planned: Questions of each task.
        seed: Of the bootstraps.
    """
    found = []
    for name, task in own.items():
        family = [(g, reference) for g in graphs for reference in (name, *monoliths)]
        found += pairs(figures, family, task=task, clusters=clusters, seed=seed, planned=planned.get(task))
    return tuple(holm_family(found))


def pooled(
    figures: Sequence[Figures],
    own: Mapping[str, str],
    graphs: Sequence[str],
    monoliths: Sequence[str],
    *,
    clusters: Mapping[Key, str] = {},
    planned: Mapping[str, int] = {},
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """The same over all contributors' own test sets together: each graph against `ALONE` and against each monolith.

    On every question the reference is the contributor whose question it is, asked alone. These comparisons are a family of
    their own. Arguments as for `gains`.
    """
    mine = [f for f in figures if f.task in own.values()]
    owners: dict[Key, tuple[float, ...]] = {}
    for name, task in own.items():
        owners |= scores(mine, name, task)
    references = {ALONE: owners} | {m: scores(mine, m) for m in monoliths}
    asked = sum(planned.get(task, 0) for task in own.values())
    return tuple(
        holm_family(
            of_plan(contrast(g, name, scores(mine, g), theirs, clusters=clusters, seed=f"pooled {seed}"), asked)
            for g in graphs
            for name, theirs in references.items()
        )
    )
