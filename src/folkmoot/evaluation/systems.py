"""Systems under test: graphs as the suite names them, members alone, monoliths, and votes over fresh drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.evaluation.suite import Suite, SystemDocument
from folkmoot.manifest import Manifest
from folkmoot.nodes import Panel
from folkmoot.participant import Participant
from folkmoot.protocol import Protocol, find
from folkmoot.routing import Router


@dataclass(frozen=True, slots=True)
class System:
    """One system under test.

    Attributes:
        name: In the tables.
        kind: ``member``, ``baseline``, ``graph``, ``monolith`` or ``coalition`` (part of a graph's team, see worth/).
        protocol: The graph.
        team: Names, in order.
        options: Options of the graph; participants by name.
    """

    name: str
    kind: str
    protocol: Protocol
    team: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self, people: Mapping[str, Participant], prompts: str | None, router: Router | None = None) -> Panel:
        """The uncompiled graph for real participants; see `Protocol.panel`."""
        return self.protocol.panel([people[n] for n in self.team], self.options, people, prompts, router)

    def voices(self, people: Mapping[str, Manifest]) -> list[str]:
        """Names of everybody who may speak: the team, and guests named by options."""
        named = [v for k, v in self.options.items() if k in self.protocol.roles and v in people]
        return list(dict.fromkeys([*self.team, *named]))


def graph(document: SystemDocument, suite: Suite) -> System:
    """A graph of the suite.

    Raises:
        BadInput: There is no such graph, or an option is out of place.
    """
    found = find(document.graph)
    if "prompts" in document.options:
        raise BadInput("'prompts' holds for a whole suite: set it at the top, not under 'with'")
    team = document.team or tuple(m.name for m in suite.team)
    return System(document.name, "graph", found, team, document.options)


def members(suite: Suite) -> Iterator[System]:
    """Each member alone."""
    for m in suite.team:
        yield alone(m.name, "member")


def monoliths(suite: Suite) -> Iterator[System]:
    """Each monolith alone."""
    for m in suite.monoliths:
        yield alone(m.name, "monolith")


def alone(name: str, kind: str) -> System:
    """One participant, asked once."""
    return System(name, kind, find("majority_vote"), (name,))


def vote(name: str, team: tuple[str, ...], samples: int) -> System:
    """A plain vote over as many fresh samples of every member; with a team of one it is self-consistency."""
    return System(name, "baseline", find("majority_vote"), team, {"samples": samples})


def self_refine(name: str, member: str, rounds: int) -> System:
    """One member that reviews and revises its own answer (arXiv 2303.17651)."""
    return System(name, "baseline", find("critique_refine"), (member,), {"critics": "self", "rounds": rounds})
