"""Simulations: how often `contrast` and a family of them call a difference where there is none."""

from collections.abc import Callable

import numpy as np
import pytest

from folkmoot.evaluation.contrast import Key, Scores, contrast, holm_family

TRIALS = 1000
NOISE = 0.014  # two standard errors of 5 % over 1000 trials

Generator = np.random.Generator
Pair = tuple[Scores, Scores, dict[Key, str]]


def scores(values: np.ndarray, tasks: int = 1) -> Scores:
    """Rows are items, columns draws."""
    return {(f"t{i % tasks}", f"{i:04}"): tuple(row) for i, row in enumerate(values.tolist())}


def items(rng: Generator) -> Pair:
    """One draw; the two get different items right, as many on average."""
    u = rng.random(100)
    return scores((u < 0.6)[:, None] * 1.0), scores(((u > 0.15) & (u < 0.75))[:, None] * 1.0), {}


def draws(rng: Generator) -> Pair:
    easy = rng.beta(1, 1, (80, 1))
    other = np.clip(easy + rng.choice([-0.2, 0.2], (80, 1)), 0, 1)
    return scores((rng.random((80, 3)) < easy) * 1.0), scores((rng.random((80, 2)) < other) * 1.0), {}


def partial(rng: Generator) -> Pair:
    a, b = rng.beta(0.4, 0.5, (60, 1)), rng.beta(0.4, 0.5, (60, 1))
    return scores(a), scores(np.where(rng.random((60, 1)) < 0.5, a, b)), {}


def clusters(rng: Generator) -> Pair:
    """Forty clusters of four that nearly stand or fall together."""
    alike, own = rng.random((40, 1)), rng.random((40, 4))
    u = np.where(rng.random((40, 4)) < 0.85, alike, own).reshape(-1, 1)
    a, b = scores((u < 0.6) * 1.0), scores(((u > 0.15) & (u < 0.75)) * 1.0)
    return a, b, {k: f"c{i // 4}" for i, k in enumerate(a)}


def tasks(rng: Generator) -> Pair:
    """Better on one task by as much as worse on the other."""
    u, even = rng.random(120), np.arange(120) % 2 == 0
    won, lost = np.where(even, 0.25, 0.05), np.where(even, 0.05, 0.25)
    return (
        scores(((u < won) | (u > 0.5))[:, None] * 1.0, 2),
        scores((((u >= won) & (u < won + lost)) | (u > 0.5))[:, None] * 1.0, 2),
        {},
    )


@pytest.mark.parametrize("make", [items, draws, partial, clusters, tasks])
def test_a_difference_is_called_in_at_most_5_percent_where_there_is_none(make: Callable[[Generator], Pair]) -> None:
    rng, called, inside = np.random.default_rng(7), 0, 0
    for trial in range(TRIALS):
        a, b, names = make(rng)
        c = contrast("a", "b", a, b, clusters=names, seed=trial)
        called += c.verdict != "no difference shown"
        inside += c.difference.low <= 0 <= c.difference.high
    print(f"| {make.__name__} | {c.test} | {100 * called / TRIALS:.1f} % | {100 * inside / TRIALS:.1f} % |")
    assert 0.01 < called / TRIALS <= 0.05 + NOISE
    assert 0.93 <= inside / TRIALS <= 0.98


def test_items_in_clusters_taken_for_independent_would_be_called_far_too_often() -> None:
    rng = np.random.default_rng(7)
    called = 0
    for trial in range(200):
        a, b, _ = clusters(rng)
        called += contrast("a", "b", a, b, seed=trial).verdict != "no difference shown"
    assert called / 200 > 0.15


def test_a_family_calls_a_difference_where_there_is_none_in_at_most_5_percent_of_families() -> None:
    rng, called, uncorrected = np.random.default_rng(8), 0, 0
    for trial in range(400):
        b = scores((rng.random((60, 1)) < 0.5) * 1.0)
        alone = [contrast(str(i), "b", scores((rng.random((60, 1)) < 0.5) * 1.0), b, seed=trial) for i in range(5)]
        called += any(c.verdict != "no difference shown" for c in holm_family(alone))
        uncorrected += any(c.verdict != "no difference shown" for c in alone)
    print(f"| family of 5 | {100 * called / 400:.1f} % corrected | {100 * uncorrected / 400:.1f} % not corrected |")
    assert called / 400 <= 0.05 + 2 * 0.011
    assert uncorrected / 400 > 0.09


def test_not_worse_and_equivalent_are_said_in_at_most_5_percent_at_the_margin_itself() -> None:
    rng, not_worse, equivalent = np.random.default_rng(9), 0, 0
    for trial in range(TRIALS):
        u = rng.random((150, 1))
        a, b = scores((u < 0.1) * 1.0), scores(((u >= 0.1) & (u < 0.3)) * 1.0)
        c = contrast("a", "b", a, b, margin=0.1, seed=trial)
        assert c.not_worse is not None
        assert c.equivalent is not None
        not_worse += c.not_worse <= 0.05
        equivalent += c.equivalent <= 0.05
    print(
        f"| at the margin | not worse {100 * not_worse / TRIALS:.1f} % | equivalent {100 * equivalent / TRIALS:.1f} % |"
    )
    assert 0.03 < not_worse / TRIALS <= 0.05 + NOISE
    assert equivalent <= not_worse
