"""Emergence against the number of members: right where every member is wrong, beside what asking them again would give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from folkmoot.discussion import Turn
from folkmoot.evaluation.collaboration.emergence import emergence
from folkmoot.evaluation.collaboration.luck import Again, again
from folkmoot.evaluation.collaboration.said import said
from folkmoot.evaluation.collaboration.tally import right
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.statistics import Difference
from folkmoot.experiment.crossed import Questions, rate, ratio
from folkmoot.experiment.curves import sizes
from folkmoot.experiment.design import Design, Part
from folkmoot.experiment.sizes import parameters
from folkmoot.experiment.values import Dot, Effect, Found, Line, Meta, Stop

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

Scores = dict[Key, dict[int, float]]


def emergent(d: Design, meta: Meta, results: Iterable[Result], items: Mapping[Key, Item]) -> Found:
    """Emergence rate, resampling control and excess for every size of team, and for all members."""
    controls = {m["graph"]: m["systems"].get("control", "") for m in meta["matches"]}
    scores, luck, picking = _read(
        results, items, {c for c in controls.values() if c}, {p.system: p.members for p in d.parts}
    )
    keys = sorted(items)
    questions = Questions([items[k].cluster for k in keys], [k[0] for k in keys])
    clusters = {k: i.cluster for k, i in items.items() if i.cluster}
    lines, effects = list[Line](), list[Effect]()
    graphs = [p for p in d.parts if p.x > 1]
    finished = [p for p in graphs if p.system in scores]
    picks = [
        name
        for name in dict.fromkeys(p.line for p in finished)
        if all(p.system in picking for p in finished if p.line == name)
    ]
    for name in dict.fromkeys(p.line for p in graphs):
        stops: dict[int, list[Part]] = {}
        for p in sorted((p for p in graphs if p.line == name), key=lambda p: p.x):
            stops.setdefault(p.x, []).append(p)
        ours, theirs = list[Stop](), list[Stop]()
        for x, parts in stops.items():
            seed = f"emergence {d.suite.seed} {name} {x}"
            rows = [_row(p, scores, luck.get(controls.get(p.system, ""), {}), keys) for p in parts]
            lost, won, again_lost, again_won, paired = (_stacked(column) for column in zip(*rows, strict=True))
            possible = parts[0].possible
            if not lost.any():
                continue
            ours.append(_stop(x, rate(won, lost, possible, questions, seed=seed), parts, won, lost))
            if again_lost.any() and name not in picks:
                control = rate(again_won, again_lost, possible, questions, seed=f"{seed} control")
                theirs.append(_stop(x, control, parts, again_won, again_lost))
                excess = ratio(paired, again_lost, possible, questions, seed=f"{seed} excess")
                if possible == 1:
                    excess = _reported(parts[0], scores, luck, controls, clusters, d.suite.seed) or excess
                effects.append(Effect(f"{name}, {x} members: beyond the control", excess))
        lines.append(Line(name, tuple(ours)))
        if theirs:
            lines.append(Line(name, tuple(theirs), control=True))
    lines += _beside(d, scores, graphs, keys, questions)
    told = sum(1 for k in keys if all(k in scores.get(p.system, {}) for p in d.parts))
    return Found(
        experiment="emergence",
        title=f"Solved where every member fails: {d.suite.name.removesuffix('-emergence')}",
        asks="Of the questions that every member alone gets wrong, how many does the team get right, beyond new luck?",
        x="members",
        y="share solved of the questions that every member fails",
        lines=tuple(lines),
        bands=(),
        own=(),
        effects=tuple(effects),
        contrasts=(),
        notes=(
            *(_control(picks) if any(line.control for line in lines) else ()),
            *_picking(picks),
            "With more members fewer questions are left that all of them fail, and these are harder: the rates of two sizes are "
            "not of the same questions.",
            *(
                ("There is no control (temperature 0): do not call these rates emergence.",)
                if not any(controls.values())
                else ()
            ),
            *_missing(lines, graphs),
            "Monoliths and base: the share of the same questions that they solve, at each number of members, over the same teams.",
            "Intervals (95 %) are for other questions and for other teams of these members.",
            *sizes(d),
            *d.notes,
        ),
        questions=told,
        planned=sum(meta["planned"].values()),
        together=parameters(d.suite.team, d.suite.engine),
    )


def _control(picks: Sequence[str]) -> list[str]:
    but = f"; {', '.join(picks)} need none, see below" if picks else ""
    return [
        "The control is a vote over fresh samples of the same members: as many for each as the graph has calls beyond its first "
        f"answer (rounded, at least one){but}. It is what asking again gives without collaboration. Quote the difference, not the "
        "rate."
    ]


def _picking(picks: Sequence[str]) -> list[str]:
    if not picks:
        return []
    return [
        f"{', '.join(picks)}: every answer is the first draft of one of the members, so where all of these are wrong the team is "
        "wrong, too: this rate is 0 by construction and says nothing about the graph. There is nothing beyond a control."
    ]


def _missing(lines: Sequence[Line], graphs: Sequence[Part]) -> list[str]:
    there = {s.x for line in lines for s in line.stops}
    gone = [str(x) for x in sorted({p.x for p in graphs}) if x not in there]
    return [f"No question was failed by all members of a team of {', '.join(gone)}: there is no rate."] if gone else []


def _beside(
    d: Design, scores: Mapping[str, Scores], graphs: Sequence[Part], keys: Sequence[Key], questions: Questions
) -> list[Line]:
    """Monoliths and bases on the questions that all members of each team fail, in the draws that all graphs have finished."""
    found = []
    for m in d.suite.monoliths:
        stops = []
        for x in sorted({p.x for p in graphs}):
            teams = {p.members: [q.system for q in graphs if q.members == p.members] for p in graphs if p.x == x}
            rows = [_alone(m.name, who, systems, scores, keys) for who, systems in teams.items()]
            lost, won = (_stacked(column) for column in zip(*rows, strict=True))
            if lost.any():
                possible = next(p.possible for p in graphs if p.x == x)
                estimate = rate(won, lost, possible, questions, seed=f"emergence {d.suite.seed} {m.name} {x}")
                stops.append(Stop(x, estimate, (), possible, float(lost.sum())))
        kind = "base" if m.name in d.bases else "monolith"
        found.append(Line(m.name, tuple(stops), beside=kind, parameters=parameters([m], d.suite.engine)))
    return found


def _alone(
    name: str, members: Sequence[str], systems: Sequence[str], scores: Mapping[str, Scores], keys: Sequence[Key]
) -> tuple[list[float], list[float]]:
    """For every question: all members fail (1 or 0), and the share of such draws in which the system `name` is right."""
    lost, won = list[float](), list[float]()
    for key in keys:
        own = scores.get(name, {}).get(key, {})
        teams = [scores.get(s, {}).get(key, {}) for s in systems]
        alone = [scores.get(m, {}).get(key, {}) for m in members]
        draws = [n for n in own if all(n in t for t in teams) and all(n in a and not right(a[n]) for a in alone)]
        lost.append(float(bool(draws)))
        won.append(_mean([right(own[n]) for n in draws]))
    return lost, won


def _read(
    results: Iterable[Result],
    items: Mapping[Key, Item],
    controls: set[str],
    members: Mapping[str, Sequence[str]],
) -> tuple[dict[str, Scores], dict[str, dict[Key, dict[int, Again]]], set[str]]:
    """Scores of every system by draw, the fresh samples of the controls, and the systems that only pick among first drafts."""
    scores: dict[str, Scores] = {}
    new = set[str]()
    luck: dict[str, dict[Key, dict[int, Again]]] = {}
    for r in results:
        if r.outcome == "error":
            continue
        key = (r.task, r.item)
        if r.system in members and not picked(r.turns, members[r.system]):
            new.add(r.system)
        scores.setdefault(r.system, {}).setdefault(key, {})[r.draw] = r.score if r.outcome == "scored" else 0.0
        if r.system in controls:
            form = partial(_form, items[key])
            fresh = again(said(r, form, items[key].metric in ("exact", "f1")))
            if fresh is not None:
                luck.setdefault(r.system, {}).setdefault(key, {})[r.draw] = fresh
    return scores, luck, {s for s in members if s in scores} - new


def picked(turns: Sequence[Turn], members: Sequence[str]) -> bool:
    """Whether a discussion holds no other answers than a first draft of each member, or of some.

    Then its decision is one of these, whoever chose it, and where all members alone are wrong it is wrong by construction.
    """
    answers = [t.speaker for t in turns if t.role == "answer"]
    return (
        len(answers) == len(set(answers))
        and set(answers) <= set(members)
        and not any(t.role == "finish" or (t.role == "answer" and t.draw) for t in turns)
    )


def _form(item: Item, answer: str) -> str:
    return item.answer_type.canonical(answer)


def _row(
    p: Part, scores: Mapping[str, Scores], luck: Mapping[Key, Mapping[int, Again]], keys: Sequence[Key]
) -> tuple[list[float], ...]:
    """For every question: all members fail (1 or 0), and then the shares of draws in which the team, and the control, is right.

    The last three columns are of the draws of which the control has a sample: chance, control right, team minus control.
    """
    columns: tuple[list[float], ...] = ([], [], [], [], [])
    for key in keys:
        own = scores.get(p.system, {}).get(key, {})
        alone = [scores.get(m, {}).get(key, {}) for m in p.members]
        lost = [n for n in own if all(n in a and not right(a[n]) for a in alone)]
        known = [n for n in lost if n in luck.get(key, {})]
        won = _mean([right(own[n]) for n in lost])
        control = _mean([luck[key][n].vote for n in known])
        ours = _mean([right(own[n]) for n in known])
        for column, value in zip(columns, (bool(lost), won, bool(known), control, ours - control), strict=True):
            column.append(float(value))
    return columns


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def _stacked(rows: Sequence[Sequence[float]]) -> Floats:
    import numpy as np

    return np.array(rows)


def _stop(x: int, estimate: Difference, parts: Sequence[Part], won: Floats, lost: Floats) -> Stop:
    dots = tuple(
        Dot(", ".join(p.members), float(w.sum() / of.sum()) if of.any() else None)
        for p, w, of in zip(parts, won, lost, strict=True)
    )
    return Stop(x, estimate, dots, parts[0].possible, float(lost.sum()))


def _reported(
    p: Part,
    scores: Mapping[str, Scores],
    luck: Mapping[str, Mapping[Key, Mapping[int, Again]]],
    controls: Mapping[str, str],
    clusters: Mapping[Key, str],
    seed: int,
) -> Difference | None:
    """The excess as the report of a run has it, where there is one team only."""
    members = [scores[m] for m in p.members if m in scores]
    if len(members) < len(p.members):
        return None
    by = controls.get(p.system, "")
    return emergence(scores.get(p.system, {}), members, luck.get(by, {}), by=by, clusters=clusters, seed=seed).excess
