r"""Mathematical expressions: numbers, formulas, sets, intervals, tuples, matrices, equations, and a word or letter.

What a reply says is found like all answers (claims.py), but the LaTeX stays whole. Two answers are equal if they have one
spelling (math_form.py), or if math-verify finds them equal, in a process of our own and within a deadline of our own
(math_process.py). Plain numbers are compared exactly and words as words: neither is ever left to algebra, which rounds,
and takes the letters of a word for variables.
"""

from __future__ import annotations

import re
from fractions import Fraction

from folkmoot.answers import figures, math_form, number
from folkmoot.answers import text as words_of
from folkmoot.answers.claims import DOUBTFUL, LONGEST, UNSURE, Claim, Reply, claims, plain
from folkmoot.answers.free import spoken
from folkmoot.answers.math_form import canonical

__all__ = ["DEADLINE", "INSTRUCTION", "canonical", "close", "equal", "extract", "within"]

INSTRUCTION = 'End with a line "Answer:" and the final result, in LaTeX where it is not a plain number.'
DEADLINE = 5.0
"""Seconds for one pair of answers."""
_LONGEST = 1000
_DEEPEST = 40
_NOUNS = r"answer|final (?:result|total|number|amount|value|expression|form)|solution(?: set)?|simplified (?:form|expression)"
# What reading Markdown would take from LaTeX is put out of its reach.
_HIDE = (
    (re.compile(r"\\(?=(?:text|textbf|textit|mathrm|mathbf|mathit|mbox)\s*\{(?![^{}]*answer))", re.I), "\x01"),
    (re.compile(r"\\\\(?![A-Za-z])"), "\x02\x02"),
    (re.compile(r"_(?=\{)"), "\x03"),
    (re.compile(r"(?<=[\w)}])\*\*(?=[\w({\\-])"), "\x04\x04"),
)
_SHOW = str.maketrans({"\x01": "\\", "\x02": "\\", "\x03": "_", "\x04": "*"})
_DROP = {1: None, 2: None, 3: None, 4: None}
_DISPLAY = re.compile(r"\$\$((?:[^$]|\$(?!\$)){1,2000}+)\$\$")
_SEGMENT = re.compile(r"(?<!\\)\$([^$]+?)(?<!\\)\$")
_REASON = re.compile(
    r"(?:[.!]\s+(?=[A-Z][a-z]*\b)|,?\s+(?=(?:because|since|where|as)\s)|\s+\((?:since|because|where|as)\s).*", re.S
)
_LAST_IS = re.compile(r".*(?:\b(?:is|are|equals|be|have|has|get|gives)\b|[:=])\s*\Z", re.S)
_VERB = re.compile(r"(?<=\s)(?:is|are|equals)\s+(?=\S)")
_CONCLUDES = re.compile(r"\A\W*(?:therefore|thus|hence|so|finally|in conclusion|then)\b", re.I)


def extract(text: str, *, cut: bool = False) -> str | None:
    r"""The expression that a reply concludes with, as LaTeX without dollar signs, or None.

    A box or ``Answer:`` line comes first; the last one counts. Without any, the last line counts if it is a formula, a
    conclusion with one formula, or ends in a number.

    Args:
        text: The reply.
        cut: The reply was stopped at its token limit: an expression that runs to its very end may be unfinished and is
            not read, nor is a last line without an explicit conclusion.

    >>> extract("So we have $\\boxed{\\frac{1}{2}}$."), extract("The area is $12\\pi$ square feet."), extract("I give up.")
    ('\\frac{1}{2}', '12\\pi', None)
    """
    reply = plain(_prepared(text))
    for c in claims(reply, _NOUNS):
        said = _whole(reply, c)
        found = _read(said, boxed=_boxed(reply, c))
        if c.firm or found is not None or re.search(r"[\d$\\]", said):
            return None if cut and c.open and not re.search(r"[\w)}\]]\s*\$\W*\Z", said) else found
    return None if cut else _conclusion(reply.text)


def equal(a: str, b: str, *, deadline: float = DEADLINE) -> bool:
    """True if two answers say the same.

    Args:
        a: One answer, as `extract` gives it.
        b: The other.
        deadline: Seconds after which they count as different.

    Raises:
        RuntimeError: The process that compares expressions cannot be started.
    """
    one, two = canonical(a), canonical(b)
    names = math_form.assigned(a), math_form.assigned(b)
    if all(names) and names[0] != names[1]:
        return False
    units = math_form.unit(a), math_form.unit(b)
    if (all(units) and units[0] != units[1]) or one.casefold() == "nan":
        return False
    if one == two:
        return bool(one)
    if not _comparable(one, two):
        return False
    if (listed := _in_order(a, b, deadline)) is not None:
        return listed
    from folkmoot.answers import math_process

    if any(names) and "=" in (two if names[0] else one):  # y = 2x + 1 and 2x - y + 1 = 0: here the name is a part
        one, two = (math_form.squeezed(math_form.spelled(said)) for said in (a, b))
    return math_process.same(min(one, two), max(one, two), deadline)


