"""Free text: the whole reply is the answer. A judge says how good it is, not a rule."""

from __future__ import annotations

import re

INSTRUCTION = "Answer in plain text."

_THOUGHTS = re.compile(r"\A.*</think(?:ing)?>", re.S | re.I)
_UNFINISHED = re.compile(r"<think(?:ing)?>.*\Z", re.S | re.I)


def extract(text: str, *, cut: bool = False) -> str | None:
    """The reply without thoughts and outer blank lines; None if nothing is left.

    Args:
        text: The reply.
        cut: Without effect: what was said before the token limit is the answer. Thoughts that never ended are none.

    >>> extract("<think>Hm.</think>Once upon a time."), extract("<think>Hm")
    ('Once upon a time.', None)
    """
    return spoken(text).strip() or None


def canonical(answer: str) -> str:
    """The words with single spaces: two texts are the same if they are the same word for word."""
    return " ".join(answer.split())


def spoken(text: str) -> str:
    """A reply without its thoughts. Thoughts that were never finished are no reply."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNFINISHED.sub("", _THOUGHTS.sub("", text)) if "<" in text else text
