"""From a suite to what will be run: everything that can be wrong is found here, before a model is loaded."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from folkmoot.discussion import Discussion
from folkmoot.documents import BadInput, did_you_mean, line_of
from folkmoot.engines.pool import Pool
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.suite import Suite, SystemDocument
from folkmoot.evaluation.tasks import Task, find_task, load_items
from folkmoot.manifest import Manifest, participants
from folkmoot.models import check_source
from folkmoot.participant import Participant, derive
from folkmoot.prompts import check_template, fingerprint
from folkmoot.protocol import Protocol, find

VERSION = 1
"""Part of every sample's key. Raise it when a change of the code makes old samples incomparable."""


@dataclass(frozen=True, slots=True)
class System:
    """One system under test.

    Attributes:
        name: In the tables.
        kind: ``member``, ``baseline``, ``graph`` or ``monolith``.
        protocol: The graph.
        team: Names, in order.
        options: Options of the graph; participants by name.
    """

    name: str
    kind: str
    protocol: Protocol
    team: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self, people: Mapping[str, Participant], prompts: str | None) -> Any:
        """The uncompiled graph for real participants."""
        return self.protocol.panel([people[n] for n in self.team], self.options, people, prompts)

    def voices(self, people: Mapping[str, Manifest]) -> list[str]:
        """Names of everybody who may speak: the team, and guests named by options."""
        named = [v for k, v in self.options.items() if k in self.protocol.roles and v in people]
        return list(dict.fromkeys([*self.team, *named]))


@dataclass(frozen=True, slots=True)
class Sample:
    """One question for one system, not yet answered."""

    key: str
    system: str
    task: Task
    item: Item
    draw: int
    state: Discussion


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked suite."""

    suite: Suite
    systems: tuple[System, ...]
    tasks: tuple[tuple[Task, tuple[Item, ...]], ...]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of every system, in the order of the tables."""
        return {s.name: s.kind for s in self.systems}

    def most_calls(self) -> int:
        """Most model calls of the whole run, before the cache."""
        questions = sum(len(items) for _, items in self.tasks) * self.suite.draws
        return questions * sum(s.protocol.most_calls(len(s.team), s.options) for s in self.systems)


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
    findings: list[str] = []

    def attempt(at: tuple[str | int, ...], work: Callable[[], Any]) -> Any:
        try:
            return work()
        except BadInput as e:
            findings.extend(f"{path}:{line_of(dict(lines), at)}: {line}" for line in str(e).splitlines())
        return None

    tasks = []
    for i, use in enumerate(suite.tasks):
        task = attempt(("tasks", i), partial(find_task, use.name, path.parent))
        if task is None:
            continue
        most = limit or use.limit or suite.limit
        items = attempt(("tasks", i), partial(load_items, task, split=use.split, limit=most, data_dir=data_dir))
        if items is not None:
            if not items:
                findings.append(f"{path}:{line_of(dict(lines), ('tasks', i))}: task {use.name!r} has no items")
            tasks.append((task, tuple(items)))

    if check_models:
        for group in ("team", "guests", "monoliths"):
            for i, m in enumerate(getattr(suite, group)):
                attempt((group, i, "model"), partial(_check_model, m, suite.engine))
    stand_in = {n: Participant(n, rehearsal(n)) for n in suite.people}
    systems = []
    for i, document in enumerate(suite.systems):
        system = attempt(("systems", i), partial(_system, document, suite, stand_in))
        if system is not None:
            systems.append(system)
    if not findings and suite.match is not None:
        attempt(("match",), partial(_matched, suite, systems))
    if not findings:
        systems = [*_members(suite), *_baselines(suite, systems), *systems, *_monoliths(suite)]
        if not systems:
            findings.append(f"{path}:1: nothing to run: name systems, baselines or monoliths")
        names = [s.name for s in systems]
        findings += [f"{path}:1: two systems are called {n!r}; rename one" for n in names if names.count(n) > 1]
    templates = dict.fromkeys(t for s in systems for t in s.protocol.templates)
    for name in templates:
        attempt(("prompts",), partial(check_template, name, suite.prompts))
    if findings:
        raise BadInput("\n".join(dict.fromkeys(findings)))
    return Plan(suite, tuple(systems), tuple(tasks))


def _check_model(m: Manifest, engine: str) -> None:
    if (m.engine or engine) == "simulated":
        from folkmoot.engines.simulated_profile import load_profile

        load_profile(m.model)
    if (m.engine or engine) in ("transformers", "vllm"):
        check_source(m.model)
        if m.adapter and not Path(m.adapter).is_dir():
            raise BadInput(f"adapter {m.adapter!r}: no such folder")


