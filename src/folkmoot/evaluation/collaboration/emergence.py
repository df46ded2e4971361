"""Right where every member alone is wrong, and wrong where some member alone is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from folkmoot.evaluation.collaboration.figures import Emergence, Rate
from folkmoot.evaluation.collaboration.luck import Again
from folkmoot.evaluation.collaboration.tally import ByDraw, Tally, names, right
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import bca


def emergence(
    system: ByDraw,
    members: Sequence[ByDraw],
    luck: Mapping[Key, Mapping[int, Again]] = {},
    *,
    by: str = "",
    clusters: Mapping[Key, str] = {},
    seed: int = 0,
) -> Emergence:
    """How often the system is right where every member alone is wrong, and how much of that is more than new luck.

    That all members are wrong once is in part bad luck: asked again, some would be right. A system that asks them again
    gets this luck without any collaboration. A vote over fresh samples of the same members gets it too, on the same items
    and draws, so it is subtracted.

    Wrong is a score of at most 0.5 (see `right`). An item counts if every member was wrong in at least one draw; only those
    draws are looked at, for the system and for the control.

    Args:
        system: Its scores.
        members: The scores of each member alone.
        luck: The fresh samples of the control (see `again`); draws in which nothing is known of them are missing. The
            control and the excess are of the items that are there.
        by: Name of the control.
        clusters: Items to resample together.
        seed: Of the bootstrap.
    """
    lost = list(_where(members, lambda scores: not any(map(right, scores)), system))
    ours = {(item, draw): right(system[item][draw]) for item, draw in lost}
    if not luck:
        return Emergence(_tally(ours).rate(clusters), None, None, "", None)
    both = [(item, draw) for item, draw in lost if draw in luck.get(item, {})]
    control = _tally({(item, draw): luck[item][draw].vote for item, draw in both})
    some = _tally({(item, draw): luck[item][draw].some for item, draw in both})
    theirs, paired = control.shares, _tally({at: ours[at] for at in both}).shares
    excess = bca(
        [paired[item] - theirs[item] for item in paired],
        clusters=names(list(paired), clusters),
        strata=[task for task, _ in paired],
        seed=f"emergence {seed}",
    )
    return Emergence(_tally(ours).rate(clusters), control.rate(clusters), excess, by, some.rate(clusters))


def collapse(
    system: ByDraw, members: Sequence[ByDraw], *, most: bool = False, clusters: Mapping[Key, str] = {}
) -> Rate:
    """How often the system is wrong where some member alone is right.

    Args:
        system: Its scores.
        members: The scores of each member alone.
        most: Where more than half of the members are right, rather than some.
        clusters: Items that stand or fall together.
    """
    need = len(members) / 2 if most else 0
    held = _where(members, lambda scores: sum(map(right, scores)) > need, system)
    return _tally({(item, draw): not right(system[item][draw]) for item, draw in held}).rate(clusters)


def _where(
    members: Sequence[ByDraw], holds: Callable[[list[float]], bool], system: ByDraw
) -> Iterator[tuple[Key, int]]:
    """Items and draws that all have finished and where something holds for the scores of the members."""
    for item, draws in sorted(system.items()):
        alone = [m.get(item) for m in members]
        for draw in sorted(draws):
            scores = [m[draw] for m in alone if m is not None and draw in m]
            if len(scores) == len(members) and holds(scores):
                yield item, draw


def _tally(happened: Mapping[tuple[Key, int], bool]) -> Tally:
    tally = Tally()
    for (item, _), yes in happened.items():
        tally.add(item, yes)
    return tally
