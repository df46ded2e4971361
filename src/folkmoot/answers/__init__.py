"""What an answer is: how it is asked for, read from a reply, compared and scored. Pure functions, no guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from folkmoot.answers import boolean, choice, figures, labels
from folkmoot.answers.options import LETTERS, as_shown, folded
from folkmoot.answers.types import AnswerType, Kind

__all__ = ["AnswerType", "Kind", "equal", "extract"]


def extract(
    kind: Kind, text: str, choices: Sequence[str] | Mapping[str, str] | None = None, *, cut: bool = False
) -> str | None:
    """Read the answer from a reply. The last conclusion counts; None means that it abstains. Nothing is guessed.

    Args:
        kind: ``choice``, ``number``, ``math``, ``text``, ``boolean``, ``labels`` or ``code``.
        text: The reply.
        choices: For ``choice``: the option texts, called A, B, C and so on, or a mapping from their keys (letters or
            digits) to their texts; None: any letter from A to Z. For ``labels``: the labels there are; None: any.
        cut: The reply was stopped at its token limit. Then only an explicit conclusion that is complete counts.

    Returns:
        The key of an option as given; a number, truth value or label set in canonical form; or the words, the expression
        or the program as written.

    Raises:
        TypeError: The reply is no text: None is no empty reply.
        ValueError: Unknown kind, or choices that do not fit it.

    >>> extract("choice", "A) Rome is old. So the answer is **b**.", ["Rome", "Paris"])
    'B'
    >>> extract("choice", "The answer is Paris.", {"1": "Rome", "2": "Paris"})
    '2'
    >>> extract("number", "That makes 2 * 600 = $1,200.00.")
    '1200'
    """
    if not isinstance(text, str):
        raise TypeError(f"the reply must be a text, not {type(text).__name__}; write '' for an empty reply")
    if kind == "choice" and choices is None:
        return choice.extract(text, as_shown([""] * len(LETTERS)), cut=cut)
    if isinstance(choices, str):
        raise ValueError("choices must be a sequence of texts or a mapping from keys to texts, not one text")
    if isinstance(choices, Mapping):
        return AnswerType(kind, tuple(choices.values()), tuple(choices)).extract(text, cut=cut)
    return AnswerType(kind, tuple(choices or ())).extract(text, cut=cut)


def equal(kind: Kind, a: str | None, b: str | None) -> bool:
    """Whether two answers say the same.

    An abstention (None) is equal to nothing, not even to another; nor is what is no answer of the kind, such as "abc"
    for a number.

    Args:
        kind: ``choice``, ``number``, ``math``, ``text``, ``boolean``, ``labels`` or ``code``.
        a: An answer, as `extract` gives it.
        b: Another.

    Raises:
        ValueError: Unknown kind.

    >>> equal("number", "42", "42.0"), equal("number", "-3", "3"), equal("choice", None, None)
    (True, False, False)
    """
    same = choice.equal if kind == "choice" else AnswerType(kind).same
    return a is not None and b is not None and _is_one(kind, a) and _is_one(kind, b) and same(a, b)


def _is_one(kind: Kind, answer: str) -> bool:
    """Whether a text is an answer of its kind at all."""
    if kind == "number":
        return figures.value(answer) is not None
    if kind == "boolean":
        return boolean.canonical(answer) in ("true", "false")
    return bool(folded(answer) if kind == "choice" else labels.fold(answer) if kind == "labels" else answer.strip())
