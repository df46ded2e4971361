"""Simulations: the intervals hold the true difference as often as they say. With ``-s`` they print the table of the docs."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from folkmoot.evaluation.statistics import Unit, bootstrap, units, wilson

TRIALS = 2000  # standard error of a share of 95 %: 0.5 %
RESAMPLES = 1000

Generator = np.random.Generator
Sample = tuple[list[Unit], float]


def trinomial(rng: Generator, won: float, lost: float, size: int | tuple[int, ...]) -> np.ndarray:
    u = rng.random(size)
    return np.where(u < won, 1.0, np.where(u < won + lost, -1.0, 0.0))


def one_draw(won: float, lost: float) -> Callable[[Generator, int], Sample]:
    return lambda rng, n: (units(trinomial(rng, won, lost, n).tolist()), won - lost)


def draws(rng: Generator, n: int) -> Sample:
    """Four draws of each system on questions of every difficulty."""
    easy = rng.random(n)
    values = rng.binomial(4, easy) / 4 - rng.binomial(4, 0.9 * easy) / 4
    return units(values.tolist()), 0.05


def partial(rng: Generator, n: int) -> Sample:
    """Scores like token F1: half of them equal, many near 0 and 1."""
    a = rng.beta(0.4, 0.5, n)
    b = np.where(rng.random(n) < 0.5, a, rng.beta(0.4, 0.6, n))
    return units((a - b).tolist()), 0.5 * (4 / 9 - 0.4)


def clusters(rng: Generator, n: int) -> Sample:
    """Clusters of four; an item is as its cluster is in 85 of 100 cases: intraclass correlation 0.72."""
    k = n // 4
    alike = trinomial(rng, 0.2, 0.15, (k, 1))
    values = np.where(rng.random((k, 4)) < 0.85, alike, trinomial(rng, 0.2, 0.15, (k, 4)))
    return sorted(Unit(t, 4, 0) for t in values.sum(axis=1).tolist()), 0.05


def uneven(rng: Generator, n: int) -> Sample:
    """Clusters of one to seven."""
    k = n // 4
    sizes = rng.integers(1, 8, k)
    values = np.where(rng.random((k, 7)) < 0.85, trinomial(rng, 0.2, 0.15, (k, 1)), trinomial(rng, 0.2, 0.15, (k, 7)))
    totals = np.where(np.arange(7) < sizes[:, None], values, 0).sum(axis=1)
    return sorted(Unit(t, m, 0) for t, m in zip(totals.tolist(), sizes.tolist(), strict=True)), 0.05


def two_tasks(rng: Generator, n: int) -> Sample:
    """Won on the one, lost on the other."""
    half = n // 2
    values = np.concatenate([trinomial(rng, 0.3, 0.1, half), trinomial(rng, 0.05, 0.1, half)])
    return units(values.tolist(), strata=["a"] * half + ["b"] * half), 0.075


def ten_tasks(rng: Generator, n: int) -> Sample:
    task = np.arange(n) % 10
    u = rng.random(n)
    won = 0.1 + 0.02 * task
    values = np.where(u < won, 1.0, np.where(u < won + 0.15, -1.0, 0.0))
    return units(values.tolist(), strata=[str(t) for t in task]), 0.04


def coverage(make: Callable[[Generator, int], Sample], n: int, what: str) -> float:
    rng, held, width = np.random.default_rng(20), 0, 0.0
    for trial in range(TRIALS):
        parts, truth = make(rng, n)
        low, high = bootstrap(parts, seed=trial, resamples=RESAMPLES).interval()
        held += low - 1e-9 <= truth <= high + 1e-9
        width += (high - low) / TRIALS
    print(f"| {what} | {n} | {100 * held / TRIALS:.1f} % | {100 * width:.1f} |")
    return held / TRIALS


@pytest.mark.parametrize(
    ("what", "make", "n"),
    [
        ("one draw, 30 % differ", one_draw(0.15, 0.15), 50),
        ("one draw, 30 % differ", one_draw(0.2, 0.1), 100),
        ("one draw, 35 % differ", one_draw(0.3, 0.05), 200),
        ("one draw, 30 % differ", one_draw(0.2, 0.1), 500),
        ("one draw, 12 % differ", one_draw(0.1, 0.02), 100),
        ("one draw, 4 % differ: about 4", one_draw(0.03, 0.01), 100),
        ("one draw, 5 % differ", one_draw(0.03, 0.02), 500),
        ("four draws", draws, 50),
        ("four draws", draws, 200),
        ("partial scores", partial, 50),
        ("partial scores", partial, 200),
        ("partial scores", partial, 500),
        ("clusters of 4", clusters, 100),
        ("clusters of 4", clusters, 200),
        ("clusters of 4", clusters, 500),
        ("clusters of 1 to 7", uneven, 200),
        ("two tasks", two_tasks, 50),
        ("two tasks", two_tasks, 200),
        ("ten tasks", ten_tasks, 200),
    ],
)
def test_a_95_percent_interval_holds_the_truth_in_93_to_97_percent(
    what: str, make: Callable[[Generator, int], Sample], n: int
) -> None:
    assert 0.93 <= coverage(make, n, what) <= 0.97


@pytest.mark.parametrize(
    ("what", "make", "n"),
    [
        ("one draw, 10 % differ: about 5", one_draw(0.05, 0.05), 50),
        ("clusters of 4: 12 of them", clusters, 50),
        ("ten tasks of 5", ten_tasks, 50),
    ],
)
def test_with_very_few_differing_units_the_interval_is_too_wide_rather_than_too_narrow(
    what: str, make: Callable[[Generator, int], Sample], n: int
) -> None:
    assert coverage(make, n, what) >= 0.95


def test_the_interval_of_a_mean_cost_holds_it_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(4), 0
    for trial in range(1000):
        parts = units(rng.gamma(2, 500, 100).tolist())
        low, high = bootstrap(parts, seed=trial, resamples=600, guarded=False).interval()
        held += low <= 1000 <= high
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_wilson_holds_the_share_on_average_over_sample_sizes(share: float) -> None:
    rng = np.random.default_rng(5)
    held = [
        w.low <= share <= w.high for n in range(50, 250) for w in (wilson(r, n) for r in rng.binomial(n, share, 20))
    ]
    assert 0.93 <= np.mean(held) <= 0.97


def exact_coverage(n: int, most: int, cases: list[tuple[float, float]]) -> list[float]:
    """Without chance: every table of won and lost items with its probability; tables with more than `most` left out."""
    tables = [(won, lost) for won in range(most + 1) for lost in range(most + 1 - won)]
    intervals = []
    for won, lost in tables:
        parts = [Unit(-1, 1, 0)] * lost + [Unit(0, 1, 0)] * (n - won - lost) + [Unit(1, 1, 0)] * won
        intervals.append(bootstrap(parts, seed=won * 1000 + lost, resamples=2000).interval())
    held = []
    for won, lost in cases:
        chances = stats.multinomial.pmf([(w, x, n - w - x) for w, x in tables], n, [won, lost, 1 - won - lost])
        truth = won - lost
        inside = [low - 1e-9 <= truth <= high + 1e-9 for low, high in intervals]
        held.append(float(chances @ inside / chances.sum()))
        print(f"| won {won}, lost {lost} | {n} | {100 * held[-1]:.1f} % | |")
    return held


def test_fifty_items_or_two_hundred_with_few_that_differ_exactly() -> None:
    usual = [(0.15, 0.15), (0.2, 0.1), (0.25, 0.05), (0.15, 0.05), (0.3, 0.2), (0.25, 0.25)]
    assert all(0.93 <= held <= 0.97 for held in exact_coverage(50, 45, usual))
    few = [(0.05, 0.05), (0.03, 0.02), (0.06, 0.01), (0.04, 0.01), (0.06, 0.0)]
    assert all(held >= 0.93 for held in exact_coverage(50, 20, few))
    assert all(held >= 0.925 for held in exact_coverage(200, 30, [(0.03, 0.02), (0.02, 0.01), (0.01, 0.02)]))
