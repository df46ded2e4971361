"""Where an answer came from: the turns of a discussion that led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.result import Result

ARROW = " → "


@dataclass(frozen=True, slots=True)
class Provenance:
    """What led to an answer.

    Attributes:
        turns: Numbers of the turns that led to it, in the order of speaking: who was asked and why, drafts and revisions that
            held it, what those who came to hold it had read, and what picked it.
        authors: Members whose first draft was this answer, in the order of speaking; nobody if it arose later.
        words: The same in one line, from draft to decision.
    """

    turns: tuple[int, ...]
    authors: tuple[str, ...]
    words: str


def provenance(result: Result, kind: AnswerType | None = None) -> Provenance:
    """Trace the answer of a system back through its discussion.

    Only what is written down is told: that a member read an answer before it gave the same one does not say that it would
    not have come to it alone. Equal answers are equal in their canonical forms.

    Args:
        result: A finished sample with its turns.
        kind: How answers to this question are compared; short texts if left out.
    """
    if result.answer is None or not result.turns:
        return Provenance((), (), "")
    form = (kind or AnswerType()).canonical
    return _Trace(result, form(result.answer), form).told()


def drafts(turns: Sequence[Turn], form: Callable[[str], str]) -> dict[str, str | None]:
    """The canonical form of the first answer of everybody who was to answer; None where there was none."""
    found: dict[str, str | None] = {}
    for t in turns:
        if t.role == "answer" and t.speaker not in found:
            found[t.speaker] = form(t.answer) if t.answer is not None and t.error is None else None
    return found


class _Trace:
    def __init__(self, result: Result, final: str, form: Callable[[str], str]) -> None:
        self.result, self.turns, self.final = result, result.turns, final
        answers = [i for i, t in enumerate(self.turns) if t.role == "answer" and t.error is None]
        self.last = max((self.turns[i].round for i in answers), default=0)
        self.answers = answers
        self.holds = {i for i in answers if (a := self.turns[i].answer) is not None and form(a) == final}
        self.authors = [who for who, held in drafts(self.turns, form).items() if held == final]
        self.led: set[int] = set()

    def told(self) -> Provenance:
        ends, how = self._ends()
        for i in ends:
            self._follow(i)
        self.led.update(i for i, t in enumerate(self.turns) if t.role == "route")
        steps = [self._routed(), *(self._step(r) for r in range(self.last + 1)), how]
        return Provenance(tuple(sorted(self.led)), tuple(self.authors), ARROW.join(s for s in steps if s))

    def _ends(self) -> tuple[list[int], str]:
        """The answers that were decided on, and the decision in words; turns that decided are taken up at once."""
        decision, newest = self.result.decision, [i for i in self.answers if self.turns[i].round == self.last]
        voted = [i for i in newest if i in self.holds]
        if decision is None:
            return voted, ""
        if decision.by == "finisher":
            wrote = [i for i, t in enumerate(self.turns) if t.role == "finish" and t.answer is not None]
            self.led.update(wrote)
            read = "" if self.holds else f", who read the answers of {_names(self.turns[i].speaker for i in newest)}"
            return newest, f"written by {_names(self.turns[i].speaker for i in wrote)}{read}"
        self.led.update(i for i, t in enumerate(self.turns) if t.role == "judge" and decision.by == "judge")
        if whose := getattr(decision, "whose", None):
            voted = [i for i in voted if self.turns[i].speaker == whose]
            self.led.update(i for i, t in enumerate(self.turns) if t.role == "confidence" and t.speaker == whose)
        alone = len(self.turns) == 1
        return voted, "" if alone else f"{decision.by}: {decision.why}" if decision.why else decision.by

    def _follow(self, i: int) -> None:
        """Take up an answer and what its speaker had before it."""
        if i in self.led:
            return
        self.led.add(i)
        t = self.turns[i]
        before = [j for j in self.answers if self.turns[j].round == t.round - 1]
        own = [j for j in before if self.turns[j].speaker == t.speaker]
        reviews = self._reviews(t)
        self.led.update(reviews)
        for j in own:
            self._follow(j)
        if not reviews and i in self.holds and not self.holds & set(own):
            for j in self.holds & set(before):
                self._follow(j)

    def _reviews(self, t: Turn) -> list[int]:
        return [
            j
            for j, c in enumerate(self.turns)
            if c.role == "critique" and c.about == t.speaker and c.round == t.round and c.error is None
        ]

    def _routed(self) -> str:
        if not any(t.role == "route" for t in self.turns):
            return ""
        return f"routed to {_names(t.speaker for t in self.turns if t.role == 'answer' and t.round == 0)}"

    def _step(self, at: int) -> str:
        """Who held the answer in a round that led to it, and since when."""
        said: dict[str, list[str]] = {}
        for i in sorted(self.led & self.holds):
            t = self.turns[i]
            if t.round != at:
                continue
            own = {j for j in self.holds if self.turns[j].speaker == t.speaker and self.turns[j].round == at - 1}
            peers = {j for j in self.holds if self.turns[j].round == at - 1 and self.turns[j].speaker != t.speaker}
            reviews = self._reviews(t)
            if at == 0:
                how = "draft of {}"
            elif own:
                how = "kept by {}"
            elif reviews:
                how = f"revised by {{}} after a review by {_names(self.turns[j].speaker for j in reviews)}"
            elif peers:
                how = f"taken over by {{}} from {_names(self.turns[j].speaker for j in sorted(peers))}"
            else:
                how = "new from {}"
            said.setdefault(how, []).append(t.speaker)
        where = f" in round {at + 1}" if at and said else ""
        return ", ".join(how.format(_names(who)) for how, who in said.items()) + where


def _names(speakers: Iterable[str]) -> str:
    """Names in order, each once: ``ana (3 times), bo and cy``."""
    count = Counter(speakers)
    named = [f"{who} ({n} times)" if n > 1 else who for who, n in count.items()]
    return " and ".join(", ".join(named).rsplit(", ", 1)) if named else "nobody"
