"""From a suite to what will be run: everything that can be wrong is found here, before a model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput, line_of
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation import systems as found_systems
from folkmoot.evaluation.collaboration.bounds import ORACLE, RANDOM_MEMBER
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judging import TEMPLATE
from folkmoot.evaluation.suite import Suite, SystemDocument, TaskUse
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.tasks import NoData, Task, data_folder, examined, find_task, load_split, own_task
from folkmoot.evaluation.tuning import markable, rehearsed, stand_in, wants
from folkmoot.evaluation.worth.coalitions import Coalitions, of_graphs
from folkmoot.manifest import Manifest
from folkmoot.models import check_source
from folkmoot.participant import Participant
from folkmoot.prompts import check_template
from folkmoot.routing import ROUTER


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """A task with the questions that are asked.

    Attributes:
        task: The task.
        items: The questions.
        dev: Questions of its dev split, on which the best member is chosen; empty if it has none.
        findings: What the data checks found.
    """

    task: Task
    items: tuple[Item, ...]
    dev: tuple[Item, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked suite.

    Attributes:
        suite: The suite.
        systems: Members alone, graphs and monoliths. Baselines at matched budgets follow once these have run: baselines.py.
        tasks: What is asked.
        skipped: Tasks whose data are not here, and why, if the suite says that they may be missing.
        worth: The coalitions of the graphs whose members' worth is asked for; they too follow once the graphs have run.
    """

    suite: Suite
    systems: tuple[System, ...]
    tasks: tuple[TaskPlan, ...]
    skipped: tuple[str, ...] = ()
    worth: tuple[Coalitions, ...] = ()

    @property
    def items(self) -> list[Item]:
        """All questions."""
        return [item for t in self.tasks for item in t.items]

    @property
    def checked(self) -> int:
        """Samples of every coalition: the questions, as often as they are drawn, but for those that judges score."""
        return sum(i.metric != "judge" for i in self.items) * self.suite.draws

    @property
    def chooses(self) -> bool:
        """There are dev questions on which the best member is chosen."""
        return any(t.dev for t in self.tasks)

    @property
    def graphs(self) -> list[System]:
        """The graphs under test."""
        return [s for s in self.systems if s.kind == "graph"]

    @property
    def reference(self) -> str:
        """The system that the tables compare with: the first monolith, or the first member if there is none."""
        return (self.suite.monoliths or self.suite.team)[0].name

    def most_calls(self) -> int:
        """Most model calls of the planned systems on the questions, and on dev, before the cache."""
        return len(self.items) * self.suite.draws * _calls(self.systems) + self.dev_calls()

    def dev_calls(self) -> int:
        """Those on dev: of the members alone, and of the graphs that are calibrated there."""
        on_dev = [*(s for s in self.systems if s.kind == "member"), *filter(None, map(rehearsed, self.systems))]
        return sum(len(t.dev) for t in self.tasks) * _calls(on_dev)


def _calls(systems: Iterable[System]) -> int:
    return sum(s.protocol.most_calls(len(s.team), s.options) for s in systems)


