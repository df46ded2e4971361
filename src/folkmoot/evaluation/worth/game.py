"""The cooperative game of a team: what every coalition scores on every question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from folkmoot.evaluation.contrast import Key

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]


@dataclass(frozen=True, eq=False)
class Game:
    """Scores of coalitions.

    Attributes:
        players: The members.
        keys: The questions, in order.
        scores: Of every coalition, by bit mask (bit i: player i is in it), a score for each question, 0 to 1. The empty
            coalition (0) is always there: nobody answers, which scores 0.
        orders: Sampled permutations of the players, or empty if all coalitions are there.
    """

    players: tuple[str, ...]
    keys: tuple[Key, ...]
    scores: Mapping[int, Floats]
    orders: tuple[tuple[int, ...], ...] = ()

    @property
    def whole(self) -> int:
        """The bit mask of the whole team."""
        return (1 << len(self.players)) - 1

    @cached_property
    def leave_one_out(self) -> Floats:
        """For each player and question: the score of the whole team less that of the team without the player."""
        import numpy as np

        return np.stack([self.scores[self.whole] - self.scores[self.whole ^ 1 << i] for i in range(len(self.players))])

    @cached_property
    def shapley(self) -> Floats:
        """The Shapley value (Shapley 1953) of each player on each question.

        That is its marginal contribution, averaged over all orders in which the team can come together, or over the sampled
        ones. On every question the values of all players add up to the score of the whole team.
        """
        import numpy as np

        n = len(self.players)
        if self.orders:
            return np.asarray(np.mean(np.stack([self._marginal(order) for order in self.orders]), axis=0))
        values = np.zeros((n, len(self.keys)))
        weight = [
            1 / (n * math.comb(n - 1, size)) for size in range(n)
        ]  # of a coalition of that size without the player
        for mask, without in self.scores.items():
            for i in range(n):
                if not mask >> i & 1:
                    values[i] += weight[mask.bit_count()] * (self.scores[mask | 1 << i] - without)
        return values

    def sampling_error(self, chosen: Sequence[int] | None = None) -> Floats:
        """Standard error of each player's mean Shapley value that comes from sampling permutations; 0 if all coalitions are there.

        A permutation and its reverse are one draw.

        Args:
            chosen: Numbers of the questions that the mean is over; all if left out.
        """
        import numpy as np

        if not self.orders:
            return np.zeros(len(self.players))
        at = slice(None) if chosen is None else list(chosen)
        means = np.stack([self._marginal(order)[:, at].mean(axis=1) for order in self.orders])
        pairs = means.reshape(-1, 2, len(self.players)).mean(axis=1)
        return np.asarray(pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs)))

    def _marginal(self, order: Sequence[int]) -> Floats:
        import numpy as np

        values, mask = np.zeros((len(self.players), len(self.keys))), 0
        for i in order:
            values[i] = self.scores[mask | 1 << i] - self.scores[mask]
            mask |= 1 << i
        return values


def game(
    players: Sequence[str],
    systems: Mapping[tuple[str, ...], str],
    scores: Mapping[str, Mapping[Key, Mapping[int, float]]],
    orders: Sequence[Sequence[int]] = (),
) -> Game | None:
    """The game of a team from the scores of the systems that play its coalitions.

    Only questions that every coalition has finished are in it, with the draws that all of them have, averaged.

    Args:
        players: The team.
        systems: Name of the system of every coalition.
        scores: By system, question and draw.
        orders: See `Game`.

    Returns:
        None if there is no such question.
    """
    import numpy as np

    sides = [scores.get(name, {}) for name in systems.values()]
    common = [k for k in sides[0] if all(k in side for side in sides)] if sides else []
    drawn = {k: d for k in sorted(common) if (d := set[int].intersection(*(set(side[k]) for side in sides)))}
    if not drawn:
        return None
    bit = {name: 1 << i for i, name in enumerate(players)}
    table = {0: np.zeros(len(drawn))}
    for members, side in zip(systems, sides, strict=True):
        table[sum(bit[m] for m in members)] = np.array([fmean(side[k][i] for i in ds) for k, ds in drawn.items()])
    return Game(tuple(players), tuple(drawn), table, tuple(tuple(o) for o in orders))
