r"""Numbers in writing, with their exact value.

Understood are digits with thousands commas and a decimal point, signs, fractions (``3/4``, ``\frac{3}{4}``, ``2 1/2``),
scientific notation, a currency sign before or a unit after the number. A per cent sign is a unit: 45% is 45. Not
understood, so that nothing is guessed: decimal commas (3,14), scale words (3.5 million), times of day, dates, powers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_RUN = re.compile(r"(?<![\d.,])\.?\d(?:[\d.,:/]*\d)?")
_PLAIN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
_SIGN = re.compile(  # before or after the currency
    r"(?:(?<![\w)\]}%])[-–](?:US)?[$€£¥]\s?|(?:US)?[$€£¥]\s?[-–]?|(?<![\w)\]}%])[-–])\Z"
)
_EXPONENT = re.compile(r"[eE][-+]?\d{1,3}(?![\w.])")
_SCALE = re.compile(
    r"[\s-]*(?:hundred|thousand|million|billion|trillion|dozen|k|M|bn)\b|\s*(?:×|x|\*)\s*10\s*\^", re.ASCII
)
_GLUED = re.compile(r"-?[A-Za-z_]+")
_NEGATIVE = re.compile(r"\bnegative\s+(?=\d)", re.I)
_UNITS = re.compile(
    r"g|kg|mg|m|km|cm|mm|s|h|mins?|secs?|hrs?|l|L|ml|mL|lbs?|oz|ft|in|mph|kmh|kph|C|F|p|c|USD|EUR|yrs?",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in a text: where it stands (sign and currency included), and its value if it can be told for sure."""

    start: int
    end: int
    value: Fraction | None


@lru_cache(maxsize=4096)  # the same answers are counted, compared and scored again and again
def canonical(answer: str) -> str:
    """The number as an integer, a finite decimal or a reduced fraction; what is no number stays as it is.

    >>> canonical("1,200.00"), canonical("$4.50"), canonical("2/6"), canonical("3.54e-07")
    ('1200', '4.5', '1/3', '0.000000354')
    """
    found = value(answer)
    return answer.strip() if found is None else say(found)


def value(text: str) -> Fraction | None:
    """The number that a text consists of, a currency sign or unit apart; None if it is something else."""
    text = re.sub(r"(?<=\d)\s*/\s*(?=\d)", "/", tidy(text).strip().rstrip("."))
    found = figures(text)
    if len(found) != 1 or not re.fullmatch(r"[\s+(]*", text[: found[0].start]):
        return None
    return found[0].value if re.fullmatch(r"\s*(?:[A-Za-z]+|[%°¢$€£])?\s*\)?", text[found[0].end :]) else None


def say(v: Fraction) -> str:
    """A value in canonical form."""
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


def tidy(text: str) -> str:
    """LaTeX and typographic forms of numbers in plain characters."""
    if "\\" in text:
        text = re.sub(r"\\[dt]?frac\s*\{(-?[\d.,]{1,40})\}\s*\{([\d.,]{1,40})\}", r"\1/\2", text)
        text = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)", r"\1/\2", text)
        text = re.sub(r"\\[!,;:]", "", text)
        text = re.sub(r"\\([$%#])", r"\1", text).replace("\\times", "×").replace("\\cdot", "×")
    return _NEGATIVE.sub("-", text.replace("{,}", ",").replace("−", "-"))


def figures(text: str) -> list[Figure]:
    """Every number of a text, in order; those that cannot be read for sure have no value."""
    found: list[Figure] = []
    done = 0
    for m in _RUN.finditer(text):
        start, end, v = m.start(), m.end(), _literal(m[0])
        if start < done:  # the exponent of the number before
            continue
        if v is not None and (e := _EXPONENT.match(text, end)):
            v, end = v * Fraction(10) ** int(e[0][1:]), e.end()
        if sign := _SIGN.search(text, max(0, start - 8), start):
            start = sign.start()
            v = -v if v is not None and re.search("[-–]", sign[0]) else v
        glued = _GLUED.match(text, end, end + 20)
        done = end
        if (
            _SCALE.match(text, end)
            or text[end : end + 1] == "^"
            or re.match(r"[A-Za-z_^]", text[max(0, start - 1) : start])
        ):
            v = None
        elif glued and glued[0].startswith("-"):  # "a 5-year-old tree": a word, not an amount
            continue
        elif glued and not _UNITS.fullmatch(glued[0]):
            v = None
        before = found[-1] if found else None
        if before and _mixed(before.value, v) and "/" in m[0] and text[before.end : start] == " ":
            assert before.value is not None
            assert v is not None
            found[-1] = Figure(before.start, end, before.value - v if text[before.start] in "-–" else before.value + v)
        else:
            found.append(Figure(start, end, v))
    return found


def _mixed(whole: Fraction | None, part: Fraction | None) -> bool:
    """True for the two halves of 2 1/2."""
    return whole is not None and part is not None and whole.denominator == 1 and 0 < part < 1


def _literal(run: str) -> Fraction | None:
    parts = run.split("/")
    if len(run) > 60 or len(parts) > 2 or not all(p and _PLAIN.fullmatch(p) for p in parts):
        return None
    top, *bottom = (Fraction(p.replace(",", "")) for p in parts)
    if not bottom:
        return top
    return top / bottom[0] if bottom[0] else None