def within(answer: str, gold: str, tolerance: float, *, deadline: float = DEADLINE) -> bool:
    r"""True if two answers are equal, or are numbers that differ by no more than a share of the second.

    Of tuples and lists every element must be. A tolerance of 0 asks for equal answers.

    >>> within("\\frac{1}{3}", "0.333", 0.01), within("-0.333", "0.333", 0.01), within("3.14", "3.1416", 0.0)
    (True, False, False)
    """
    if equal(answer, gold, deadline=deadline):
        return True
    if tolerance <= 0:
        return False
    ours, theirs = math_form.parts(canonical(answer))[1], math_form.parts(canonical(gold))[1]
    return len(ours) == len(theirs) and all(
        (x := _value(a, deadline)) is not None
        and (y := _value(b, deadline)) is not None
        and figures.close(x, y, tolerance)
        for a, b in zip(ours, theirs, strict=True)
    )


def close() -> None:
    """End the process that compares expressions, if there is one; it starts again when it is needed."""
    from folkmoot.answers import math_process

    math_process.close()


def _comparable(one: str, two: str) -> bool:
    """Whether two spellings that differ can mean the same and are safe to compare."""
    for said in (one, two):
        if (
            not said
            or len(said) > _LONGEST
            or (len(said) == 1 and said.isalpha() and said != "i")
            or math_form.wordy(said)
        ):
            return False
        if not said.isprintable() or _depth(said) > _DEEPEST:
            return False
        if re.search(r"(?<!_)\d(?:_|\s+\d)", said) or re.fullmatch(r"[A-Z]{2,}", said):
            return False  # another base, two numbers, two points: math-verify sees one number, or a product
    if one.removeprefix("-") == two.removeprefix("-") or any(re.match(r"-[(\[].*,", said) for said in (one, two)):
        return False  # math-verify loses the sign before a tuple
    numbers = math_form.number(one), math_form.number(two)
    if all(numbers):
        return False
    if any(numbers):  # a number is not an interval of one point
        other = two if numbers[0] else one
        return math_form.parts(other)[0] not in ("(", "[") or len(math_form.parts(other)[1]) == 1
    return True


def _in_order(a: str, b: str, deadline: float) -> bool | None:
    """Whether two answers are equal element by element, if order counts in one of them; None if it does not.

    math-verify takes tuples for sets or intervals where it can. A bare list may be a tuple without its brackets.
    """
    ours, theirs = (math_form.parts(math_form.unnamed(math_form.spelled(said))) for said in (a, b))
    marks = {found[0] + found[2] for found in (ours, theirs) if len(found[1]) > 1}
    if (len(ours[1]) < 2 and len(theirs[1]) < 2) or not marks - {"", "\\{\\}"}:
        return None
    if len(ours[1]) != len(theirs[1]):
        return None if 1 in (len(ours[1]), len(theirs[1])) else False
    if len(marks) > 1 and marks not in ({"()", ""}, {"[]", ""}):
        return False
    pairs = zip(ours[1], theirs[1], strict=True)
    return all(equal(math_form.unnamed(x), math_form.unnamed(y), deadline=deadline) for x, y in pairs)


def _depth(said: str) -> int:
    depth = deepest = 0
    for c in said:
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, abs(depth))
    return deepest


def _value(said: str, deadline: float) -> Fraction | None:
    if (plainly := figures.value(math_form.number(said) or "")) is not None:
        return plainly
    if not said or len(said) > _LONGEST or math_form.wordy(said) or _depth(said) > _DEEPEST:
        return None
    from folkmoot.answers import math_process

    found = math_process.value(said, deadline)
    return None if found is None or found != found else Fraction(found)


def _prepared(text: str) -> str:
    text = spoken(text)[-LONGEST:].translate(_DROP)
    text = re.sub(r"(?<!\\)\\\[\s*|(?<!\\)\\\(\s*", "$", re.sub(r"(?<!\s)\s*(?<!\\)\\[\])]", "$", text))
    text = _DISPLAY.sub(lambda m: f"${m[1].strip()}$", text)
    for pattern, instead in _HIDE:
        text = pattern.sub(instead, text)
    return text