def _system(document: SystemDocument, suite: Suite, stand_in: Mapping[str, Participant]) -> System:
    found = find(document.graph)
    if "prompts" in document.options:
        raise BadInput("'prompts' holds for a whole suite: set it at the top, not under 'with'")
    team = document.team or tuple(m.name for m in suite.team)
    system = System(document.name, "graph", found, team, document.options)
    system.build(stand_in, suite.prompts)
    return system


def _members(suite: Suite) -> Iterator[System]:
    if "alone" in suite.baselines:
        for m in suite.team:
            yield System(m.name, "member", find("majority_vote"), (m.name,))


def _monoliths(suite: Suite) -> Iterator[System]:
    for m in suite.monoliths:
        yield System(m.name, "monolith", find("majority_vote"), (m.name,))


def _matched(suite: Suite, graphs: Sequence[System]) -> System | None:
    """The system whose calls the baselines get."""
    if suite.match is None:
        return graphs[0] if graphs else None
    named = {g.name: g for g in graphs}
    if suite.match not in named:
        raise BadInput(f"match: no system is called {suite.match!r}; {did_you_mean(suite.match, named)}")
    return named[suite.match]


def _baselines(suite: Suite, graphs: Sequence[System]) -> Iterator[System]:
    """Vote and self-consistency at the calls of the system that they are matched with (default: the first graph)."""
    matched = _matched(suite, graphs)
    n = len(suite.team)
    calls = matched.protocol.most_calls(len(matched.team), matched.options) if matched else n
    calls -= calls % n if calls > n else 0
    if "vote" in suite.baselines and n > 1:
        yield System(
            f"vote x{calls}",
            "baseline",
            find("majority_vote"),
            tuple(m.name for m in suite.team),
            {"samples": calls // n},
        )
    if "self_consistency" in suite.baselines and calls > 1:
        for m in suite.team:
            yield System(f"{m.name} x{calls}", "baseline", find("majority_vote"), (m.name,), {"samples": calls})


def engines(plan: Plan, pool: Pool) -> dict[str, Participant]:
    """Participants on engines of the pool, for everybody who speaks in a system of the plan."""
    people = plan.suite.people
    wanted = dict.fromkeys(n for s in plan.systems for n in s.voices(people))
    return participants([people[n] for n in wanted], pool, plan.suite.engine, plan.suite.sampling.sampling())


def phases(plan: Plan, people: Mapping[str, Participant]) -> list[frozenset[str]]:
    """Names of systems in groups that have no engine in common, so that the models of one group are in memory at a time.

    Members of a team share a phase; a monolith that judges nothing has its own.
    """
    manifests = plan.suite.people
    groups: list[tuple[set[str], set[str]]] = []  # systems and the engines that they need
    for s in plan.systems:
        systems, needed = {s.name}, {people[n].engine.identity for n in s.voices(manifests)}
        for group in [g for g in groups if g[1] & needed]:
            groups.remove(group)
            systems, needed = systems | group[0], needed | group[1]
        groups.append((systems, needed))
    return [frozenset(systems) for systems, _ in groups]


def samples(plan: Plan, people: Mapping[str, Participant], systems: Collection[str] | None = None) -> Iterator[Sample]:
    """All samples of a plan, question by question, so that equal prompts of different systems meet in the cache.

    Systems advance together: none waits until another has had all its questions. Keys need the identity of every
    engine, so models are fetched (not loaded) here.

    Args:
        plan: A checked suite.
        people: From `engines`.
        systems: Names of the systems that are wanted; all if left out.

    Raises:
        Missing: A model cannot be had.
    """
    wanted = [s for s in plan.systems if systems is None or s.name in systems]
    specs = {s.name: _digest(_spec(plan, people, s)) for s in wanted}
    for task, items in plan.tasks:
        for item in items:
            content = [
                task.name,
                task.metric,
                item.id,
                item.question,
                item.answer_type.kind,
                item.answer_type.options,
                item.gold,
            ]
            digest = _digest(content)
            for draw in range(plan.suite.draws):
                seed = derive(plan.suite.seed, content, draw)
                state: Discussion = {"question": item.question, "answer_type": item.answer_type, "seed": seed}
                for s in wanted:
                    yield Sample(_digest([specs[s.name], digest, seed]), s.name, task, item, draw, state)


def _spec(plan: Plan, people: Mapping[str, Participant], s: System) -> list[Any]:
    """All that determines the samples of a system, beside the question."""
    return [
        VERSION,
        s.name,  # two systems may be alike in all else, and each has samples of its own
        s.protocol.name,
        hashlib.sha256(Path(inspect.getfile(inspect.unwrap(s.protocol.build))).read_bytes()).hexdigest(),
        {k: str(v) for k, v in s.options.items()},
        fingerprint(s.protocol.templates, plan.suite.prompts),
        [people[n].spec() for n in s.voices(plan.suite.people)],
    ]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
