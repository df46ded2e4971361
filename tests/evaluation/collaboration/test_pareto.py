"""The plane of accuracy and cost: who is beaten on both, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration.pareto import Spent, front, points
from folkmoot.evaluation.statistics import wilson


def spent(scores: list[float], tokens: float = 100.0, seconds: float = 1.0, money: float | None = None) -> dict:
    return {("sums", f"{i:03}"): Spent(s, tokens, seconds, money) for i, s in enumerate(scores)}


def half(n: int = 100) -> list[float]:
    return [float(i % 2) for i in range(n)]


def most(n: int = 100) -> list[float]:
    return [float(i % 10 > 0) for i in range(n)]


@pytest.mark.parametrize(
    ("accuracy", "tokens", "on"),
    [
        ([0.5, 0.6, 0.4], [100, 200, 300], [True, True, False]),  # less right and dearer than both
        ([0.5, 0.5], [100, 200], [True, False]),  # as right, dearer
        ([0.5, 0.6], [100, 100], [False, True]),  # as dear, less right
        ([0.5, 0.5], [100, 100], [True, True]),  # alike in both: neither beats the other
        ([0.5, 0.1 + 0.2, 0.3], [100, 50, 50], [True, True, True]),  # equal up to rounding
        ([np.nan, 0.5], [np.nan, 100], [False, True]),  # unknown
    ],
)
def test_the_front(accuracy: list[float], tokens: list[float], on: list[bool]) -> None:
    assert front(np.array([accuracy]), np.array([tokens], dtype=float)).tolist() == [on]


def test_a_point_holds_means_and_intervals() -> None:
    items = spent([1, 0, 1, 1], seconds=2.0, money=0.5)
    items["sums", "000"] = Spent(1, 500, 6.0, 0.9)
    (seen,) = points({"debate": items})
    assert (seen.system, seen.accuracy, seen.tokens, seen.seconds) == ("debate", 0.75, 200, 3.0)
    assert seen.money == pytest.approx(0.6)
    assert seen.interval == wilson(3, 4)
    assert seen.tokens_interval.low < 200 < seen.tokens_interval.high
    assert (seen.on_front, seen.stays) == (True, 1.0)


def test_what_is_sure_and_what_is_not() -> None:
    ahead = half()
    ahead[0] = (
        1.0  # one item more than the cheap one, at ten times the price: gone in (1 - 1/100)^100 = 37 % of resamples
    )
    seen = {
        p.system: p
        for p in points(
            {
                "cheap": spent(half(), 100),
                "good": spent(most(), 300),
                "a little": spent(ahead, 200),
                "bad": spent([0] * 100, 400),
            }
        )
    }
    assert [p.on_front for p in seen.values()] == [True, True, True, False]
    assert seen["cheap"].stays == seen["good"].stays == 1
    assert seen["bad"].stays == 0
    assert seen["a little"].stays == pytest.approx(0.63, abs=0.04)


def test_all_systems_meet_the_same_resamples() -> None:
    # Never apart by chance: always one item ahead on the same items, so always on the front
    better = [1.0, *half()]
    worse = [0.0, *half()]
    clusters = dict.fromkeys(spent(better), "one")  # drawn as a whole, so that the first item is always there
    seen = points({"a": spent(worse, 100), "b": spent(better, 200)}, clusters=clusters)
    assert [p.stays for p in seen] == [1, 1]


def test_unfinished_systems_stand_on_the_items_they_have() -> None:
    seen = points({"all": spent(half(), 100), "begun": spent([1.0] * 10, 50), "none": {}})
    assert [(p.system, p.accuracy) for p in seen] == [("all", 0.5), ("begun", 1.0)]
    assert seen[0].money is None
    assert points({}) == ()


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([1.0, 2.0, 3.0])), min_size=1, max_size=6
    )
)
def test_somebody_is_on_the_front_and_everybody_else_is_beaten_by_it(systems: list[tuple[float, float]]) -> None:
    accuracy, tokens = np.array([[a for a, _ in systems]]), np.array([[t for _, t in systems]])
    on = front(accuracy, tokens)[0]
    assert on.any()
    best = [s for s, yes in zip(systems, on, strict=True) if yes]
    for (a, t), yes in zip(systems, on, strict=True):
        if not yes:
            assert any(x >= a and y <= t for x, y in best)
        else:
            assert all(x < a or y > t or (x, y) == (a, t) for x, y in best)
