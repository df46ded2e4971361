"""What asking the same members again would give: the luck that looks like emergence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from folkmoot.evaluation.collaboration.said import Said


class Again(NamedTuple):
    """The fresh samples of a vote: is their vote right, is any of them right?"""

    vote: bool
    some: bool


def again(turns: Sequence[Said]) -> Again | None:
    """Vote over the samples of a control that are fresh: all but the first of each member.

    The first (draw 0) is what the member said when it was asked alone: the cache gives the same reply to everybody who asks
    the same. Where all members alone are wrong, these samples are known to be wrong and could only outvote the others: with
    them the control would have less luck than a graph whose members just answer anew in a second round.

    Returns:
        None if there is no fresh sample, or their answers are not scored. A tie goes to the answer given first, as in every
        vote; abstentions do not vote.
    """
    fresh = [t for t in turns if t.draw > 0]
    known = [t.right for t in fresh if t.right is not None]
    if not known or any(t.form is not None and t.right is None for t in fresh):
        return None
    votes = Counter(t.form for t in fresh if t.form is not None)
    won = max(votes, key=lambda form: votes[form], default=None)
    return Again(any(t.right for t in fresh if t.form is not None and t.form == won), any(known))
