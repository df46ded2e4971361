"""What choosing among the members could give: the best choice every time, and none at all."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from folkmoot.evaluation.contrast import Key, Scores

ORACLE = "oracle"
RANDOM_MEMBER = "random member"


def bounds(members: Mapping[str, Scores]) -> dict[str, Scores]:
    """Scores of two systems that nobody has to run, on the items that all members finished.

    ``oracle``: the best score of any member in the same draw. No choice among the answers of the members beats it; it
    cannot be built, since it knows which answer is right. ``random member``: the mean over the members, which is the
    expectation of asking one of them at random.

    Args:
        members: The scores of each member alone, in the same draws.

    Returns:
        Both; nothing without members.
    """
    if not members:
        return {}
    first, *others = members.values()
    drawn: dict[Key, list[tuple[float, ...]]] = {
        item: list(zip(*(m[item] for m in members.values()), strict=True))
        for item in first
        if all(item in m for m in others)
    }
    return {
        ORACLE: {item: tuple(map(max, draws)) for item, draws in drawn.items()},
        RANDOM_MEMBER: {item: tuple(map(fmean, draws)) for item, draws in drawn.items()},
    }
