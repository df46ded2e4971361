"""What a chosen team can be expected to gain, without counting what the choice itself made up.

Whoever looks best on the dev questions looks better than it is: it was chosen for them. So the choice is made again and again
without a part of the questions, and judged on that part only (cross-fitting): floor, search, router and best member all
learn from the other parts. The mean over the parts is the estimate. The plain interval of that mean is far too narrow, since
it takes the choice for given (Bates, Hastie and Tibshirani 2024, JASA 119:1434), so the whole procedure is run on resampled
questions, too: there the truth is known, which is the value of the resample's choice on the questions that it was drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from folkmoot.evaluation.statistics import Difference
from folkmoot.evaluation.statistics.generator import generator
from folkmoot.evaluation.statistics.student import student
from folkmoot.experiment.outcomes import Outcomes
from folkmoot.experiment.selecting import Budget, By, looks_best, select, worth

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]
    Numbers = NDArray[numpy.int64]

FOLDS, PARTITIONS, RESAMPLES = 10, 5, 60


@dataclass(frozen=True, slots=True)
class Gain:
    """Cross-fitted values of a choice.

    Attributes:
        team: Mean score of teams chosen so.
        single: Of the member that looks best, of those that the budget allows.
        over_single: Team minus single, with its 95 % interval.
        over_all: Team minus the whole team, by the same measure.
        apparent: What the dev questions that the team was chosen on say of `over_single`: too much.
        times: How often each member was chosen, as a share of the choices made.
    """

    team: float
    single: float
    over_single: Difference
    over_all: Difference
    apparent: float
    times: tuple[float, ...]


class _Values(NamedTuple):
    """Of the team, the member that looks best, and everybody."""

    team: float
    single: float
    whole: float

    @property
    def differences(self) -> tuple[float, float]:
        return self.team - self.single, self.team - self.whole


def gain(
    o: Outcomes, by: By, budget: Budget, *, seed: int, partitions: int = PARTITIONS, resamples: int = RESAMPLES
) -> Gain:
    """Expected gain of choosing a team in this way.

    The half-width is t times the standard deviation, over resamples, of the cross-fitted estimate less the value of the
    resample's own choice; what a single partition adds to that and the mean over several does not have is taken off.

    Args:
        o: The outcomes.
        by: What a team is worth.
        budget: What it may take.
        seed: Of partitions and resamples.
        partitions: Of the questions into folds, for the estimate.
        resamples: For the interval.
    """
    import numpy as np

    rng = generator(f"gain {seed}")
    units = _units(o)
    every = np.arange(len(units))
    times = np.zeros(len(o.members) + 1)
    found = [_crossfit(o, by, budget, every, _folds(o, units, rng), times) for _ in range(partitions)]
    mean = _Values(*(float(v) for v in np.mean(found, axis=0)))
    errors = []
    for _ in range(resamples):
        drawn = _drawn(o, units, rng)
        estimate = _crossfit(o, by, budget, drawn, _folds(o, units, rng))
        truth = _chosen(o, by, budget, drawn)
        errors.append([a - b for a, b in zip(estimate.differences, truth.differences, strict=True)])
    between = np.var([v.differences for v in found], axis=0, ddof=1) if partitions > 1 else np.zeros(2)
    variance = np.var(errors, axis=0, ddof=1) - between * (1 - 1 / partitions)
    least = np.var(errors, axis=0, ddof=1) / 4
    half = student(1.959964, resamples - 1) * np.sqrt(np.maximum(variance, least))
    half = np.maximum(
        half, 3 / (int(units.max()) + 1)
    )  # what was never seen on n questions may be 3 / n (rule of three)
    single, whole = (
        Difference(m, max(-1.0, m - float(h)), min(1.0, m + float(h)))
        for m, h in zip(mean.differences, half, strict=True)
    )
    apparent = _chosen(o, by, budget, every)
    return Gain(
        mean.team,
        mean.single,
        single,
        whole,
        apparent.differences[0],
        tuple(float(t) / float(times[-1]) for t in times[:-1]),
    )


def _crossfit(
    o: Outcomes, by: By, budget: Budget, columns: Numbers, folds: Numbers, times: Floats | None = None
) -> _Values:
    """Values on every column by choices made without its fold; who is chosen is counted in `times`, last how many choices."""
    import numpy as np

    everybody = tuple(range(len(o.members)))
    sums = np.zeros(3)
    part = folds[columns]
    for fold in range(FOLDS):
        learn, on = columns[part != fold], columns[part == fold]
        if not len(learn) or not len(on):
            continue
        single = looks_best(o, budget, learn)
        team = select(o, by, budget, learn) or (single,)
        if times is not None:
            times[[*team, -1]] += 1
        sums += [
            worth(o, by, team, learn, on).sum(),
            o.scores[single, on].sum(),
            worth(o, by, everybody, learn, on).sum(),
        ]
    return _Values(*(float(s) / len(columns) for s in sums))


def _chosen(o: Outcomes, by: By, budget: Budget, learn: Numbers) -> _Values:
    """Values on all questions of the choice that some columns lead to."""
    import numpy as np

    every = np.arange(o.scores.shape[1])
    single = looks_best(o, budget, learn)
    team = select(o, by, budget, learn) or (single,)
    everybody = tuple(range(len(o.members)))
    return _Values(
        float(worth(o, by, team, learn, every).mean()),
        float(o.scores[single].mean()),
        float(worth(o, by, everybody, learn, every).mean()),
    )


def _units(o: Outcomes) -> Numbers:
    """A number for every question; those of a cluster share one."""
    import numpy as np

    known: dict[tuple[str, str | int], int] = {}
    keys = zip(o.questions.tasks, o.questions.clusters, strict=True)
    return np.array([known.setdefault((task, cluster or i), len(known)) for i, (task, cluster) in enumerate(keys)])


def _folds(o: Outcomes, units: Numbers, rng: numpy.random.Generator) -> Numbers:
    """The fold of every question: clusters stay together, tasks are spread evenly."""
    import numpy as np

    fold = np.zeros(int(units.max()) + 1, dtype=np.int64)
    start = 0
    for task in range(len(o.names)):
        own = rng.permutation(np.unique(units[o.tasks == task]))
        fold[own] = (start + np.arange(len(own))) % FOLDS
        start += len(own)
    return np.asarray(fold[units])


def _drawn(o: Outcomes, units: Numbers, rng: numpy.random.Generator) -> Numbers:
    """Columns of a resample: whole units with replacement, within tasks."""
    import numpy as np

    columns = []
    for task in range(len(o.names)):
        own = np.unique(units[o.tasks == task])
        columns += [np.flatnonzero(units == unit) for unit in rng.choice(own, len(own))]
    return np.concatenate(columns)
