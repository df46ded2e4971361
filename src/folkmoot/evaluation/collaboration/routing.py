"""Was a member chosen that is right, where there is one?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import comb

from folkmoot.discussion import turns_of
from folkmoot.evaluation.collaboration.figures import Routing
from folkmoot.evaluation.collaboration.tally import ByDraw, Tally, names, right
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.statistics import bca
from folkmoot.routing import picked


@dataclass(slots=True)
class Choices:
    """Whom one system chose, by item and draw; an empty choice is the whole team."""

    made: dict[Key, dict[int, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, r: Result) -> None:
        """Take note of one sample, if anybody was chosen in it: by a router, or as the member whose answer counts alone."""
        routed = turns_of({"turns": list(r.turns)}, "route")
        if routed:
            chosen = tuple(picked(routed[-1].answer)) if routed[-1].answer else ()
        elif r.decision is not None and r.decision.whose is not None:
            chosen = (r.decision.whose,)
        else:
            return
        self.made.setdefault((r.task, r.item), {})[r.draw] = chosen

    def figures(
        self, members: Mapping[str, ByDraw], *, clusters: Mapping[Key, str] = {}, seed: int = 0
    ) -> Routing | None:
        """How good the choices were, of the items that some member alone got right; None if none was made.

        Args:
            members: The scores of each member of the team, alone, in the same draws.
            clusters: Items to resample together.
            seed: Of the bootstrap.
        """
        if not self.made:
            return None
        hits, luck, whole = Tally(), Tally(), Tally()
        for item, draws in sorted(self.made.items()):
            for draw, chosen in sorted(draws.items()):
                alone = {name: s[item][draw] for name, s in members.items() if draw in s.get(item, {})}
                able = {name for name, score in alone.items() if right(score)}
                if len(alone) < len(members) or not able:
                    continue
                asked = chosen or tuple(members)
                hits.add(item, bool(able & set(asked)))
                luck.add(item, by_chance(len(members), len(able), len(asked)))
                whole.add(item, not chosen)
        ours, theirs = hits.shares, luck.shares
        excess = bca(
            [ours[item] - theirs[item] for item in ours],
            clusters=names(list(ours), clusters),
            strata=[task for task, _ in ours],
            seed=f"routing {seed}",
        )
        return Routing(hits.rate(clusters), luck.rate(clusters), excess, whole.rate(clusters))


def by_chance(n: int, able: int, k: int) -> float:
    """The chance that `k` members picked blindly of `n` hold one of those that are able.

    >>> by_chance(6, 1, 1), by_chance(6, 2, 2)
    (0.16666666666666663, 0.6)
    """
    return 1 - comb(n - able, k) / comb(n, k)
