"""Scaling and diversity: mean score of teams against the number of members, or of distinct members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from folkmoot.evaluation.compare import declared
from folkmoot.evaluation.contrast import Contrast, Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures
from folkmoot.experiment.crossed import Teams, combined, share, slope
from folkmoot.experiment.design import Design, Part
from folkmoot.experiment.measured import Measured, measured
from folkmoot.experiment.sizes import parameters, told
from folkmoot.experiment.values import Band, Dot, Effect, Found, Line, Meta, Stop

OVER_BOTH = (
    "Intervals (95 %) are for other questions like these and for other teams of these members: bootstrap over questions within "
    "tasks, and the variance between the teams tried, less what has been seen of all possible ones."
)


def scaling(d: Design, meta: Meta, figures: Sequence[Figures], items: dict[Key, Item]) -> Found:
    """Score against the number of members."""
    table = measured(figures, _systems(d), items)
    lines, effects = [], []
    for name, stops in _by_line(d.parts).items():
        parts = [(float(x), _teams(table, stop)) for x, stop in stops.items()]
        lines.append(_line(name, stops, table, d.suite.seed))
        if len(parts) < 2 or not table.keys:
            continue
        more = slope(parts, table.questions, seed=f"slope {d.suite.seed} {name}")
        effects.append(Effect(f"{name}: for every member more (least squares over the sizes)", more))
        ends = [(1.0, parts[-1][1]), (-1.0, parts[0][1])]
        gain = combined(ends, table.questions, seed=f"gain {d.suite.seed} {name}")
        effects.append(Effect(f"{name}: all {parts[-1][0]:.0f} members against one at random", gain))
    return Found(
        experiment="scaling",
        title=f"More members: {d.suite.name.removesuffix('-scaling')}",
        asks="Does the score rise with the number of members?",
        x="members",
        y="score",
        lines=tuple(lines),
        bands=bands(d, table),
        own=(),
        effects=tuple(effects),
        contrasts=against_the_large(d, meta, figures, items),
        notes=(
            OVER_BOTH,
            "A team of one is the member alone, whatever the graph.",
            *_fewer(lines),
            *sizes(d),
            *d.notes,
        ),
        questions=len(table.keys),
        planned=sum(meta["planned"].values()),
        together=parameters(d.suite.team, d.suite.engine),
    )


def diversity(d: Design, meta: Meta, figures: Sequence[Figures], items: dict[Key, Item]) -> Found:
    """Score against the number of distinct members, at a fixed number of seats."""
    table = measured(figures, _systems(d), items)
    lines, effects = [], []
    for name, stops in _by_line(d.parts).items():
        lines.append(_line(name, stops, table, d.suite.seed))
        (least, few), *_, (most, many) = stops.items()
        ends = [(1.0, _teams(table, many)), (-1.0, _teams(table, few))]
        gain = combined(ends, table.questions, seed=f"distinct {d.suite.seed} {name}")
        effects.append(Effect(f"{name}: {most} distinct members against {least} copied, at equal seats", gain))
        by_doubling = [(math.log2(x), _teams(table, stop)) for x, stop in stops.items()]
        trend = slope(by_doubling, table.questions, seed=f"doubling {d.suite.seed} {name}")
        effects.append(Effect(f"{name}: for every doubling of distinct members (least squares)", trend))
    seats = max(p.x for p in d.parts)
    total = next((len(s.team) for s in d.suite.systems), seats)
    return Found(
        experiment="diversity",
        title=f"Distinct members in {total} seats: {d.suite.name.removesuffix('-diversity')}",
        asks="At equal seats, are different members better than copies of one?",
        x=f"distinct members in {total} seats",
        y="score",
        lines=tuple(lines),
        bands=bands(d, table),
        own=(),
        effects=tuple(effects),
        contrasts=(),
        notes=(
            OVER_BOTH,
            f"Every team has {total} seats: with k distinct members each sits there {total}/k times, as copies that draw with "
            "other seeds. Which k is a random choice.",
            *(_calls(lines) if table.keys else ()),
            *_fewer(lines),
            *sizes(d),
            *d.notes,
        ),
        questions=len(table.keys),
        planned=sum(meta["planned"].values()),
        together=parameters(d.suite.team, d.suite.engine),
    )


def bands(d: Design, table: Measured) -> tuple[Band, ...]:
    """Monoliths and bases, each with its size; their intervals are for other questions."""
    kinds = {m.name: "base" if m.name in d.bases else "monolith" for m in d.suite.monoliths}
    return tuple(
        Band(
            m.name,
            kinds[m.name],
            share(Teams(table.scores[m.name][None, :], 1), table.questions, seed=f"band {d.suite.seed} {m.name}"),
            parameters([m], d.suite.engine),
        )
        for m in d.suite.monoliths
    )


def against_the_large(
    d: Design, meta: Meta, figures: Sequence[Figures], items: dict[Key, Item]
) -> tuple[Contrast, ...]:
    """The whole team of every graph against every monolith, the base and the member that was best on dev: one Holm family."""
    largest = max(p.x for p in d.parts)
    best = (meta["best"] or {}).get("name")
    against = [m.name for m in d.suite.monoliths] + ([best] if best else [])
    family = [(p.system, name) for p in d.parts if p.x == largest for name in against]
    clusters = {key: item.cluster for key, item in items.items() if item.cluster}
    return tuple(
        declared(
            figures,
            family,
            clusters=clusters,
            margin=d.suite.margin,
            seed=d.suite.seed,
            planned=sum(meta["planned"].values()),
        )
    )


def sizes(d: Design) -> list[str]:
    """Whether a monolith is larger than all contributions together, in words."""
    together = parameters(d.suite.team, d.suite.engine)
    large = {m.name: parameters([m], d.suite.engine) for m in d.suite.monoliths if m.name not in d.bases}
    notes = [f"All contributions together: {told(together)} parameters (a shared base counts once)."]
    if together is None:
        return notes
    if larger := [f"{name} ({told(n)})" for name, n in large.items() if n is not None and n > together]:
        return [*notes, f"Larger than all of them together: {', '.join(larger)}."]
    return [*notes, "No monolith here is known to be larger than all of them together."]


def _systems(d: Design) -> list[str]:
    return list(dict.fromkeys([*(p.system for p in d.parts), *(m.name for m in d.suite.monoliths)]))


def _by_line(parts: Sequence[Part]) -> dict[str, dict[int, list[Part]]]:
    """The parts of every graph, by where they stand, rising."""
    lines: dict[str, dict[int, list[Part]]] = {}
    for p in sorted(parts, key=lambda p: p.x):
        lines.setdefault(p.line, {}).setdefault(p.x, []).append(p)
    order = list(dict.fromkeys(p.line for p in parts))
    return {name: lines[name] for name in order}


def _teams(table: Measured, stop: Sequence[Part]) -> Teams:
    return table.teams([p.system for p in stop], stop[0].possible)


def _line(name: str, stops: dict[int, list[Part]], table: Measured, seed: int) -> Line:
    return Line(
        name,
        tuple(
            Stop(
                x=x,
                estimate=share(_teams(table, stop), table.questions, seed=f"stop {seed} {name} {x}"),
                dots=tuple(
                    Dot(", ".join(p.members), float(table.scores[p.system].mean()) if table.keys else 0.0) for p in stop
                ),
                possible=stop[0].possible,
                n=len(table.keys),
                tokens=fmean(table.tokens[p.system] for p in stop),
                calls=fmean(table.calls[p.system] for p in stop),
            )
            for x, stop in stops.items()
        ),
    )


def _calls(lines: Sequence[Line]) -> list[str]:
    """Whether every k made equal calls, as counted: diversity is bought with nothing else only if so."""
    counted = {line.name: [f"{s.calls:.3g}" for s in line.stops if s.calls is not None] for line in lines}
    level = [f"{name} {calls[0]}" for name, calls in counted.items() if len(set(calls)) == 1]
    uneven = [f"{name} {', '.join(calls)}" for name, calls in counted.items() if len(set(calls)) > 1]
    notes = [f"Calls per question, as counted, are the same for every k: {'; '.join(level)}."] if level else []
    if uneven:
        notes.append(
            f"Calls per question, as counted, are not the same for every k (k rising): {'; '.join(uneven)}. A part of what more "
            "distinct members gain or lose there may be due to that (a discussion that agrees can end early)."
        )
    return notes


def _fewer(lines: Sequence[Line]) -> list[str]:
    """A warning where one team stands for several."""
    if any(len(s.dots) == 1 < s.possible for line in lines for s in line.stops):
        return ["Where only one team out of several was tried, the interval is for other questions alone."]
    return []
