"""Numbers: which value a reply concludes with, exactly.

Read are digits with thousands commas and a decimal point, negative numbers, fractions (``3/4``, ``\\frac{3}{4}``,
``2 1/2``), scientific notation, a currency sign before or a unit after the number; a per cent sign is a unit (45% is 45).
Not read, so that nothing is guessed: decimal commas (3,14), scale words (3.5 million), ranges, times of day, amounts in two
units (2 hours 30 minutes), sums that are not worked out.

Without a marker (claims.py) the last sentence of the reply counts if it ends with a full stop, or its last line if that is
a number or ends with ``= number``; it must leave no choice which of its numbers is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from folkmoot.answers.claims import DOUBTFUL, UNSURE, claims, finished, plain, sentences

INSTRUCTION = 'End with a line of the form "Answer: N", where N is a number.'
SHORT = 12
"""Words up to which a reply of one line needs no full stop to count as finished."""

_NOUNS = r"answer|final (?:result|total|number|amount|value)"
_RUN = re.compile(r"(?<![\d.,])\.?\d(?:[\d.,:/]*\d)?")
_PLAIN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
_EXPONENT = re.compile(r"[eE][-+]?\d{1,3}(?![\w.])")
_UNITS = frozenset(
    "g kg mg m km cm mm s h min mins sec secs hr hrs l L ml mL lb lbs oz ft in mph kmh kph C F p c USD EUR yr yrs".split()
)
_SCALE = re.compile(
    r"[\s-]*(?:hundred|thousand|million|billion|trillion|dozen|k|M|bn)\b|\s*(?:×|x|\*|\\times)\s*10\s*\^"
)
_WORDS = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}
_LEAD = re.compile(
    r"(?:[\s:=≈~(\"']|\b(?:about|approximately|around|roughly|exactly|only|just|a total of|total of|equal to)\b)*", re.I
)
_JOIN = re.compile(r"\b(?:or|and|to|out of|plus|minus|times|divided by|x)\b|[-+*×÷/^=–—<>]", re.I)
_COMPOUND = re.compile(
    r"\s*(?:h|hours?|hrs?|m|min|minutes?|mins?|feet|foot|ft|dollars?|pounds?|lbs?|years?|months?|weeks?|days?|kg|km)[,\s]*",
    re.I,
)
_BE = re.compile(
    r"(?:\b(?:is|are|was|were|equals?|be|makes?|gives|comes to|costs|leaves|has|have|had|=)|[:=])\W*\Z", re.I
)
_BEFORE_END = re.compile(r"[^\d.!?=]{0,40}[.!]?\W*\Z")
_LIST_MARK = re.compile(r"(?:step\s+)?\(?\d{1,2}[.):]\s+(?=\S)", re.I)


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    value: Fraction | None


def canonical(answer: str) -> str:
    """The number as an integer, a finite decimal or a reduced fraction; what is no number stays as it is.

    >>> canonical("1,200.00"), canonical("$4.50"), canonical("2/6"), canonical("3.54e-07")
    ('1200', '4.5', '1/3', '0.000000354')
    """
    found = value(answer)
    return answer.strip() if found is None else _say(found)


def value(text: str) -> Fraction | None:
    """The number that a text consists of, a currency sign or unit apart; None if it is something else."""
    text = re.sub(r"(?<=\d)\s*/\s*(?=\d)", "/", _tidy(text).strip().rstrip("."))
    found = _numbers(text)
    if len(found) != 1 or not re.fullmatch(r"[\s+(]*", text[: found[0].start]):
        return None
    return found[0].value if re.fullmatch(r"\s*(?:[A-Za-z]+|[%°¢$€£])?\s*\)?", text[found[0].end :]) else None


def extract(text: str, *, cut: bool = False) -> str | None:
    """The number that a reply concludes with, in canonical form, or None.

    Args:
        text: The reply.
        cut: The reply was stopped at its token limit: digits at its very end may be unfinished, and a last line without
            an explicit conclusion is not read.
    """
    reply = plain(_tidy(text))
    last: tuple[bool, Fraction | None] | None = None
    for c in claims(reply, _NOUNS, hashes=True):
        read = _read(c.text)
        if cut and _read(finished(c)) != read:
            read = None
        if c.firm or read is not None or re.search(r"\d", c.text):
            last = (True, read)
    found = last[1] if last else (None if cut else _conclusion(reply.text))
    return None if found is None else _say(found)


def _tidy(text: str) -> str:
    """LaTeX and typographic forms of numbers in plain characters."""
    text = re.sub(r"\\[dt]?frac\s*\{(-?[\d.,]+)\}\s*\{([\d.,]+)\}", r"\1/\2", text)
    text = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)", r"\1/\2", text)
    text = re.sub(r"\\[!,;:]|\{,\}", lambda m: "," if m[0] == "{,}" else "", text)
    text = re.sub(r"\\([$%#])", r"\1", text).replace("−", "-").replace("\\times", "×").replace("\\cdot", "×")
    return re.sub(r"\b(?:negative|minus)\s+(?=\d)(?<!\d\sminus\s)", "-", text, flags=re.I)


def _say(v: Fraction) -> str:
    if v.denominator == 1:
        return str(v.numerator)
    rest, places = v.denominator, 0
    for prime in (2, 5):
        n = 0
        while rest % prime == 0:
            rest, n = rest // prime, n + 1
        places = max(places, n)
    if rest != 1:
        return f"{v.numerator}/{v.denominator}"
    digits = str(abs(v.numerator) * 10**places // v.denominator).rjust(places + 1, "0")
    return f"{'-' if v < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _numbers(text: str) -> list[_Found]:
    """Every number of a text; those that cannot be read for sure have no value."""
    found: list[_Found] = []
    done = 0
    for m in _RUN.finditer(text):
        start, end = m.start(), m.end()
        if start < done:  # the exponent of the number before
            continue
        v = _literal(m[0])
        if (e := _EXPONENT.match(text, end)) and v is not None and v.denominator < 10**60:
            v, end = v * Fraction(10) ** int(e[0][1:]), e.end()
            done = end
        currency = re.search(r"(?:US)?[$€£¥]\s?\Z", text[:start])
        start = currency.start() if currency else start
        sign = re.search(r"(?<![\w)\]}%])[-–]\Z", text[:start])
        if sign:
            start, v = sign.start(), None if v is None else -v
        glued = re.match(r"-?[A-Za-z_]+", text[end:])
        if re.search(r"[A-Za-z_^]\Z", text[:start]) or text[end : end + 1] == "^" or _SCALE.match(text, end):
            v = None
        elif glued and glued[0] not in _UNITS:
            if glued[0].startswith("-"):  # "a 5-year-old tree": a word, not an amount
                continue
            v = None
        whole = found[-1] if found else None
        if (
            whole
            and whole.value is not None
            and "/" in m[0]
            and v is not None
            and 0 < v < 1
            and text[whole.end : start] == " "
        ):
            if whole.value.denominator == 1:  # 2 1/2
                negative = text[whole.start] in "-–"
                found[-1] = _Found(whole.start, end, whole.value - v if negative else whole.value + v)
                continue
        found.append(_Found(start, end, v))
    return found


def _literal(run: str) -> Fraction | None:
    parts = run.split("/")
    if len(run) > 60 or len(parts) > 2 or not all(p and _PLAIN.fullmatch(p) for p in parts):
        return None
    top, *bottom = (Fraction(p.replace(",", "")) for p in parts)
    if not bottom:
        return top
    return top / bottom[0] if bottom[0] else None


def _read(claim: str) -> Fraction | None:
    """The number that a claim gives, if there is no doubt which one it is."""
    said = sentences(claim)
    if not said:
        return None
    s = said[0]
    if (whole := value(s)) is not None:
        return whole
    found = _numbers(s)
    if not found:
        word = re.fullmatch(r"\W*([a-z]+)(?:\s+(?!of\b|or\b|and\b)[a-z]+)?\W*", s, re.I)
        return Fraction(_WORDS[word[1].lower()]) if word and word[1].lower() in _WORDS else None
    if (first := _leading(s, found)) is not None:
        return first
    if (eq := max(s.rfind("="), s.rfind("≈"))) >= 0:
        tail = s[eq + 1 :]
        return _leading(tail, _numbers(tail))
    if s.endswith("?") or re.search(r"\d\s*[-+*×÷/]\s*[\d(]|\bor\b", s) or UNSURE.search(s):
        return None
    last = found[-1]
    if len(found) == 1:
        return last.value
    return last.value if _BE.search(_trimmed(s[: last.start])) and _BEFORE_END.match(s, last.end) else None


def _trimmed(before: str) -> str:
    return re.sub(r"\b(?:about|only|exactly|a total of|approximately)\s*\Z", "", before, flags=re.I)


def _leading(s: str, found: list[_Found]) -> Fraction | None:
    """The number that a text begins with, unless what follows makes it part of something larger."""
    if not found:
        return None
    lead = _LEAD.match(s)
    if found[0].start > (lead.end() if lead else 0):
        return None
    rest = s[found[0].end :]
    between = s[found[0].end : found[1].start] if len(found) > 1 else None
    if between is None:
        return None if re.match(r"\s*(?:[-+*×÷/^=]|(?:or|to|out of|x)\b)", rest) else found[0].value
    if re.match(r"\s*[A-Za-z]*\s*\(|\s*[.;]\s", between) or re.match(r"\s*(?:\w+\s+)?(?:because|since|as)\b", between):
        return found[0].value
    if _JOIN.search(between) or not re.search(r"\w", between) or _COMPOUND.fullmatch(between):
        return None
    return found[0].value


def _conclusion(text: str) -> Fraction | None:
    """The number of the last sentence or line of a reply without a marker."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    last = _LIST_MARK.sub("", lines[-1], count=1)
    if len(lines) > 1 and re.fullmatch(r"\(?\d{1,2}[.):]+", last):  # "3." begins a step that never came
        return None
    if DOUBTFUL.search(last) or last.endswith(("?", ":")):
        return None
    said = sentences(last)[-1]
    if (len(lines) == 1 and len(last.split()) <= SHORT) or re.search(r"[.!]\W*\Z", said) or value(last) is not None:
        return _read(said)
    equals = re.search(r"[=≈]([^=≈]*)\Z", said)
    if equals and len(equals[1].split()) <= 4:
        return _leading(equals[1], _numbers(equals[1]))
    return None
