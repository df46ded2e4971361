"""What collaboration did in a run, from its results in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from folkmoot.evaluation.collaboration.costs import Price
from folkmoot.evaluation.collaboration.emergence import collapse, emergence
from folkmoot.evaluation.collaboration.figures import Collaboration, Members, Point
from folkmoot.evaluation.collaboration.headroom import headroom
from folkmoot.evaluation.collaboration.luck import Again, again
from folkmoot.evaluation.collaboration.members import alike
from folkmoot.evaluation.collaboration.pareto import points
from folkmoot.evaluation.collaboration.record import Exchange, Spending
from folkmoot.evaluation.collaboration.routing import Choices
from folkmoot.evaluation.collaboration.said import said
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result


def collaboration(
    results: Iterable[Result],
    *,
    items: Mapping[Key, Item],
    systems: Iterable[str],
    graphs: Sequence[str],
    members: Sequence[str],
    teams: Mapping[str, Sequence[str]] = {},
    controls: Mapping[str, str] = {},
    best: str | None = None,
    prices: Mapping[str, Price] = {},
    seed: int = 0,
) -> tuple[Members | None, tuple[Collaboration, ...], tuple[Point, ...]]:
    """Read the results once and say what collaboration did.

    Of each result a few numbers are kept, so that a hundred thousand of them fit into memory.

    Args:
        results: Finished samples in any order, each once. Those of systems that are not named are left out.
        items: Every item that a result is of.
        systems: Who is placed in the plane of accuracy and cost, in this order.
        graphs: The systems to look into, in this order.
        members: The systems that are a member alone, in the order of the team.
        teams: For a graph whose team is not all of `members`: who is in it.
        controls: For a graph, the system that votes over several samples of the same members, as many as the graph has calls.
        best: The member that was best on dev.
        prices: Price of each participant.
        seed: Of the bootstraps.

    Returns:
        How alike the members are, or None with fewer than two; every graph with at least one result; every system with at
        least one result.

    Raises:
        ValueError: A sample is there twice, or its item is unknown.
    """
    systems = list(systems)
    lucky: dict[str, dict[Key, dict[int, Again]]] = {c: {} for c in controls.values()}
    spending = {s: Spending() for s in dict.fromkeys([*systems, *graphs, *members, *lucky])}
    exchanges = {g: Exchange() for g in graphs}
    choices = {g: Choices() for g in graphs}
    forms: dict[str, dict[Key, dict[int, int | None]]] = {m: {} for m in members}

    @lru_cache(maxsize=10_000)  # results come question by question, and members repeat each other
    def form(item: Key, answer: str) -> str:
        return items[item].answer_type.canonical(answer)

    for r in results:
        if r.system not in spending:
            continue
        key = (r.task, r.item)
        if key not in items:
            raise ValueError(f"{r.system} has a result for {r.task}/{r.item}, which is no item of this run")
        spending[r.system].add(r, prices)
        if r.system in forms:
            answer = hash(form(key, r.answer)) if r.answer is not None else None
            forms[r.system].setdefault(key, {})[r.draw] = answer
        if r.system in exchanges or r.system in lucky:
            scored = items[key].metric in ("exact", "f1")
            turns = said(r, partial(form, key), scored)
            if r.system in exchanges:
                exchanges[r.system].add(r, turns)
                choices[r.system].add(r)
            if r.system in lucky and (asked := again(turns)) is not None:
                lucky[r.system].setdefault(key, {})[r.draw] = asked

    scores = {name: s.scores for name, s in spending.items()}
    clusters = {key: item.cluster for key, item in items.items() if item.cluster}

    def look(graph: str) -> Collaboration:
        exchange, own, team, by = exchanges[graph], scores[graph], teams.get(graph, members), controls.get(graph, "")
        # Before every member has begun, nothing can be said of all of them
        alone = [scores[m] for m in team] if all(scores.get(m) for m in team) else []
        seen = Collaboration(
            system=graph,
            transitions=exchange.transitions,
            conformity=exchange.conformity(clusters),
            emergence=None,
            collapse=None,
            collapse_majority=None,
            headroom=None,
            picked_right=exchange.picked_right(clusters),
            nodes=exchange.costs.figures(prices),
        )
        if not alone:
            return seen
        first = best if best in team else None
        return replace(
            seen,
            emergence=emergence(own, alone, lucky.get(by, {}), by=by, clusters=clusters, seed=seed),
            collapse=collapse(own, alone, clusters=clusters),
            collapse_majority=collapse(own, alone, most=True, clusters=clusters),
            headroom=headroom(own, scores[first], alone, clusters=clusters, seed=seed) if first else None,
            routing=choices[graph].figures(dict(zip(team, alone, strict=True)), clusters=clusters, seed=seed),
        )

    known = [m for m in members if scores[m]]
    return (
        alike(known, [scores[m] for m in known], [forms[m] for m in known], best),
        tuple(look(g) for g in graphs if scores[g]),
        points({s: spending[s].by_item() for s in systems}, clusters=clusters, seed=seed),
    )
