"""From finished samples to the figures of the comparison, and to what the comparison is allowed to say."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from folkmoot.evaluation.result import OUTCOMES, Figures, Outcome
from folkmoot.evaluation.statistics import Difference, Interval, mcnemar, paired_difference, wilson

Verdict = Literal["better", "worse", "no difference shown"]
Item = tuple[str, str]
"""Task and id of a question: the unit of all statistics. Draws of one question are averaged first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against the reference, on the questions that both have finished.

    Attributes:
        reference: Name of the system compared with.
        n: Questions that both have finished.
        difference: Mean score of this system minus that of the reference, with its paired interval.
        only_this: Questions on which this system scored higher.
        only_reference: Questions on which the reference scored higher.
        p: Exact McNemar p, or None where scores are partial (token F1, several draws) or nothing is in common.
        verdict: ``better`` or ``worse`` if the interval leaves 0 out, else ``no difference shown``.
    """

    reference: str
    n: int
    difference: Difference
    only_this: int
    only_reference: int
    p: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one system, on all tasks together or on one.

    Attributes:
        system: Name.
        kind: ``graph``, ``baseline``, ``member``, ``monolith``, or empty if not told.
        task: Name of the task, or None for all tasks together.
        n: Questions with at least one finished sample.
        of: Questions planned.
        samples: Finished samples: questions times draws.
        absent: Samples in which a call failed, so that a member was absent, though there may be an answer.
        accuracy: Mean score, 0 to 1; whatever was not scored counts as 0.
        interval: Wilson interval of the accuracy over the questions.
        parse_rate: Share of samples with an answer.
        outcomes: How many samples ended in which way; all six are there.
        calls: Mean calls per sample.
        prompt_tokens: Mean per sample. Cached calls count with their original cost.
        completion_tokens: Mean per sample, likewise.
        seconds: Median per sample of the critical path.
        truncated: Share of all calls that were cut at the token limit.
        cached: Share of all calls that came from the completion cache.
        prefix_hits: Share of all prompt tokens that the engines' prefix caches held; 0 where engines do not tell.
        against: Comparison with the reference; None for the reference itself or if there is none.
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
    against: Comparison | None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Share of questions that at least one member, asked alone, got right: no choice among their answers beats it."""

    n: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a table or a page shows.

    Attributes:
        overall: A row per system, in the order given.
        by_task: For every task, a row per system.
        reference: The system that the others are compared with, or None.
        ceiling: See `Ceiling`; None with fewer than two members.
        draws: Samples per question.
        finished: Samples there are.
        planned: Samples there should be.
    """

    overall: tuple[Row, ...]
    by_task: Mapping[str, tuple[Row, ...]]
    reference: str | None
    ceiling: Ceiling | None
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
        seed: For the bootstrap.

    Raises:
        ValueError: A sample is there twice, or the reference is not among the systems.
    """
    kinds = kinds or {}
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

    def rows(task: str | None) -> tuple[Row, ...]:
        of = sum(planned.values()) if task is None else planned.get(task, 0)
        chosen = {s: {i: rs for i, rs in done[s].items() if task in (None, i[0])} for s in systems}
        base = chosen[reference] if reference else None
        return tuple(
            _row(s, kinds.get(s, ""), task, chosen[s], of, _compare(chosen[s], base, reference, ascii((seed, task, s))))
            for s in systems
        )

    overall = rows(None)
    return Summary(
        overall=overall,
        by_task={task: rows(task) for task in planned},
        reference=reference,
        ceiling=_ceiling([done[s] for s in systems if kinds.get(s) == "member"]),
        draws=draws,
        finished=sum(r.samples for r in overall),
        planned=sum(planned.values()) * draws * len(systems),
    )


def _by_system(results: Sequence[Figures], systems: Sequence[str]) -> dict[str, dict[Item, list[Figures]]]:
    done: dict[str, dict[Item, list[Figures]]] = {s: {} for s in systems}
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


def _score(draws: Sequence[Figures]) -> float:
    return sum(r.score for r in draws if r.outcome == "scored") / len(draws)


def _row(
    system: str, kind: str, task: str | None, done: Mapping[Item, list[Figures]], of: int, against: Comparison | None
) -> Row:
    samples = [r for draws in done.values() for r in draws]
    right = sum(_score(draws) for draws in done.values())
    n, calls = len(done), sum(r.calls for r in samples)
    count = Counter(r.outcome for r in samples)
    return Row(
        system=system,
        kind=kind,
        task=task,
        n=n,
        of=max(of, n),
        samples=len(samples),
        absent=sum(r.failures > 0 for r in samples),
        accuracy=right / n if n else 0.0,
        interval=wilson(right, n),
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


def _compare(
    done: Mapping[Item, list[Figures]],
    base: Mapping[Item, list[Figures]] | None,
    reference: str | None,
    seed: str,
) -> Comparison | None:
    if base is None or reference is None or done is base:
        return None
    # Sorted, so that the order in which samples were finished does not move the bootstrap
    common = sorted(done.keys() & base.keys())
    a, b = [_score(done[i]) for i in common], [_score(base[i]) for i in common]
    difference = paired_difference(a, b, seed=seed)
    whole = bool(common) and all(s in (0, 1) for s in (*a, *b))
    verdict: Verdict = "better" if difference.low > 0 else "worse" if difference.high < 0 else "no difference shown"
    return Comparison(
        reference=reference,
        n=len(common),
        difference=difference,
        only_this=sum(x > y for x, y in zip(a, b, strict=True)),
        only_reference=sum(x < y for x, y in zip(a, b, strict=True)),
        p=mcnemar([s == 1 for s in a], [s == 1 for s in b]) if whole else None,
        verdict=verdict,
    )


def _ceiling(members: Sequence[Mapping[Item, list[Figures]]]) -> Ceiling | None:
    common = set(members[0]).intersection(*members[1:]) if len(members) > 1 else set()
    if not common:
        return None
    right = 0.0
    for item in common:
        by_draw: dict[int, float] = {}
        for r in (r for m in members for r in m[item]):
            by_draw[r.draw] = max(by_draw.get(r.draw, 0.0), r.score if r.outcome == "scored" else 0.0)
        right += statistics.fmean(by_draw.values())
    return Ceiling(len(common), right / len(common), wilson(right, len(common)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
