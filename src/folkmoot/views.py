"""Who sees what: pure functions from the discussion so far to the turns, and the words, that a speaker is shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from folkmoot.discussion import Discussion, Turn, answer_type, speakers, turns_of
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.participant import Participant

View: TypeAlias = Callable[[Discussion, Participant], list[Turn]]
"""Which earlier turns a speaker sees."""
Say: TypeAlias = Callable[[Discussion, Participant], str]
"""What a speaker is asked: the text of the user's message."""

_CUT = "[...] "
_THINK = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_PIECE = re.compile(r"\S{1,16}\s*")  # a word; scripts without spaces come apart as well


def _last_words(d: Discussion) -> dict[str, Turn]:
    """The newest answer of everyone who has given one, in the order of first speaking."""
    said = [t for t in turns_of(d, "answer") if t.error is None]
    newest = {t.speaker: t for t in said}
    return {name: newest[name] for name in speakers(turns_of(d, "answer")) if name in newest}


def others(d: Discussion, me: Participant) -> list[Turn]:
    """The newest answer of everybody else."""
    return [t for name, t in _last_words(d).items() if name != me.name]


def neighbours(d: Discussion, me: Participant) -> list[Turn]:
    """The newest answers of those who sit next to the speaker in the ring (Sparse topologies, arXiv 2406.11776).

    The order of seats is the order of first speaking. A neighbour that has never answered leaves its seat empty.
    """
    ring = speakers(turns_of(d, "answer"))
    if me.name not in ring:
        return others(d, me)
    at, newest = ring.index(me.name), _last_words(d)
    beside = dict.fromkeys(ring[(at + step) % len(ring)] for step in (-1, 1))
    return [newest[name] for name in beside if name != me.name and name in newest]


VIEWS: dict[str, View] = {"all": others, "neighbours": neighbours}


def view(sees: str | View) -> View:
    """A view by name, or the view itself.

    Raises:
        BadInput: Unknown name.
    """
    if callable(sees):
        return sees
    if sees not in VIEWS:
        raise BadInput(f"sees={sees!r} is no view; {did_you_mean(sees, VIEWS)}")
    return VIEWS[sees]


def spoken(text: str) -> str:
    """A reply without its thinking, as others get to see it.

    Some chat templates open the ``<think>`` block in the prompt: then the reply holds only its end.
    """
    return _THINK.sub("", text).strip()


def fence(text: str, label: str) -> str:
    r"""`text` as quoted data, between two lines that it cannot forge: they carry a part of its hash that it does not hold.

    >>> fence("Six.", "Answer 1")
    '--- Answer 1 (1af6) ---\nSix.\n--- end 1af6 ---'
    """
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    mark = next(digest[:n] for n in range(4, 65) if digest[:n] not in text)
    return f"--- {label} ({mark}) ---\n{text}\n--- end {mark} ---"


def quote(turns: Sequence[Turn]) -> str:
    """Turns as quoted data under anonymous labels, thinking left out."""
    return "\n".join(fence(spoken(t.text), f"Answer {i}") for i, t in enumerate(turns, 1))


def answer(d: Discussion, me: Participant) -> str:
    """The plain prompt: the form that the answer must have, which a whole task shares, and the question."""
    return f"{answer_type(d).instruction()}\n\n{d['question']}"


def fit(texts: Sequence[str], budget: int | None, count: Callable[[str], int]) -> list[str]:
    """Shorten texts until they fit a token budget together; the longest gives first, and the end of each is kept.

    The end is where a reply concludes. Short texts stay whole: everyone gets the same ceiling, the highest that fits.

    Args:
        texts: What others said.
        budget: Tokens for all of them together; None is without bound.
        count: Counts tokens with the reader's own tokenizer.
    """
    sizes = [count(t) for t in texts]
    if budget is None or sum(sizes) <= budget:
        return list(texts)
    ceiling = _ceiling(sizes, max(budget, 0))
    return [t if size <= ceiling else _tail(t, ceiling, count) for t, size in zip(texts, sizes, strict=True)]


def _ceiling(sizes: Sequence[int], budget: int) -> int:
    """The largest c with sum(min(size, c)) <= budget."""
    left, waiting = budget, sorted(sizes)
    for i, size in enumerate(waiting):
        share = left // (len(waiting) - i)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def _tail(text: str, ceiling: int, count: Callable[[str], int]) -> str:
    words = _PIECE.findall(text)
    low, high = 0, len(words)  # the most words from the end that fit
    while low < high:
        middle = (low + high + 1) // 2
        if count(_CUT + "".join(words[-middle:])) <= ceiling:
            low = middle
        else:
            high = middle - 1
    return _CUT + "".join(words[-low:]) if low else ""
