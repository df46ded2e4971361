"""Which options a few words name: by letter, by their exact text, or by both."""

from __future__ import annotations

import re
from collections.abc import Sequence

from folkmoot.answers.claims import sentences, unmarked

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOUN = r"(?:option|choice|letter|candidate|answer|response|alternative|statement)"
GOOD = r"(?:correct|right|best|better|most (?:accurate|appropriate|likely)|strongest|stronger|true|proper|only)"

_HEAD = re.compile(
    rf"(?:(?:the )?(?:{GOOD} )?{NOUN}\s*:?\s+)?(?P<open>[(\[{{]?)(?P<letter>[A-Za-z])(?P<close>[)\]}}]?)(?P<rest>.*)",
    re.S | re.I,
)
_AFTER_LETTER = re.compile(  # ends it; not in C-section, D.C., C. S. Lewis
    r"\Z|[.!:,;\])](?:\s(?!\s*[A-Z]\.)|[\"')\]$*]|\Z)|\s*[–—→]|\s+-\s|\s*\("
)
_REASON = re.compile(rf"\s+(?:because|since|as|due to|given)\b|\s+(?:is|seems|would be)\s+(?:the\s+)?{GOOD}\b")
_NEGATED = re.compile(r"\b(?:not|never|no|neither|nor|except|incorrect|wrong|unlike|if|whether|cannot)\b|n't\b", re.I)
_EDGE = " \t\n.,;:!\"'“”‘*_$()[]{}"

Named = tuple[str, ...]
"""The options that a text names: one, several (no conclusion), or none (it says nothing about options)."""


def labels(n: int) -> tuple[str, ...]:
    """The first n letters."""
    return tuple(LETTERS[:n])


def fold(text: str) -> str:
    """An option text for comparison: case, spaces, an article before it and marks around it do not count."""
    return re.sub(r"\A(?:a|an|the) (?=.)", "", " ".join(unmarked(text).casefold().split()).strip(_EDGE))


def name(claim: str, options: Sequence[str]) -> Named:
    """The options that a claim names at its beginning.

    >>> planets = ["Mars", "Venus"]
    >>> name("(B) because it is larger", planets), name("A or B", planets), name("a matter of taste", planets)
    (('B',), ('A', 'B'), ())
    """
    known = labels(len(options))
    claim = claim.strip().lstrip("\"'“‘$* ")
    if claim.strip(_EDGE).upper() in known:
        return () if claim.rstrip(" $\"'").endswith("?") else (claim.strip(_EDGE).upper(),)
    if text := by_text(claim, options):
        return text
    m = _HEAD.match(re.sub(r"\A(?:either|both|between)\s+", "", claim, flags=re.I))
    # A small letter without a bracket is more often the article.
    if m and m["letter"].upper() in known and (m["letter"].isupper() or m["close"]):
        letter = _by_letter(m["letter"].upper(), m["rest"], bool(m["close"]), options)
        if letter:
            return letter
    said = sentences(claim.split("\n")[0])
    return _stated(said[0], options) if said else ()


def only(line: str, options: Sequence[str]) -> Named:
    """The option that a line consists of, by letter, by text, or by a letter with its own text."""
    known = labels(len(options))
    letter = re.fullmatch(rf"(?:{NOUN}\s+)?[(\[]?([A-Z])[)\]]?[.:)]?", line.strip(), re.I)
    if letter and letter[1] in known:
        return (letter[1],)
    both = re.fullmatch(rf"(?:{NOUN}\s+)?[(\[]?([A-Z])[)\].:]*,?\s+(.+)", line.strip(), re.I)
    if both and both[1] in known and fold(both[2]) == fold(options[LETTERS.index(both[1])]):
        return (both[1],)
    return by_text(line, options) if len(sentences(line)) == 1 else ()


def by_text(claim: str, options: Sequence[str]) -> Named:
    """The option whose text is the whole claim, its first line or its first sentence."""
    first = claim.split("\n")[0]
    for said in dict.fromkeys((claim, first, *sentences(first)[:1])):
        if not fold(said) or (said != claim and len(fold(said)) == 1):  # "C. O2" is not the option "C"
            continue
        asks = said.rstrip().endswith("?")
        same = [i for i, o in enumerate(options) if fold(o) == fold(said) and o.rstrip().endswith("?") >= asks]
        if len(same) > 1:  # options that differ in case only
            same = [i for i in same if options[i].strip(_EDGE) == said.strip(_EDGE)]
        if len(same) == 1:
            return (LETTERS[same[0]],)
    return ()


def _by_letter(letter: str, rest: str, closed: bool, options: Sequence[str]) -> Named:
    """What a letter and the text after it name."""
    own = options[LETTERS.index(letter)].strip(_EDGE)
    tail = rest.lstrip(" \t\"'”*$")
    text = re.sub(r"\A[\s).:,;\]]*(?:[-–—→]\s+)?", "", tail)
    spelt = bool(own) and text.casefold().startswith(own.casefold())
    after = text[len(own) :] if spelt else tail
    if second := _second(letter, after, options):
        return (letter, second)
    if re.match(r"\W*\?", after):
        return ()
    if spelt or closed or _AFTER_LETTER.match(rest.rstrip()):
        other = by_text(text, options) if text else ()
        if other and fold(options[LETTERS.index(other[0])]) != fold(own):
            return (letter, *other)  # "A) Paris" where Paris is B
        return (letter,)
    return (letter,) if _REASON.match(rest) else ()


def _second(first: str, after: str, options: Sequence[str]) -> str | None:
    """Another letter that is joined to the first one: "A or B", "A, B and C", "A/B"."""
    m = re.match(
        rf"[).\]\"'”:]*\s*(?P<by>,?\s*\b(?:or|and|and/or)\b|/|&|\+|,)\s*(?:{NOUN}\s+)?"
        rf"[(\[]?(?P<letter>[A-{LETTERS[len(options) - 1]}])(?![\w'’-])(?P<rest>.*)",
        after,
        re.S,
    )
    if not m or m["letter"] == first:
        return None
    if m["by"] == ",":  # "C, A is too small" is no list
        return m["letter"] if re.match(r"[)\].!\"']*(?:\Z|\s*(?:,|or\b|and\b|are\b|both\b))", m["rest"]) else None
    return None if re.match(r"\s+(?!is\b|are\b)[a-z]", m["rest"]) else m["letter"]


def _stated(sentence: str, options: Sequence[str]) -> Named:
    """The option whose text ends a plain statement, as in "The capital of France is Paris."."""
    said = fold(sentence)
    if _NEGATED.search(said) or sentence.rstrip().endswith("?"):
        return ()
    ends: list[tuple[int, int, int]] = []
    for i, option in enumerate(options):
        text = fold(option)
        m = re.search(rf"\b(?:is|are|was|were|be|called)\s+(?:the |an? )?{re.escape(text)}\Z", said) if text else None
        if m:
            ends.append((len(text), i, m.start()))
    if not ends:
        return ()
    _, best, at = max(ends)
    others = (o for i, o in enumerate(options) if i != best and fold(o))
    return () if any(re.search(rf"\b{re.escape(fold(o))}\b", said[:at]) for o in others) else (LETTERS[best],)
