"""A comparison as one sentence that a person can quote, and as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from folkmoot.evaluation.contrast import Contrast


def sentence(c: Contrast, *, alone: bool = False) -> str:
    """What may be said: the two names, the difference in points, interval, test, p, and the verdict.

    Points are hundredths of the score: with right-or-wrong questions percentage points of accuracy.

    Args:
        c: The comparison.
        alone: It was picked by itself, outside of any declared family; the sentence then says that nothing is corrected.
    """
    note = " (one comparison, corrected for nothing)" if alone else ""
    return f"{_said(c)}{_failed(c)}{note}."


def _said(c: Contrast) -> str:
    if not c.n:
        where = f" of {c.task}" if c.task else ""
        return f"{c.system} and {c.reference} have no finished question{where} in common: nothing can be said"
    low, high = (f"{100 * x:+.1f}" for x in c.difference[1:])
    figures = [f"95 % interval {low} to {high}", f"{c.test} {chance(c.p)}"]
    corrected = ""
    if c.family > 1:
        corrected = f", Holm-corrected for {c.family} comparisons {chance(c.adjusted)}"
    text = f"{_scored(c)} on {_questions(c)} ({'; '.join(figures)}{corrected})"
    if c.verdict == "unfinished":
        return f"{text}; nothing may be said yet: {_unfinished(c)}"
    text += f": {_verdict(c)}"
    if c.margin is not None and c.not_worse is not None and c.verdict in ("worse", "no difference shown"):
        shown = "shown" if c.not_worse <= 0.05 else "not shown"
        bare = ", not corrected" if c.family > 1 else ""
        text += (
            f"; that it is not worse by {points(c.margin)} or more is {shown} (one-sided {chance(c.not_worse)}{bare})"
        )
    return text


def _scored(c: Contrast) -> str:
    by = abs(c.difference.mean)
    if by < 5e-13:
        return f"{c.system} and {c.reference} scored the same"
    return f"{c.system} scored {points(by)} {'higher' if c.difference.mean > 0 else 'lower'} than {c.reference}"


def _questions(c: Contrast) -> str:
    text = f"the same {c.n} question{'' if c.n == 1 else 's'}"
    text += f" of {c.task}" if c.task else ""
    text += f" in {c.units} cluster{'' if c.units == 1 else 's'}" if c.units < c.n else ""
    return text + (f", up to {c.draws} draws each averaged" if c.draws > 1 else "")


def _verdict(c: Contrast) -> str:
    if c.verdict == "no difference shown":
        return "no difference shown, which does not mean that they are equal"
    if c.verdict == "equivalent within the margin":
        corrected = f", Holm-corrected {chance(c.equivalent_adjusted)}" if c.family > 1 else ""
        tests = f"two one-sided tests, {chance(c.equivalent)}{corrected}"
        return f"equivalent within the margin of {points(c.margin or 0)} ({tests})"
    return c.verdict


def _unfinished(c: Contrast) -> str:
    if c.planned is None:
        return "too few of the planned questions are finished"
    return f"only {c.n} of {c.planned} planned questions are finished"


def _failed(c: Contrast) -> str:
    if not c.failed:
        return ""
    return f"; {c.failed} question{' is' if c.failed == 1 else 's are'} left out, calls failed there"


def points(share: float) -> str:
    """A difference of scores in points.

    >>> points(0.042), points(0.01)
    ('4.2 points', '1 point')
    """
    number = f"{100 * share:.1f}".removesuffix(".0") if abs(share) >= 0.0005 else f"{100 * share:.2g}"
    return f"{number} point{'' if number == '1' else 's'}"


def chance(p: float | None) -> str:
    """A p value for a sentence: never 0, and never rounded over the level.

    >>> chance(0.0107), chance(0.31), chance(0.0501), chance(1e-9)
    ('p = 0.011', 'p = 0.31', 'p = 0.0501', 'p < 0.001')
    """
    if p is None:
        return "no p"
    if p < 0.001:
        return "p < 0.001"
    if 0.0495 <= p < 0.0505 and p != 0.05:
        return f"p = {p:.4f}"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def compare_json(c: Contrast, *, alone: bool = False) -> dict[str, Any]:
    """A comparison as plain data: all its figures under their own names (scores and margins 0 to 1), and the sentence.

    Args:
        c: The comparison.
        alone: See `sentence`.
    """
    d = asdict(c)
    d["difference"] = c.difference._asdict()
    return {**d, "sentence": sentence(c, alone=alone)}
