"""Who gave up an answer for that of the majority, and was the majority right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from folkmoot.evaluation.collaboration.figures import Conformity
from folkmoot.evaluation.collaboration.said import Said
from folkmoot.evaluation.collaboration.tally import Tally
from folkmoot.evaluation.contrast import Key


class Stand(NamedTuple):
    """A speaker with another answer than the majority of the others, and what it did in the next round."""

    majority_right: bool
    was_right: bool
    joined: bool
    stays_right: bool


def stands(turns: Sequence[Said]) -> Iterator[Stand]:
    """Everybody who stood against a majority of the others and spoke again in the next round.

    A majority are at least two answers that agree, and more than half of the answers that the other speakers gave in the
    round. Those who abstain stand for nothing; who abstains afterwards has not joined, and who fails has no part. All right
    answers are one answer, however they are written: who is right does not stand against a majority that is right.
    """
    rounds: dict[int, list[Said]] = {}
    for t in turns:
        rounds.setdefault(t.round, []).append(t)
    for at, now in rounds.items():
        if at + 1 not in rounds:
            continue
        answered = [t for t in now if t.form is not None]
        if len(answered) < 3:  # one and a majority of two
            continue
        after = {(t.speaker, t.draw): t for t in rounds[at + 1]}
        truth = {t.form: t.right for t in answered}
        for me in answered:
            then = after.get((me.speaker, me.draw))
            if me.right is None or then is None or then.right is None:
                continue
            majority = _majority([t.form for t in answered if t.speaker != me.speaker])
            good = truth.get(majority)
            if good is None or majority == me.form or (good and me.right):
                continue
            yield Stand(good, me.right, then.right if good else then.form == majority, then.right)


def _majority(forms: Sequence[str | None]) -> str | None:
    form, votes = max(Counter(forms).items(), key=lambda f: f[1], default=(None, 0))
    return form if votes >= 2 and 2 * votes > len(forms) else None


class Conformists:
    """Tallies of what those did who stood against a majority."""

    def __init__(self) -> None:
        self._to_right, self._to_wrong, self._held = Tally(), Tally(), Tally()

    def add(self, item: Key, seen: Sequence[Stand]) -> None:
        """Take note of one discussion."""
        for tally, outcomes in (
            (self._to_right, [s.joined for s in seen if s.majority_right]),
            (self._to_wrong, [s.joined for s in seen if not s.majority_right]),
            (self._held, [s.stays_right for s in seen if s.was_right and not s.majority_right]),
        ):
            if outcomes:
                tally.add(item, sum(outcomes) / len(outcomes))

    def figures(self, clusters: Mapping[Key, str] = {}) -> Conformity:
        """The rates; `clusters` as for `Tally.rate`."""
        return Conformity(self._to_right.rate(clusters), self._to_wrong.rate(clusters), self._held.rate(clusters))
