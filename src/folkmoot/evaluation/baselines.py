"""Baselines at the budget of each graph: what the same calls, or the same tokens, are worth without talking.

They are made when the graphs have run, from what these really took: mean calls, and mean prompt and completion tokens. The
member that they are made of was chosen on the dev split, so that no test question had a say. First drafts and votes share
completions with the graphs through the cache: where they coincide they cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from folkmoot.evaluation import systems
from folkmoot.evaluation.plan import Plan
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.tuning import finished_by_all
from folkmoot.participant import Participant

MOST_SAMPLES = 64
"""No baseline asks more often for one question, whatever the graph took."""
LEAST_REFINED = 3
"""Calls of one round of self-refine: a draft, a review, a revision. A graph that takes fewer has no such baseline."""
OVERDRAWN = 1.5
"""Tokens that one round of self-refine may take, as a multiple of those of the graph that it is compared with."""


@dataclass(frozen=True, slots=True)
class Best:
    """The member that did best on dev.

    Attributes:
        name: The member; of several that are level the first of the team.
        scores: Mean score of every member.
        n: Questions of dev that all members finished.
    """

    name: str
    scores: Mapping[str, float]
    n: int


@dataclass(frozen=True, slots=True)
class Match:
    """The baselines that go with one graph.

    Attributes:
        graph: Its name.
        calls: Mean calls per question that it took.
        tokens: Mean prompt and completion tokens per question.
        systems: Names of baselines by role: ``best``, ``vote`` (of first drafts), ``vote at equal calls``,
            ``vote at equal tokens``, ``self-consistency at equal calls``, ``self-consistency at equal tokens``,
            ``self-refine at equal calls``, ``self-refine at equal tokens``; and ``control``: the vote whose fresh samples tell emergence from luck, at equal calls or with two samples of each member.
    """

    graph: str
    calls: float
    tokens: float
    systems: Mapping[str, str]


def choose(team: Sequence[str], dev: Iterable[Figures]) -> Best | None:
    """The best member on dev; None if no question was finished by all."""
    scores = finished_by_all(team, dev)
    if not (n := len(scores[team[0]])):
        return None
    means = {name: fmean(found) for name, found in scores.items()}
    return Best(max(team, key=lambda name: means[name]), means, n)


def matched(
    plan: Plan, people: Mapping[str, Participant], best: str | None, figures: Iterable[Figures]
) -> tuple[list[System], list[Match]]:
    """The baselines at the budgets of the graphs, as far as they are known: call it again when these have run.

    Args:
        plan: Its suite says which baselines are wanted.
        people: Who speaks: without a temperature above 0 a participant has no second sample to give.
        best: The member chosen on dev, or the only member; without one there are votes only.
        figures: Finished samples of members and graphs.

    Returns:
        The systems, each once, and which go with which graph.
    """
    spent: dict[str, list[tuple[int, int]]] = {}
    for f in figures:
        if f.outcome == "error" or f.failures:  # a call that failed took nothing
            continue
        spent.setdefault(f.system, []).append((f.calls, f.prompt_tokens + f.completion_tokens))
    taken = {s.name for s in plan.systems}
    made: dict[str, System] = {}
    matches = []

    def role(named: dict[str, str], role: str, system: System) -> None:
        name = system.name if system.name not in taken else f"{system.name} (baseline)"
        made.setdefault(name, System(name, system.kind, system.protocol, system.team, system.options))
        named[role] = name

    for graph in (g for g in plan.graphs if spent.get(g.name)):
        calls, tokens = (fmean(column) for column in zip(*spent[graph.name], strict=True))
        named = {"best": best} if best else {}
        if "vote" in plan.suite.baselines and len(graph.team) > 1:
            whole = sorted(graph.team) == sorted(m.name for m in plan.suite.team)
            of = "vote" if whole else f"vote of {', '.join(graph.team)}"
            role(named, "vote", systems.vote(of, graph.team, 1))
            if all(_draws(people[n]) for n in graph.team):
                each = _times(calls / len(graph.team))
                fresh = systems.vote(f"{of} x{max(each, 2) * len(graph.team)}", graph.team, max(each, 2))
                role(named, "control", fresh)
                if each > 1:
                    role(named, "vote at equal calls", fresh)
                single = sum(_tokens(spent.get(n, ())) for n in graph.team)
                if all(spent.get(n) for n in graph.team) and (each := _times(tokens / single)) > 1:
                    role(
                        named, "vote at equal tokens", systems.vote(f"{of} x{each * len(graph.team)}", graph.team, each)
                    )
        if "self_consistency" in plan.suite.baselines and best and _draws(people[best]):
            single = _tokens(spent.get(best, ()))
            for k, what in ((calls, "calls"), (tokens / single if single else 0.0, "tokens")):
                if (times := _times(k)) > 1:
                    sampled = systems.vote(f"{best} x{times}", (best,), times)
                    role(named, f"self-consistency at equal {what}", sampled)
        if "self_refine" in plan.suite.baselines and best and calls >= LEAST_REFINED:
            first = _refined(best, _times((calls - 1) / 2))
            role(named, "self-refine at equal calls", first)
            one, refined = _tokens(spent.get(best, ())), _tokens(spent.get(first.name, ()))
            if refined > one > 0:  # what a round takes is known once the one above has run: this one comes after it
                each = (refined - one) / first.options["rounds"]
                if one + each <= OVERDRAWN * tokens:
                    role(named, "self-refine at equal tokens", _refined(best, _times((tokens - one) / each)))
        matches.append(Match(graph.name, calls, tokens, named))
    return list(made.values()), matches


def family(plan_family: Sequence[str], matches: Iterable[Match], monoliths: Sequence[str]) -> list[tuple[str, str]]:
    """The declared comparisons: every graph with every reference of the roles that the suite names, each pair once."""
    wanted = {
        "best": ("best",),
        "vote": ("vote", "vote at equal calls", "vote at equal tokens"),
        "self_consistency": ("self-consistency at equal calls", "self-consistency at equal tokens"),
        "self_refine": ("self-refine at equal calls", "self-refine at equal tokens"),
    }
    pairs: dict[tuple[str, str], None] = {}
    for match in matches:
        if "monolith" in plan_family:
            pairs |= dict.fromkeys((match.graph, name) for name in monoliths)
        for group in plan_family:
            named = (match.systems[r] for r in wanted.get(group, ()) if r in match.systems)
            pairs |= dict.fromkeys((match.graph, name) for name in named)
    return list(pairs)


def _refined(best: str, rounds: int) -> System:
    return systems.self_refine(f"{best} self-refine x{rounds}", best, rounds)


def _tokens(spent: Iterable[tuple[int, int]]) -> float:
    return fmean(tokens for _, tokens in spent) if spent else 0.0


def _times(k: float) -> int:
    """Rounded up, in favour of the baseline."""
    return min(max(1, math.ceil(k - 1e-9)), MOST_SAMPLES)


def _draws(p: Participant) -> bool:
    return p.sampling.temperature > 0
