r"""Numbers: which value a reply concludes with, exactly. How numbers are written is in figures.py.

Without a marker (claims.py) the last sentence of a reply counts if it ends with a full stop, or its last line if that is
a number or ends with ``= number``; it must leave no choice which of its numbers is meant. Ranges, alternatives, sums
that are not worked out and amounts in two units (2 hours 30 minutes) leave a choice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from folkmoot.answers.claims import DOUBTFUL, LONGEST, UNSURE, claims, finished, plain, sentences
from folkmoot.answers.figures import SCALES, Figure, canonical, figures, say, tidy, value, within
from folkmoot.answers.free import spoken

__all__ = ["INSTRUCTION", "SHORT", "canonical", "extract", "read", "within"]

INSTRUCTION = 'End with a line of the form "Answer: N", where N is a number.'
SHORT = 12
"""Words up to which a reply of one line needs no full stop to count as finished."""

_SENTENCE = 2_000
"""Characters of a sentence without a marker that is read."""
_NOUNS = r"answer|final (?:result|total|number|amount|value)"
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NO_NOUN = (  # after "two", these make another number
    rf"(?:of|or|and|{'|'.join((*SCALES, *_WORDS))}|dozens?|point|half|halves|thirds?|quarters?|"
    r"(?:four|fif|six|seven|eigh|nin|ten|hundred)ths?)\b"
)
_LEAD = re.compile(
    r"(?:[\s:=≈~(\"']|\b(?:about|approximately|around|roughly|exactly|only|just|a total of|total of|equal to)\b)*", re.I
)
_PART = re.compile(r"\s*(?:%|per ?cent)\s*of\b", re.I)
_ODDS = re.compile(r"\s*in(?: every)?\s*", re.I)
_TIME = re.compile(r"\s*(?:seconds?|minutes?|min|hours?|days?|weeks?|months?|years?)\b", re.I)
_FACTORIAL = re.compile(r"\W*\d+!(?!\s+[A-Z])(?!\s*=)")
_OPEN_END = re.compile(r"\W*[\d.,]+\s*[-+*×÷/^=–<>]\W*")
_JOIN = re.compile(r"\b(?:or|and|to|out of|plus|minus|times|divided by|x)\b|[-+*×÷/^=–—<>]", re.I)
_TWO_UNITS = re.compile(
    r"\s*(?:h|hours?|hrs?|m|min|minutes?|mins?|feet|foot|ft|dollars?|pounds?|lbs?|years?|months?|weeks?|days?|kg|km)"
    r"[,\s]*",
    re.I,
)
_BE = re.compile(
    r"(?:\b(?:is|are|was|were|equals?|be|makes?|gives|comes to|costs|leaves|has|have|had)|[:=])"
    r"(?:\s+(?:about|only|exactly|a total of|approximately))?\W*\Z",
    re.I,
)
_TO_THE_END = re.compile(r"[^\d.!?=]{0,40}[.!]?\W*\Z")
_FORMULA = re.compile(
    r"\\(?:pi|sqrt|sin|cos|tan|log|ln|exp|[dtc]?frac|infty|pm|sum|int|binom)(?![a-z])|\b(?:sqrt|cbrt|sin|cos|tan|log|ln|exp|abs|floor|ceil|gcd|lcm|max|min|[fgCP])\(|[√∞±\u0370-\u03ff]"
)
_STEP = re.compile(r"\A(?:step\s+)?\(?\d{1,2}[.):]\s+(?=\S)", re.I)


def extract(text: str, *, cut: bool = False) -> str | None:
    """The number that a reply concludes with, in canonical form, or None.

    Args:
        text: The reply.
        cut: The reply was stopped at its token limit: digits at its very end may be unfinished, and a last line without
            an explicit conclusion is not read.
    """
    reply = plain(tidy(spoken(text)[-LONGEST:]))
    for c in claims(reply, _NOUNS, hashes=True):
        said, whole = c.text, finished(c)
        if said.startswith("- ") and reply.text[max(0, c.at - 1)] == "\n":  # a bullet, not a sign
            said, whole = said[2:], whole[2:]
        found = read(said)
        if cut and read(whole) != found:
            found = None
        if c.firm or found is not None or re.search(r"\d", c.text):
            break
    else:
        found = None if cut else _conclusion(reply.text)
    return None if found is None else say(found)


def read(claim: str) -> Fraction | None:
    """The number that a claim (the words after a marker) gives, if there is no doubt which one it is."""
    said = sentences(claim)
    if not said:
        return None
    s = re.sub(r"\A(\W*)(?:minus|[-–])\s+(?=[$€£]?\.?\d)", r"\1-", said[0], flags=re.I)
    if (whole := value(s)) is not None:
        return whole
    if _FACTORIAL.match(claim) or _OPEN_END.fullmatch(s):
        return None
    if _FORMULA.search(s):
        worked_out = re.split(r"[=≈]|\\approx", s)
        last = worked_out[-1]
        return None if len(worked_out) == 1 or _FORMULA.search(last) else _leading(last, figures(last))
    found = figures(s)
    if not found:
        word = re.fullmatch(rf"\W*([a-z]+)(?:\s+(?!{_NO_NOUN})[a-z]+)?\W*", s, re.I)
        return Fraction(_WORDS.index(word[1].lower())) if word and word[1].lower() in _WORDS else None
    if (first := _leading(s, found)) is not None:
        return first
    if (eq := max(s.rfind("="), s.rfind("≈"))) >= 0:
        return _leading(s[eq + 1 :], figures(s[eq + 1 :]))
    if s.endswith("?") or re.search(r"\bor\b", s) or UNSURE.search(s):
        return None
    last = found[-1]
    return last.value if len(found) == 1 or (_BE.search(s[: last.start]) and _TO_THE_END.match(s, last.end)) else None


def _leading(s: str, found: Sequence[Figure]) -> Fraction | None:
    """The number that a text begins with, unless what follows makes it part of something larger."""
    lead = _LEAD.match(s)
    if not found or found[0].start > (lead.end() if lead else 0):
        return None
    first, rest = found[0].value, s[found[0].end :]
    if len(found) == 1:
        return None if re.match(r"\s*(?:[-+*×÷/^=]|(?:or|to|out of|x)\b)", rest) else first
    between = s[found[0].end : found[1].start]
    if re.match(r"\s*[A-Za-z]*\s*\(|\s*[.;]\s|\s*(?:\w+\s+)?(?:because|since|as)\b", between):
        return first
    if _PART.match(between) or (first is not None and first.denominator > 1 and re.match(r"\s*of\b", between)):
        return None
    second = found[1].value
    if _ODDS.fullmatch(between) and first is not None and second is not None and first < second:  # 1 in 5
        return first if _TIME.match(s, found[1].end) or 1900 <= second <= 2100 else None
    joined = _JOIN.search(between) or not re.search(r"\w", between) or _TWO_UNITS.fullmatch(between)
    return None if joined else first


def _conclusion(text: str) -> Fraction | None:
    """The number of the last sentence or line of a reply without a marker."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    last = _STEP.sub("", lines[-1], count=1)
    if len(lines) > 1 and re.fullmatch(r"\(?\d{1,2}[.):]+", last):  # "3." begins a step that never came
        return None
    if DOUBTFUL.search(last) or last.endswith(("?", ":")):
        return None
    said = sentences(last)[-1]
    if len(said) <= _SENTENCE and (
        (len(lines) == 1 and len(last.split()) <= SHORT) or re.search(r"[.!]\W*\Z", said) or value(last) is not None
    ):
        return read(said)
    equals = re.search(r"[=≈]([^=≈]*)\Z", said)
    return _leading(equals[1], figures(equals[1])) if equals and len(equals[1].split()) <= 4 else None
