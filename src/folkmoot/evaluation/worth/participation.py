"""What a run says of each contributor: priority gain, worth, authorship and share of the cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from folkmoot.evaluation.contrast import Contrast, Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.summary import Row
from folkmoot.evaluation.worth.game import game
from folkmoot.evaluation.worth.priorities import gains, own_tasks, pooled
from folkmoot.evaluation.worth.shares import Ledger, Share
from folkmoot.evaluation.worth.values import Effect, leave_one_out, shapley


@dataclass(frozen=True, slots=True)
class Value:
    """What the members of one graph's team are worth.

    Attributes:
        graph: The graph.
        team: Its members.
        n: Questions that every coalition has finished; 0 if there is none yet.
        of: Questions that count: all but those that judges score.
        permutations: How many were sampled; 0 if all coalitions were run.
        coalitions: How many coalitions were run.
        score: Mean score of the whole team on these questions: the Shapley values on all questions add up to it.
        shapley, leave_one_out: For every member and group of questions.
        votes: Sizes of coalitions that are too small for the graph and vote instead.
        guests: Members whose part as a judge or the like is played in every coalition.
    """

    graph: str
    team: tuple[str, ...]
    n: int
    of: int
    permutations: int
    coalitions: int
    score: float
    shapley: tuple[Effect, ...]
    leave_one_out: tuple[Effect, ...]
    votes: tuple[int, ...]
    guests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Participation:
    """What a run says of its contributors.

    Attributes:
        contributors: The members, in the order of the team.
        own: The task of each contributor's own test set, where the run has it.
        systems: What is shown of the scores on these: graphs, monoliths; each contributor alone goes by its own name.
        scores: By contributor and system: the row of that system on the contributor's own test set.
        gains: See `priorities.gains`.
        pooled: See `priorities.pooled`.
        values: For every graph under ``worth``.
        shares: For every graph, each member of its team.
    """

    contributors: tuple[str, ...]
    own: Mapping[str, str]
    systems: tuple[str, ...]
    scores: Mapping[str, Mapping[str, Row]]
    gains: tuple[Contrast, ...]
    pooled: tuple[Contrast, ...]
    values: tuple[Value, ...]
    shares: tuple[Share, ...]


class Record:
    """Takes note of the samples of graphs as they pass.

    Args:
        teams: The team of every graph.
        items: The questions.
    """

    def __init__(self, teams: Mapping[str, Sequence[str]], items: Mapping[Key, Item]) -> None:
        self._ledgers = {graph: Ledger(graph, team) for graph, team in teams.items()}
        self._items = items

    def seen(self, results: Iterable[Result]) -> Iterator[Result]:
        """The samples, unchanged."""

        @lru_cache(maxsize=10_000)
        def form(item: Key, answer: str) -> str:
            return self._items[item].answer_type.canonical(answer)

        for r in results:
            ledger, key = self._ledgers.get(r.system), (r.task, r.item)
            if ledger is not None and key in self._items:
                ledger.add(r, partial(form, key), scored=self._items[key].metric in ("exact", "f1"))
            yield r

    def shares(self, clusters: Mapping[Key, str]) -> tuple[Share, ...]:
        """The shares of all members in all graphs."""
        return tuple(s for ledger in self._ledgers.values() for s in ledger.shares(clusters))


def wanted(meta: Mapping[str, Any]) -> bool:
    """Whether a run says anything of its contributors: it has their own test sets, or ``worth``."""
    members = [name for name, kind in meta["kinds"].items() if kind == "member"]
    return bool(own_tasks(meta["planned"], members) or meta.get("worth"))


def participation(
    meta: Mapping[str, Any],
    figures: Sequence[Figures],
    coalitions: Sequence[Figures],
    by_task: Mapping[str, Sequence[Row]],
    shares: Sequence[Share],
    items: Mapping[Key, Item],
) -> Participation:
    """All figures of the section.

    Args:
        meta: Manifest of the run.
        figures: Its finished samples.
        coalitions: Those of the coalitions.
        by_task: The rows of the summary for every task.
        shares: From `Record`.
        items: The questions.
    """
    kinds, seed = meta["kinds"], meta["seed"]
    named = {kind: [name for name, k in kinds.items() if k == kind] for kind in ("member", "graph", "monolith")}
    clusters = {key: item.cluster for key, item in items.items() if item.cluster}
    own = own_tasks(meta["planned"], named["member"])
    systems = (*named["graph"], *named["monolith"])
    known = [f for f in figures if f.system in kinds]
    rows = {task: {r.system: r for r in found} for task, found in by_task.items()}
    return Participation(
        contributors=tuple(named["member"]),
        own=own,
        systems=systems,
        scores={
            who: {s: rows[task][s] for s in (who, *systems) if s in rows.get(task, {})} for who, task in own.items()
        },
        gains=gains(
            known, own, named["graph"], named["monolith"], clusters=clusters, planned=meta["planned"], seed=seed
        ),
        pooled=pooled(
            known, own, named["graph"], named["monolith"], clusters=clusters, planned=meta["planned"], seed=seed
        )
        if own
        else (),
        values=tuple(_values(meta, figures, coalitions, own, items, clusters)),
        shares=tuple(shares),
    )


def _values(
    meta: Mapping[str, Any],
    figures: Sequence[Figures],
    coalitions: Sequence[Figures],
    own: Mapping[str, str],
    items: Mapping[Key, Item],
    clusters: Mapping[Key, str],
) -> Iterator[Value]:
    judged = {key for key, item in items.items() if item.metric == "judge"}
    needed = {name for w in meta.get("worth", ()) for _, name in w["systems"]}
    scores: dict[str, dict[Key, dict[int, float]]] = {}
    for f in (*figures, *coalitions):
        key = (f.task, f.item)
        if f.system in needed and f.outcome != "error" and key not in judged:
            scores.setdefault(f.system, {}).setdefault(key, {})[f.draw] = f.score if f.outcome == "scored" else 0.0
    for w in meta.get("worth", ()):
        systems = {tuple(members): name for members, name in w["systems"]}
        played = game(w["team"], systems, scores, w["orders"])
        seed = f"{w['graph']} {meta['seed']}"
        yield Value(
            graph=w["graph"],
            team=tuple(w["team"]),
            n=len(played.keys) if played else 0,
            of=sum(meta["planned"].values()) - len(judged),
            permutations=len(w["orders"]),
            coalitions=len(systems),
            score=float(played.scores[played.whole].mean()) if played else 0.0,
            shapley=tuple(shapley(played, own, clusters=clusters, seed=seed)) if played else (),
            leave_one_out=tuple(leave_one_out(played, own, clusters=clusters, seed=seed)) if played else (),
            votes=tuple(w["votes"]),
            guests=tuple(w["guests"]),
        )
