"""Which graphs of a suite an experiment can be made with, and why it leaves the others out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.evaluation import systems
from folkmoot.evaluation.suite import Suite, SystemDocument
from folkmoot.evaluation.tuning import wants
from folkmoot.protocol import catalogue, find
from folkmoot.routing import EMBEDDING

SAFE = "majority_vote"
"""A graph that fits every experiment: it names nobody, routes nothing, and takes nothing from dev."""
_STRANGERS = "somebody whom an option names is not in this team, nor a guest or a monolith"
_ROUTING = "a router cannot tell copies apart and teams would differ in calls"
_FROM_DEV = "copies are not asked on dev, so nothing of theirs can come from there"


def fitting(
    name: str, suite: Suite, graph: str | None, options: Mapping[str, Any], people: Iterable[str]
) -> tuple[tuple[SystemDocument, ...], list[str]]:
    """The graphs of an experiment, and notes on those that are left out.

    Args:
        name: Which experiment. Diversity copies members: copies are alike for a router, so the more there are, the less sure
            it is of whom to ask; and dev results are of the members, not of copies.
        suite: With the team in question.
        graph: The only graph; the suite's graphs if left out.
        options: Of that graph.
        people: Who can be named by options.

    Raises:
        BadInput: No graph is named, or none fits.
    """
    graphs, known = _named(suite, graph, options), set(people)
    out: dict[str, list[str]] = {}
    kept = []
    for g in graphs:
        if strangers := _strangers(g, known):
            out.setdefault(_STRANGERS, []).append(f"{g.name} ({strangers})")
        elif name == "diversity" and routes(g):
            out.setdefault(_ROUTING, []).append(g.name)
        elif name == "diversity" and (told := wants(systems.graph(g, suite))):
            out.setdefault(_FROM_DEV, []).append(f"{g.name} ({', '.join(f'{k}: dev' for k in told)})")
        else:
            kept.append(g)
    if kept:
        return tuple(kept), [f"Left out, since {why}: {', '.join(who)}." for why, who in out.items()]
    found = "; ".join(f"{', '.join(who)}: {why}" for why, who in out.items())
    raise BadInput(f"experiment {name}: no graph fits: {found}; name one that does: --graph {SAFE}{_others(name)}")


def routes(g: SystemDocument) -> bool:
    """Whether it has a router pick who is asked."""
    found = find(g.graph)
    many = "route" if "route" in found.options else "k"
    default = found.options[many].default if many in found.options else True
    return bool(found.routers) and g.options.get(many, default) is not None


def _named(suite: Suite, graph: str | None, options: Mapping[str, Any]) -> Sequence[SystemDocument]:
    if graph is not None:
        return (SystemDocument.model_validate({"graph": graph, "with": dict(options)}),)
    if options:
        raise BadInput("--with goes with --graph: say which graph the options are for")
    if not suite.systems:
        raise BadInput(f"suite {suite.name!r} names no graph; name one with --graph {SAFE}")
    return suite.systems


def _strangers(g: SystemDocument, people: set[str]) -> str:
    """Options that name somebody who is not there, in words; empty if there are none."""
    found = find(g.graph)
    told = []
    for key, value in g.options.items():
        if key in found.roles and isinstance(value, str):
            there = value in people or (key in found.routers and value == EMBEDDING)
            told += [] if there else [f"{key}: {value}"]
        elif key in ("accuracy", "weights", "calibration") and isinstance(value, Mapping):
            told += [f"{key}: {who}" for who in value if who not in people]
    return ", ".join(told)


def _others(name: str) -> str:
    """What else fits diversity without options."""
    if name != "diversity":
        return ""
    able = [n for n in catalogue() if n != SAFE and not routes(SystemDocument.model_validate(n))]
    return f" (or {', '.join(able)}, without 'route')"
