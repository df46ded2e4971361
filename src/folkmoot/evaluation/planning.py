"""What a suite would cost and what it could show, before anything is spent."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.evaluation.baselines import LEAST_REFINED
from folkmoot.evaluation.compare import scores as scores_of
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.report import read_meta
from folkmoot.evaluation.run import RunOptions, planned
from folkmoot.evaluation.statistics.planning import Design, detectable, observed, sample_size
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.worth.coalitions import Coalitions

POINTS = 0.05
"""The difference that is asked about."""


@dataclass(frozen=True, slots=True)
class SystemOutline:
    """One system: its name, kind, team, and most calls per question."""

    name: str
    kind: str
    team: tuple[str, ...]
    calls: int


@dataclass(frozen=True, slots=True)
class TaskOutline:
    """One task: questions asked, questions on dev, and how many items the data checks left out."""

    name: str
    n: int
    dev: int
    left_out: int


@dataclass(frozen=True, slots=True)
class WorthOutline:
    """What it takes to say what the members of one graph are worth.

    Attributes:
        graph: The graph.
        members: How many its team has.
        sampled: Permutations that are sampled; 0: all coalitions are run.
        systems: Coalitions that the suite does not run anyway.
        samples: Their samples.
        calls: Most calls of these, before the cache; first drafts are there already.
    """

    graph: str
    members: int
    sampled: int
    systems: int
    samples: int
    calls: int


@dataclass(frozen=True, slots=True)
class Power:
    """What one comparison could show.

    Attributes:
        graph: The graph.
        reference: What it is compared with.
        discordance: Share of questions on which the two are taken to differ.
        seen: That share comes from an earlier run and is no guess.
        detectable: Smallest difference, 0 to 1, shown with 80 % power at the planned questions; None if none would be.
        needed: Questions for a difference of 5 points; None if no number would do.
    """

    graph: str
    reference: str
    discordance: float
    seen: bool
    detectable: float | None
    needed: int | None


@dataclass(frozen=True, slots=True)
class Outline:
    """What `eval plan` says.

    Attributes:
        suite: Name of the suite.
        tasks: The tasks, in order.
        skipped: Tasks whose data are not here.
        systems: Members, graphs and monoliths.
        baselines: The baselines that follow once the graphs have run, in words.
        worth: The coalitions that follow then, for each graph under 'worth'.
        calls: Most model calls of the planned systems, before the cache.
        dev_calls: Those of them on dev: of the members, and of the graphs that are calibrated there.
        questions: Questions asked of every system.
        draws: How often each is asked.
        comparisons: The declared family; its size is what every p is corrected for.
        findings: What the data checks found.
    """

    suite: str
    tasks: tuple[TaskOutline, ...]
    skipped: tuple[str, ...]
    systems: tuple[SystemOutline, ...]
    baselines: tuple[str, ...]
    worth: tuple[WorthOutline, ...]
    calls: int
    dev_calls: int
    questions: int
    draws: int
    comparisons: tuple[Power, ...]
    findings: tuple[Finding, ...]


def outline(name: str, options: RunOptions, earlier: Path | None = None) -> Outline:
    """Check a suite and reckon what it takes and what it can show.

    Args:
        name: A suite file, or the name of a shipped suite.
        options: As for a run.
        earlier: Folder of an earlier run of the same systems: how often they differ is taken from there.

    Raises:
        BadInput: The suite is wrong, or there is no such run.
        Missing: A prerequisite is not there.
    """
    plan = planned(name, options)
    baselines = _baselines(plan)
    return Outline(
        suite=plan.suite.name,
        tasks=tuple(
            TaskOutline(t.task.name, len(t.items), len(t.dev), sum(f.excluded for f in t.findings)) for t in plan.tasks
        ),
        skipped=plan.skipped,
        systems=tuple(_system(s) for s in plan.systems),
        baselines=tuple(baselines.values()),
        worth=tuple(_worth(plan, c) for c in plan.worth),
        calls=plan.most_calls(),
        dev_calls=plan.dev_calls(),
        questions=len(plan.items),
        draws=plan.suite.draws,
        comparisons=_comparisons(plan, list(baselines), earlier),
        findings=tuple(f for t in plan.tasks for f in t.findings),
    )


def outline_json(o: Outline) -> dict[str, Any]:
    """As plain data."""
    return dataclasses.asdict(o)


def outline_text(o: Outline) -> str:
    """For people."""
    lines = [f"{o.suite}: {o.questions} questions x {o.draws} {'draw' if o.draws == 1 else 'draws'}", ""]
    width = max(len(t.name) for t in o.tasks)
    for t in o.tasks:
        dev, out = (
            f", {t.dev} on dev" if t.dev else "",
            f", {t.left_out} left out by the data checks" if t.left_out else "",
        )
        lines.append(f"  {t.name:<{width}}  {t.n} questions{dev}{out}")
    lines += [f"  skipped: {why}" for why in o.skipped]
    for kind, found in Counter(f.kind for f in o.findings).items():
        lines.append(f"  data: {found} {kind}, such as {next(_finding(f) for f in o.findings if f.kind == kind)}")
    lines += ["", "Systems, with most calls per question"]
    width = max(len(s.name) for s in o.systems)
    lines += [f"  {s.name:<{width}}  {s.kind:<8}  {s.calls:>3}  {', '.join(s.team)}" for s in o.systems]
    lines += [f"  then {b}" for b in o.baselines]
    for w in o.worth:
        how = f"{w.sampled} sampled permutations" if w.sampled else "all coalitions"
        lines.append(
            f"  then {w.graph} with {w.systems} smaller teams of its {w.members} members ({how}): {w.samples} samples, at most "
            f"{w.calls} calls"
        )
    later = "those of the baselines and smaller teams" if o.worth else "those of the baselines"
    on_dev = f", {o.dev_calls} of them on dev" if o.dev_calls else ""
    lines += [f"At most {o.calls} calls{on_dev}, and {later}; equal calls are made once.", ""]
    if not o.comparisons:
        return "\n".join([*lines, "No graph is compared with anything."])
    lines.append(f"What it could show (80 % power at 5 %, Holm over {len(o.comparisons)} comparisons)")
    alike: dict[str, list[str]] = {}  # with a guess, all comparisons come out the same
    for c in o.comparisons:
        alike.setdefault(_power(c), []).append(f"{c.graph} against {c.reference}")
    for said, pairs in alike.items():
        lines += [f"  {pair}" for pair in pairs] if len(alike) > 1 else []
        lines.append(f"  {'    ' if len(alike) > 1 else 'each: '}{said}")
    shares = sorted({f"{100 * c.discordance:.0f} %" for c in o.comparisons})
    how = (
        "as in the earlier run"
        if all(c.seen for c in o.comparisons)
        else "a guess; give an earlier run with --earlier RUN"
    )
    lines.append(
        f"  if two systems differ on {' to '.join(dict.fromkeys((shares[0], shares[-1])))} of the questions ({how})."
    )
    return "\n".join(lines)


def _power(c: Power) -> str:
    least = f"{100 * c.detectable:.1f} points or more" if c.detectable is not None else "no difference at all"
    needed = f"{c.needed} questions" if c.needed else "no number of questions"
    return f"{least}; for {100 * POINTS:g} points it would take {needed}"


def _finding(f: Finding) -> str:
    return f"{f.task} {f.split} {f.item}: {f.what}{' (left out)' if f.excluded else ''}"


def _system(s: System) -> SystemOutline:
    return SystemOutline(s.name, s.kind, s.team, s.protocol.most_calls(len(s.team), s.options))


def _worth(plan: Plan, c: Coalitions) -> WorthOutline:
    calls = sum(s.protocol.most_calls(len(s.team), s.options) for s in c.extra)
    return WorthOutline(
        c.graph, len(c.team), len(c.orders), len(c.extra), plan.checked * len(c.extra), plan.checked * calls
    )


def _baselines(plan: Plan) -> dict[str, str]:
    """The baselines of every graph, by role as in `Match`, in words."""
    wanted, team = plan.suite.baselines, len(plan.suite.team)
    best = plan.chooses or team == 1
    said = {}
    if "vote" in wanted and team > 1:
        said["vote"] = "vote over the first drafts (no further calls)"
        said["vote at equal calls"] = "vote over as many fresh samples as each graph has calls"
    if "self_consistency" in wanted and best:
        said["self-consistency at equal calls"] = "self-consistency of the best member at the calls of each graph"
        said["self-consistency at equal tokens"] = "self-consistency of the best member at the tokens of each graph"
    if "self_refine" in wanted and best:
        said["self-refine at equal calls"] = (
            f"self-refine of the best member at the calls of each graph that takes {LEAST_REFINED} or more"
        )
        said["self-refine at equal tokens"] = (
            "self-refine of the best member at the tokens of each of these, where one round does not exceed them by half"
        )
    return said


def _comparisons(plan: Plan, roles: list[str], earlier: Path | None) -> tuple[Power, ...]:
    suite = plan.suite
    named = (["best"] if plan.chooses else []) + roles
    group = {"best": "best", "vote": "vote", "vote at equal calls": "vote"}
    group |= {f"self-refine at equal {what}": "self_refine" for what in ("calls", "tokens")}
    fixed = [m.name for m in suite.monoliths] if "monolith" in suite.family else []
    chosen = [r for r in named if group.get(r, "self_consistency") in suite.family]
    brief = {g.name for g in plan.graphs if g.protocol.most_calls(len(g.team), g.options) < LEAST_REFINED}
    pairs = [(g.name, r) for g in plan.graphs for r in (*fixed, *chosen)]
    pairs = [(g, r) for g, r in pairs if not (g in brief and group.get(r) == "self_refine")]
    sizes = Counter((i.task, i.cluster) for i in plan.items if i.cluster)
    clusters = len(sizes) + sum(not i.cluster for i in plan.items)
    design = Design(
        draws=suite.draws,
        cluster=len(plan.items) / clusters if clusters else 1.0,
        comparisons=max(1, len(pairs)),
        partial=any(i.metric in ("f1", "judge") for i in plan.items),
    )
    seen = _earlier(earlier) if earlier else {}
    found = []
    for graph, reference in pairs:
        before = seen.get((graph, reference))
        used = observed(*before, design=design) if before else design
        least = detectable(len(plan.items), used)
        found.append(Power(graph, reference, used.discordance, before is not None, least, sample_size(POINTS, used)))
    return tuple(found)


def _earlier(folder: Path) -> dict[tuple[str, str], tuple[Any, Any, Mapping[tuple[str, str], str]]]:
    """Scores of both sides of every comparison of an earlier run, by graph and reference or its role."""
    meta = read_meta(folder)
    with RunStore(folder, write=False) as store:
        figures = store.figures()
        scores = {name: s for name in meta["kinds"] if (s := scores_of(figures, name))}
        clusters = {key: item.cluster for key, item in store.items().items() if item.cluster}
    names = {(m["graph"], role): name for m in meta["matches"] for role, name in m["systems"].items()}
    names |= {(g, name): name for g, name in meta["family"]}
    return {
        (g, role): (scores[g], scores[name], clusters)
        for (g, role), name in names.items()
        if g in scores and name in scores
    }