def make_plan(
    suite: Suite,
    lines: Mapping[tuple[str | int, ...], int],
    path: Path,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
    check_models: bool = False,
) -> Plan:
    """Check a suite against what there is: tasks and their data, graphs and their options, templates, team sizes.

    Args:
        suite: From `read_suite`.
        lines: Line of every key of the suite.
        path: The suite file.
        data_dir: Folder with data sets of the user.
        limit: Overrides every limit of the suite.
        check_models: Check that the models are known and the adapters are there, too (not for rehearsals).

    Raises:
        BadInput: One line per finding, each with file, line and remedy.
    """
    data_folder(data_dir)  # once for all tasks: each would say the same
    findings: list[str] = []

    def attempt(at: tuple[str | int, ...], work: Callable[[], Any]) -> Any:
        try:
            return work()
        except NoData:
            raise
        except BadInput as e:
            findings.extend(f"{path}:{line_of(dict(lines), at)}: {line}" for line in str(e).splitlines())
        return None

    tasks: list[TaskPlan] = []
    skipped: list[str] = []
    for i, use in enumerate(suite.tasks):
        find = partial(own_task, suite.people[use.whose]) if use.whose else partial(find_task, use.name, path.parent)
        task = attempt(("tasks", i), find)
        if task is None:
            continue
        try:
            planned = attempt(("tasks", i), partial(_questions, task, use, suite, limit, data_dir))
        except NoData as e:
            skipped.append(str(e))
            continue
        if planned is not None:
            tasks.append(planned)
    if skipped and not tasks and not findings:
        findings.append(f"{path}:1: the data of no task are here; the first: {skipped[0]}")

    names = [t.task.name for t in tasks]
    findings += [
        f"{path}:{line_of(dict(lines), ('tasks',))}: two tasks are called {n!r}; a question counts once, and dev questions choose "
        "the best member: name it once"
        for n in dict.fromkeys(names)
        if names.count(n) > 1
    ]
    if check_models:
        for group in ("team", "guests", "monoliths"):
            for i, m in enumerate(getattr(suite, group)):
                attempt((group, i, "model"), partial(_check_model, m, suite.engine))
    people = {n: Participant(n, rehearsal(n)) for n in suite.people}
    graphs = []
    for i, document in enumerate(suite.systems):
        graph = attempt(("systems", i), partial(_graph, document, suite, people))
        if graph is not None:
            graphs.append(graph)
    systems: list[System] = []
    if not findings:
        systems = [*found_systems.members(suite), *graphs, *found_systems.monoliths(suite)]
        names = [s.name for s in systems]
        findings += [
            f"{path}:1: {n!r} is the name of a row that is computed from the members; call it something else"
            for n in (ORACLE, RANDOM_MEMBER)
            if n in names
        ]
        findings += [f"{path}:1: two systems are called {n!r}; rename one" for n in names if names.count(n) > 1]
    findings += [f"{path}:{line_of(dict(lines), ('systems',))}: {said}" for said in _untunable(graphs, suite, tasks)]
    own = next((u for u in suite.tasks if u.whose and u.split == "dev"), None)
    if routers := [g.name for g in graphs if own and ROUTER in stand_in(g).build(people, suite.prompts).nodes]:
        more = f" (and {len(routers) - 1} more)" if routers[1:] else ""
        findings.append(
            f"{path}:{line_of(dict(lines), ('systems',))}: {routers[0]!r}{more} routes by dev questions of the members' own test "
            "sets, which are asked here ('priorities' with split: dev): ask the test split, or leave the router out"
        )
    wanted = [stand_in(g) for g in graphs if g.name in suite.worth.systems]
    worth = attempt(("worth",), partial(of_graphs, wanted, suite, people)) or ()
    played = {s.name for c in worth for s in c.extra}
    findings += [
        f"{path}:1: {s.name!r} is the name of a coalition of 'worth'; call it something else"
        for s in systems
        if s.name in played
    ]
    if any(i.metric == "judge" for t in tasks for i in t.items) and not suite.judges:
        open_ended = next(t.task.name for t in tasks for i in t.items if i.metric == "judge")
        findings.append(
            f"{path}:1: task {open_ended!r} is scored by judges; name one or more participants under 'judges'"
        )
    templates = dict.fromkeys(t for s in systems for t in s.protocol.templates)
    if any(i.metric == "judge" for t in tasks for i in t.items):
        templates[TEMPLATE] = None
    for name in templates:
        attempt(("prompts",), partial(check_template, name, suite.prompts))
    if findings:
        raise BadInput("\n".join(dict.fromkeys(findings)))
    return Plan(suite, tuple(systems), tuple(tasks), tuple(skipped), worth)


def _questions(task: Task, use: TaskUse, suite: Suite, limit: int | None, data_dir: Path | None) -> TaskPlan:
    """The questions of a task; raises `NoData` only if the suite says that its data may be missing."""
    try:
        found = load_split(task, use.split, data_dir)
    except NoData as e:
        if suite.missing == "skip":
            raise
        raise BadInput(str(e)) from None
    items = found.items[: limit or use.limit or suite.limit]
    findings, dev = found.findings, tuple[Item, ...]()
    if use.split != "dev" and suite.chooses and found.has("dev"):
        (held,) = examined(task, data_dir, ("dev",))
        dev, findings = (
            tuple(i for i in held.items if i.metric != "judge")[: min(suite.dev.limit, limit or suite.dev.limit)],
            findings + held.findings,
        )
    return TaskPlan(task, items, dev, findings)


def _graph(document: SystemDocument, suite: Suite, people: Mapping[str, Participant]) -> System:
    """A graph of the suite, built once for stand-ins to see whether it can be."""
    found = found_systems.graph(document, suite)
    stand_in(found).build(people, suite.prompts)
    return found


def _untunable(graphs: Iterable[System], suite: Suite, tasks: Iterable[TaskPlan]) -> Iterator[str]:
    """Why options cannot be filled in from dev results."""
    members = {m.name for m in suite.team}
    for g, option in ((s, option) for s in graphs for option in wants(s)):
        if not any(t.dev for t in tasks):
            yield (
                f"{g.name!r}: {option}: dev asks for dev questions, and there are none: use tasks with a dev split, a team of "
                "two or more, and a 'dev' limit above 0"
            )
        elif option == "calibration" and not any(markable(i) for t in tasks for i in t.dev):
            yield (
                f"{g.name!r}: calibration: dev: no dev question says which member is right (programs are tested once, for the "
                "whole team); leave calibration out, or add a task with closed answers"
            )
        elif strangers := [n for n in g.team if n not in members]:
            yield f"{g.name!r}: {option}: dev: {strangers[0]!r} is not in the suite's team, so dev says nothing of it"


def _check_model(m: Manifest, engine: str) -> None:
    if (m.engine or engine) == "simulated":
        from folkmoot.engines.simulated_profile import load_profile

        load_profile(m.model)
    if (m.engine or engine) in ("transformers", "vllm"):
        check_source(m.model)
        if m.adapter and not Path(m.adapter).is_dir():
            raise BadInput(f"adapter {m.adapter!r}: no such folder")
