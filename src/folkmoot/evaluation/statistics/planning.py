"""How many questions a paired comparison needs, and what it can show with those it has: before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean

from folkmoot.evaluation.statistics.clustering import units

_NORMAL = NormalDist()
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Design:
    """What is asked of a comparison and assumed about it.

    Attributes:
        discordance: Mean squared difference of one draw of each system on an item; for right-or-wrong scores the share of
            items that only one of them gets right. 0.3 is a cautious guess for systems of the same members.
        draws: Draws of each item.
        noise: Share of the variance of that difference that comes from drawing and not from the items, 0 to 1; more draws
            shrink this share alone. 0 (answers repeat, or nothing is known) is the cautious guess.
        cluster: Mean items in a cluster; 1 without clusters.
        likeness: Intraclass correlation of the differences inside a cluster, 0 to 1.
        comparisons: Size of the family. Planned for Bonferroni's share of the 5 %, so that Holm's correction keeps the power.
        partial: Scores between 0 and 1 occur: the test will be sign flips in any case, not exact McNemar, which needs
            somewhat more items.
        alpha: Two-sided level of the family.
        power: Chance to show the difference if it is there.
    """

    discordance: float = 0.3
    draws: int = 1
    noise: float = 0.0
    cluster: float = 1.0
    likeness: float = 0.5
    comparisons: int = 1
    partial: bool = False
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not (0 < self.discordance <= 1 and 0 < self.alpha < 1 and 0 < self.power < 1):
            raise ValueError(
                f"discordance, alpha and power must lie between 0 and 1, got {self.discordance}, {self.alpha}, {self.power}"
            )
        if not (0 <= self.noise <= 1 and 0 <= self.likeness <= 1):
            raise ValueError("noise and likeness are shares from 0 to 1")
        if self.draws < 1 or self.cluster < 1 or self.comparisons < 1:
            raise ValueError("draws, cluster and comparisons are at least 1")

    @property
    def exact(self) -> bool:
        """Exact McNemar will be the test: one draw, right or wrong, no clusters."""
        return self.draws == 1 and self.cluster == 1 and not self.partial


def sample_size(difference: float, design: Design = Design()) -> int | None:
    """Items needed to show a difference with the design's power (Connor 1987, Biometrics 43:207).

    For exact McNemar with 1 / difference items more, its correction for whole numbers.

    Args:
        difference: True mean difference, 0 to 1; the sign does not matter.
        design: What is asked and assumed.

    Returns:
        None if there is no such number: the systems do not differ on so many items.
    """
    size = abs(difference)
    if size == 0 or size > design.discordance:
        return None
    reach = _NORMAL.inv_cdf(1 - design.alpha / design.comparisons / 2) * math.sqrt(_null(size, design))
    reach += _NORMAL.inv_cdf(design.power) * math.sqrt(_variance(size, design))
    n = (reach / size) ** 2
    n += 1 / size if design.exact else 0
    return min(_MOST, max(math.ceil(n - 1e-9), _fewest(design)))


def detectable(n: int, design: Design = Design()) -> float | None:
    """Smallest true difference that `n` items show with the design's power; None if they cannot show any."""
    low, high = 0.0, design.discordance
    needed = sample_size(high, design)
    if needed is None or needed > n:
        return None
    for _ in range(50):
        middle = (low + high) / 2
        needed = sample_size(middle, design)
        low, high = (low, middle) if needed is not None and needed <= n else (middle, high)
    return high


def observed(
    a: Mapping[tuple[str, str], Sequence[float]],
    b: Mapping[tuple[str, str], Sequence[float]],
    clusters: Mapping[tuple[str, str], str] | None = None,
    design: Design = Design(),
) -> Design:
    """The design with discordance, noise, clusters and kind of scores taken from an earlier run.

    Args:
        a: Scores of one system by task and item, a draw each.
        b: Those of the other.
        clusters: The cluster of each item that is in one.
        design: Where everything else comes from, and what could not be seen: noise takes several draws, likeness clusters,
            and a discordance of 0 is not believed (half an item is taken to differ).
    """
    keys = sorted(k for k in a.keys() & b.keys() if a[k] and b[k])
    if not keys:
        return design
    squares = [_square(a[k]) + _square(b[k]) - 2 * fmean(a[k]) * fmean(b[k]) for k in keys]
    seen = min(1.0, max(fmean(squares), 0.5 / len(keys)))
    mean = fmean(fmean(a[k]) - fmean(b[k]) for k in keys)
    drawn = [_within(a[k]) + _within(b[k]) for k in keys if len(a[k]) > 1 and len(b[k]) > 1]
    total = seen - mean**2
    halves = any(s not in (0, 1) for k in keys for s in (*a[k], *b[k]))
    design = replace(design, discordance=seen, partial=halves)
    if drawn and total > 0:
        design = replace(design, noise=min(1.0, fmean(drawn) / total))
    names = [f"{k[0]}\n{clusters[k]}" if clusters and clusters.get(k) else "" for k in keys]
    parts = units([1.0] * len(keys), names)
    if len(parts) < len(keys):
        values = [fmean(a[k]) - fmean(b[k]) for k in keys]
        design = replace(design, cluster=len(keys) / len(parts), likeness=_likeness(values, names))
    return design


def _variance(size: float, design: Design) -> float:
    """Variance of an item's difference, draws averaged, times the design effect."""
    drawn = 1 - design.noise + design.noise / design.draws
    return (design.discordance - size**2) * drawn * (1 + (design.cluster - 1) * design.likeness)


def _null(size: float, design: Design) -> float:
    """What stands for it in the tests, which take the mean difference for part of the noise."""
    return _variance(size, design) + design.cluster * size**2


def _fewest(design: Design) -> int:
    """Items of which all must differ for a unanimous sign test to reach the level, in items."""
    return math.ceil(design.cluster * (1 - math.log2(design.alpha / design.comparisons)))


def _square(scores: Sequence[float]) -> float:
    return fmean(s * s for s in scores)


def _within(scores: Sequence[float]) -> float:
    return (_square(scores) - fmean(scores) ** 2) * len(scores) / (len(scores) - 1)


def _likeness(values: Sequence[float], names: Sequence[str]) -> float:
    """Intraclass correlation by pairs: mean product of two deviations in a cluster over the variance."""
    mean = fmean(values)
    variance = fmean((v - mean) ** 2 for v in values)
    if variance == 0:
        return 1.0
    products, pairs = 0.0, 0
    for part in _clusters(values, names):
        deviations = [v - mean for v in part]
        products += sum(deviations) ** 2 - sum(d * d for d in deviations)
        pairs += len(part) * (len(part) - 1)
    return min(1.0, max(0.0, products / pairs / variance)) if pairs else 0.0


def _clusters(values: Sequence[float], names: Sequence[str]) -> Iterator[list[float]]:
    joined: dict[str, list[float]] = {}
    for value, name in zip(values, names, strict=True):
        if name:
            joined.setdefault(name, []).append(value)
    yield from joined.values()
