"""From finished samples to the figures of every system."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from folkmoot.evaluation.collaboration import bounds
from folkmoot.evaluation.collaboration.bounds import ORACLE
from folkmoot.evaluation.contrast import Contrast, Key, Scores, contrast
from folkmoot.evaluation.result import OUTCOMES, Figures, Outcome
from folkmoot.evaluation.statistics import Interval, design_effect, wilson


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one system, on all tasks together or on one.

    Attributes:
        system: Name.
        kind: ``graph``, ``baseline``, ``member``, ``monolith``, ``bound`` (computed from the members), or empty if not told.
        task: Name of the task, or None for all tasks together.
        n: Questions with at least one sample that did not end in an error.
        of: Questions planned.
        samples: Finished samples: questions times draws.
        absent: Samples in which a call failed, so that a member was absent, though there may be an answer.
        accuracy: Mean score, 0 to 1; whatever was not scored counts as 0, but samples whose calls failed are left out.
        interval: Wilson interval of the accuracy over the questions, wider where they come in clusters.
        parse_rate: Share of samples with an answer.
        outcomes: How many samples ended in which way; all six are there.
        calls: Mean calls per sample.
        prompt_tokens: Mean per sample. Cached calls count with their original cost.
        completion_tokens: Mean per sample, likewise.
        seconds: Median per sample of the critical path.
        truncated: Share of all calls that were cut at the token limit.
        cached: Share of all calls that came from the completion cache.
        prefix_hits: Share of all prompt tokens that the engines' prefix caches held; 0 where engines do not tell.
        against: The contrast with the reference; None for the reference itself or if there is none.
    """

    system: str
    kind: str
    task: str | None
    n: int
    of: int
    samples: int
    absent: int
    accuracy: float
    interval: Interval
    parse_rate: float
    outcomes: Mapping[Outcome, int]
    calls: float
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    truncated: float
    cached: float
    prefix_hits: float
    against: Contrast | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a table or a page shows.

    Attributes:
        overall: A row per system, in the order given.
        by_task: For every task, a row per system.
        reference: The system that the others are compared with, or None.
        draws: Samples per question.
        finished: Samples there are.
        planned: Samples there should be.
    """

    overall: tuple[Row, ...]
    by_task: Mapping[str, tuple[Row, ...]]
    reference: str | None
    draws: int
    finished: int
    planned: int

    @property
    def partial(self) -> bool:
        """True if samples are missing: the run was interrupted, or is still going on."""
        return self.finished < self.planned


def summarise(
    results: Sequence[Figures],
    systems: Sequence[str],
    reference: str | None = None,
    *,
    kinds: Mapping[str, str] | None = None,
    planned: Mapping[str, int] | None = None,
    draws: int | None = None,
    clusters: Mapping[Key, str] | None = None,
    margin: float | None = None,
    seed: int = 0,
) -> Summary:
    """Count, average and compare.

    Args:
        results: Finished samples in any order; those of systems that are not named are left out.
        systems: Names in the order to show them.
        reference: The system to compare with; without it the first of kind ``monolith``, if any.
        kinds: What each system is: ``graph``, ``baseline``, ``member`` or ``monolith``.
        planned: Questions per task, in the order to show the tasks. Without it: those that any system has finished.
        draws: Samples per question; without it the most that any question has.
        clusters: Items that stand or fall together.
        margin: Difference, 0 to 1, up to which two systems count as equivalent.
        seed: For the bootstrap.

    Raises:
        ValueError: A sample is there twice, or the reference is not among the systems.
    """
    kinds, clusters = kinds or {}, clusters or {}
    if reference is None:
        reference = next((s for s in systems if kinds.get(s) == "monolith"), None)
    elif reference not in systems:
        raise ValueError(f"the reference {reference!r} is not among the systems: {', '.join(systems)}")
    done = _by_system(results, systems)
    seen = {item for items in done.values() for item in items}
    if planned is None:
        order = dict.fromkeys(r.task for r in results if r.system in done)
        planned = {task: sum(t == task for t, _ in seen) for task in order}
    if draws is None:
        draws = max((len(rs) for items in done.values() for rs in items.values()), default=1)

    scores = {s: scores_of(items) for s, items in done.items()}
    told = [s for s in systems if kinds.get(s) == "member"]
    shared = _shared({m: done[m] for m in told})

    def against(name: str, mine: Scores, task: str | None) -> Contrast | None:
        if reference is None or name == reference:
            return None
        pair = [{i: x for i, x in s.items() if task in (None, i[0])} for s in (mine, scores[reference])]
        if not (pair[0] and pair[1]):
            return None
        return contrast(name, reference, *pair, clusters=clusters, task=task, margin=margin, seed=seed)

    def rows(task: str | None) -> tuple[Row, ...]:
        of = sum(planned.values()) if task is None else planned.get(task, 0)
        chosen = {s: {i: rs for i, rs in done[s].items() if task in (None, i[0])} for s in systems}
        found = [_row(s, kinds.get(s, ""), task, chosen[s], of, against(s, scores[s], task), clusters) for s in systems]
        if len(told) > 1:
            members = [row for row in found if row.kind == "member"]
            for name, bound in bounds(shared).items():
                part = {i: x for i, x in bound.items() if task in (None, i[0])}
                found.append(_bound(name, members, task, part, against(name, bound, task), clusters))
        return tuple(found)

    overall = rows(None)
    return Summary(
        overall=overall,
        by_task={task: rows(task) for task in planned},
        reference=reference,
        draws=draws,
        finished=sum(r.samples for r in overall),
        planned=sum(planned.values()) * draws * len(systems),
    )


def scores_of(done: Mapping[Key, Sequence[Figures]]) -> Scores:
    """Scores by item, a draw each; what was not scored is 0. Samples whose calls failed are left out: they say nothing."""
    kept = {
        item: tuple(
            r.score if r.outcome == "scored" else 0.0
            for r in sorted(draws, key=lambda r: r.draw)
            if r.outcome != "error"
        )
        for item, draws in done.items()
    }
    return {item: draws for item, draws in kept.items() if draws}


def _shared(members: Mapping[str, Mapping[Key, Sequence[Figures]]]) -> dict[str, Scores]:
    """Scores of members in the draws that all of them have, so that the same draws are compared."""
    drawn = [{(i, r.draw) for i, draws in m.items() for r in draws if r.outcome != "error"} for m in members.values()]
    common = set.intersection(*drawn) if drawn else set()
    return {
        name: scores_of({i: [r for r in draws if (i, r.draw) in common] for i, draws in items.items()})
        for name, items in members.items()
    }


def _by_system(results: Sequence[Figures], systems: Sequence[str]) -> dict[str, dict[Key, list[Figures]]]:
    done: dict[str, dict[Key, list[Figures]]] = {s: {} for s in systems}
    if len(done) < len(systems):
        raise ValueError(f"a system is named twice: {', '.join(systems)}")
    for r in results:
        if r.system not in done:
            continue
        draws = done[r.system].setdefault((r.task, r.item), [])
        if any(other.draw == r.draw for other in draws):
            raise ValueError(
                f"{r.system} has two results for {r.task}/{r.item} draw {r.draw}; "
                "select the samples of one suite before summing up"
            )
        draws.append(r)
    return done


def _row(
    system: str,
    kind: str,
    task: str | None,
    done: Mapping[Key, list[Figures]],
    of: int,
    against: Contrast | None,
    clusters: Mapping[Key, str],
) -> Row:
    samples = [r for draws in done.values() for r in draws]
    scores = {i: statistics.fmean(draws) for i, draws in scores_of(done).items()}
    n, calls = len(scores), sum(r.calls for r in samples)
    count = Counter(r.outcome for r in samples)
    return Row(
        system=system,
        kind=kind,
        task=task,
        n=n,
        of=max(of, n),
        samples=len(samples),
        absent=sum(r.failures > 0 for r in samples),
        accuracy=_mean(list(scores.values())),
        interval=_share(scores, clusters),
        parse_rate=_mean([r.answered for r in samples]),
        outcomes={o: count[o] for o in OUTCOMES},
        calls=_mean([r.calls for r in samples]),
        prompt_tokens=_mean([r.prompt_tokens for r in samples]),
        completion_tokens=_mean([r.completion_tokens for r in samples]),
        seconds=statistics.median([r.seconds for r in samples]) if samples else 0.0,
        truncated=sum(r.truncated for r in samples) / max(calls, 1),
        cached=sum(r.hits for r in samples) / max(calls, 1),
        prefix_hits=sum(r.cached_tokens for r in samples) / max(sum(r.prompt_tokens for r in samples), 1),
        against=against,
    )


def _bound(
    name: str,
    members: Sequence[Row],
    task: str | None,
    scores: Scores,
    against: Contrast | None,
    clusters: Mapping[Key, str],
) -> Row:
    """The oracle costs what all members cost together, a random member what they cost in the mean."""
    right, n = sum(statistics.fmean(draws) for draws in scores.values()), len(scores)
    share = 1.0 if name == ORACLE else 1 / len(members)
    return replace(
        members[0],
        system=name,
        kind="bound",
        n=n,
        of=max(r.of for r in members),
        samples=0,
        absent=0,
        accuracy=right / n if n else 0.0,
        interval=_share({i: statistics.fmean(draws) for i, draws in scores.items()}, clusters),
        parse_rate=_mean([r.parse_rate for r in members]),
        outcomes=dict.fromkeys(OUTCOMES, 0),
        calls=share * sum(r.calls for r in members),
        prompt_tokens=share * sum(r.prompt_tokens for r in members),
        completion_tokens=share * sum(r.completion_tokens for r in members),
        seconds=max(r.seconds for r in members) if name == ORACLE else _mean([r.seconds for r in members]),
        truncated=_mean([r.truncated for r in members]),
        cached=_mean([r.cached for r in members]),
        prefix_hits=_mean([r.prefix_hits for r in members]),
        against=against,
    )


def _share(scores: Mapping[Key, float], clusters: Mapping[Key, str]) -> Interval:
    """Wilson interval of the mean score; items that resemble each other count as fewer."""
    names = [f"{task}\n{clusters[task, item]}" if (task, item) in clusters else "" for task, item in scores]
    effect = design_effect(list(scores.values()), names) if any(names) else 1.0
    return wilson(sum(scores.values()) / effect, len(scores) / effect)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
