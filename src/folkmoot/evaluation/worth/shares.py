"""What each contributor took and gave in a system: its part of the cost, and how often its draft became the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from folkmoot.discussion import called
from folkmoot.evaluation.collaboration.figures import Rate
from folkmoot.evaluation.collaboration.tally import Tally, right
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.worth.provenance import drafts


@dataclass(frozen=True, slots=True)
class Share:
    """One contributor in one system. Rates count questions, with several draws averaged within each.

    Attributes:
        contributor, system: Who and where.
        asked: Questions on which it was asked for an answer, of all questions.
        became: Its draft became the answer (its first answer and that of the system are equal), of the questions on which it
            was asked.
        sole: That, and no other member had drafted it.
        right: The answer was right, of those that its draft became.
        missed: Its draft was right where it did not become the answer; 0 of 0 where single answers are not scored.
        calls: Share of all model calls of the system, 0 to 1.
        tokens: Share of all prompt and completion tokens.
        seconds: Share of all service seconds.
    """

    contributor: str
    system: str
    asked: Rate
    became: Rate
    sole: Rate
    right: Rate
    missed: Rate
    calls: float
    tokens: float
    seconds: float


@dataclass(slots=True)
class _Part:
    asked: Tally = field(default_factory=Tally)
    became: Tally = field(default_factory=Tally)
    sole: Tally = field(default_factory=Tally)
    right: Tally = field(default_factory=Tally)
    missed: Tally = field(default_factory=Tally)
    spent: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])


class Ledger:
    """Takes note of the samples of one system as they pass; keeps figures, never words.

    Args:
        system: Its name.
        team: Its members.
    """

    def __init__(self, system: str, team: Sequence[str]) -> None:
        self._system = system
        self._parts = {name: _Part() for name in team}
        self._spent = [0.0, 0.0, 0.0]

    def add(self, r: Result, form: Callable[[str], str], *, scored: bool) -> None:
        """Take note of a sample.

        Args:
            r: The sample, with its turns.
            form: Canonical form of an answer to its question.
            scored: Single answers are scored for this question.
        """
        item = (r.task, r.item)
        for t in r.turns:
            spent = (float(called(t)), float(t.prompt_tokens + t.completion_tokens), t.service_s)
            part = self._parts.get(t.speaker)
            for i, x in enumerate(spent):
                self._spent[i] += x
                if part is not None:
                    part.spent[i] += x
        first = drafts(r.turns, form)
        final = form(r.answer) if r.answer is not None else None
        authors = [who for who, held in first.items() if held is not None and held == final]
        good = right(r.score) and r.outcome == "scored"
        marks = r.marks if len(r.marks) == len(r.turns) else (None,) * len(r.turns)
        for name, part in self._parts.items():
            part.asked.add(item, name in first)
            if name not in first:
                continue
            part.became.add(item, name in authors)
            part.sole.add(item, authors == [name])
            if name in authors:
                part.right.add(item, good)
            elif scored:
                at = next(i for i, t in enumerate(r.turns) if t.role == "answer" and t.speaker == name)
                mark = marks[at]
                part.missed.add(item, mark is not None and right(mark))

    def shares(self, clusters: Mapping[Key, str] = {}) -> tuple[Share, ...]:
        """The share of every member, in the order of the team."""

        def share(name: str, p: _Part) -> Share:
            calls, tokens, seconds = (
                mine / all_ if all_ else 0.0 for mine, all_ in zip(p.spent, self._spent, strict=True)
            )
            return Share(
                contributor=name,
                system=self._system,
                asked=p.asked.rate(clusters),
                became=p.became.rate(clusters),
                sole=p.sole.rate(clusters),
                right=p.right.rate(clusters),
                missed=p.missed.rate(clusters),
                calls=calls,
                tokens=tokens,
                seconds=seconds,
            )

        return tuple(share(name, p) for name, p in self._parts.items())
