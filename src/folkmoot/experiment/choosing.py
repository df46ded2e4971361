"""`folkmoot team select`: from a finished run, or a team and a suite, to a proposed team."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput, load
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.report import REHEARSAL, read_meta
from folkmoot.evaluation.run import RunOptions, carry_out, checked
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import Suite, Worth, find_suite, read_suite, suite_names
from folkmoot.experiment.command import told
from folkmoot.experiment.design import base_models
from folkmoot.experiment.gain import Gain, gain
from folkmoot.experiment.outcomes import Outcomes, outcomes
from folkmoot.experiment.selecting import Budget, By, Standing, by_task, floor, looks_best, select, worth
from folkmoot.experiment.table import points
from folkmoot.experiment.teamfile import write_team
from folkmoot.manifest import Manifest
from folkmoot.team import read_team
from folkmoot.visible import visible

WHY: Mapping[By, str] = {
    "routed": "every question goes to the member of the team that was best on its task: what a graph can get that finds out "
    "whose field a question is in (route, confident_select); a plain vote of specialists would lose it",
    "vote": "the most frequent answer of the team: what majority_vote gets",
    "coverage": "some member of the team is right: the ceiling of any choice among the answers; lucky guesses count",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed team.

    Attributes:
        by: What a team is worth.
        budget: What it may take.
        members: The team, in the order of the original one.
        reasons: Why each is in it.
        out: Why each of the others is not.
        standings: Of everybody: the floor.
        expected: What it gains.
        questions: Dev questions behind it.
        tokens: Of one draft of each member, per question.
        notes: What to know.
    """

    by: By
    budget: Budget
    members: tuple[str, ...]
    reasons: Mapping[str, str]
    out: Mapping[str, str]
    standings: tuple[Standing, ...]
    expected: Gain
    questions: int
    tokens: float
    notes: tuple[str, ...]


def propose(o: Outcomes, budget: Budget, by: By | None, seed: int) -> Proposal:
    """Choose a team and say why.

    Args:
        o: Dev outcomes.
        budget: What it may take.
        by: What a team is worth; ``routed`` if left out, or ``vote`` where there is one task only.
        seed: Of partitions and intervals.

    Raises:
        BadInput: Nobody passes the floor, or fits the budget.
    """
    import numpy as np

    notes = []
    if by is None:
        by = "routed" if len(o.names) > 1 else "vote"
        notes += ["One task: routing by task would choose one member, so teams are compared by their vote."] * (
            by == "vote"
        )
    standings, team = floor(o), select(o, by, budget)
    if not team:
        able = [s for s in standings if s.passes]
        why = (
            "nobody is better than guessing on anything"
            if not able
            else "the cheapest member takes more tokens than that"
        )
        raise BadInput(f"team select: no team: {why}")
    every = np.arange(o.scores.shape[1])
    reasons = {}
    for i in team:
        rest = [j for j in team if j != i]
        without = worth(o, by, rest, every, every).mean() if rest else 0.0
        lost = 100 * float(worth(o, by, team, every, every).mean() - without)
        reasons[o.members[i]] = f"without it {lost:.1f} points less on dev" + _fields(o, i, team, by)
    spread = float(np.bincount(o.tasks).min())
    if spread < 20:
        notes.append(
            f"Only {spread:.0f} dev questions on the smallest task: more of them (dev: limit:) make a better choice."
        )
    expected = gain(o, by, budget, seed=seed)
    free = select(o, by, Budget())
    if expected.apparent <= 0:
        best = looks_best(o, budget, every)
        binds = worth(o, by, free, every, every).mean() > o.scores[best].mean() + 1e-12
        within = " within the budget" if binds else ""
        low = ", who is left out by the floor" if not standings[best].passes else ""
        notes.append(f"No team{within} is better on the dev questions than {o.members[best]} alone{low}.")
    return Proposal(
        by,
        budget,
        tuple(o.members[i] for i in team),
        reasons,
        {s.member: _out(o, by, team, free, i, s) for i, s in enumerate(standings) if i not in team},
        tuple(standings),
        expected,
        o.scores.shape[1],
        float(o.tokens[list(team)].sum()),
        tuple(notes),
    )


