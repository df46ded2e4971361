"""Who changed from right to wrong and from wrong to right, round by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from folkmoot.evaluation.collaboration.figures import Transition
from folkmoot.evaluation.collaboration.said import Said

WHOLE = -1
"""Stands in place of a round for the way from a speaker's first answer to its last."""


class Move(NamedTuple):
    """One speaker from one round to the next, or from its first to its last (`start` is `WHOLE`)."""

    speaker: str
    start: int
    before: bool
    after: bool
    changed: bool


def moves(turns: Sequence[Said]) -> Iterator[Move]:
    """Every pair of answers of one speaker in successive rounds of one discussion, and its first with its last.

    Draws are paired by their number. A failed call has no part, before or after; who failed in its last round has no last
    answer. Who spoke once has not moved.
    """
    by: dict[tuple[str, int], list[Said]] = {}
    for t in turns:
        by.setdefault((t.speaker, t.draw), []).append(t)
    for spoken in by.values():
        if len(spoken) < 2:
            continue
        spoken.sort(key=lambda t: t.round)
        for a, b in pairwise(spoken):
            if b.round == a.round + 1:
                yield from _move(a, b, a.round)
        yield from _move(spoken[0], spoken[-1], WHOLE)


def _move(a: Said, b: Said, start: int) -> Iterator[Move]:
    if a.right is not None and b.right is not None:
        yield Move(a.speaker, start, a.right, b.right, a.form != b.form)


def transitions(counted: Mapping[Move, int], speakers: Sequence[str]) -> tuple[Transition, ...]:
    """Moves as a table: all speakers together first, then each; round by round, then first to last.

    Args:
        counted: How often each move was made.
        speakers: Names in the order to show them.
    """
    cells: dict[tuple[str | None, int], Counter[str]] = {}
    for move, times in counted.items():
        for who in (None, move.speaker):
            cell = cells.setdefault((who, move.start), Counter())
            cell[_CELLS[move.before, move.after]] += times
            cell["changed"] += times * move.changed
    starts = sorted({start for _, start in cells} - {WHOLE})
    return tuple(
        Transition(who, start, **{name: cells[who, start][name] for name in (*_CELLS.values(), "changed")})
        for who in (None, *speakers)
        for start in (*starts, WHOLE)
        if (who, start) in cells
    )


_CELLS = {
    (True, True): "kept_right",
    (True, False): "lost",
    (False, True): "won",
    (False, False): "kept_wrong",
}
