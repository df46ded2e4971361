"""The figures of the participation section as texts, tables and the geometry of its drawings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from folkmoot.evaluation.collaboration.figures import Rate
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.plots import Scale, accuracy_scale, difference_scale
from folkmoot.evaluation.summary import Row
from folkmoot.evaluation.words import chance, points
from folkmoot.evaluation.worth.participation import Participation, Value
from folkmoot.evaluation.worth.shares import Share
from folkmoot.evaluation.worth.values import Effect

WIDTH, NAMES, STEP, TOP = 340, 118, 17, 4
"""Of a panel, in units of the drawing: its width, the column of names, the height of a line, the space above the first."""
EFFECT = 220
"""Width of the drawing of a value with its interval."""
LEGEND = (
    "Worth: what a member adds to the score of its team, in points; * if it differs from 0 (sign flips of the questions, Holm over "
    "the members). Shapley: averaged over all orders in which the team can come together; nobody scores 0, and the values of a team "
    "add up to its score. Left out: the team minus the team without the member."
)
DRAFTS = (
    "Draft was the answer: the first answer of a member and that of the team are equal, of the questions on which it was asked. "
    "Alone with it: no other member had drafted it. Right if not: the draft was right where another answer was given."
)
BLANK = "–"


class Block(NamedTuple):
    """A table of texts: the first column holds names, the others figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def blocks(p: Participation) -> Iterator[Block]:
    """The section as tables, for a terminal or a document."""
    if p.own:
        heads = ("accuracy on its own questions, %", "n", "alone", *p.systems)
        yield Block(heads, tuple((who, _n(p, who), *_scores(p, who)) for who in p.own))
        yield Block(
            ("all own questions together", "against", "n", "points [95 %]", "p (Holm)", "verdict"),
            tuple((c.system, c.reference, str(c.n), points(c), chance(c.adjusted), c.verdict) for c in p.pooled),
        )
    for value in p.values:
        yield Block(
            (
                f"worth in {value.graph}, points",
                "Shapley [95 %]",
                "Shapley, own",
                "Shapley, rest",
                "left out [95 %]",
                "left out, own",
                "left out, rest",
            ),
            tuple(
                (
                    who,
                    *(
                        signed(effects, who, group)
                        for effects in (value.shapley, value.leave_one_out)
                        for group in _GROUPS
                    ),
                )
                for who in value.team
            ),
        )
    for graph, shares in by_graph(p.shares).items():
        yield Block(
            (
                f"drafts and cost in {graph}",
                "asked",
                "draft was the answer",
                "alone with it",
                "right then",
                "right if not",
                "calls",
                "tokens",
                "seconds",
            ),
            tuple(
                (
                    s.contributor,
                    *map(percent, (s.asked, s.became, s.sole, s.right, s.missed)),
                    *(f"{100 * x:.0f} %" for x in (s.calls, s.tokens, s.seconds)),
                )
                for s in shares
            ),
        )


def notes(p: Participation) -> list[str]:
    """What a reader must know beside the figures."""
    said = [LEGEND] if p.values else []
    for v in p.values:
        how = (
            f"{v.permutations} sampled permutations, whose error is in the intervals"
            if v.permutations
            else f"all {v.coalitions} teams that its members can form"
        )
        line = f"Worth in {v.graph}: {v.n} of {v.of} questions, those that every team has finished; {how}."
        if v.votes:
            line += f" Teams of {' and '.join(map(str, v.votes))} are too small for {v.graph} and vote on their first drafts."
        if v.guests:
            line += f" {' and '.join(v.guests)} judges or routes in every team, in it or not: that part is in nobody's worth."
        said.append(line)
    return said


_GROUPS = ("all", "own", "rest")


def _n(p: Participation, who: str) -> str:
    return str(max((r.n for r in p.scores[who].values()), default=0))


def _scores(p: Participation, who: str) -> Iterator[str]:
    for system in (who, *p.systems):
        row = p.scores[who].get(system)
        yield (
            BLANK
            if row is None or not row.n
            else (f"{100 * row.accuracy:.0f} [{100 * row.interval.low:.0f}, {100 * row.interval.high:.0f}]")
        )


def by_graph(shares: Sequence[Share]) -> dict[str, list[Share]]:
    """The shares of each graph."""
    found: dict[str, list[Share]] = {}
    for s in shares:
        found.setdefault(s.system, []).append(s)
    return found


def find(effects: Sequence[Effect], who: str, group: str) -> Effect | None:
    """The effect of one contributor on one group of questions, if it has any questions."""
    return next((e for e in effects if e.contributor == who and e.group == group and e.n), None)


def signed(effects: Sequence[Effect], who: str, group: str) -> str:
    """An effect in points with its interval, with a star if it differs from 0 after Holm's correction."""
    e = find(effects, who, group)
    if e is None:
        return BLANK
    low, mean, high = (f"{100 * x:+.1f}" for x in (e.value.low, e.value.mean, e.value.high))
    return f"{mean} [{low}, {high}]{'*' if e.adjusted <= 0.05 else ''}"


def percent(rate: Rate) -> str:
    """A share in percent, without decimals."""
    return BLANK if rate.share is None else f"{100 * rate.share:.0f} %"


def gain(p: Participation, who: str, system: str, reference: str) -> Contrast | None:
    """The difference of a graph and a reference on the own test set of a contributor."""
    task = p.own.get(who)
    return next((c for c in p.gains if (c.task, c.system, c.reference) == (task, system, reference)), None)


class Line(NamedTuple):
    """One system in a panel."""

    system: str
    label: str
    kind: str
    y: float
    row: Row


@dataclass(frozen=True, slots=True)
class Panel:
    """The scores of all systems on one contributor's own test set, as a drawing.

    Attributes:
        name: The contributor.
        n: Questions.
        height: In units of the drawing.
        scale: Of the accuracy, the same in all panels.
        lines: The systems.
        words: The same in one sentence.
    """

    name: str
    n: int
    height: float
    scale: Scale
    lines: tuple[Line, ...]
    words: str


def panels(p: Participation, kinds: Mapping[str, str]) -> list[Panel]:
    """A panel for every contributor with a test set of its own."""
    scale = accuracy_scale(
        (r.interval for rows in p.scores.values() for r in rows.values() if r.n), NAMES + 6, WIDTH - 12, few=True
    )
    found = []
    for who, rows in p.scores.items():
        lines = tuple(
            Line(s, _short("alone" if s == who else s), kinds.get(s, ""), TOP + STEP * (i + 0.5), row)
            for i, (s, row) in enumerate((s, r) for s, r in rows.items() if r.n)
        )
        said = ", ".join(f"{line.label} {100 * line.row.accuracy:.0f} %" for line in lines)
        found.append(
            Panel(who, max((r.n for r in rows.values()), default=0), TOP + STEP * len(lines) + 18, scale, lines, said)
        )
    return found


def effects_scale(value: Value) -> Scale:
    """In points, the same for all members of a team."""
    every = (*value.shapley, *value.leave_one_out)
    return difference_scale((e.value for e in every if e.group == "all" and e.n), 14, EFFECT - 14)


def plain(p: Participation) -> dict[str, Any]:
    """What is told of the rows of the scores in JSON: figures, without what the tables of systems tell already."""
    return {
        who: {
            s: {"n": r.n, "accuracy": r.accuracy if r.n else None, "interval": list(r.interval)}
            for s, r in rows.items()
        }
        for who, rows in p.scores.items()
    }


def _short(name: str, most: int = 17) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
