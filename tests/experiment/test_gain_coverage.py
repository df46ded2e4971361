"""The interval of the expected gain holds what the chosen team really gains, though it was chosen on the same questions."""

import os

import numpy as np
import pytest

from folkmoot.evaluation.statistics.generator import generator
from folkmoot.experiment.crossed import Questions
from folkmoot.experiment.gain import gain
from folkmoot.experiment.outcomes import Outcomes
from folkmoot.experiment.selecting import Budget, by_task, select

ALIKE = np.full((6, 4), 0.4)  # nobody knows more than the others: whatever seems better on dev is luck
SPECIALISTS = 0.15 + 0.5 * np.eye(6)
MIXED = np.clip(0.3 + 0.15 * generator("mixed").standard_normal((8, 3)), 0.05, 0.9)


TIMES = int(os.environ.get("SIMULATIONS", "3"))


def drawn(truth, per_task, rng):
    """Members answer dev questions by their true chances; a tenth of a chance is shared, so that errors correlate."""
    members, tasks = truth.shape
    of = np.repeat(np.arange(tasks), per_task)
    hard = rng.uniform(size=len(of)) < 0.2
    chance = np.where(hard, 0.05, (truth[:, of] - 0.01) / 0.8)
    scores = (rng.uniform(size=(members, len(of))) < np.clip(chance, 0, 1)).astype(float)
    forms = np.where(scores > 0, 0, 1 + rng.integers(0, 3, size=scores.shape))
    return Outcomes(
        members=tuple(f"m{i}" for i in range(members)),
        scores=scores,
        forms=forms,
        tasks=of,
        names=tuple(f"t{t}" for t in range(tasks)),
        questions=Questions([""] * len(of), [f"t{t}" for t in of]),
        tokens=np.full(members, 50.0),
        chance=np.zeros(len(of)),
        base={},
    )


def true_gain(truth, o, by, budget):
    """Of the team chosen on all dev questions over the member that looks best there, on new questions."""
    every = np.arange(o.scores.shape[1])
    team, single = list(select(o, by, budget)), int(o.scores.mean(axis=1).argmax())
    if by == "routed":
        router = [team[i] for i in by_task(o, every)[team].argmax(axis=0)]
        ours = truth[router, np.arange(truth.shape[1])].mean()
    else:
        easy = np.clip((truth[team] - 0.01) / 0.8, 0, 1)
        ours = (0.8 * (1 - (1 - easy).prod(axis=0)) + 0.2 * (1 - 0.95 ** len(team))).mean()
    return ours - truth[single].mean()


def coverage(truth, per_task, by, times):
    budget = Budget(members=3)
    held, apparent, fitted, width = 0, [], [], []
    for i in range(times):
        o = drawn(truth, per_task, generator(f"{by} {per_task} {i}"))
        found, real = gain(o, by, budget, seed=i), true_gain(truth, o, by, budget)
        held += found.over_single.low <= real <= found.over_single.high
        apparent.append(found.apparent - real)
        fitted.append(found.over_single.mean - real)
        width.append(found.over_single.high - found.over_single.low)
    return held / times, float(np.mean(apparent)), float(np.mean(fitted)), float(np.mean(width))


@pytest.mark.parametrize(
    ("name", "truth", "per_task", "by", "wide"),
    [
        ("nobody is better", ALIKE, 16, "routed", 0.52),
        ("each has a field", SPECIALISTS, 16, "routed", 0.40),
        ("eight of all kinds", MIXED, 32, "coverage", 0.43),
    ],
)
def test_the_interval_holds_the_true_gain(name, truth, per_task, by, wide):
    held, apparent, fitted, width = coverage(truth, per_task, by, TIMES)
    told = f"{100 * apparent:+.1f} apparent, {100 * fitted:+.1f} cross-fitted, {100 * width:.1f} wide"
    print(f"{name}, {by}: {100 * held:.1f} %, {told}")
    assert held >= 0.8
    assert width <= wide, "an interval that holds everything says nothing"


@pytest.mark.parametrize(("truth", "too_much"), [(ALIKE, 0.03), (SPECIALISTS, 0.02)])
def test_the_fitted_gain_is_not_biased_and_the_apparent_one_is(truth, too_much):
    """Over 60 draws of the dev questions; a standard error is about 0.01."""
    apparent, fitted = [], []
    for i in range(60):
        o = drawn(truth, 16, generator(f"bias {i}"))
        found = gain(o, "routed", Budget(members=3), seed=i, partitions=2, resamples=2)
        real = true_gain(truth, o, "routed", Budget(members=3))
        apparent.append(found.apparent - real)
        fitted.append(found.over_single.mean - real)
    error = np.std(fitted, ddof=1) / len(fitted) ** 0.5
    print(f"{100 * np.mean(apparent):+.1f} apparent, {100 * np.mean(fitted):+.1f} +- {100 * error:.1f} cross-fitted")
    assert error < 0.016
    assert -0.03 <= np.mean(fitted) <= 0.02
    assert np.mean(apparent) > too_much
