"""``folkmoot eval compare``: two systems of one run, or of two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.contrast import Contrast, Key, Scores, contrast
from folkmoot.evaluation.result import Figures

COMPLETE = 0.95
"""Share of the planned samples that must be there for a comparison."""


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
    others: Sequence[Figures] | None = None,
    others_planned: Mapping[str, int] | None = None,
    others_name: str = "the other run",
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
        planned: Questions by task; without it those that any system of the run has finished. Each is planned with as many
            draws as any system has.
        others: Finished samples of another run that `b` is taken from; the items in common are those of the same task and
            name.
        others_planned: The same as `planned` for the other run.
        others_name: What to call it.

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
        for run, name, plan, where in (
            (figures, a, planned, here),
            (other, b, others_planned or (None if others is not None else planned), there),
        ):
            rate = completion(run, name, planned=plan, task=task)
            if rate < COMPLETE:
                raise BadInput(
                    f"{name}: only {100 * rate:.1f} % of its planned samples in {where} are finished without an error, "
                    f"and a comparison needs {100 * COMPLETE:.0f} %; resume the run, or compare what is there with --partial"
                )
    shown = b if others is None else f"{b} ({others_name})"
    c = contrast(a, shown, scores(figures, a), scores(other, b), clusters=clusters, task=task, margin=margin, seed=seed)
    if not c.n:
        raise BadInput(f"{a} and {shown} have no finished question in common; nothing can be compared")
    return c


def scores(figures: Iterable[Figures], system: str, task: str | None = None) -> Scores:
    """The scores of one system by task and item, in the order of the draws; what was not scored is 0.

    Raises:
        ValueError: A sample is there twice.
    """
    found: dict[Key, dict[int, float]] = {}
    for f in figures:
        if f.system == system and task in (None, f.task):
            draws = found.setdefault((f.task, f.item), {})
            if f.draw in draws:
                raise ValueError(f"{system} has two results for {f.task}/{f.item} draw {f.draw}")
            draws[f.draw] = f.score if f.outcome == "scored" else 0.0
    return {key: tuple(draws[d] for d in sorted(draws)) for key, draws in found.items()}


def completion(
    figures: Iterable[Figures], system: str, *, planned: Mapping[str, int] | None = None, task: str | None = None
) -> float:
    """Share of a system's planned samples that are there and did not end in an error, 0 to 1.

    Args:
        figures: Finished samples of the whole run.
        system: Its name.
        planned: Questions by task; without it those that any system has finished.
        task: Only of this task.
    """
    chosen = [f for f in figures if task in (None, f.task)]
    done = sum(f.system == system and f.outcome != "error" for f in chosen)
    if planned is not None:
        questions = sum(n for t, n in planned.items() if task in (None, t))
    else:
        questions = len({(f.task, f.item) for f in chosen})
    of = questions * len({f.draw for f in chosen})
    return min(1.0, done / of) if of else 0.0


def _known(name: str, kind: str, names: set[str], where: str) -> None:
    if name not in names:
        raise BadInput(f"{name}: no such {kind} in {where}; {did_you_mean(name, names)}")
