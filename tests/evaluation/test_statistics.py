"""Intervals and paired comparisons: published values, properties, and what few numbers must not claim."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.evaluation.statistics import FEWEST_DIFFERING, Interval, mcnemar, paired_difference, wilson

shares = st.floats(0, 1, allow_nan=False)
pairs = st.lists(st.tuples(shares, shares), min_size=1, max_size=40)
few = settings(max_examples=60, deadline=None)


# The last four: Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (0, 1, 0.0, 0.7935),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_known_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_without_items_knows_nothing() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


def test_wilson_ends_are_exact_at_none_and_all() -> None:
    assert wilson(0, 7).low == 0.0
    assert wilson(7, 7).high == 1.0


@pytest.mark.parametrize(
    ("right", "n", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (0, -1, 0.95), (1, 2, 1.0), (1, 2, 0.0)]
)
def test_wilson_refuses_what_is_no_share(right: float, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        wilson(right, n, confidence)


@given(st.integers(1, 10_000), shares)
def test_wilson_holds_the_share_stays_in_range_and_has_width(n: int, share: float) -> None:
    low, high = wilson(share * n, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert low < high


@given(st.integers(1, 1000), st.data())
def test_wilson_is_symmetric(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    a, b = wilson(right, n), wilson(n - right, n)
    assert a.low == pytest.approx(1 - b.high)
    assert a.high == pytest.approx(1 - b.low)


@given(st.integers(1, 500), shares)
def test_wilson_narrows_with_more_items_and_widens_with_confidence(n: int, share: float) -> None:
    def width(n: int, confidence: float = 0.95) -> float:
        low, high = wilson(share * n, n, confidence)
        return high - low

    assert width(4 * n) < width(n)
    assert width(n, 0.99) >= width(n)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (6, 0, 0.03125),
        (5, 0, 0.0625),
        (0, 5, 0.0625),
        (3, 3, 1.0),
        (10, 2, 158 / 4096),
        (700, 600, 0.00600),
    ],
)
def test_mcnemar_counts_only_the_items_that_one_got_right(only_a: int, only_b: int, p: float) -> None:
    a = [True] * only_a + [False] * only_b + [True, False, True]
    b = [False] * only_a + [True] * only_b + [True, False, True]
    assert mcnemar(a, b) == pytest.approx(p, abs=5e-5)
    assert mcnemar(b, a) == mcnemar(a, b)


@few
@given(pairs, st.integers(0, 5))
def test_the_paired_interval_holds_the_mean_and_repeats(scores: list[tuple[float, float]], seed: int) -> None:
    a, b = [x for x, _ in scores], [y for _, y in scores]
    d = paired_difference(a, b, seed=seed, resamples=200)
    assert -1 <= d.low <= d.mean <= d.high <= 1
    assert d.low < d.high
    assert d.mean == pytest.approx(sum(a) / len(a) - sum(b) / len(b), abs=1e-9)
    assert d == paired_difference(a, b, seed=seed, resamples=200)


@few
@given(st.integers(0, FEWEST_DIFFERING - 1), st.integers(0, 60))
def test_a_handful_of_differing_items_never_shows_a_difference(won: int, same: int) -> None:
    d = paired_difference([1.0] * (won + same), [0.0] * won + [1.0] * same, seed=1, resamples=200)
    assert d.low <= 0 <= d.high


def test_equal_systems_still_leave_doubt() -> None:
    d = paired_difference([1.0] * 50, [1.0] * 50, seed=0)
    assert d.mean == 0
    assert d.low < 0 < d.high


def test_a_clear_difference_is_shown_both_ways_round() -> None:
    a, b = [1.0] * 40 + [0.0] * 60, [0.0] * 20 + [1.0] * 5 + [0.0] * 75
    assert paired_difference(a, b, seed=0).low > 0
    assert paired_difference(b, a, seed=0).high < 0


def test_no_items_no_knowledge() -> None:
    assert paired_difference([], [], seed=0) == (0.0, -1.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "resamples", "says"),
    [([1.0], [], 10, "for every item"), ([1.5], [0.0], 10, "between 0 and 1"), ([1.0], [0.0], 0, "at least 1")],
)
def test_the_paired_difference_refuses_nonsense(a: list[float], b: list[float], resamples: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        paired_difference(a, b, seed=0, resamples=resamples)


def test_the_interval_claims_no_more_than_the_exact_test_would_nearly_allow() -> None:
    for n in (10, 50):
        for won in range(min(n, 16) + 1):
            for lost in range(min(n - won, 6) + 1):
                a = [1.0] * won + [0.0] * (n - won)
                b = [0.0] * won + [1.0] * lost + [0.0] * (n - won - lost)
                d = paired_difference(a, b, seed=2, resamples=500)
                if d.low > 0 or d.high < 0:
                    assert mcnemar([x == 1 for x in a], [y == 1 for y in b]) < 0.1, (n, won, lost)


@pytest.mark.parametrize(("won", "lost"), [(0.02, 0.02), (0.25, 0.1), (0.5, 0.05)])
def test_the_interval_holds_the_true_difference_about_as_often_as_it_says(won: float, lost: float) -> None:
    rng, held, n = random.Random(3), 0, 40
    for trial in range(200):
        draws = [rng.random() for _ in range(n)]
        a = [float(u < won) for u in draws]
        b = [float(won <= u < won + lost) for u in draws]
        d = paired_difference(a, b, seed=trial, resamples=400)
        held += d.low <= won - lost <= d.high
    assert held / 200 >= 0.91  # 95 % promised; 0.91 is 2.6 standard errors below
