"""Bootstrap resamples of several figures at once, so that what is compared is resampled alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics.generator import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_AT_ONCE = 2_000_000
"""Most draws held in memory at a time: 16 MB."""


def resampled_sums(
    items: Sequence[Key], columns: Any, clusters: Mapping[Key, str], *, seed: int, name: str = "", resamples: int = 2000
) -> Floats:
    """The sum of every column in every resample (Efron and Tibshirani 1993, chapter 8).

    Units are drawn with replacement, as many as there are: items, or whole clusters of them, each task by itself. All
    columns of a resample have the same units, so that differences, ratios and ranks between them can be taken.

    Args:
        items: Which item each row is of.
        columns: A row for every item.
        clusters: Items of a task with the same name are one unit; empty, or not there: the item stands alone.
        seed: Equal seeds and names give equal resamples, whatever the order of the items.
        name: Of the figure, so that figures do not share their luck.
        resamples: How many.

    Returns:
        A row for every resample, a column for every column.
    """
    import numpy as np

    rng = generator(f"{name} {seed}")
    rows = np.asarray(columns, dtype=float)
    out = np.zeros((resamples, rows.shape[1]))
    for units in _units(items, clusters):
        table = np.array([rows[unit].sum(axis=0) for unit in units])
        n = len(table)
        step = max(1, _AT_ONCE // n)
        for start in range(0, resamples, step):
            some = min(step, resamples - start)
            drawn = rng.integers(n, size=(some, n)) + n * np.arange(some)[:, None]
            times = np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n)
            out[start : start + some] += times @ table
    return out


def _units(items: Sequence[Key], clusters: Mapping[Key, str]) -> list[list[list[int]]]:
    """Rows of each unit, for each task."""
    tasks: dict[str, dict[tuple[bool, str], list[int]]] = {}
    for row in sorted(range(len(items)), key=lambda i: items[i]):
        task, item = items[row]
        cluster = clusters.get(items[row], "")
        tasks.setdefault(task, {}).setdefault((bool(cluster), cluster or item), []).append(row)
    return [list(units.values()) for units in tasks.values()]
