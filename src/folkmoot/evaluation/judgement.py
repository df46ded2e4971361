"""What a judge said about two replies to an open question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judge on one reply beside that of the reference system, anonymously and in both orders.

    Attributes:
        judge: Name of the judge.
        against: Name of the reference system.
        first: The judge's preference for this reply when it is shown first: 1 yes, 0 no, None if it could not be read.
        second: The same when it is shown second.
        words: Length of this reply in words.
        words_against: Length of the reference's reply.
        basis: Fingerprint of the judge and of the words it was asked in; a judgement on another basis is made again.
    """

    judge: str
    against: str
    first: float | None
    second: float | None
    words: int
    words_against: int
    basis: str = ""

    @property
    def score(self) -> float:
        """1 if preferred in both orders, 0 if in none, else 0.5: the orders disagree, or nothing could be read."""
        return (self.first + self.second) / 2 if self.first is not None and self.second is not None else 0.5

    @property
    def flipped(self) -> bool:
        """The verdict changed with the order."""
        return self.first is not None and self.second is not None and self.first != self.second
