"""Which sub-teams of a graph's team are run, so that it can be said what each member adds, and as which systems."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.evaluation import systems as found_systems
from folkmoot.evaluation.suite import Suite
from folkmoot.evaluation.systems import System
from folkmoot.participant import Participant

EXACT = 6
"""Members up to which all coalitions are run: 2^6 - 1 = 63. Above that, coalitions are those of sampled permutations."""

Coalition = tuple[str, ...]
"""Names of members, in the order of the team."""


@dataclass(frozen=True, slots=True)
class Coalitions:
    """The coalitions of one graph's team.

    Attributes:
        graph: Its name.
        team: Its members, in order.
        orders: The sampled permutations of the team, as numbers of members; every second one is the reverse of the one before
            it. Empty: all coalitions are there.
        systems: Name of the system that plays each coalition: the graph itself for the whole team; the member alone for a
            coalition of one, unless the graph takes one member and asks it more than once. The empty coalition gives no
            answer and is no system.
        extra: The systems among these that the suite does not run anyway.
        votes: Coalitions of two or more that are too few for the graph: a plain vote over their first drafts stands in.
        guests: Members whom an option gives a part (a judge) that they play in every coalition, their own or not.
    """

    graph: str
    team: tuple[str, ...]
    orders: tuple[tuple[int, ...], ...]
    systems: Mapping[Coalition, str]
    extra: tuple[System, ...]
    votes: tuple[Coalition, ...]
    guests: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """For the manifest of a run: what is needed to read the samples."""
        return {
            "graph": self.graph,
            "team": list(self.team),
            "orders": [list(o) for o in self.orders],
            "systems": [[list(members), name] for members, name in self.systems.items()],
            "votes": sorted({len(c) for c in self.votes}),
            "guests": list(self.guests),
        }


def coalitions(
    graph: System,
    people: Mapping[str, Participant],
    prompts: str | None,
    alone: Iterable[str],
    *,
    permutations: int = 20,
    seed: int = 0,
) -> Coalitions:
    """The coalitions of a graph's team, each built once to see how it can be played.

    Args:
        graph: The graph, of two members or more.
        people: Who can be named; stand-ins will do.
        prompts: Folder with templates that replace the shipped ones.
        alone: Members who are systems of the run already, under their own names.
        permutations: How many are sampled for a team of more than `EXACT`; an even number, so that each has its reverse.
        seed: Of these.

    Raises:
        BadInput: An option loses its meaning in a coalition.
    """
    if len(graph.team) < 2:
        raise BadInput(f"worth: {graph.name!r} has a team of one; there is nothing to share out")
    team, known = graph.team, set(alone)
    for key, value in graph.options.items():
        if key not in graph.protocol.roles and isinstance(value, str) and value in team:
            raise BadInput(
                f"worth: {graph.name!r} has {key}={value!r}, which means nothing in a team without {value!r}; leave that "
                "option out, or leave the graph out of 'worth'"
            )
    orders = _orders(len(team), permutations, seed) if len(team) > EXACT else ()
    named: dict[Coalition, str] = {}
    extra: list[System] = []
    votes: list[Coalition] = []
    for members in _members(team, orders):
        if members == team:
            named[members] = graph.name
            continue
        system = _played(graph, members, people, prompts)
        if system is None and len(members) == 1 and members[0] in known:
            named[members] = members[0]
            continue
        if system is None:
            votes += [members] if len(members) > 1 else []
            system = found_systems.vote("", members, 1)
        name = f"{graph.name} of {', '.join(members)}"
        extra.append(System(name, "coalition", system.protocol, members, system.options))
        named[members] = name
    guests = [v for k, v in graph.options.items() if k in graph.protocol.roles and v in team]
    return Coalitions(graph.name, team, orders, named, tuple(extra), tuple(votes), tuple(dict.fromkeys(guests)))


def of_graphs(graphs: Iterable[System], suite: Suite, people: Mapping[str, Participant]) -> tuple[Coalitions, ...]:
    """The coalitions of the teams of some graphs of a suite; see `coalitions`."""
    alone = [m.name for m in (*suite.team, *suite.monoliths)]
    asked = suite.worth.permutations
    return tuple(coalitions(g, people, suite.prompts, alone, permutations=asked, seed=suite.seed) for g in graphs)


def _played(graph: System, members: Coalition, people: Mapping[str, Participant], prompts: str | None) -> System | None:
    """The graph with fewer members; None if it needs more than these, or would ask the only one just once."""
    if len(members) < graph.protocol.least:
        return None
    options = {k: _restricted(v, graph.team, members) for k, v in graph.options.items()}
    if len(members) == 1 and graph.protocol.most_calls(1, options) == 1:
        return None
    system = System(graph.name, "coalition", graph.protocol, members, options)
    try:
        system.build(people, prompts)
    except BadInput:  # the whole team could be built: it is the number of members
        return None
    return system


def _restricted(value: Any, team: Sequence[str], members: Coalition) -> Any:
    """An option that gives every member something (weights), for those who are there."""
    if isinstance(value, Mapping) and value and set(value) <= set(team):
        return {k: v for k, v in value.items() if k in members}
    if isinstance(value, list | tuple) and value and all(v in team for v in value):
        return type(value)(v for v in value if v in members)
    return value


def _members(team: tuple[str, ...], orders: Sequence[Sequence[int]]) -> Iterator[Coalition]:
    """The coalitions, each once, small ones first: all of them, or the prefixes of the orders and all but one."""
    n = len(team)
    if not orders:
        chosen: Iterable[tuple[int, ...]] = chain.from_iterable(combinations(range(n), k) for k in range(1, n + 1))
    else:
        prefixes = {tuple(sorted(order[:k])) for order in orders for k in range(1, n + 1)}
        chosen = sorted(prefixes | set(combinations(range(n), n - 1)), key=lambda c: (len(c), c))
    for numbers in chosen:
        yield tuple(team[i] for i in numbers)


def _orders(n: int, permutations: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Antithetic permutations (Mitchell et al., arXiv 2104.12199): each is followed by its reverse."""
    rng = random.Random(f"coalitions {n} {seed}")  # noqa: S311 - no secret depends on it
    drawn = [tuple(rng.sample(range(n), n)) for _ in range(permutations // 2)]
    return tuple(order for o in drawn for order in (o, o[::-1]))
