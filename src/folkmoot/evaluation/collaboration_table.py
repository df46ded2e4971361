"""What collaboration did, in a few lines for a terminal or a document; the page has all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from folkmoot.evaluation.collaboration.figures import Collaboration, Rate, Routing
from folkmoot.evaluation.statistics import Difference
from folkmoot.visible import visible

_HEADS = ("graph", "won", "lost", "emergence", "by luck", "collapse", "headroom", "picked right")
_ROUTED = ("chose right", "by chance", "asked all")
_LEGEND = (
    "Won, lost: answers that turned right, or wrong, from first to last round. Emergence: right where all members alone "
    "are wrong; by luck: what a vote over fresh samples of the same members reaches there. Collapse: wrong where "
    "some member alone is right. Headroom: share of the oracle's lead over the best member that was won. Picked right: of "
    "the questions with a right last answer."
)


_ROUTED_LEGEND = (
    " Chose right: a member was chosen (by a router, or as the surest) that is right alone, of the questions that some member "
    "alone got right; by chance: picking as many blindly. Asked all: questions among these on which nobody was chosen (the router was "
    "unsure, or failed), which count as chosen right."
)


def heads(found: Sequence[Collaboration]) -> tuple[str, ...]:
    """What the columns are: choices only where somebody is chosen."""
    return _HEADS + (_ROUTED if _routes(found) else ())


def legend(found: Sequence[Collaboration]) -> str:
    """What the columns mean."""
    return _LEGEND + (_ROUTED_LEGEND if _routes(found) else "")


def lines(found: Sequence[Collaboration]) -> list[list[str]]:
    """The cells of every graph, in the order of `heads`."""
    body = []
    for c in found:
        whole = next((t for t in c.transitions if t.speaker is None and t.start == -1), None)
        e = c.emergence
        body.append(
            [
                " ".join(visible(c.system).split()),
                str(whole.won) if whole else "-",
                str(whole.lost) if whole else "-",
                _rate(e.rate if e else None),
                _rate(e.control if e else None),
                _rate(c.collapse),
                _part(c.headroom),
                _rate(c.picked_right),
                *(_choices(c.routing) if _routes(found) else ()),
            ]
        )
    return body


def _routes(found: Iterable[Collaboration]) -> bool:
    return any(c.routing for c in found)


def _choices(routing: Routing | None) -> tuple[str, str, str]:
    if routing is None:
        return "-", "-", "-"
    share = routing.chance.share
    return _rate(routing.accuracy), "-" if share is None else f"{100 * share:.0f} %", _rate(routing.whole)


def _rate(rate: Rate | None) -> str:
    if rate is None or rate.share is None:
        return "-"
    count = f"{rate.count:.0f}" if abs(rate.count - round(rate.count)) < 1e-9 else f"{rate.count:.1f}"
    return f"{count} of {rate.of}"


def _part(d: Difference | None) -> str:
    return f"{100 * d.mean:.0f} %" if d else "-"
