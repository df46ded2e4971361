"""Systems of a run compared: the declared family, and ``folkmoot eval compare`` for two of one run or of two."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.contrast import Contrast, Key, Scores, contrast, holm_family
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures

COMPLETE = 0.95
"""Share of what is planned that must be there before anything may be said."""

Pair = tuple[str, str]
"""A system and the reference that it is compared with."""


def finished_enough(n: int, planned: int) -> bool:
    """Whether so many questions of those planned are enough for a verdict.

    >>> finished_enough(95, 100), finished_enough(94, 100)
    (True, False)
    """
    return n >= COMPLETE * planned


def pairs(
    figures: Iterable[Figures],
    family: Iterable[Pair],
    *,
    task: str | None = None,
    clusters: Mapping[Key, str] | None = None,
    margin: float | None = None,
    seed: int | str = 0,
    planned: int | None = None,
) -> list[Contrast]:
    """Every pair of a family compared by itself, corrected for nothing; also those that have no item in common.

    Args:
        figures: Finished samples of a run.
        family: The declared pairs.
        task: Only its items; None for all tasks together.
        clusters: The cluster of each item that is in one.
        margin: For non-inferiority and equivalence, 0 to 1.
        seed: For the resampling.
        planned: Questions that should be in every comparison; those with too few of them are unfinished.
    """
    by_system: dict[str, list[Figures]] = {}
    for f in figures:
        by_system.setdefault(f.system, []).append(f)
    family = list(family)
    sides = {name: _side(by_system.get(name, ()), name, task) for pair in family for name in pair}
    found = (
        _contrast(a, b, sides[a], sides[b], clusters=clusters, task=task, margin=margin, seed=seed) for a, b in family
    )
    return [c if planned is None else of_plan(c, planned) for c in found]


def declared(
    figures: Iterable[Figures],
    family: Iterable[Pair],
    *,
    clusters: Mapping[Key, str] | None = None,
    margin: float | None = None,
    seed: int | str = 0,
    planned: int | None = None,
) -> list[Contrast]:
    """The declared family of a run, all tasks together, with Holm's correction; arguments as those of `pairs`."""
    return holm_family(pairs(figures, family, clusters=clusters, margin=margin, seed=seed, planned=planned))


def compare(
    figures: Sequence[Figures],
    a: str,
    b: str,
    *,
    task: str | None = None,
    margin: float | None = None,
    clusters: Mapping[Key, str] | None = None,
    seed: int | str = 0,
    partial: bool = False,
    planned: Mapping[str, int] | None = None,
    draws: int | None = None,
    family: Sequence[Pair] | None = None,
    others: Sequence[Figures] | None = None,
    others_planned: Mapping[str, int] | None = None,
    others_draws: int | None = None,
    others_name: str = "the other run",
    only: Collection[Key] | None = None,
) -> Contrast:
    """Compare system `a` with system `b` on the items that both have finished.

    Args:
        figures: Finished samples of a run.
        a: Name of the system.
        b: Name of the reference.
        task: Only its items; None for all tasks together.
        margin: For non-inferiority and equivalence, 0 to 1.
        clusters: The cluster of each item that is in one.
        seed: For the resampling.
        partial: Compare although too much is missing.
        planned: Questions by task; without it those that any system of the run has finished.
        draws: How often every question is planned; without it as often as any system has it.
        family: The declared pairs, (`a`, `b`) among them: the comparison is corrected for all of them, and unfinished if less than
            95 % of the `planned` questions are in it. Not with `task` or `others`.
        others: Finished samples of another run that `b` is taken from; the items in common are those of the same task and
            name.
        others_planned: The same as `planned` for the other run.
        others_draws: The same as `draws` for the other run.
        others_name: What to call it.
        only: Items to compare; the plan is still that of the whole runs. None for all.

    Raises:
        BadInput: There is no such system or task, too much is missing, or they have no item in common.
    """
    if margin is not None and not 0 < margin < 1:
        raise BadInput(f"margin {100 * margin:g}: give it in points, above 0 and below 100")
    other = figures if others is None else others
    here, there = "the run", "the run" if others is None else others_name
    _known(a, "system", {f.system for f in figures}, here)
    _known(b, "system", {f.system for f in other}, there)
    if others is None and a == b:
        raise BadInput(f"{a} cannot be compared with itself; name two systems")
    if task is not None:
        _known(task, "task", {f.task for f in figures}, here)
        _known(task, "task", {f.task for f in other}, there)
    if not partial:
        mine = (planned, draws)
        for run, name, (questions, times), where in (
            (figures, a, mine, here),
            (other, b, mine if others is None else (others_planned, others_draws), there),
        ):
            rate = completion(run, name, planned=questions, draws=times, task=task)
            if rate < COMPLETE:
                raise BadInput(
                    f"{name}: only {100 * rate:.1f} % of its planned samples in {where} are finished without an error, "
                    f"and a comparison needs {100 * COMPLETE:.0f} %; resume the run, or compare what is there with --partial"
                )
    shown = b if others is None else f"{b} ({others_name})"
    if family is not None:
        whole = None if planned is None else sum(planned.values())
        found = declared(figures, family, clusters=clusters, margin=margin, seed=seed, planned=whole)
        c = found[list(family).index((a, b))]
    else:
        ours, theirs = _side(figures, a, task, only), _side(other, b, task, only)
        c = _contrast(a, shown, ours, theirs, clusters=clusters, task=task, margin=margin, seed=seed)
    if not c.n:
        raise BadInput(f"{a} and {shown} have no finished question in common; nothing can be compared")
    return c


