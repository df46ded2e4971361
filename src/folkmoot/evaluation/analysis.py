"""Everything that a report says about a run, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from folkmoot.evaluation.collaboration import Price, collaboration
from folkmoot.evaluation.collaboration.figures import Collaboration, Members, Point
from folkmoot.evaluation.compare import pairs
from folkmoot.evaluation.contrast import Contrast, holm_family
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.summary import Summary, summarise
from folkmoot.evaluation.worth.participation import Participation, Record, participation, wanted


@dataclass(frozen=True, slots=True)
class Analysis:
    """The figures of a run.

    Attributes:
        summary: A row per system, over all tasks and by task.
        contrasts: The declared family: each graph against each baseline and monolith, all tasks together, Holm-corrected.
        by_task: The same pairs on every task; for reading, not corrected and without verdict words of their own.
        members: How alike the members are; None with fewer than two.
        collaboration: For every graph.
        points: Accuracy and cost of every system that can be bought (not of the oracle).
        findings: What the data checks found.
        participation: What is said of each contributor; None if the run has neither their own test sets nor ``worth``.
    """

    summary: Summary
    contrasts: tuple[Contrast, ...]
    by_task: tuple[Contrast, ...]
    members: Members | None
    collaboration: tuple[Collaboration, ...]
    points: tuple[Point, ...]
    findings: tuple[Finding, ...]
    participation: Participation | None = None


def analyse(store: RunStore, meta: Mapping[str, Any]) -> Analysis:
    """All figures of what a store holds.

    Args:
        store: Of the run.
        meta: Its manifest.
    """
    kinds, seed, margin = meta["kinds"], meta["seed"], meta["margin"]
    items = store.items()
    clusters = {key: item.cluster for key, item in items.items() if item.cluster}
    figures = store.figures()
    summary = summarise(
        figures,
        list(kinds),
        meta["reference"],
        kinds=kinds,
        planned=meta["planned"],
        draws=meta["draws"],
        clusters=clusters,
        margin=margin,
        seed=seed,
    )
    family = [(graph, reference) for graph, reference in meta["family"]]
    declare = partial(pairs, figures, family, clusters=clusters, margin=margin, seed=seed)
    contrasts = tuple(holm_family(declare(planned=sum(meta["planned"].values()))))
    corrected = {(c.system, c.reference): c for c in contrasts}
    rows = tuple(
        replace(r, against=corrected.get((r.system, summary.reference or ""), r.against)) for r in summary.overall
    )
    best = (meta["best"] or {}).get("name")
    controls = {m["graph"]: m["systems"].get("control") for m in meta["matches"]}
    graphs = [name for name, kind in kinds.items() if kind == "graph"]
    told = wanted(meta)
    record = Record({g: meta["teams"][g] for g in graphs} if told else {}, items)
    members, collaborations, points = collaboration(
        record.seen(r for r in store.results() if r.outcome != "error"),
        items=items,
        systems=list(kinds),
        graphs=graphs,
        members=[name for name, kind in kinds.items() if kind == "member"],
        teams=meta["teams"],
        controls={graph: name for graph, name in controls.items() if name},
        best=best,
        prices={name: Price(*price) for name, price in meta["prices"].items()},
        seed=seed,
    )
    return Analysis(
        summary=replace(summary, overall=rows),
        contrasts=contrasts,
        by_task=tuple(c for task in summary.by_task for c in declare(task=task) if c.n)
        if len(meta["planned"]) > 1
        else (),
        members=members,
        collaboration=collaborations,
        points=points,
        findings=tuple(Finding(**f) for f in meta["findings"]),
        participation=participation(meta, figures, store.coalitions(), summary.by_task, record.shares(clusters), items)
        if told
        else None,
    )
