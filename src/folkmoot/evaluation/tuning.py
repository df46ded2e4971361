"""Options of a graph that are filled in from dev results: ``with: {accuracy: dev, calibration: dev}``.

No test question has a say: a system with such options has no samples before its dev results are there, and what they said is
part of the key of every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from folkmoot.confidence import NEVER, beliefs, fit
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

    ``accuracy`` and ``weights`` are the mean scores of the members alone. ``calibration`` is fitted for each member to what it
    said in the discussions that `rehearsed` had.

    Args:
        s: A system that wants something.
        figures: All dev samples that are there.
        results: The same with their discussions.
        items: All dev questions.
    """
    wanted = wants(s)
    scores: dict[str, dict[Key, float]] = {}
    there: dict[str, int] = {}
    for f in figures:
        there[f.system] = there.get(f.system, 0) + 1
        if f.outcome != "error":
            scores.setdefault(f.system, {})[f.task, f.item] = f.score if f.outcome == "scored" else 0.0
    awaited = [*(s.team if set(wanted) - {"calibration"} else ()), *([s.name] if "calibration" in wanted else ())]
    if any(there.get(name, 0) < len(items) for name in awaited):
        return None
    mean = {name: fmean(scores[name].values()) if scores.get(name) else 0.0 for name in s.team}
    values: dict[str, Any] = {k: mean for k in wanted if k != "calibration"}
    if "calibration" in wanted:
        values["calibration"] = _curves(s, (r for r in results() if r.system == s.name and r.outcome != "error"), items)
    return filled(s, values)


def _curves(s: System, results: Iterable[Result], items: Mapping[Key, Item]) -> dict[str, tuple[float, float]]:
    by = s.options.get("confidence", s.protocol.options["confidence"].default)
    cases: dict[str, list[tuple[float, bool]]] = {name: [] for name in s.team}
    for r in results:
        marks = dict(zip(map(id, r.turns), r.marks, strict=True))
        for b in beliefs(r.turns, items[r.task, r.item].answer_type, by):
            if (mark := marks[id(b.turn)]) is not None:
                cases[b.member].append((b.confidence, right(mark)))
    return {name: fit(*zip(*found, strict=True)) if found else NEVER for name, found in cases.items()}
