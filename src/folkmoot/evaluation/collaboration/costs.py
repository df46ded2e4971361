"""What every speaker cost in every role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from folkmoot.discussion import Turn, called
from folkmoot.evaluation.collaboration.figures import NodeCost


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a participant's tokens, per million, in the suite's currency."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What some tokens cost."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


def money(turns: Sequence[Turn], prices: Mapping[str, Price]) -> float | None:
    """What a discussion cost; None if somebody who spoke has no price."""
    total = 0.0
    for t in filter(called, turns):
        if (price := prices.get(t.speaker)) is None:
            return None
        total += price.of(t.prompt_tokens, t.completion_tokens)
    return total


@dataclass(slots=True)
class _Node:
    at: int
    calls: int = 0
    prompt: int = 0
    completion: int = 0
    seconds: float = 0.0
    critical: float = 0.0


@dataclass(slots=True)
class Costs:
    """Adds up what every speaker cost in every role, over the samples of a system.

    The critical path is that of `Result.seconds`: the longest call of every step (all turns of one role in one round),
    added up. Each step's seconds go to the speaker whose call was longest, so the nodes add up to the path.
    """

    samples: int = 0
    _nodes: dict[tuple[str, str], _Node] = field(default_factory=dict)

    def add(self, turns: Sequence[Turn]) -> None:
        """Take note of one sample."""
        self.samples += 1
        longest: dict[tuple[int, str], Turn] = {}
        for at, t in enumerate(turns):
            node = self._nodes.get((t.speaker, t.role))
            if node is None:
                node = self._nodes[t.speaker, t.role] = _Node(at)
            node.at = min(node.at, at)
            node.calls += called(t)
            node.prompt += t.prompt_tokens
            node.completion += t.completion_tokens
            node.seconds += t.service_s
            step = (t.round, t.role)
            if step not in longest or t.service_s > longest[step].service_s:
                longest[step] = t
        for (_, role), t in longest.items():
            self._nodes[t.speaker, role].critical += t.service_s

    def figures(self, prices: Mapping[str, Price]) -> tuple[NodeCost, ...]:
        """Means per question, in the order of speaking."""
        return tuple(
            NodeCost(
                speaker=speaker,
                role=role,
                calls=n.calls / self.samples,
                prompt_tokens=n.prompt / self.samples,
                completion_tokens=n.completion / self.samples,
                seconds=n.seconds / self.samples,
                critical=n.critical / self.samples,
                money=prices[speaker].of(n.prompt, n.completion) / self.samples if speaker in prices else None,
            )
            for (speaker, role), n in sorted(self._nodes.items(), key=lambda node: (node[1].at, node[0]))
        )
