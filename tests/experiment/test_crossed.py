"""Intervals over questions and teams: what must hold always, and how often they hold the truth."""

import itertools
import math
import os

import numpy as np
import pytest

from folkmoot.evaluation.statistics import bca
from folkmoot.evaluation.statistics.generator import generator
from folkmoot.experiment.crossed import Questions, Teams, combined, rate, ratio, share, slope
from folkmoot.experiment.subsets import subsets


def questions(n, cluster=1):
    return Questions([f"c{i // cluster}" if cluster > 1 else "" for i in range(n)], ["t"] * n)


def scores(teams, n, seed=0, p=0.5):
    return (generator(f"scores {seed}").uniform(size=(teams, n)) < p).astype(float)


def test_one_team_that_is_all_there_is_has_the_interval_of_the_report():
    a = scores(1, 80)
    found = combined([(1.0, Teams(a, 1))], questions(80), seed=1)
    assert found == bca(list(a[0]), strata=["t"] * 80, seed=1)


def test_teams_widen_the_interval_and_having_seen_them_all_does_not():
    a = np.vstack([scores(2, 200, 1, 0.3), scores(2, 200, 2, 0.7)])
    width = {n: (d := share(Teams(a, n), questions(200), seed=0)).high - d.low for n in (4, 5, 1000)}
    assert width[4] < width[5] < width[1000]


@pytest.mark.parametrize("flip", [False, True])
def test_shares_near_none_and_near_all_are_treated_alike(flip):
    a = scores(3, 60, p=0.03)
    found = share(Teams(1 - a if flip else a, 10), questions(60), seed=0)
    low, high = (1 - found.high, 1 - found.low) if flip else (found.low, found.high)
    assert 0 <= low <= a.mean() <= high <= 0.3
    assert high - a.mean() > 0.01


def test_never_without_width_even_if_all_are_right():
    found = share(Teams(np.ones((3, 50)), 10), questions(50), seed=0)
    assert found.mean == found.high == 1
    assert found.low < 0.99


def test_clusters_are_fewer_than_their_questions():
    a = np.repeat(scores(1, 40), 5, axis=1)
    alone, joined = (share(Teams(a, 1), questions(200, c), seed=0) for c in (1, 5))
    assert joined.high - joined.low > 1.7 * (alone.high - alone.low)


def test_the_slope_of_a_straight_line_is_its_slope():
    parts = [(float(x), Teams(np.full((2, 30), 0.1 * x), 5)) for x in range(1, 6)]
    assert slope(parts, questions(30), seed=0).mean == pytest.approx(0.1)


def test_a_difference_turned_round_is_the_difference_turned_round():
    a, b = (Teams(scores(3, 90, i), 8) for i in (1, 2))
    one = combined([(1.0, a), (-1.0, b)], questions(90), seed=4)
    other = combined([(-1.0, a), (1.0, b)], questions(90), seed=4)
    assert one == pytest.approx((-other.mean, -other.high, -other.low))


def test_with_a_chance_on_every_question_a_rate_is_a_share():
    a = scores(3, 70)
    assert rate(a, np.ones_like(a), 9, questions(70), seed=2) == pytest.approx(
        share(Teams(a, 9), questions(70), seed=2), abs=0.02
    )


def test_questions_without_a_chance_count_for_nothing():
    hits, chances = scores(2, 60), np.ones((2, 60))
    more = [np.hstack([m, np.zeros((2, 40))]) for m in (hits, chances)]
    assert ratio(*more, 5, questions(100), seed=0) == ratio(hits, chances, 5, questions(60), seed=0)
    assert rate(np.zeros((1, 5)), np.zeros((1, 5)), 1, questions(5), seed=0) == (0.0, 0.0, 1.0)


def chance(skill, team, hard):
    return 1 / (1 + np.exp(hard - skill[list(team)].mean() - 0.15 * math.log(len(team))))


@pytest.mark.parametrize(("draws", "spread"), [(5, 0.5), (5, 0.0), (3, 1.5), (2, 1.5)])
def test_the_interval_holds_the_truth(draws, spread):
    """Of the mean over all teams of three, and of the slope; the members differ by `spread`."""
    times, members, asked = int(os.environ.get("SIMULATIONS", "40")), 6, 120
    rng, held = generator(f"coverage {draws} {spread}"), np.zeros(2)
    world = rng.normal(0, 1.5, 3000)
    sizes = np.arange(1, members + 1)
    weights = (sizes - sizes.mean()) / ((sizes - sizes.mean()) ** 2).sum()
    for i in range(times):
        skill, hard = rng.normal(0, spread, members), rng.normal(0, 1.5, asked)
        truth, parts = [], []
        for k in sizes:
            every = list(itertools.combinations(range(members), int(k)))
            truth.append(np.mean([chance(skill, t, world).mean() for t in every]))
            tried = subsets(members, int(k), draws, i)
            answers = np.array([rng.uniform(size=asked) < chance(skill, t, hard) for t in tried], dtype=float)
            parts.append((float(k), Teams(answers, len(every))))
        middle, trend = share(parts[2][1], questions(asked), seed=i), slope(parts, questions(asked), seed=i)
        held += middle.low <= truth[2] <= middle.high, trend.low <= weights @ truth <= trend.high
    print(f"{draws} teams a size, members that differ by {spread}: {100 * held / times} %")
    assert (held / times >= 0.84).all(), held / times  # three standard errors of 40 below 95 %
