"""One value that says how a reply is read, and the one table of what each kind of answer does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

from folkmoot.answers import boolean, choice, code, figures, free, labels, math, number, text
from folkmoot.answers.options import Options, as_shown
from folkmoot.answers.options import labels as letters

Kind = Literal["choice", "number", "math", "text", "boolean", "labels", "code", "free"]
Metric = Literal["exact", "f1"]


@dataclass(frozen=True, slots=True)
class AnswerType:
    """How replies to a question are asked for, read, compared and scored.

    Attributes:
        kind: ``choice`` (one of `options`), ``number``, ``math`` (an expression), ``text`` (a short free answer),
            ``boolean`` (true or false, yes or no), ``labels`` (one or several), ``code`` (a program), or ``free`` (a text
            that a judge scores).
        options: For ``choice``: the option texts in order, 2 to 26. For ``labels``: the labels there are; empty: any.
        keys: For ``choice``: what the task calls the options, letters or digits; empty: A, B, C and so on.
        tolerance: For ``number`` and ``math``: how far off, as a share of the accepted answer, still scores. It counts in
            `score` only, never in votes.

    Raises:
        ValueError: Unknown kind; a field that the kind does not take; too few, too many or repeated options or keys.
    """

    kind: Kind = "text"
    options: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"answer kind {self.kind!r}: use one of {', '.join(get_args(Kind))}")
        for field in ("options", "keys", "tolerance"):
            if getattr(self, field) and field not in _RULES[self.kind].takes:
                able = " or ".join(repr(k) for k, r in _RULES.items() if field in r.takes)
                raise ValueError(f"answer kind {self.kind!r} takes no {field}; use kind={able} or leave them out")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance {self.tolerance}: write a share from 0 up to 1, such as 0.01")
        if self.kind == "choice":
            self._check_choice()
        if self.kind == "labels" and len({labels.fold(o) for o in self.options} - {""}) < len(self.options):
            raise ValueError(f"labels {', '.join(map(repr, self.options))}: one is empty or stands there twice")

    def _check_choice(self) -> None:
        if not 2 <= len(self.options) <= choice.MOST:
            raise ValueError(f"a choice needs 2 to {choice.MOST} options, got {len(self.options)}")
        if self.keys and len(self.keys) != len(self.options):
            raise ValueError(f"{len(self.keys)} keys for {len(self.options)} options: write one for each")
        for key in self.keys:
            if not (key.isascii() and key.isalnum()):
                raise ValueError(f"option key {key!r}: use letters or digits")
        if len({k.casefold() for k in self.keys}) < len(self.keys):
            raise ValueError(f"option keys {', '.join(self.keys)}: one stands there twice")

    @property
    def labels(self) -> tuple[str, ...]:
        """What the options of a choice are called: ``("A", "B", "C")``; empty for other kinds."""
        return self.keys or letters(len(self.options)) if self.kind == "choice" else ()

    def instruction(self) -> str:
        """The answer contract, one sentence for the prompt.

        >>> AnswerType("choice", ("Rome", "Paris")).instruction()
        'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is one of A, B.'
        """
        return _RULES[self.kind].instruction(self)

    def extract(self, reply: str, *, cut: bool = False) -> str | None:
        """Read the answer from a reply. The last conclusion counts; None means that it abstains. Nothing is guessed.

        Args:
            reply: The reply as it came.
            cut: The reply was stopped at its token limit. Then only an explicit conclusion that is complete counts.

        Returns:
            The key of an option; a number, truth value or label set in canonical form; or the words, the expression or the
            program as written.
        """
        return _RULES[self.kind].extract(self, reply, cut)

    def canonical(self, answer: str) -> str:
        """The key under which votes for an answer are counted; equal keys mean the same answer.

        >>> AnswerType("number").canonical("1,200.00")
        '1200'
        """
        return _RULES[self.kind].canonical(self, answer)

    def same(self, a: str, b: str) -> bool:
        """True if two answers say the same: keys, numbers by value, expressions by equivalence, words normalised."""
        return _RULES[self.kind].equal(self, a, b)

    def score(self, answer: str | None, gold: Sequence[str], metric: Metric = "exact") -> float:
        """How right an answer is, 0 to 1: the best over the accepted answers.

        Args:
            answer: As `extract` gives it; None scores 0.
            gold: The accepted answers.
            metric: ``exact`` (0 or 1), or ``f1``: the share of words in common (for text; exact for other kinds).

        Raises:
            ValueError: There is no accepted answer, the metric is unknown, or the kind is not scored by comparison.
        """
        if by := _RULES[self.kind].scored_by:
            raise ValueError(f"an answer of kind {self.kind!r} is scored by {by}, not by comparison")
        if isinstance(gold, str) or not gold:
            raise ValueError("gold must be a sequence of at least one accepted answer")
        if metric not in get_args(Metric):
            raise ValueError(f"metric {metric!r}: use one of {', '.join(get_args(Metric))}")
        if answer is None:
            return 0.0
        if metric == "f1" and self.kind == "text":
            return max(text.f1(answer, g) for g in gold)
        rules = _RULES[self.kind]
        return float(any(rules.equal(self, answer, g) or rules.near(self, answer, g) for g in gold))


class _Module(Protocol):
    """The interface of a module that reads one kind of answer."""

    INSTRUCTION: str

    def extract(self, text: str, *, cut: bool = False) -> str | None: ...
    def canonical(self, answer: str) -> str: ...


def _alike(t: AnswerType, a: str, b: str) -> bool:
    return t.canonical(a) == t.canonical(b)


def _near_number(t: AnswerType, answer: str, gold: str) -> bool:
    said, right = (figures.value(answer), figures.value(gold)) if t.tolerance else (None, None)
    return said is not None and right is not None and figures.close(said, right, t.tolerance)


def _near_math(t: AnswerType, answer: str, gold: str) -> bool:
    return t.tolerance > 0 and math.within(answer, gold, t.tolerance)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a kind of answer does: `near` says what scores though it is not equal; `takes` which fields it has."""

    instruction: Callable[[AnswerType], str]
    extract: Callable[[AnswerType, str, bool], str | None]
    canonical: Callable[[AnswerType, str], str]
    equal: Callable[[AnswerType, str, str], bool] = _alike
    near: Callable[[AnswerType, str, str], bool] = lambda t, answer, gold: False
    takes: tuple[str, ...] = ()
    scored_by: str = ""


def _of(module: _Module) -> _Rules:
    return _Rules(
        lambda t: module.INSTRUCTION,
        lambda t, reply, cut: module.extract(reply, cut=cut),
        lambda t, answer: module.canonical(answer),
    )


def _shown(t: AnswerType) -> Options:
    return as_shown(t.options, t.keys)


_RULES: Mapping[str, _Rules] = {
    "choice": _Rules(
        lambda t: choice.instruction(_shown(t)),
        lambda t, reply, cut: choice.extract(reply, _shown(t), cut=cut),
        lambda t, answer: choice.canonical(answer, _shown(t)),
        takes=("options", "keys"),
    ),
    "number": replace(_of(number), near=_near_number, takes=("tolerance",)),
    "math": replace(_of(math), equal=lambda t, a, b: math.equal(a, b), near=_near_math, takes=("tolerance",)),
    "text": _of(text),
    "boolean": _of(boolean),
    "labels": _Rules(
        lambda t: labels.instruction(t.options),
        lambda t, reply, cut: labels.extract(reply, t.options, cut=cut),
        lambda t, answer: labels.canonical(answer, t.options),
        takes=("options",),
    ),
    "code": replace(_of(code), scored_by="its tests"),
    "free": replace(_of(free), scored_by="a judge"),
}