def from_run(folder: Path, budget: Budget, by: By | None, write: Path | None, *, as_json: bool = False) -> int:
    """Propose a team from the dev samples of a finished run, and print it.

    Raises:
        BadInput: No run, no dev samples, no team.
    """
    meta = read_meta(folder)
    members = [name for name, kind in meta["kinds"].items() if kind == "member"]
    if len(members) < 2:
        raise BadInput(f"{folder}: a team of one; there is nothing to choose")
    with RunStore(folder, write=False) as store, store.snapshot():
        only_dev = "select" in meta.get("experiment", {}).get("name", "")
        items = store.items(dev=not only_dev)
        if not items:
            raise BadInput(f"{folder}: no dev samples; run it with 'dev: limit:' above 0, or give TEAM and SUITE")
        bases = meta.get("experiment", {}).get("of_base", {}) if only_dev else {}
        found = outcomes(store.results(dev=not only_dev), items, members, bases)
    made = propose(found, budget, by, meta["seed"])
    if judged := meta.get("experiment", {}).get("left_out", ()):
        made = replace(made, notes=(*made.notes, f"Left out, since judges score it: {', '.join(judged)}."))
    say(made, meta, as_json)
    if write is not None:
        team = [Manifest.model_validate(m) for m in meta["suite"]["team"] if m["name"] in made.members]
        write_team(write, team, _registry(meta), Path(meta["options"]["cwd"]))
        if not as_json:
            print(f"Team file: {write}")
    return 0


def from_team(
    team: Path, suite: str, run: RunOptions, budget: Budget, by: By | None, write: Path | None, *, as_json: bool = False
) -> int:
    """Ask all members the dev questions of a suite, or go on with that, and propose a team.

    Returns:
        Exit code as that of ``eval run``.
    """
    path = find_suite(suite)
    own, lines = read_suite(path, read_team(team))
    if len(own.team) < 2:
        raise BadInput(f"{team}: a team of one; there is nothing to choose")
    plan = checked(_members_only(own), lines, path, run)
    with_dev = {t.task.name for t in plan.tasks if t.dev}
    judged = [t.task.name for t in plan.tasks if any(i.metric == "judge" for i in t.items)]
    if not with_dev:
        raise BadInput(f"{path}: no dev questions: no task has a dev split, or 'dev: limit:' is 0")
    held = (
        [u for u, t in zip(plan.suite.tasks, plan.tasks, strict=True) if t.task.name in with_dev]
        if not plan.skipped
        else None
    )
    uses = held if held is not None else [u for u in plan.suite.tasks if u.name in with_dev]
    dev = plan.suite.model_copy(
        update={
            "name": f"{own.name}-select",
            "tasks": tuple(u.model_copy(update={"split": "dev", "limit": own.dev.limit}) for u in uses),
            "dev": own.dev.model_copy(update={"limit": 0}),
            "monoliths": (bases := base_models(own)),
            "judges": (),
        }
    )
    specs = {m.engine_spec(own.engine): m.name for m in bases}
    of_base = {m.name: specs[s] for m in own.team if m.adapter and (s := m.engine_spec(own.engine)) in specs}

    def conclude(store: RunStore, meta: dict[str, Any], pool: Pool) -> None:
        del meta, pool

    given = {"--members": budget.members, "--tokens": budget.tokens, "--by": by, "--write": write}
    command = told(["folkmoot", "team", "select", str(team), suite], given, run)
    about = {"name": "select", "team": str(team), "of_base": of_base, "left_out": judged}
    code = carry_out(
        checked(dev, {}, path, run),
        suite,
        run,
        conclude,
        {"command": command, "experiment": about},
    )
    if code not in (0, 3):
        return code
    folder = run.out or Path("runs") / (f"{dev.name}-scripted" if run.scripted else dev.name)
    return from_run(folder, budget, by, write, as_json=as_json) or code


