"""From a team and a suite to the suite of an experiment: the same tasks and settings, other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

from folkmoot.documents import BadInput
from folkmoot.evaluation.suite import PRIORITIES, Suite, SystemDocument, TaskUse, Worth
from folkmoot.experiment.fit import fitting
from folkmoot.experiment.subsets import divisors, slots, subsets
from folkmoot.manifest import Manifest
from folkmoot.protocol import Protocol, find

Name = Literal["scaling", "diversity", "priorities", "emergence"]


@dataclass(frozen=True, slots=True)
class Part:
    """One system of an experiment.

    Attributes:
        system: Its name in the run.
        line: The graph, as the suite calls it.
        x: Where it stands: members, or distinct members.
        members: Names of the distinct members.
        possible: How many different teams could stand there.
    """

    system: str
    line: str
    x: int
    members: tuple[str, ...]
    possible: int

    @property
    def plain(self) -> dict[str, Any]:
        """For the manifest of the run."""
        return {"line": self.line, "x": self.x, "members": list(self.members), "possible": self.possible}


@dataclass(frozen=True, slots=True)
class Design:
    """A suite with the systems of an experiment, and what they are.

    Attributes:
        suite: To be run.
        parts: Its graphs under test, and the members alone where they are the smallest teams.
        bases: Names of base models that run alone beside the team.
        notes: What to know when reading the result.
    """

    suite: Suite
    parts: tuple[Part, ...]
    bases: tuple[str, ...]
    notes: tuple[str, ...]


def design(
    name: Name,
    suite: Suite,
    *,
    graph: str | None = None,
    options: Mapping[str, Any] = {},
    draws: int = 5,
    slots: int | None = None,
    seed: int | None = None,
) -> Design:
    """Derive the suite of an experiment.

    Args:
        name: Which experiment.
        suite: With the team in question.
        graph: The graph of the curve; the suite's graphs if left out.
        options: Of that graph.
        draws: Most different teams of a size.
        slots: For diversity: members and copies together.
        seed: Of the choice of teams; that of the suite if left out.

    Raises:
        BadInput: The team or the graphs do not allow the experiment.
    """
    seed = suite.seed if seed is None else seed
    if len(suite.team) < 2:
        raise BadInput(f"experiment {name}: a team of one; at least two members are needed")
    base = base_models(suite)
    graphs, notes = fitting(name, suite, graph, options, [*suite.people, *(m.name for m in base)])
    changes: dict[str, Any] = {
        "name": f"{suite.name}-{name}",
        "about": "",
        "monoliths": (*suite.monoliths, *base),
        "baselines": ("vote",) if name == "emergence" else (),
        "family": (),
        "worth": Worth(),
    }
    notes += _notes(suite, graphs)
    people: tuple[Manifest, ...] = ()
    if name == "priorities":
        if not any(m.priority for m in suite.team):
            raise BadInput("experiment priorities: nobody in the team has a priority test set; see docs/contribute.md")
        own = [m.name for m in suite.team if m.priority]
        notes += [f"{m.name} has no priority test set." for m in suite.team if m.name not in own]
        use = next((t for t in suite.tasks if t.name.startswith("priority-") or t.name == PRIORITIES), None)
        use = use or TaskUse(name=PRIORITIES)
        changes["tasks"] = tuple(use.model_copy(update={"name": f"priority-{n}", "whose": n}) for n in own)
        planned = [(g, _whole(g.name, suite)) for g in graphs]
    elif name == "diversity":
        people, planned = _copied(suite, graphs, draws, slots, seed)
        changes["guests"] = (*suite.guests, *people)
    else:
        planned = _sizes(suite, graphs, draws, seed)
    changes["systems"] = tuple(
        SystemDocument.model_validate(
            {"name": p.system, "graph": g.graph, "team": tuple(seats), "with": _seated(g.options, suite, seats)}
        )
        for g, (p, seats) in planned
    )
    alone = [
        Part(m.name, g.name, 1, (m.name,), len(suite.team))
        for g in graphs
        for m in suite.team
        if name in ("scaling", "emergence")
    ]
    parts = (*alone, *(p for _, (p, _) in planned))
    return Design(suite.model_copy(update=changes), parts, tuple(m.name for m in base), tuple(notes))


_Seats = dict[str, str]
"""The names in the seats of a team, and who sits there: a copy is its original."""
_Seated = tuple[Part, _Seats]


def _seated(options: Mapping[str, Any], suite: Suite, seats: _Seats) -> dict[str, Any]:
    """Options that give every member something (weights), for those who are there; a copy gets what its original gets."""
    names = {m.name for m in suite.team}

    def of(value: Any) -> Any:
        if isinstance(value, Mapping) and value and set(value) <= names:
            return {seat: value[who] for seat, who in seats.items() if who in value}
        if isinstance(value, list | tuple) and value and all(v in names for v in value):
            return [seat for seat, who in seats.items() if who in value]
        return value

    return {k: of(v) for k, v in options.items()}


def _whole(line: str, suite: Suite) -> _Seated:
    names = tuple(m.name for m in suite.team)
    return Part(line, line, len(names), names, 1), {n: n for n in names}


def _sizes(
    suite: Suite, graphs: Sequence[SystemDocument], draws: int, seed: int
) -> list[tuple[SystemDocument, _Seated]]:
    """Random teams of every size from two (or the least of the graph) to all."""
    names = [m.name for m in suite.team]
    found: list[tuple[SystemDocument, _Seated]] = []
    for g in graphs:
        for size in range(max(2, _protocol(g).least), len(names) + 1):
            possible = comb(len(names), size)
            for i, team in enumerate(subsets(len(names), size, draws, seed), 1):
                members = tuple(names[j] for j in team)
                seats = {m: m for m in members}
                found.append((g, (Part(_named(g, size, i, possible), g.name, size, members, possible), seats)))
    return found


def _copied(
    suite: Suite, graphs: Sequence[SystemDocument], draws: int, wanted: int | None, seed: int
) -> tuple[tuple[Manifest, ...], list[tuple[SystemDocument, _Seated]]]:
    """K distinct members, each as often as fills the slots; and the copies as participants of their own."""
    n = len(suite.team)
    total = slots(n) if wanted is None else wanted
    if suite.sampling.temperature == 0:
        raise BadInput(
            "experiment diversity: at temperature 0 copies of a member all say the same; set 'temperature' under 'sampling' "
            "above 0"
        )
    if (least := max(_protocol(g).least for g in graphs)) > total:
        raise BadInput(
            f"experiment diversity: {total} slots, but a graph needs a team of {least}; give more with --slots"
        )
    counts = [k for k in divisors(total) if k <= n]
    if len(counts) < 2:
        raise BadInput(
            f"experiment diversity: {total} slots cannot be filled with more than one number of distinct members out of {n}; "
            "give another number with --slots"
        )
    by_name = {m.name: m for m in suite.team}
    names, copies = list(by_name), dict[str, Manifest]()
    found: list[tuple[SystemDocument, _Seated]] = []
    for g in graphs:
        for k in counts:
            possible = comb(n, k)
            for i, team in enumerate(subsets(n, k, draws, seed), 1):
                members = tuple(names[j] for j in team)
                seats: _Seats = {}
                for turn in range(1, total // k + 1):  # by turns, so that ties in a vote favour nobody's copies
                    for who in members:
                        name = who if turn == 1 else copied(who, turn, names)
                        if turn > 1:
                            copies[name] = by_name[who].model_copy(update={"name": name})
                        seats[name] = who
                found.append((g, (Part(_named(g, k, i, possible), g.name, k, members, possible), seats)))
    return tuple(copies.values()), found


def copied(name: str, number: int, taken: Sequence[str] = ()) -> str:
    """The name of a copy, allowed for participants and not among those taken.

    >>> copied("roman", 2)
    'roman copy 2'
    """
    end = f" copy {number}"
    found = f"{name[: 64 - len(end)]}{end}"
    while found in taken:
        end += "x"
        found = f"{name[: 64 - len(end)]}{end}"
    return found


def base_models(suite: Suite) -> tuple[Manifest, ...]:
    """The models under the adapters of the team, each alone; those that the suite runs alone already are left out."""
    alone = {m.engine_spec(suite.engine) for m in (*suite.team, *suite.monoliths) if not m.adapter}
    found: dict[Any, Manifest] = {}
    for m in suite.team:
        spec = m.engine_spec(suite.engine)
        if m.adapter and spec not in alone and spec not in found:
            found[spec] = m
    people, bases = set(suite.people), list[Manifest]()
    for m in found.values():
        name = "base" if len(found) == 1 else f"base {m.model.rsplit('/', 1)[-1]}"[:60]
        while name in people:
            name += "x"
        people.add(name)
        kept = ("model", "engine", "revision", "url", "api_key_env", "timeout", "max_concurrent")
        bases.append(Manifest(name=name, **{k: getattr(m, k) for k in kept}))
    return tuple(bases)


def _notes(suite: Suite, graphs: Sequence[SystemDocument]) -> list[str]:
    """Members who speak in every team because an option names them."""
    names = {m.name for m in suite.team}
    return [
        f"{g.name}: {v} is its {k} in every team, also where it is not a member."
        for g in graphs
        for k, v in g.options.items()
        if k in _protocol(g).roles and v in names
    ]


def _protocol(g: SystemDocument) -> Protocol:
    return find(g.graph)


def _named(g: SystemDocument, x: int, number: int, possible: int) -> str:
    return f"{g.name} {x}" if possible == 1 else f"{g.name} {x}.{number}"
