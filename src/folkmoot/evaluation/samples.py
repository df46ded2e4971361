"""From a plan to its samples: every question for every system, with a key that holds all that determines it."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folkmoot
from folkmoot.discussion import Discussion
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.systems import System
from folkmoot.manifest import participants
from folkmoot.participant import Participant, derive
from folkmoot.prompts import fingerprint
from folkmoot.routing import Router

CODE = (
    "answers",
    "confidence.py",
    "decide.py",
    "discussion.py",
    "nodes.py",
    "participant.py",
    "prompts.py",
    "routing.py",
    "views.py",
)
"""Modules that determine what is asked, read and decided: part of every sample's key, beside the graph's own file."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question for one system, not yet answered; `dev` if it only serves to choose the best member."""

    key: str
    system: str
    item: Item
    draw: int
    state: Discussion
    dev: bool = False


def engines(plan: Plan, pool: Pool) -> dict[str, Participant]:
    """Participants on engines of the pool, for everybody who speaks in a system of the plan, or judges."""
    people = plan.suite.people
    speaking = dict.fromkeys(n for s in plan.systems for n in s.voices(people))
    judging = plan.suite.judges if any(i.metric == "judge" for i in plan.items) else ()
    wanted = dict.fromkeys([*speaking, *judging])
    return participants([people[n] for n in wanted], pool, plan.suite.engine, plan.suite.sampling.sampling())


def phases(plan: Plan, people: Mapping[str, Participant]) -> list[list[System]]:
    """Systems in groups that have no engine in common, so that the models of one group are in memory at a time.

    Members of a team share a phase; a monolith that judges nothing has its own. Phases with monoliths alone come last: the
    baselines at matched budgets, which need the members, follow those with graphs.
    """
    manifests = plan.suite.people
    groups: list[tuple[list[System], set[str]]] = []  # systems and the engines that they need
    for s in plan.systems:
        systems, needed = [s], {people[n].engine.identity for n in s.voices(manifests)}
        for group in [g for g in groups if g[1] & needed]:
            groups.remove(group)
            systems, needed = group[0] + systems, needed | group[1]
        groups.append((systems, needed))
    return sorted((systems for systems, _ in groups), key=lambda group: all(s.kind == "monolith" for s in group))


def samples(
    plan: Plan,
    people: Mapping[str, Participant],
    systems: Sequence[System],
    *,
    dev: bool = False,
    router: Router | None = None,
) -> Iterator[Sample]:
    """All samples of some systems, question by question, so that equal prompts of different systems meet in the cache.

    Systems advance together: none waits until another has had all its questions. Keys need the identity of every
    engine, so models are fetched (not loaded) here.

    Args:
        plan: A checked suite.
        people: From `engines`.
        systems: Which systems.
        dev: The questions of the dev splits, once each; else those of the tasks, as often as the suite draws.
        router: As for `Protocol.panel`.

    Raises:
        Missing: A model cannot be had.
    """
    specs = {s.name: digest(_spec(plan, people, s, router)) for s in systems}
    for planned in plan.tasks:
        for item in planned.dev if dev else planned.items:
            asked = digest([item.plain(), dev])
            for draw in range(1 if dev else plan.suite.draws):
                seed = derive(plan.suite.seed, item.task, item.id, item.question, draw)
                state: Discussion = {"question": item.question, "answer_type": item.answer_type, "seed": seed}
                for s in systems:
                    yield Sample(digest([specs[s.name], asked, seed]), s.name, item, draw, state, dev)


def _spec(plan: Plan, people: Mapping[str, Participant], s: System, router: Router | None) -> list[Any]:
    """All that determines the samples of a system, beside the question."""
    return [
        _code(),
        s.name,  # two systems may be alike in all else, and each has samples of its own
        s.protocol.name,
        hashlib.sha256(Path(inspect.getfile(inspect.unwrap(s.protocol.build))).read_bytes()).hexdigest(),
        {k: str(v) for k, v in s.options.items()},
        list(s.team),
        fingerprint(s.protocol.templates, plan.suite.prompts),
        [people[n].spec() for n in s.voices(plan.suite.people)],
        [needed.identity for needed in s.build(people, plan.suite.prompts, router).needs],
    ]


@functools.cache
def _code() -> str:
    """A hash of the modules in `CODE`: what another version of them answered is not taken for what this one would."""
    home, found = Path(folkmoot.__file__).parent, hashlib.sha256()
    for name in CODE:
        for path in sorted((home / name).rglob("*.py")) if (home / name).is_dir() else [home / name]:
            found.update(path.read_bytes())
    return found.hexdigest()


def digest(content: Any) -> str:
    """SHA-256 of plain data, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
