"""Priorities: does the system serve what each contributor cares about better than the contribution alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.statistics import Difference
from folkmoot.evaluation.tasks import own_task
from folkmoot.evaluation.worth.priorities import gains
from folkmoot.experiment.crossed import Questions, Teams, combined, share
from folkmoot.experiment.curves import bands, sizes
from folkmoot.experiment.design import Design
from folkmoot.experiment.measured import Measured, measured
from folkmoot.experiment.sizes import parameters
from folkmoot.experiment.values import Effect, Found, Line, Meta, Own


def priorities(d: Design, meta: Meta, figures: Sequence[Figures], items: dict[Key, Item]) -> Found:
    """Every contributor's own test set: alone, in the system, monoliths."""
    graphs = [p.system for p in d.parts]
    rivals = [m.name for m in d.suite.monoliths]
    owners = {m.name: own_task(m).name for m in d.suite.team if m.priority}
    table = measured(figures, dict.fromkeys([*graphs, *rivals, *owners]), items)
    seed = d.suite.seed
    own = tuple(
        Own(
            name,
            sum(key[0] == task for key in table.keys),
            {
                shown: _score(table, task, system, f"own {seed} {name} {shown}")
                for shown, system in {"alone": name, **{g: g for g in graphs}, **{r: r for r in rivals}}.items()
            },
        )
        for name, task in owners.items()
    )
    effects = []
    for graph in graphs:
        effects.append(
            Effect(
                f"{graph} against each contributor alone, mean over contributors",
                _mean(table, owners, graph, None, seed),
            )
        )
        effects += [
            Effect(f"{graph} against {r}, mean over contributors", _mean(table, owners, graph, r, seed)) for r in rivals
        ]
    return Found(
        experiment="priorities",
        title=f"What each contributor cares about: {d.suite.name.removesuffix('-priorities')}",
        asks="On each contributor's own test set: is the system better than the contribution alone, and than monoliths?",
        x="score on the contributor's own test set",
        y="score",
        lines=tuple(Line(g, ()) for g in graphs),
        bands=bands(d, table),
        own=own,
        effects=tuple(effects),
        contrasts=gains(
            figures,
            owners,
            graphs,
            rivals,
            clusters={key: item.cluster for key, item in items.items() if item.cluster},
            planned=meta["planned"],
            seed=seed,
        ),
        notes=(
            "Intervals (95 %) are for other questions like these. Means over contributors count every contributor the same.",
            *sizes(d),
            *d.notes,
        ),
        questions=len(table.keys),
        planned=sum(meta["planned"].values()),
        together=parameters(d.suite.team, d.suite.engine),
    )


def _score(table: Measured, task: str, system: str, seed: str) -> Difference:
    at = [i for i, key in enumerate(table.keys) if key[0] == task]
    questions = Questions([table.questions.clusters[i] for i in at], [task] * len(at))
    return share(Teams(table.scores[system][None, at], 1), questions, seed=seed)


def _mean(table: Measured, owners: Mapping[str, str], graph: str, rival: str | None, seed: int) -> Difference:
    """Mean over contributors of the graph's difference to a rival, or to the contributor alone."""
    import numpy as np

    by_task = {task: name for name, task in owners.items()}
    many = {task: sum(key[0] == task for key in table.keys) for task in by_task}
    there = sum(n > 0 for n in many.values())
    values = [
        (table.scores[graph][i] - table.scores[rival or by_task[task]][i]) * len(table.keys) / (there * many[task])
        for i, (task, _) in enumerate(table.keys)
    ]
    return combined([(1.0, Teams(np.array([values]), 1))], table.questions, seed=f"priorities {seed} {graph} {rival}")
