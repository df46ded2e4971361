"""Shapley and leave-one-out values: against brute force and by the axioms that define them."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.evaluation.worth.coalitions import _orders
from folkmoot.evaluation.worth.game import Game, game
from folkmoot.evaluation.worth.values import corrected, effect, leave_one_out, shapley


def a_game(
    scores: Mapping[int, Sequence[float]], n: int, orders: Sequence[Sequence[int]] = (), task: str = "t"
) -> Game:
    questions = len(scores[(1 << n) - 1])
    table = {mask: np.array(values, dtype=float) for mask, values in scores.items()} | {0: np.zeros(questions)}
    players = tuple("abcdefghijkl"[:n])
    return Game(players, tuple((task, str(i)) for i in range(questions)), table, tuple(map(tuple, orders)))


def random_game(n: int, questions: int, seed: int, orders: Sequence[Sequence[int]] = ()) -> Game:
    rng = np.random.default_rng(seed)
    return a_game({mask: rng.integers(0, 2, questions) for mask in range(1, 1 << n)}, n, orders)


def brute(g: Game) -> np.ndarray:
    """The definition: the mean marginal contribution over all orders."""
    n, values = len(g.players), np.zeros((len(g.players), len(g.keys)))
    for order in itertools.permutations(range(n)):
        mask = 0
        for i in order:
            values[i] += (g.scores[mask | 1 << i] - g.scores[mask]) / math.factorial(n)
            mask |= 1 << i
    return values


games = st.builds(random_game, st.integers(2, 5), st.integers(1, 6), st.integers(0, 10**6))


@given(games)
@settings(deadline=None, max_examples=40)
def test_the_value_is_the_mean_over_all_orders(g: Game) -> None:
    assert np.allclose(g.shapley, brute(g))


@given(games)
@settings(deadline=None, max_examples=40)
def test_the_values_add_up_to_the_score_of_the_whole_team(g: Game) -> None:
    assert np.allclose(g.shapley.sum(axis=0), g.scores[g.whole] - g.scores[0])


@given(st.integers(2, 5), st.integers(0, 10**6), st.data())
@settings(deadline=None, max_examples=30)
def test_members_who_do_the_same_are_worth_the_same(n: int, seed: int, data: st.DataObject) -> None:
    i, j = data.draw(st.permutations(range(n)))[:2]
    scores = dict(random_game(n, 4, seed).scores)

    def swapped(mask: int) -> int:
        a, b = mask >> i & 1, mask >> j & 1
        return mask & ~(1 << i | 1 << j) | a << j | b << i

    g = a_game({m: (s + scores[swapped(m)]) / 2 for m, s in scores.items() if m}, n)
    assert np.allclose(g.shapley[i], g.shapley[j])
    assert np.allclose(g.leave_one_out[i], g.leave_one_out[j])


@given(st.integers(2, 5), st.integers(0, 10**6), st.data())
@settings(deadline=None, max_examples=30)
def test_who_changes_nothing_is_worth_nothing(n: int, seed: int, data: st.DataObject) -> None:
    dummy = data.draw(st.integers(0, n - 1))
    scores = random_game(n, 4, seed).scores
    g = a_game({m: scores[m & ~(1 << dummy)] for m in range(1, 1 << n)}, n)
    assert np.allclose(g.shapley[dummy], 0)
    assert np.allclose(g.leave_one_out[dummy], 0)


@given(st.integers(2, 4), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_the_value_of_a_mean_of_games_is_the_mean_of_the_values(n: int, seed: int) -> None:
    one, other = random_game(n, 3, seed), random_game(n, 3, seed + 1)
    both = a_game({m: (one.scores[m] + other.scores[m]) / 2 for m in range(1, 1 << n)}, n)
    assert np.allclose(both.shapley, (one.shapley + other.shapley) / 2)


def test_two_members_by_hand() -> None:
    """Ana knows the first question, either knows the second, the third takes both, together they lose the fourth."""
    g = a_game({0b01: [1, 1, 0, 1], 0b10: [0, 1, 0, 1], 0b11: [1, 1, 1, 0]}, 2)
    assert g.shapley.tolist() == [[1, 0.5, 0.5, 0], [0, 0.5, 0.5, 0]]
    assert g.leave_one_out.tolist() == [[1, 0, 1, -1], [0, 0, 1, -1]]


def test_all_orders_sampled_are_the_exact_value() -> None:
    exact = random_game(4, 5, 3)
    every = [o for p in itertools.permutations(range(4)) if p < p[::-1] for o in (p, p[::-1])]
    sampled = Game(exact.players, exact.keys, exact.scores, tuple(every))
    assert np.allclose(sampled.shapley, exact.shapley)
    assert not exact.sampling_error().any()


def test_sampled_values_add_up_too_and_their_error_shrinks_with_the_permutations() -> None:
    few, many = (random_game(8, 6, 1, _orders(8, k, 2)) for k in (10, 160))
    for g in (few, many):
        assert np.allclose(g.shapley.sum(axis=0), g.scores[g.whole])
    assert 2 < (few.sampling_error() / many.sampling_error()).mean() < 8, (
        "a 16th of the permutations: 4 times the error"
    )


def test_the_error_of_sampling_is_the_spread_of_sampled_values() -> None:
    exact = random_game(7, 10, 5)
    drawn = [Game(exact.players, exact.keys, exact.scores, _orders(7, 12, seed)) for seed in range(400)]
    means = np.array([g.shapley.mean(axis=1) for g in drawn])
    off = np.abs(means.mean(axis=0) - exact.shapley.mean(axis=1))
    assert (off < 4 * means.std(axis=0) / 20).all(), "no bias"
    told = np.sqrt(np.mean([g.sampling_error() ** 2 for g in drawn], axis=0))
    assert np.allclose(told, means.std(axis=0), rtol=0.25)


def test_own_and_other_questions_are_told_apart() -> None:
    scores = {0b01: np.array([1.0, 1, 0, 0]), 0b10: np.zeros(4), 0b11: np.array([1.0, 1, 0, 0])}
    keys = (("priority-a", "1"), ("priority-a", "2"), ("sums", "1"), ("sums", "2"))
    found = shapley(Game(("a", "b"), keys, scores | {0: np.zeros(4)}), {"a": "priority-a"})
    assert [(e.contributor, e.group, e.n, e.value.mean) for e in found] == [
        ("a", "all", 4, 0.5),
        ("a", "own", 2, 1.0),
        ("a", "rest", 2, 0.0),
        ("b", "all", 4, 0.0),
    ]


def test_the_contributors_are_one_family() -> None:
    found = leave_one_out(random_game(3, 200, 1))
    ps = sorted(e.p for e in found)
    assert min(e.adjusted for e in found) == pytest.approx(min(1, 3 * ps[0]))
    assert corrected(found) == found


def test_clusters_widen_the_interval() -> None:
    values, keys = [1.0, 0.0] * 30, [("t", str(i)) for i in range(60)]
    alone = effect("a", "all", values, keys, seed=1)
    joined = effect("a", "all", values, keys, clusters={k: f"c{int(k[1]) % 6}" for k in keys}, seed=1)
    assert (alone.units, joined.units) == (60, 6)
    assert joined.value.high - joined.value.low > alone.value.high - alone.value.low


def test_the_error_of_sampling_is_in_interval_and_p() -> None:
    values, keys = [0.5, 0.5, 0.5, 0.0] * 10, [("t", str(i)) for i in range(40)]
    sure, unsure = (effect("a", "all", values, keys, seed=1, sampling=s) for s in (0.0, 0.3))
    assert sure.p < 0.001 < 0.05 < unsure.p
    assert unsure.value.low < 0 < sure.value.low


def test_without_questions_nothing_is_known() -> None:
    assert effect("a", "own", [], [], seed=0).value == (0.0, -1.0, 1.0)


def test_only_questions_that_every_coalition_has_finished_count_in_the_draws_they_share() -> None:
    systems = {("a",): "a", ("b",): "b", ("a", "b"): "debate"}
    scores = {
        "a": {("t", "1"): {0: 1.0, 1: 0.0}, ("t", "2"): {0: 1.0}, ("t", "3"): {0: 1.0}},
        "b": {("t", "1"): {1: 1.0}, ("t", "2"): {0: 0.0}, ("t", "3"): {1: 1.0}},
        "debate": {("t", "1"): {0: 1.0, 1: 1.0}, ("t", "3"): {0: 1.0, 1: 1.0}},
    }
    found = game(("a", "b"), systems, scores)
    assert found is not None
    assert found.keys == (("t", "1"),), "the second is missing in the debate, the third has no draw in common"
    assert {mask: s.tolist() for mask, s in found.scores.items()} == {0: [0], 1: [0], 2: [1], 3: [1]}
    assert game(("a", "b"), systems, {"a": scores["a"]}) is None


def test_the_interval_covers_the_truth() -> None:
    """Three members of known skill in a team that is right if any of them is: the true values are known."""
    rng, skill, n = np.random.default_rng(4), np.array([0.6, 0.4, 0.2]), 100

    def value(mask: int) -> float:
        return float(1 - np.prod([1 - skill[i] for i in range(3) if mask >> i & 1]))

    truth = a_game({m: [value(m)] for m in range(1, 8)}, 3).shapley[:, 0]
    held = np.zeros((2, 3))
    for run in range(150):
        right = rng.random((3, n)) < skill[:, None]
        g = a_game({m: np.any(right[[i for i in range(3) if m >> i & 1]], axis=0) for m in range(1, 8)}, 3)
        for row, effects, true in (
            (0, shapley(g, seed=run), truth),
            (1, leave_one_out(g, seed=run), [value(7) - value(7 ^ 1 << i) for i in range(3)]),
        ):
            held[row] += [e.value.low <= t <= e.value.high for e, t in zip(effects, true, strict=True)]
    assert (held / 150 > 0.90).all(), held / 150
