"""What is said about bad input: one line per finding, with a hint where a word is close to a known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):  # noqa: N818 - it is the input that is bad
    """A document or an argument of the user's is wrong. One line per finding; the command line exits with 2."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: what is close, else what there is.

    >>> did_you_mean("debat", ["debate", "vote"])
    "did you mean 'debate'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(names) if names else "there are none"
