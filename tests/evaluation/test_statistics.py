"""Intervals, tests and corrections: published values, agreement with scipy and statsmodels, invariances, few numbers."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from folkmoot.evaluation.statistics import (
    FEWEST_DIFFERING,
    Difference,
    Interval,
    Unit,
    bca,
    bootstrap,
    design_effect,
    equivalence,
    holm,
    mcnemar,
    non_inferiority,
    sign_flip,
    units,
    wilson,
)
from folkmoot.evaluation.statistics.student import student

shares = st.floats(0, 1, allow_nan=False)
differences = st.lists(st.integers(-20, 20).map(lambda i: i / 20), min_size=1, max_size=40)
chances = st.lists(st.floats(0, 1), min_size=1, max_size=12)
few = settings(max_examples=40, deadline=None)


# --- Wilson


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


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(confidence: float) -> None:
    for n in (1, 7, 50, 333):
        for right in range(0, n + 1, max(1, n // 7)):
            theirs = proportion_confint(right, n, alpha=1 - confidence, method="wilson")
            assert wilson(right, n, confidence) == pytest.approx(theirs, abs=1e-12)


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


def test_items_that_always_agree_in_clusters_count_as_one() -> None:
    values = [1.0] * 40 + [0.0] * 40
    names = [str(i // 4) for i in range(80)]
    assert design_effect(values, names) == pytest.approx(4, rel=0.05)
    assert design_effect(values, [""] * 80) == 1
    assert design_effect([1.0, 0.0] * 40, names) == 1  # unlike within clusters: not rewarded


# --- Units


def test_clusters_are_joined_within_their_task_and_other_items_stand_alone() -> None:
    found = units([1, 0.5, -1, 1, 1], ["x", "x", "", "", "x"], ["a", "a", "a", "a", "b"])
    assert found == [Unit(-1, 1, 0), Unit(1, 1, 0), Unit(1, 1, 1), Unit(1.5, 2, 0)]


def test_every_item_needs_its_cluster() -> None:
    with pytest.raises(ValueError, match="each of the 2 items"):
        units([1, 0], ["x"])


# --- BCa


def textbook(parts: list[Unit], resamples: int = 40_000) -> Interval:
    """The plain BCa interval: no imagined units, normal quantiles."""
    return replace(bootstrap(parts, seed=1, resamples=resamples, guarded=False), degrees=math.inf).interval()


@pytest.mark.parametrize(
    "make",
    [
        lambda r: r.uniform(-0.5, 0.6, 40),
        lambda r: r.beta(0.3, 2, 60),
        lambda r: r.normal(0.1, 0.2, 80).clip(-1, 1).round(2),
    ],
)
def test_the_interval_agrees_with_scipy(make: Callable[[np.random.Generator], np.ndarray]) -> None:
    values = make(np.random.default_rng(2)).astype(float)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(3))
    low, high = theirs.confidence_interval
    assert textbook(units(values.tolist())) == pytest.approx((low, high), abs=0.03 * (high - low))


def test_the_interval_of_clusters_agrees_with_scipy_on_a_ratio_of_sums() -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 8, 50)
    totals = np.round(rng.normal(0.1, 0.5, 50) * sizes, 3)
    theirs = stats.bootstrap(
        (totals, sizes),
        lambda t, s, axis: t.sum(axis) / s.sum(axis),
        paired=True,
        n_resamples=40_000,
        rng=np.random.default_rng(3),
    ).confidence_interval
    parts = sorted(Unit(t, s, 0) for t, s in zip(totals.tolist(), sizes.tolist(), strict=True))
    assert textbook(parts) == pytest.approx(tuple(theirs), abs=0.03 * (theirs.high - theirs.low))


def test_the_interval_of_two_tasks_agrees_with_scipy_on_two_samples() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.uniform(-1, 1, 30), rng.beta(0.4, 2, 60)
    theirs = stats.bootstrap(
        (a, b), lambda x, y, axis: (x.sum(axis) + y.sum(axis)) / 90, n_resamples=40_000, rng=np.random.default_rng(3)
    ).confidence_interval
    ours = textbook(units([*a, *b], strata=["a"] * 30 + ["b"] * 60))
    assert ours == pytest.approx(tuple(theirs), abs=0.03 * (theirs.high - theirs.low))


@pytest.mark.parametrize("degrees", [4, 5.5, 10, 49, 1000])
def test_the_t_quantiles_agree_with_scipy(degrees: float) -> None:
    for tail in (0.005, 0.01, 0.025, 0.05, 0.4, 0.9, 0.975):
        assert student(stats.norm.ppf(tail), degrees) == pytest.approx(stats.t.ppf(tail, degrees), rel=3e-3)


@few
@given(differences, st.integers(0, 5))
def test_the_interval_holds_the_mean_has_width_and_repeats(values: list[float], seed: int) -> None:
    d = bca(values, seed=seed, resamples=200)
    assert -1 <= d.low <= d.mean <= d.high <= 1
    assert d.low < d.high
    assert d.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert d == bca(values, seed=seed, resamples=200)


@few
@given(differences, st.randoms(use_true_random=False))
def test_the_order_of_items_changes_nothing(values: list[float], rng: object) -> None:
    shuffled = list(values)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert bca(shuffled, seed=3, resamples=200) == bca(values, seed=3, resamples=200)
    assert sign_flip(shuffled, seed=3) == sign_flip(values, seed=3)


@few
@given(differences, st.lists(st.sampled_from(["", "x", "y"]), min_size=40, max_size=40))
def test_exchanging_the_systems_turns_the_interval_round(values: list[float], names: list[str]) -> None:
    names = names[: len(values)]
    there = bca(values, clusters=names, seed=3, resamples=200)
    back = bca([-v for v in values], clusters=names, seed=3, resamples=200)
    assert back == pytest.approx((-there.mean, -there.high, -there.low), abs=1e-12)
    assert sign_flip([-v for v in values], seed=3) == sign_flip(values, seed=3)


@few
@given(differences, st.integers(2, 4))
def test_copies_of_an_item_in_its_cluster_add_no_certainty(values: list[float], copies: int) -> None:
    alone = bca(values, seed=1, resamples=300)
    copied = bca(
        [v for v in values for _ in range(copies)],
        clusters=[str(i) for i in range(len(values)) for _ in range(copies)],
        seed=1,
        resamples=300,
    )
    assert copied == pytest.approx(alone, abs=1e-9)


@few
@given(st.integers(0, FEWEST_DIFFERING - 1), st.integers(0, 60))
def test_a_handful_of_differing_items_never_shows_a_difference(won: int, same: int) -> None:
    d = bca([1.0] * won + [0.0] * (same + 1), seed=1, resamples=200)
    assert d.low <= 0 <= d.high


def test_equal_systems_still_leave_doubt() -> None:
    d = bca([0.0] * 50, seed=0)
    assert d.mean == 0
    assert d.low < -0.01
    assert d.high > 0.01


def test_a_clear_difference_is_shown_both_ways_round() -> None:
    values = [1.0] * 35 + [-1.0] * 24 + [0.0] * 41
    assert bca(values, seed=0).low < 0 < bca([1.0] * 35 + [-1.0] * 10 + [0.0] * 55, seed=0).low
    assert bca([-1.0] * 35 + [1.0] * 10 + [0.0] * 55, seed=0).high < 0


def test_no_items_no_knowledge() -> None:
    assert bca([], seed=0) == Difference(0.0, -1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "resamples", "confidence", "says"),
    [([1.5], 10, 0.95, "between -1 and 1"), ([1.0], 0, 0.95, "at least 1"), ([1.0], 9, 1.0, "confidence must lie")],
)
def test_the_interval_refuses_nonsense(values: list[float], resamples: int, confidence: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        bca(values, seed=0, resamples=resamples, confidence=confidence)


def test_the_interval_claims_hardly_more_than_the_exact_test() -> None:
    for n in (10, 50):
        for won in range(min(n, 16) + 1):
            for lost in range(min(n - won, 6) + 1):
                d = bca([1.0] * won + [-1.0] * lost + [0.0] * (n - won - lost), seed=2, resamples=500)
                if d.low > 0 or d.high < 0:
                    assert mcnemar([True] * won + [False] * lost, [False] * won + [True] * lost) < 0.11, (n, won, lost)


def test_ten_thousand_partial_scores_are_a_matter_of_seconds_and_little_memory() -> None:
    import time
    import tracemalloc

    values = np.random.default_rng(0).uniform(-1, 1, 10_000).tolist()
    start = time.perf_counter()
    bca(values, seed=0)
    sign_flip(values, seed=0)
    assert time.perf_counter() - start < 10  # 0.3 s on a quiet machine
    tracemalloc.start()
    bca(values, seed=0)
    sign_flip(values, seed=0)
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()


# --- Tests


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (6, 0, 0.03125), (5, 0, 0.0625), (3, 3, 1.0), (10, 2, 158 / 4096), (700, 600, 0.00600)],
)
def test_mcnemar_counts_only_the_items_that_one_got_right(only_a: int, only_b: int, p: float) -> None:
    a = [True] * only_a + [False] * only_b + [True, False, True]
    b = [False] * only_a + [True] * only_b + [True, False, True]
    assert mcnemar(a, b) == pytest.approx(p, abs=5e-5)
    assert mcnemar(b, a) == mcnemar(a, b)


@pytest.mark.parametrize(("only_a", "only_b"), [(1, 0), (4, 9), (12, 12), (30, 14), (200, 260)])
def test_mcnemar_agrees_with_scipy_and_statsmodels(only_a: int, only_b: int) -> None:
    a, b = [True] * only_a + [False] * only_b, [False] * only_a + [True] * only_b
    assert mcnemar(a, b) == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    assert mcnemar(a, b) == pytest.approx(statsmodels_mcnemar([[50, only_a], [only_b, 40]], exact=True).pvalue)


def test_sign_flip_agrees_with_scipy_when_all_flips_are_counted() -> None:
    rng = np.random.default_rng(8)
    for n in (3, 7, 11):
        a, b = rng.integers(0, 5, n) / 4, rng.integers(0, 5, n) / 4
        theirs = stats.permutation_test(
            (a, b),
            lambda x, y, axis: (x - y).mean(axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert sign_flip((a - b).tolist(), seed=0) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("kinds", [5, 1000])
def test_sign_flip_agrees_with_scipy_when_flips_are_drawn(kinds: int) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, kinds, 60) / kinds + 0.02, rng.integers(0, kinds, 60) / kinds
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=40_000,
        rng=1,
    )
    assert 0.005 < theirs.pvalue < 0.9
    assert sign_flip((a - b).tolist(), seed=0) == pytest.approx(theirs.pvalue, abs=0.012)


@pytest.mark.parametrize(("won", "lost"), [(15, 7), (24, 12), (40, 22)])
def test_sign_flip_of_one_draw_is_mcnemar(won: int, lost: int) -> None:
    exact = mcnemar([True] * won + [False] * lost, [False] * won + [True] * lost)
    assert sign_flip([1.0] * won + [-1.0] * lost, seed=0) == pytest.approx(exact, abs=0.01)


def test_drawn_flips_never_give_zero_and_no_difference_gives_one() -> None:
    assert sign_flip([1.0] * 200, seed=0) == pytest.approx(1 / 20_001)
    assert sign_flip([0.0] * 5, seed=0) == sign_flip([], seed=0) == 1


@settings(max_examples=15, deadline=None)  # statsmodels takes 0.1 s each
@given(chances)
def test_the_correction_agrees_with_statsmodels(ps: list[float]) -> None:
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


def test_no_comparison_needs_no_correction() -> None:
    assert holm([]) == []


# --- Margins


@pytest.mark.parametrize("tail", [0.01, 0.025, 0.05, 0.2])
def test_the_one_sided_p_is_the_tail_at_which_the_limit_reaches_the_margin(tail: float) -> None:
    drawn = bootstrap(units(np.random.default_rng(3).uniform(-0.5, 0.6, 80).tolist()), seed=1, resamples=20_000)
    low, high = drawn.interval(1 - 2 * tail)
    assert drawn.at_most(low) == pytest.approx(tail, abs=1e-3)
    assert drawn.at_least(high) == pytest.approx(tail, abs=1e-3)


@few
@given(differences.filter(lambda v: len(v) > 5), st.floats(0.01, 0.5))
def test_equivalence_is_what_the_90_percent_interval_says(values: list[float], margin: float) -> None:
    drawn = bootstrap(units(values), seed=1, resamples=2000)
    p = equivalence(drawn, margin)
    low, high = drawn.interval(0.9)
    if p < 0.045:
        assert -margin - 1e-9 <= low <= high <= margin + 1e-9
    if p > 0.055 and drawn.holds == (drawn.mean,):
        assert low <= -margin + 2e-2 or high >= margin - 2e-2


def test_a_wider_margin_is_easier() -> None:
    drawn = bootstrap(units([0.0] * 70 + [1.0] * 15 + [-1.0] * 15), seed=1)
    p = [non_inferiority(drawn, m) for m in (0.01, 0.05, 0.1, 0.2)]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.2
    assert p[-1] < 0.01
    with pytest.raises(ValueError, match="above 0"):
        non_inferiority(drawn, 0)
