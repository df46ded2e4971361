"""One command from a team and a suite to a curve: derive the suite, run or resume it, write table, picture and page."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from folkmoot.engines.pool import Pool
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.report import REHEARSAL
from folkmoot.evaluation.run import RunOptions, carry_out, checked
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import find_suite, read_suite
from folkmoot.experiment.command import told
from folkmoot.experiment.costs import costs
from folkmoot.experiment.curves import diversity, scaling
from folkmoot.experiment.design import Design, Name, design
from folkmoot.experiment.drawing import alone
from folkmoot.experiment.emergent import emergent
from folkmoot.experiment.page import page
from folkmoot.experiment.picture import picture
from folkmoot.experiment.priorities import priorities
from folkmoot.experiment.table import markdown, plain, text
from folkmoot.experiment.values import Found, Meta
from folkmoot.team import read_team
from folkmoot.visible import visible

SUITE_LINES: Mapping[tuple[str | int, ...], int] = {}
"""A derived suite stands in no file: findings name the file of the suite that it was made from."""


@dataclass(frozen=True, slots=True)
class ExperimentOptions:
    """What the command line may set; see ``folkmoot experiment scaling --help``.

    Attributes:
        run: As for an ordinary run.
        graph, options, draws, slots, seed: As in `design`.
    """

    run: RunOptions = field(default_factory=RunOptions)
    graph: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    draws: int = 5
    slots: int | None = None
    seed: int | None = None


def experiment(name: Name, team: Path, suite: str, options: ExperimentOptions, *, as_json: bool = False) -> int:
    """Run an experiment, or go on with it, and write what it found.

    Returns:
        Exit code as that of ``eval run``.

    Raises:
        BadInput: Team, suite or options do not fit; nothing was loaded.
        Missing: A prerequisite is not there.
    """
    made, plan = planned(name, team, suite, options)
    command = recorded(name, team, suite, options)
    for note in made.notes:
        print(visible(note), file=sys.stderr)

    def conclude(store: RunStore, meta: dict[str, Any], pool: Pool) -> None:
        found = look(name, made, store, meta)
        written = write(store, found, meta)
        if as_json:
            print(json.dumps(plain(found, meta), indent=2))
            return
        print(text(found))
        if meta["scripted"]:
            print(f"\n{REHEARSAL}")
        print(f"\n{pool.meter.calls} calls computed, {pool.meter.hits} from the cache.")
        print("\n".join(f"{what}: {path}" for what, path in written.items()))

    more = {
        "title": made.suite.name,
        "command": command,
        "experiment": {
            "name": name,
            "team": str(team),
            "parts": {f"{p.line}: {p.system}": p.plain for p in made.parts},
            "bases": list(made.bases),
        },
    }
    return carry_out(plan, suite, options.run, conclude, more)


def planned(name: Name, team: Path, suite: str, options: ExperimentOptions) -> tuple[Design, Plan]:
    """The design of an experiment and the checked plan of its run."""
    path = find_suite(suite)
    own, _ = read_suite(path, read_team(team))
    made = design(
        name,
        own,
        graph=options.graph,
        options=options.options,
        draws=options.draws,
        slots=options.slots,
        seed=options.seed,
    )
    plan = checked(made.suite, SUITE_LINES, path, options.run)
    return replace(made, suite=plan.suite), plan


def outline(name: Name, team: Path, suite: str, options: ExperimentOptions) -> dict[str, Any]:
    """What an experiment would take, before anything is spent."""
    made, plan = planned(name, team, suite, options)
    questions = len(plan.items) * plan.suite.draws
    rows = costs(made, plan)
    more = "" if name != "emergence" else "; the controls, a vote of fresh samples for every team, come on top"
    return {
        "experiment": name,
        "command": recorded(name, team, suite, options),
        "questions": questions,
        "dev": sum(len(t.dev) for t in plan.tasks),
        "systems": [s.name for s in plan.systems],
        "samples": sum(r["samples"] for r in rows),
        "most_calls": plan.most_calls(),
        "rows": rows,
        "notes": list(made.notes),
        "note": f"equal calls are made once: the first drafts of a member are the same in all teams{more}",
    }


def look(name: Name, d: Design, store: RunStore, meta: Meta) -> Found:
    """The figures of what a store holds."""
    with store.snapshot():
        items = store.items()
        if name == "emergence":
            return emergent(d, meta, store.results(), items)
        figures = store.figures()
    return {"scaling": scaling, "diversity": diversity, "priorities": priorities}[name](d, meta, figures, items)


def write(store: RunStore, found: Found, meta: Meta) -> dict[str, Path]:
    """Write table, figures, picture and page into the folder of the run."""
    command, name = meta["command"], found.experiment
    made = {
        "Table": store.write_text("table.md", markdown(found, meta)),
        "JSON": store.write_json(f"{name}.json", plain(found, meta)),
    }
    if any(line.stops for line in found.lines) or found.own:
        made["Picture"] = store.write_text(f"{name}.svg", alone(picture(found, command, rehearsal=meta["scripted"])))
    made["Page"] = store.write_text(f"{name}.html", page(found, meta))
    return made


def recorded(name: str, team: Path, suite: str, options: ExperimentOptions) -> str:
    """The command that runs this experiment again."""
    given = {
        "--draws": options.draws if options.draws != ExperimentOptions().draws else None,
        "--slots": options.slots,
        "--seed": options.seed,
    }
    graph = ["--graph", options.graph] if options.graph is not None else []
    words = ["folkmoot", "experiment", name, str(team), suite, *graph]
    return told(words, given, options.run, options.options)