def say(p: Proposal, meta: Mapping[str, Any], as_json: bool) -> None:
    """Print a proposal."""
    if as_json:
        print(json.dumps({**asdict(p), "expected": _named(p.expected), "scripted": meta["scripted"]}, indent=2))
        return
    if meta["scripted"]:
        print(f"{REHEARSAL}\n")
    limit = (
        f"at most {p.budget.members} members"
        if p.budget.members
        else f"at most {p.budget.tokens:g} tokens per question"
    )
    print(
        visible(
            f"Proposed under {limit}: {', '.join(p.members)} ({p.tokens:.0f} tokens per question for one draft of each)"
        )
    )
    print(f"A team is worth ({p.by}): {WHY[p.by]}.\n")
    chosen = dict(zip((s.member for s in p.standings), p.expected.times, strict=True))
    width = max(len(visible(s.member)) for s in p.standings)
    for s in p.standings:
        why = {**p.reasons, **p.out}[s.member]
        mark = "+" if s.member in p.members else " "
        print(
            visible(
                f"{mark} {s.member:<{width}}  {100 * s.score:5.1f} %  chosen in {100 * chosen[s.member]:3.0f} % of folds; {why}"
            )
        )
    much = ": too much" if p.expected.apparent > p.expected.over_single.mean else ""
    e, within = p.expected, " of those within the budget" if p.budget.tokens is not None else ""
    whole = len(p.members) == len(p.standings)
    print(
        f"\nExpected on questions like these {p.questions} (cross-fitted: chosen without the questions it is judged on; 95 %):\n"
        f"  team {100 * e.team:.1f} %, the member that looks best{within} {100 * e.single:.1f} %\n"
        f"  over that member {points(e.over_single)} points (on the dev questions themselves {100 * e.apparent:+.1f}{much})\n"
        + ("  this is the whole team" if whole else f"  over the whole team {points(e.over_all)} points")
    )
    for note in p.notes:
        print(visible(note))


def _members_only(suite: Suite) -> Suite:
    """The suite without all that is not asked for a proposal.

    Somebody stands for the judges, so that tasks that need some can be read; these have no dev questions and are left out then.
    """
    return suite.model_copy(
        update={
            "systems": (),
            "monoliths": (),
            "guests": (),
            "baselines": (),
            "family": (),
            "judges": (suite.team[0].name,),
            "worth": Worth(),
        }
    )


def _fields(o: Outcomes, i: int, team: Sequence[int], by: By) -> str:
    """The tasks on which it is the best of the team; not those on which nobody got anything."""
    import numpy as np

    if by != "routed":
        return ""
    means = by_task(o, np.arange(o.scores.shape[1]))
    ours = means[list(team)]
    best = [o.names[t] for t in range(len(o.names)) if team[int(ours[:, t].argmax())] == i and ours[:, t].max() > 0]
    return f"; best of them on {', '.join(best)}" if best else ""


def _out(o: Outcomes, by: By, team: Sequence[int], free: Sequence[int], i: int, standing: Standing) -> str:
    """Why a member is not in a team: whoever would make it better, or is in the best of all teams, is kept out by the budget."""
    import numpy as np

    if not standing.passes:
        return f"left out by the floor: {standing.why}"
    every = np.arange(o.scores.shape[1])
    more = worth(o, by, sorted((*team, i)), every, every).mean() > worth(o, by, team, every, every).mean() + 1e-12
    return "the budget leaves no room for it" if more or i in free else "adds less than those chosen"


def _named(g: Gain) -> dict[str, Any]:
    return {k: v._asdict() if hasattr(v, "_asdict") else v for k, v in asdict(g).items()}


def _registry(meta: Mapping[str, Any]) -> Path | None:
    """The registry that the team of a run was picked from, if there is one."""
    from folkmoot.registry import LOCK

    home: Path = Path(meta["options"]["cwd"])
    if team := meta.get("experiment", {}).get("team"):
        path = home / str(team)
        if (path / LOCK).is_file():
            return path
    else:
        named = str(meta["options"]["suite"])
        path = find_suite(named) if named in suite_names() else home / named
    try:
        data, _ = load(path)
    except BadInput:
        return None
    folder = data.get("registry") if isinstance(data, dict) else None
    return Path(os.path.normpath(path.parent / folder)) if isinstance(folder, str) else None
