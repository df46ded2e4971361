"""Options of a graph that are filled in from dev results: ``with: {accuracy: dev, calibration: dev}``.

No test question has a say: a system with such options has no samples before its dev results are there, and what they said is
part of the key of every sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from folkmoot.confidence import EVEN, NEVER, beliefs, fit, spoken
from folkmoot.evaluation.collaboration.tally import right
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.systems import System

DEV = "dev"
"""What stands in a suite for a value that dev results say."""
_STAND_IN: Mapping[str, Any] = {"accuracy": 0.0, "weights": 1.0, "calibration": (1.0, 0.0)}
"""What can be filled in, with a value that any member may have."""


def wants(s: System) -> tuple[str, ...]:
    """The options of a system that are to be filled in."""
    return tuple(k for k, v in s.options.items() if k in _STAND_IN and isinstance(v, str) and v == DEV)


def stand_in(s: System) -> System:
    """The system with made-up values, to see whether it can be built."""
    return filled(s, {k: dict.fromkeys(s.team, _STAND_IN[k]) for k in wants(s)})


def filled(s: System, values: Mapping[str, Any]) -> System:
    """The system with values in place of what was to be filled in."""
    return replace(s, options={**s.options, **values})


def markable(item: Item) -> bool:
    """Whether a question says of each member's answer if it is right: judges and tests only mark that of the team."""
    return item.metric not in ("judge", "tests")


def rehearsed(s: System) -> System | None:
    """What has to answer the dev questions, beside the members alone: the system without what is to be filled in.

    None if the members' own scores are all that is wanted.
    """
    if "calibration" not in wants(s):
        return None
    return replace(s, options={k: v for k, v in s.options.items() if k not in wants(s)})


def tuned(
    s: System,
    figures: Iterable[Figures],
    results: Callable[[], Iterable[Result]],
    items: Mapping[Key, Item],
) -> System | None:
    """The system with its options filled in; None while dev results are missing.

    ``accuracy`` is the mean score of each member alone, over the questions that all of them finished. ``weights`` are the same
    drawn in by one question won and one lost, (right + 1) / (n + 2): so nobody's vote is worth nothing. ``calibration`` is
    fitted for each member to what it said in the discussions that `rehearsed` had.

    Args:
        s: A system that wants something.
        figures: All dev samples that are there.
        results: The same with their discussions.
        items: All dev questions.
    """
    wanted, dev = wants(s), list(figures)
    there = Counter(f.system for f in dev)
    awaited = [*(s.team if set(wanted) - {"calibration"} else ()), *([s.name] if "calibration" in wanted else ())]
    if any(there[name] < len(items) for name in awaited):
        return None
    scores = finished_by_all(s.team, dev)
    values: dict[str, Any] = {}
    if "accuracy" in wanted:
        values["accuracy"] = {name: fmean(found) if found else 0.0 for name, found in scores.items()}
    if "weights" in wanted:
        values["weights"] = {name: (sum(found) + 1) / (len(found) + 2) for name, found in scores.items()}
    if "calibration" in wanted:
        values["calibration"] = _curves(s, (r for r in results() if r.system == s.name and r.outcome != "error"), items)
    return filled(s, values)


def finished_by_all(team: Sequence[str], dev: Iterable[Figures]) -> dict[str, list[float]]:
    """The scores of members alone on the dev questions that all of them finished, in the same order for each."""
    scores: dict[str, dict[Key, float]] = {name: {} for name in team}
    for f in dev:
        if f.system in scores and f.outcome != "error":
            scores[f.system][f.task, f.item] = f.score if f.outcome == "scored" else 0.0
    first, *others = scores.values()
    common = [key for key in first if all(key in o for o in others)]
    return {name: [found[key] for key in common] for name, found in scores.items()}


def _curves(s: System, results: Iterable[Result], items: Mapping[Key, Item]) -> dict[str, tuple[float, float]]:
    """A curve for each member: by likelihood fitted to what it said, and flat if it never had a rival to be weighed against."""
    settings = {k: p.default for k, p in s.protocol.options.items()} | dict(s.options)
    by = settings.get("confidence", "agreement")
    cases: dict[str, list[tuple[float, bool]]] = {name: [] for name in s.team}
    silent: dict[str, list[bool]] = {name: [] for name in s.team}
    curves = dict.fromkeys(s.team, NEVER)
    for r in results:
        marks = dict(zip(map(id, r.turns), r.marks, strict=True))
        said = spoken(r.turns)
        for b in beliefs(r.turns, items[r.task, r.item].answer_type, by):
            curves[b.member] = EVEN
            if (mark := marks[id(b.turn)]) is None:
                continue
            if by == "agreement" or b.member in said:
                cases[b.member].append((b.confidence, right(mark)))
            else:
                silent[b.member].append(right(mark))
    for name in s.team:
        if cases[name]:
            curves[name] = fit(*zip(*cases[name], strict=True))
        elif silent[name]:
            curves[name] = fit([0.0] * len(silent[name]), silent[name])
    return curves
