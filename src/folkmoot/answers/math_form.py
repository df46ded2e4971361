r"""Mathematical answers in one spelling: cheap rules on the text, which find most equal answers without any algebra.

The result is LaTeX that stays as it is when it is read again. Not parts of an answer are: spaces and sizes, dollar signs,
units and degrees, a full stop, and the name in ``x = 5``. Plain numbers are told apart by value (figures.py), words by
text.py; a bare list is a set of solutions, so its order does not count, while ``(1, 2)``, ``[1, 2]`` and ``\{1, 2\}`` differ.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from folkmoot.answers import figures, text

LONGEST = 2000
"""Characters of an answer that is taken apart; a longer one is compared as it stands."""
_SIGNS = {
    **{"−": "-", "–": "-", "×": "\\cdot ", "·": "\\cdot ", "⋅": "\\cdot ", "÷": "/", "π": "\\pi ", "∞": "\\infty "},
    **{
        "≤": "\\le ",
        "≥": "\\ge ",
        "≠": "\\ne ",
        "°": "^\\circ ",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "±": "\\pm ",
        "≈": "\\approx ",
    },
    **{"θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "∈": "\\in ", "\u00a0": " ", "\u202f": " ", "’": "'"},
    **{"²": "^2", "³": "^3", "∅": "\\emptyset "},
}
_SPELLINGS = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"√\s*(?:\(([^()]*)\)|(\d+|[A-Za-z]))", r"\\sqrt{\1\2}"),
        (r"(?<!\\)\\!", ""),
        (r"(?<=\d)(?:\\,|[\u2009\u202f])(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\[,;:> ]|~", " "),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|quad|qquad)(?![A-Za-z])", " "),
        (r"\\(?:textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname|emph)(?![A-Za-z])", r"\\text"),
        (r"\\text\s*\{\s*,?\s*(?:and|or)\s*,?\s*\}", ", "),
        (r"\\(?:[dtc])frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)(?!\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])(pi|infty|sin|cos|tan|ln|log)(?![A-Za-z])", r"\\\1 "),
        (r"(?<![\\A-Za-z])(?:infinity|inf)(?![A-Za-z])", r"\\infty "),
        (r"\\leq(?:slant)?(?![A-Za-z])|<=", r"\\le "),
        (r"\\geq(?:slant)?(?![A-Za-z])|>=", r"\\ge "),
        (r"\\neq(?![A-Za-z])|!=", r"\\ne "),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\times(?![A-Za-z])", r"\\cdot "),
        (r"\s*\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree(?![A-Za-z])", r"^\\circ "),
        (r"\*\*", "^"),
        (r"(?<=[\w)}])\s*\*\s*(?=[\w(\\])", r"\\cdot "),
        (r"([_^])\s*\{\s*(\w)\s*\}", r"\1\2"),
        (r"\\([%#&])", r"\1"),
    )
)
_RECURRING = re.compile(r"(\d{0,20})\.(\d{0,20})\\(?:overline|bar)\s*\{?(\d{1,20})(?:\}|(?!\d))")
_SCALES = re.compile(rf"(.*\d)\s*(?:\\text\s*\{{)?\s*((?:{'|'.join(figures.SCALES)})\b[A-Za-z ]*?)\s*\}}?", re.I | re.S)
_MEASURES = {
    name: of
    for of, names in {
        "mm": "millimeter millimetre",
        "cm": "centimeter centimetre",
        "m": "meter metre",
        "km": "kilometer kilometre",
        "in": "inch",
        "ft": "foot feet",
        "yd": "yard",
        "mi": "mile",
        "mg": "milligram",
        "g": "gram",
        "kg": "kilogram",
        "lb": "pound",
        "oz": "ounce",
        "s": "sec second",
        "min": "minute",
        "h": "hr hour",
        "day": "",
        "week": "",
        "month": "",
        "year": "yr",
        "ml": "milliliter millilitre",
        "l": "liter litre",
        "cent": "",
        "dollar": "",
    }.items()
    for name in (of, *names.split())
}
_UNITS = r"(?:cm|km|mm|kg|mg|ft|in|mi|ml|mL|lb|lbs|oz|hr|hrs|min|mph|sec|deg|yd|sq)"
_TEXT_UNIT = re.compile(r"(?P<x>.*[\w)}%$])\s*\\text\s*\{\s*[A-Za-z./ ^\d-]*\}\s*(?:\^\s*\{?\d\}?)?", re.S)
_WORD_UNIT = re.compile(
    r"(?P<x>.*(?:[\d)}]|\\pi))\s*(?P<u>[A-Za-z]{2,}(?:[ /][A-Za-z]+){0,2})\s*(?:\^\s*\{?\d\}?)?", re.S
)
_UNIT_SAID = re.compile(
    r".*[\w)}]\s*(?:\\text\s*\{(?P<t>[A-Za-z. ]+)\}|(?<=[\d)}\s])(?P<w>(?:(?:square|sq|cubic) )?[A-Za-z]{2,}))"
    r"\s*(?:\^\s*\{?(?P<p>\d)\}?)?",
    re.S,
)
_ASSIGNED = re.compile(
    r"\s*(?P<name>(?:\\[a-z]+|[A-Za-z])(?:_\{\w+\}|_\w+)?\s*'*(?:\s*\(\s*[A-Za-z]\s*\))?|\(\s*[a-z](?:\s*,\s*[a-z])+\s*\))\s*(?:=|\\approx(?![A-Za-z])|\\in(?![A-Za-z]))"
    r"\s*(?P<said>\S.*)",
    re.S,
)
_RELATION = re.compile(r"[=<>]|\\(?:le|ge|ne|approx|in|to)(?![A-Za-z])")
_MATRIX = re.compile(r"\\begin\s*\{(?P<n>[pb]?matrix|array)\}(?:\s*\{[lcr|\s]*\})?(?P<in>.*)\\end\s*\{(?P=n)\}", re.S)
_CALCULUS = re.compile(r"\W*\\(?:int|sum|prod|lim)(?![A-Za-z])")
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{\w+\}|\\[A-Za-z]+")
_PRODUCTS = "abcdefghijklmnopqrstuvwxyz"
_NO_SOLUTIONS = re.compile(r"\A(no (?:real )?)solutions\Z")
_SHORT_WORDS = frozenset(
    ["no", "is", "it", "if", "so", "to", "of", "on", "at", "we", "he", "do", "an", "or", "up", "us"]
)
_FUNCTIONS = frozenset(
    ["gcd", "lcm", "max", "min", "mod", "det", "exp", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"]
)


@lru_cache(maxsize=8192)
def canonical(answer: str) -> str:
    r"""An answer in one spelling.

    >>> canonical("$\\dfrac{1}{2}$"), canonical("x = 5 \\text{ cm}"), canonical("(1.0, \\frac24)"), canonical("x=3 or x=-3")
    ('0.5', '5', '(1,0.5)', '-3,3')
    """
    if len(answer) > LONGEST:
        return "".join(answer.split())
    for _ in range(20):  # each rule makes it shorter or leaves it
        said = _key(spelled(answer)) or "".join(answer.split())
        if said == answer:
            break
        answer = said
    return answer


def spelled(answer: str) -> str:
    """One spelling for signs and commands."""
    said = "".join(_SIGNS.get(c, c) for c in answer) if not answer.isascii() else answer
    said = re.sub(r"(?<!\\)\$", " ", said) if said.count("$") != 1 else said
    for pattern, instead in _SPELLINGS:
        said = pattern.sub(instead, said)
    said = _RECURRING.sub(_fraction, said) if "\\" in said else said
    return " ".join(said.split())


def _fraction(m: re.Match[str]) -> str:
    r"""0.1\overline{6} as a fraction."""
    whole, once, again = m[1] or "0", m[2], m[3]
    v = Fraction(int(whole + once + again) - int(whole + once), 10 ** len(once) * (10 ** len(again) - 1))
    return f"\\frac{{{v.numerator}}}{{{v.denominator}}}"


def number(said: str) -> str | None:
    """The canonical number that an answer is; None for anything with a letter in it."""
    bare = re.sub(r"\s*\^\s*\\circ\s*\Z", "", said)
    tidy = figures.tidy(bare)
    if not re.search(r"\d", tidy) or re.search(
        r"[A-Za-z\\]", re.sub(r"(?<=\d)\s*(?:[eE](?=[-+]?\d)|[xX](?=\s*10\s*\^))", "", tidy)
    ):
        return None
    found = figures.value(re.sub(r"\A\s*-\s+(?=\$?\.?\d)", "-", tidy))
    return None if found is None else figures.say(found)


def wordy(said: str) -> bool:
    """True if an answer holds words: their letters are no variables."""
    return any(
        len(run) > 3 or (len(run) == 3 and run not in _PRODUCTS) or (len(run) == 2 and run.lower() in _SHORT_WORDS)
        for run in re.findall(r"[^\W\d_]{2,}", _COMMAND.sub(" ", said))
        if run not in _FUNCTIONS
    )


def assigned(answer: str) -> str | None:
    """The name in ``x = 5``; None for anything else."""
    m = _ASSIGNED.fullmatch(spelled(answer)) if len(answer) <= LONGEST else None
    return "".join(m["name"].split()) if m and not _RELATION.search(m["said"]) else None


def unit(answer: str) -> str | None:
    r"""The unit of ``5 \text{ cm}^2`` under one name ("cm2"); None where there is none or it is not a common one."""
    said = spelled(answer) if len(answer) <= LONGEST else ""
    m = _UNIT_SAID.fullmatch(said)
    if not m:
        return None
    words = (m["t"] or m["w"]).lower().replace(".", "").split()
    power = m["p"] or {"square": "2", "sq": "2", "cubic": "3"}.get(words[0] if len(words) > 1 else "", "")
    name = words[-1] if words else ""
    of = _MEASURES.get(name) or _MEASURES.get(name.removesuffix("s")) or _MEASURES.get(name.removesuffix("es"))
    return of + power if of and len(words) <= 1 + (words[0] in ("square", "sq", "cubic")) else None


def parts(said: str) -> tuple[str, list[str], str]:
    r"""Opening mark, elements and closing mark of a list: ``(1, 2]``, ``\{1, 2\}``, ``1, 2``; one element if it is none."""
    for opening, closing in (("\\{", "\\}"), ("{", "}"), ("(", ")"), ("(", "]"), ("[", ")"), ("[", "]")):
        if len(said) > 2 and said.startswith(opening) and said.endswith(closing) and not said.endswith("\\" + closing):
            inside = said[len(opening) : -len(closing)]
            if (found := _split(inside)) is not None:
                return ("\\{", found, "\\}") if opening == "{" else (opening, found, closing)
    found = _split(said)
    return "", [said] if found is None else found, ""


def _split(said: str) -> list[str] | None:
    """The elements between commas outside of brackets; None if the brackets are not balanced."""
    depth, since, found = 0, 0, []
    for i, c in enumerate(said):
        depth += (c in "([{") - (c in ")]}")
        if depth < 0:
            return None
        if c == "," and not depth:
            found.append(said[since:i].strip())
            since = i + 1
    return None if depth else [*found, said[since:].strip()]


def _key(said: str) -> str:
    said = re.sub(r"(?<=[^\s.])[.;,]\Z", "", said.strip())
    if (value := number(said)) is not None:
        return value
    said = re.sub(r"\s*\^\s*\\circ\s*\Z", "", said) if not re.search(r"[A-Za-z]", said[:-5]) else said
    whole = re.fullmatch(r"\\(?:text|boxed|fbox)\s*\{([^{}]*)\}|\{([^{},]*)\}", said)
    if whole:
        return " ".join((whole[1] or whole[2] or "").split())
    if option := re.fullmatch(r"\(\s*(?:\\text\s*\{\s*)?([A-Za-z])\s*\}?\s*\)", said):
        return option[1]
    if option := re.fullmatch(
        r"(?:\\text\s*\{\s*\(([A-H])\)\s*\}\s*|\(([A-H])\)\s+)[^\s^_*/+-].*", said
    ):  # with its text
        return option[1] or option[2]
    if matrix := _MATRIX.fullmatch(said):
        return _matrix(matrix["in"])
    if scaled := _SCALES.fullmatch(said):
        many = figures.value(f"{scaled[1]} {scaled[2]}")
        return text.canonical(said) if many is None else figures.say(many)
    measured = _TEXT_UNIT.fullmatch(said)
    if measured and not wordy(measured["x"]):
        return measured["x"]
    measured = _WORD_UNIT.fullmatch(said)
    if (
        measured
        and not _CALCULUS.match(said)
        and (wordy(measured["u"]) or re.match(rf"{_UNITS}\b", measured["u"]))
        and not wordy(measured["x"])
    ):
        return measured["x"]
    said = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", said)
    listed = re.sub(r"\s*,?\s*(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])\s*", ", ", said)
    if wordy(listed):
        return ("-" if said.startswith("-") else "") + _NO_SOLUTIONS.sub(r"\1solution", text.canonical(said))
    return _expression(listed)


def _expression(said: str) -> str:
    opening, elements, closing = parts(said)
    if len(elements) > 1 and all(elements):
        named = len({assigned(e) for e in elements} - {None}) > 1  # a=1, b=2 is not b=1, a=2
        keys = [_element(e, named) for e in elements]
        return opening + ",".join(keys if opening in "([" and opening else sorted(keys)) + closing
    said = unnamed(said)
    sides = said.split("=")
    if (
        len(sides) > 1
        and not re.search(r"[A-Za-z]", _COMMAND.sub("", said))
        and (last := number(sides[-1])) is not None
    ):
        return last
    return squeezed(said)


def _element(said: str, named: bool) -> str:
    name = assigned(said)
    key = canonical(unnamed(said))
    return f"{name}={key}" if named and name else key


def unnamed(said: str) -> str:
    r"""The right side of ``x = 5``, ``(x, y) = (1, 2)`` or ``x \in [1, 2]``; anything else as it is."""
    m = _ASSIGNED.fullmatch(said)
    return m["said"] if m and not _RELATION.search(m["said"]) else said


def _matrix(inside: str) -> str:
    rows = [row for row in re.split(r"\\\\(?:\s*\[[^\]]*\])?|\\cr(?![a-z])", inside) if row.strip()]
    return (
        "\\begin{pmatrix}"
        + "\\\\".join("&".join(canonical(c.strip()) for c in row.split("&")) for row in rows)
        + "\\end{pmatrix}"
    )


def squeezed(said: str) -> str:
    """No spaces but those that end a command before a letter, or part two numbers."""
    said = re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\0", said)
    said = re.sub(r"(?<=\d)\s+(?=\d)", "\0", said)
    said = re.sub(r"\s+(?=d[a-z](?![A-Za-z]))", "\0", said) if "\\int" in said else said
    return "".join(said.split()).replace("\0", " ")
