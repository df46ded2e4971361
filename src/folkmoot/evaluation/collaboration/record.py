"""What is kept of the results while they pass: figures, never words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from folkmoot.evaluation.collaboration.conformity import Conformists, stands
from folkmoot.evaluation.collaboration.costs import Costs, Price, money
from folkmoot.evaluation.collaboration.figures import Conformity, Rate, Transition
from folkmoot.evaluation.collaboration.pareto import Spent
from folkmoot.evaluation.collaboration.said import Said, last_right
from folkmoot.evaluation.collaboration.tally import Tally, right
from folkmoot.evaluation.collaboration.transitions import Move, moves, transitions
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.result import Result


@dataclass(slots=True)
class Spending:
    """Scores and costs of one system, by item."""

    scores: dict[Key, dict[int, float]] = field(default_factory=dict)
    _sums: dict[Key, list[float]] = field(default_factory=dict)
    _priced: bool = True

    def add(self, r: Result, prices: Mapping[str, Price]) -> None:
        """Take note of one sample.

        Raises:
            ValueError: It is there already.
        """
        draws = self.scores.setdefault((r.task, r.item), {})
        if r.draw in draws:
            raise ValueError(
                f"{r.system} has two results for {r.task}/{r.item} draw {r.draw}; "
                "select the samples of one suite before looking at what collaboration did"
            )
        draws[r.draw] = r.score if r.outcome == "scored" else 0.0
        cost = money(r.turns, prices)
        self._priced = self._priced and cost is not None
        sums = self._sums.setdefault((r.task, r.item), [0.0, 0.0, 0.0])
        sums[0] += sum(t.prompt_tokens + t.completion_tokens for t in r.turns)
        sums[1] += sum(t.service_s for t in r.turns)
        sums[2] += cost or 0.0

    def by_item(self) -> dict[Key, Spent]:
        """The mean over the draws of every item. No money if somebody who spoke has no price."""
        spent = {}
        for item, draws in self.scores.items():
            n, (tokens, seconds, cost) = len(draws), self._sums[item]
            spent[item] = Spent(fsum(draws.values()) / n, tokens / n, seconds / n, cost / n if self._priced else None)
        return spent


@dataclass(slots=True)
class Exchange:
    """What was said to each other in one system."""

    costs: Costs = field(default_factory=Costs)
    _moves: Counter[Move] = field(default_factory=Counter)
    _conformists: Conformists = field(default_factory=Conformists)
    _picked: Tally = field(default_factory=Tally)
    _speakers: dict[str, int] = field(default_factory=dict)
    _spoke_twice: bool = False
    _scored: bool = False

    def add(self, r: Result, turns: Sequence[Said]) -> None:
        """Take note of one sample and of its answers."""
        item = (r.task, r.item)
        self.costs.add(r.turns)
        for at, t in enumerate(turns):
            self._speakers[t.speaker] = min(at, self._speakers.get(t.speaker, at))
        made = list(moves(turns))
        self._moves.update(made)
        if made:
            self._spoke_twice = True
            self._conformists.add(item, list(stands(turns)))
        there = last_right(turns)
        self._scored = self._scored or there is not None
        if there:
            self._picked.add(item, right(r.score) and r.outcome == "scored")

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """See `transitions.transitions`."""
        return transitions(self._moves, sorted(self._speakers, key=lambda name: (self._speakers[name], name)))

    def conformity(self, clusters: Mapping[Key, str]) -> Conformity | None:
        """None where nobody gave two answers that can be scored."""
        return self._conformists.figures(clusters) if self._spoke_twice else None

    def picked_right(self, clusters: Mapping[Key, str]) -> Rate | None:
        """The system was right, of the items whose last round held a right answer; None if no turn was scored."""
        return self._picked.rate(clusters) if self._scored else None