def scores(figures: Iterable[Figures], system: str, task: str | None = None) -> Scores:
    """The scores of one system by task and item, in the order of the draws; what was not scored is 0.

    Draws that ended in an error are left out, because they tell nothing of the system; so are items without any other draw.

    Raises:
        ValueError: A sample is there twice.
    """
    return _side(figures, system, task).scores


def completion(
    figures: Iterable[Figures],
    system: str,
    *,
    planned: Mapping[str, int] | None = None,
    draws: int | None = None,
    task: str | None = None,
) -> float:
    """Share of a system's planned samples that are there and did not end in an error, 0 to 1.

    Args:
        figures: Finished samples of the whole run.
        system: Its name.
        planned: Questions by task; without it those that any system has finished.
        draws: How often every question is planned; without it as often as any system has it.
        task: Only of this task.
    """
    chosen = [f for f in figures if task in (None, f.task)]
    done = sum(f.system == system and f.outcome != "error" for f in chosen)
    if planned is not None:
        questions = sum(n for t, n in planned.items() if task in (None, t))
    else:
        questions = len({(f.task, f.item) for f in chosen})
    of = questions * (draws or len({f.draw for f in chosen}))
    return min(1.0, done / of) if of else 0.0


def alike(ours: Mapping[Key, Item], theirs: Mapping[Key, Item]) -> tuple[set[Key], set[Key]]:
    """Items that two runs name alike: those that ask and accept the same in both, and those that do not."""
    common = ours.keys() & theirs.keys()
    equal = {k for k in common if _asked(ours[k]) == _asked(theirs[k])}
    return equal, common - equal


def _asked(item: Item) -> tuple[object, ...]:
    return item.question, item.gold, item.metric, item.tests


@dataclass(frozen=True, slots=True)
class _Side:
    """What a system has: its scores, and the items on which calls failed in every draw."""

    scores: Scores
    failed: frozenset[Key]

    @property
    def tried(self) -> frozenset[Key]:
        return self.failed.union(self.scores)


def _side(
    figures: Iterable[Figures], system: str, task: str | None = None, only: Collection[Key] | None = None
) -> _Side:
    found: dict[Key, dict[int, Figures]] = {}
    for f in figures:
        key = (f.task, f.item)
        if f.system == system and task in (None, f.task) and (only is None or key in only):
            if f.draw in found.setdefault(key, {}):
                raise ValueError(f"{system} has two results for {f.task}/{f.item} draw {f.draw}")
            found[key][f.draw] = f
    kept = {key: [draws[d] for d in sorted(draws) if draws[d].outcome != "error"] for key, draws in found.items()}
    return _Side(
        {key: tuple(f.score if f.outcome == "scored" else 0.0 for f in draws) for key, draws in kept.items() if draws},
        frozenset(key for key, draws in kept.items() if not draws),
    )


def _contrast(
    a: str,
    b: str,
    ours: _Side,
    theirs: _Side,
    *,
    clusters: Mapping[Key, str] | None,
    task: str | None,
    margin: float | None,
    seed: int | str,
) -> Contrast:
    failed = len((ours.failed | theirs.failed) & ours.tried & theirs.tried)
    return contrast(
        a, b, ours.scores, theirs.scores, clusters=clusters, task=task, margin=margin, seed=seed, failed=failed
    )


def of_plan(c: Contrast, planned: int) -> Contrast:
    """The same comparison, told how many questions it should have; with too few of them it is unfinished."""
    enough = finished_enough(c.n, planned)
    return replace(c, planned=planned, verdict=c.verdict if enough else "unfinished")


def _known(name: str, kind: str, names: set[str], where: str) -> None:
    if name not in names:
        raise BadInput(f"{name}: no such {kind} in {where}; {did_you_mean(name, names)}")