def _boxed(reply: Reply, claim: Claim) -> bool:
    return any(start == claim.at and end - start == len(claim.text) for start, end in reply.boxes)


def _whole(reply: Reply, claim: Claim) -> str:
    """The text of a claim, with the rest of a matrix or formula that goes on over several lines."""
    said = claim.text
    if not _boxed(reply, claim) and said.count("\\begin") > said.count("\\end"):
        end = reply.text.find("\\end", claim.at)
        stop = reply.text.find("}", end) if end >= 0 else -1
        if 0 < stop < claim.at + 2000:
            said = reply.text[claim.at : stop + 1]
    return said


def _read(said: str, boxed: bool = False) -> str | None:
    """The expression in what follows a marker."""
    said = said.translate(_SHOW).strip()
    if boxed:
        return _clean(said)
    segments = _SEGMENT.findall(said)
    said = said if len(segments) == 1 and said.startswith("$") and said.endswith("$") else _REASON.sub("", said)
    segments = [s.strip() for s in _SEGMENT.findall(said)]
    prose = _SEGMENT.sub(" ", said)
    if segments and not re.search(r"[^\W\d_]{2,}|\d", re.sub(r"\b(?:and|or)\b", "", prose)):
        return _clean(said)  # formulas, joined by commas, "and" or signs
    if segments and re.match(r"\W*+(?:[A-Za-z/^ -]|\\text)*+(?:\^?\{?[23]\}?)?\W*\Z", prose) and said.startswith("$"):
        return _clean(segments[0]) if len(segments) == 1 else None  # a formula and its unit
    if segments and re.search(r"[^\W\d_]{2,}", prose):
        before = said[: said.rindex("$" + _SEGMENT.findall(said)[-1])]
        return _clean(segments[-1]) if len(segments) == 1 or _LAST_IS.match(before) else None
    if UNSURE.search(said) or said.endswith("?"):
        return None
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[A-Za-z]+", "", said))
    if len(words) > 3 and (found := number.read(said)) is not None:
        return figures.say(found)
    verbs = list(_VERB.finditer(said))
    if verbs and re.search(r"[^\W\d_]{2}", said[: verbs[-1].start() - 1]):
        if (found := number.read(said)) is not None:
            return figures.say(found)
        if not math_form.wordy(math_form.spelled(tail := said[verbs[-1].end() :])):
            return _clean(tail)
    return _clean(said) if len(words) <= 4 else None


def _clean(said: str) -> str | None:
    if not re.fullmatch(r"\W*\$\s?-?[\d.][^$]*", said.strip()):  # one dollar sign before digits is money
        said = re.sub(r"(?<!\\)\$", " ", said)
    said = " ".join(said.split())
    for _ in range(4):
        said = re.sub(r"(?<![.])\s*(?<![.\\])(?:[.,;]|(?<=[a-z]{2})!)\Z", "", said.strip().strip("`")).strip()
        if len(said) > 1 and said[0] == said[-1] and said[0] in "\"'":
            said = said[1:-1]
    return (
        said
        if re.search(r"[^\W_]|\\[a-z{]", said) and not words_of.nothing(said) and said.casefold() != "nan"
        else None
    )


def _conclusion(text: str) -> str | None:
    """The expression of the last line of a reply without a marker."""
    lines = [line.strip() for line in text.translate(_SHOW).split("\n") if line.strip()]
    if not lines or DOUBTFUL.search(lines[-1]) or lines[-1].endswith(("?", ":")):
        return None
    last = lines[-1]
    segments = [s.strip() for s in _SEGMENT.findall(last)]
    prose = _SEGMENT.sub(" ", last)
    worded = bool(re.search(r"[^\W\d_]{2,}", prose))
    if segments and (not worded or len(segments) == 1 or _CONCLUDES.match(last)):
        before = last[: last.rindex("$" + _SEGMENT.findall(last)[-1])]
        if worded and len(segments) > 1 and not _LAST_IS.match(before):
            return None
        if worded and len(lines) > 1 and not (_CONCLUDES.match(last) or _LAST_IS.match(before)):
            return None
        said = segments[-1] if worded else last
        return _clean(re.split(r"(?<![<>!\\])=", said)[-1] if said.count("=") > 1 else said)
    if not worded and "=" in last and not segments:
        return _clean(last.split("=")[-1])
    if len(lines) == 1 and len(last) <= math_form.LONGEST and not math_form.wordy(math_form.spelled(last)):
        return _clean(last)
    if len(lines) == 1 and len(last.split()) == 1 and last.strip(".").isalpha():
        return _clean(last)
    return number.extract("\n".join(lines))
