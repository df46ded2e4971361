"""How alike the members are: do they make the same mistakes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from folkmoot.evaluation.collaboration.figures import Members
from folkmoot.evaluation.collaboration.tally import ByDraw, right
from folkmoot.evaluation.contrast import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray

Forms = Mapping[Key, Mapping[int, int | None]]
"""For every draw of every item a number that stands for the answer: equal numbers, equal answers; None: no answer."""


def alike(
    names: Sequence[str], scores: Sequence[ByDraw], forms: Sequence[Forms], best: str | None = None
) -> Members | None:
    """Error correlation and diversity of the members on the items that all of them finished.

    The phi coefficient of two members (Yule 1912) is the correlation of their being wrong, right or wrong as in `right`: 1 if
    they always fail together, 0 if one failing says nothing of the other, below 0 if they fill each other's gaps. Draws are
    averaged within an item before items are.

    Args:
        names: The members.
        scores: The scores of each.
        forms: The answers of each.
        best: The one that was best on dev.

    Returns:
        None with fewer than two members, or without an item that all have finished.
    """
    import numpy as np

    shared = [
        (item, [d for d in sorted(scores[0][item]) if all(d in s.get(item, {}) for s in scores)])
        for item in sorted(scores[0] if scores else ())
    ]
    shared = [(item, draws) for item, draws in shared if draws]
    if len(names) < 2 or not shared:
        return None
    at = np.array([i for i, (_, draws) in enumerate(shared) for _ in draws])
    weight = np.array([1 / len(draws) for _, draws in shared for _ in draws])
    where = [(item, d) for item, draws in shared for d in draws]
    wrong = np.array([[not right(s[item][d]) for item, d in where] for s in scores])
    held = [[f[item][d] for item, d in where] for f in forms]
    answered = np.array([[h is not None for h in row] for row in held])
    form = np.array([[h or 0 for h in row] for row in held], dtype=np.int64)
    return Members(
        names=tuple(names),
        n=len(shared),
        correlation=_phi(wrong, weight / len(shared)),
        same_wrong=_same(wrong & answered, form, at),
        distinct=float(_distinct(answered, form) @ weight / len(shared)),
        best=best,
    )


def _phi(wrong: NDArray[Any], weight: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    import numpy as np

    both = (wrong * weight) @ wrong.T
    alone = np.diag(both)
    spread = np.sqrt(np.maximum(alone * (1 - alone), 0))  # weights may add up to 1 + 1e-16
    return tuple(
        tuple(
            round(float((both[i, j] - alone[i] * alone[j]) / (spread[i] * spread[j])), 12)  # never 1.0000000000000002
            if min(spread[i], spread[j]) > 1e-6  # rounding leaves 1e-8 of somebody who is always wrong
            else None
            for j in range(len(wrong))
        )
        for i in range(len(wrong))
    )


def _same(missed: NDArray[Any], form: NDArray[Any], at: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    """Share of items, averaged over the draws in which both gave a wrong answer."""
    import numpy as np

    n = len(missed)
    shares: list[list[float | None]] = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            both = missed[i] & missed[j]
            times = np.bincount(at, both)
            if times.any():
                same = np.bincount(at, both & (form[i] == form[j]), minlength=len(times))
                shares[i][j] = shares[j][i] = float(np.mean(same[times > 0] / times[times > 0]))
    return tuple(map(tuple, shares))


def _distinct(answered: NDArray[Any], form: NDArray[Any]) -> NDArray[Any]:
    """Number of different answers of every draw."""
    import numpy as np

    new = answered.copy()
    for i in range(1, len(form)):
        for j in range(i):
            new[i] &= ~(answered[j] & (form[i] == form[j]))
    return np.asarray(new.sum(axis=0))
