r"""Numbers in writing, with their exact value.

Understood are digits with a decimal point and thousands parted by commas, apostrophes or spaces, signs, fractions
(``3/4``, ``\frac{3}{4}``, ``2 1/2``), scientific notation (``3.5e4``, ``3.5 x 10^4``, ``10^{-3}``), one scale word (3.5
million), a currency sign before or a unit after the number. A per cent sign is a unit: 45% is 45, not 0.45. Not understood,
so that nothing is guessed: decimal commas (3,14), scale letters (5k), two scale words (5 hundred thousand), times of day,
dates, other powers, digits that belong to a word (COVID-19).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_RUN = re.compile(r"(?<![\d.,])\.?\d(?:[\d.,:/]*\d)?")
_PLAIN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
_MONEY = r"(?:\b(?:US|AU|CA|NZ|HK|[AC])?[$]|(?<!\w)[$€£¥₹₩]|\b(?:USD|EUR|GBP|Rs\.?))"
_SIGN = re.compile(  # before or after the currency
    rf"(?:(?<![\w)\]}}%])[-–]{_MONEY}\s?|{_MONEY}\s?[-–]?|(?<![\w)\]}}%])[-–])\Z"
)
_EXPONENT = re.compile(r"[eE][-+]?\d{1,3}(?![\w.])")
_POWER = (
    r"10\s*(?:\^|\*\*)\s*(?:\{\s*(?P<b>[-+]?\d{1,3})\s*\}|\(\s*(?P<p>[-+]?\d{1,3})\s*\)|(?P<n>[-+]?\d{1,3}))(?![\w.])"
)
_TIMES_POWER = re.compile(rf"\s*[×xX*·⋅]\s*{_POWER}")
_POWER_OF_TEN = re.compile(_POWER)
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = re.compile(
    r"[\s-]*(?:(?i:hundred|thousand|million|billion|trillion|dozen|ten)(?i:s|ths?)?|k|M|bn)\b|\s*(?:×|x|\*)\s*10\s*\^",
    re.ASCII,
)
_SCALED = re.compile(  # 3 million; not 3 hundred thousand, 3 thousand five hundred, nor 3 hundred dollar bills
    rf"\s*(?P<word>{'|'.join(SCALES)})\b(?![-–/^*])(?!\s*(?:[-+×÷–]\s*)?\d)"
    rf"(?!\s+(?:and\s+)?(?:an?\s+)?(?:{'|'.join(SCALES)}|half|quarter|one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b)"
    r"(?!\s+(?:dollar|euro|pound|year|day|hour|meter|metre|mile|gram|watt|yard|foot|page|piece|seat|person|man|bill)\b)",
    re.I,
)
_THOUSANDS = re.compile(  # a plain space parts numbers too: there must be more to it
    r"(?<![\w.,'’-])(?P<n>\d{1,3}(?:(?:'\d{3})+|(?:’\d{3})+|(?:[\u2009\u202f]\d{3})+"
    r"|(?:[ \u00a0]000)+)|\d{1,2}(?:[ \u00a0]\d{3}){2,})(?![\w'’/]|[ \u00a0\u2009\u202f,]\d)"
)
_POWER_OF_UNIT = re.compile(r"\d\s?(?:[kcmd]?m|ft|in|yd|mi)\Z")
_GLUED = re.compile(r"-?[A-Za-z_\u0370-\u03ff√∞]+")
_UNIT = re.compile(r"\s*(?:[%°¢$€£]|°\s?[CF])|\s*[A-Za-z]+(?:[ /][A-Za-z]+){0,2}")
_NO_UNIT = frozenset(
    ["or", "and", "to", "out", "of", "plus", "minus", "times", "divided", "over", "by", "x", "more", "less", "at"]
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_VULGAR = {
    "½": "1/2",
    "⅓": "1/3",
    "⅔": "2/3",
    "¼": "1/4",
    "¾": "3/4",
    "⅕": "1/5",
    "⅖": "2/5",
    "⅗": "3/5",
    "⅘": "4/5",
    "⅙": "1/6",
    "⅚": "5/6",
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
    "⅞": "7/8",
}
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
    text = text[1:-1].strip() if text[:1] == text[-1:] == "$" else text
    # m^2 and m2 are units
    found = figures(
        text := re.sub(r"(?:(?<=[A-Za-z])\^\{?[23]\}?|(?<=\b[kcmd]m)[23]|(?<=[\d ]m)[23])(?=\s*\)?\Z)", "", text)
    )
    if len(found) != 1 or not re.fullmatch(r"[\s+(]*", text[: found[0].start]):
        return None
    rest = text[found[0].end :].rstrip().removesuffix(")").rstrip()
    return found[0].value if not rest or _unit(rest) else None


def _unit(rest: str) -> bool:
    """True for what may stand after a number and not change it: a sign, a known letter, or words of up to three."""
    if not _UNIT.fullmatch(rest):
        return False
    words = re.findall(r"[A-Za-z]+", rest)
    return not words or ((len(words[0]) > 1 or bool(_UNITS.fullmatch(words[0]))) and not _NO_UNIT.intersection(words))


def within(answer: str, gold: str, tolerance: float) -> bool:
    """True if two numbers differ by no more than a share of the second; a tolerance of 0 asks for equal values.

    What is no number is within no tolerance of anything. Nothing but 0 is within any tolerance of 0.

    >>> within("3.14", "3.1416", 0.01), within("3.14", "3.1416", 0.0), within("-3.14", "3.14", 0.01)
    (True, False, False)
    """
    a, b = value(answer), value(gold)
    return a is not None and b is not None and close(a, b, tolerance)


def close(a: Fraction, gold: Fraction, tolerance: float) -> bool:
    """True if two values differ by no more than a share of the second."""
    return abs(a - gold) <= Fraction(tolerance) * abs(gold)


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
        text = re.sub(r"\\[!,;:]", "", text)
        text = re.sub(r"(?<=\d)\s*(?=\\[dtc]?frac)", " ", text)  # 2\frac12 is 2 1/2
        text = re.sub(r"\\[dtc]?frac\s*\{\s*(-?[\d.,]{1,40})\s*\}\s*\{\s*([\d.,]{1,40})\s*\}", r"\1/\2", text)
        text = re.sub(r"\\[dtc]?frac\s*(\d)\s*(\d)", r"\1/\2", text)
        text = re.sub(r"\\([$%#])", r"\1", text)
        text = re.sub(r"\\(?:times|cdot)(?![A-Za-z])", "×", text)
    if re.search(r"\d[ '’\u00a0\u2009\u202f]\d\d\d", text):
        text = _THOUSANDS.sub(lambda m: re.sub(r"\D", "", m["n"]), text)
    if not text.isascii():
        text = re.sub(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
        text = re.sub(r"(?<=\d)\s*(?=[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])", " ", text)
        text = "".join(_VULGAR.get(c, c) for c in text).replace("−", "-")
    return _NEGATIVE.sub("-", text.replace("{,}", ","))


def figures(text: str) -> list[Figure]:
    """Every number of a text, in order; those that cannot be read for sure have no value."""
    found: list[Figure] = []
    done = 0
    for m in _RUN.finditer(text):
        start, end, v = m.start(), m.end(), _literal(m[0])
        if start < done or (m[0] in "23" and _POWER_OF_UNIT.search(text, max(0, start - 5), start)):
            continue  # the exponent of the number or unit before
        if v is not None and (e := _EXPONENT.match(text, end)):
            v, end = v * Fraction(10) ** int(e[0][1:]), e.end()
        elif v is not None and (e := _TIMES_POWER.match(text, end) or _POWER_OF_TEN.match(text, start)):
            v = (v if e.re is _TIMES_POWER else 1) * Fraction(10) ** int(e["b"] or e["p"] or e["n"])
            end = e.end()
        if sign := _SIGN.search(text, max(0, start - 8), start):
            start = sign.start()
            v = -v if v is not None and re.search("[-–]", sign[0]) else v
        if re.search(r"[-–+][-–+]\Z|[A-Za-z]-\Z", text[max(0, m.start() - 2) : m.start()]):  # --5, COVID-19
            v = None
        if v is not None and (scale := _SCALED.match(text, end)):
            v, end = v * SCALES[scale["word"].lower()], scale.end()
        glued = _GLUED.match(text, end, end + 20)
        done = end
        if (
            _SCALE.match(text, end)
            or re.match(r"\s*(?:\^|\*\*)", text[end : end + 3])
            or re.match(r"[A-Za-z_^\u0370-\u03ff√]", text[max(0, start - 1) : start])
        ):
            v = None
        elif glued and glued[0].startswith("-"):  # "a 5-year-old tree": a word, not an amount
            continue
        elif glued and not _UNITS.fullmatch(glued[0]):
            v = None
        before = found[-1] if found else None
        if before and _mixed(before.value, v) and "/" in m[0] and re.fullmatch(r" (?:and )?", text[before.end : start]):
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
