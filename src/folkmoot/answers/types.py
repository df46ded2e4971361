"""One value that says how a reply is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from folkmoot.answers import choice, number, options, text

Kind = Literal["choice", "number", "math", "text", "boolean", "labels", "code", "free"]
Metric = Literal["exact", "f1"]


@dataclass(frozen=True, slots=True)
class AnswerType:
    """How replies to a question are asked for, read, compared and scored.

    Attributes:
        kind: ``choice`` (one of `options`), ``number`` or ``text`` (a short free answer).
        options: For ``choice``: the option texts in order; they are labelled A, B, C and so on. 2 to 26.

    Raises:
        ValueError: Unknown kind; a choice with fewer than 2 or more than 26 options; options without a choice.
    """

    kind: Kind = "text"
    options: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"answer kind {self.kind!r}: use one of {', '.join(get_args(Kind))}")
        if self.kind == "choice" and not 2 <= len(self.options) <= choice.MOST:
            raise ValueError(f"a choice needs 2 to {choice.MOST} options, got {len(self.options)}")
        if self.kind != "choice" and self.options:
            raise ValueError(f"answer kind {self.kind!r} takes no options; use kind='choice' or leave them out")

    @property
    def labels(self) -> tuple[str, ...]:
        """The letters of the options: ``("A", "B", "C")``; empty for other kinds."""
        return options.labels(len(self.options))

    def instruction(self) -> str:
        """The answer contract, one sentence for the prompt.

        >>> AnswerType("choice", ("Rome", "Paris")).instruction()
        'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is one of A, B.'
        """
        if self.kind == "choice":
            return choice.instruction(self.options)
        return number.INSTRUCTION if self.kind == "number" else text.INSTRUCTION

    def extract(self, reply: str, *, cut: bool = False) -> str | None:
        """Read the answer from a reply. The last conclusion counts; None means that it abstains. Nothing is guessed.

        Args:
            reply: The reply as it came.
            cut: The reply was stopped at its token limit. Then only an explicit conclusion that is complete counts.

        Returns:
            A letter, a number in canonical form, or the words of a short answer.
        """
        if self.kind == "choice":
            return choice.extract(reply, self.options, cut=cut)
        return number.extract(reply, cut=cut) if self.kind == "number" else text.extract(reply, cut=cut)

    def canonical(self, answer: str) -> str:
        """The key under which votes for an answer are counted; equal keys mean the same answer.

        >>> AnswerType("number").canonical("1,200.00")
        '1200'
        """
        if self.kind == "choice":
            return choice.canonical(answer, self.options)
        return number.canonical(answer) if self.kind == "number" else text.canonical(answer)

    def same(self, a: str, b: str) -> bool:
        """True if two answers say the same: letters, numbers by value, words after normalisation."""
        return self.canonical(a) == self.canonical(b)

    def score(self, answer: str | None, gold: Sequence[str], metric: Metric = "exact") -> float:
        """How right an answer is, 0 to 1: the best over the accepted answers.

        Args:
            answer: As `extract` gives it; None scores 0.
            gold: The accepted answers.
            metric: ``exact`` (0 or 1), or ``f1``: the share of words in common (for text; exact for other kinds).

        Raises:
            ValueError: There is no accepted answer, or the metric is unknown.
        """
        if isinstance(gold, str) or not gold:
            raise ValueError("gold must be a sequence of at least one accepted answer")
        if metric not in get_args(Metric):
            raise ValueError(f"metric {metric!r}: use one of {', '.join(get_args(Metric))}")
        if answer is None:
            return 0.0
        if metric == "f1" and self.kind == "text":
            return max(text.f1(answer, g) for g in gold)
        return float(any(self.same(answer, g) for g in gold))
