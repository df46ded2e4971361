"""The figures of a comparison, in words and digits for people."""

from __future__ import annotations

from folkmoot.evaluation.summary import Comparison, Row, Summary

LEGEND = (
    "Accuracy: mean score, what could not be scored counts as 0, with 95 % Wilson interval. Parsed: share of samples with "
    "an answer. Calls and tokens: mean per question; cached calls count at their original cost. Seconds: median per question "
    "of the critical path, waiting left out."
)
KINDS = {"graph": "Graphs", "baseline": "Baselines", "member": "Members alone", "monolith": "Monolith"}
"""Headings of the groups."""


def sentences(summary: Summary) -> list[str]:
    """The verdict in fixed words: one sentence for every graph (for every other system if no kinds are known)."""
    rows = [r for r in summary.overall if r.against]
    graphs = [r for r in rows if r.kind == "graph"]
    return [sentence(r) for r in graphs or rows]


def sentence(row: Row) -> str:
    """What may be said about one system against the reference."""
    c = row.against
    if c is None:
        return f"{row.system} is compared with nothing."
    if c.n == 0:
        return f"{row.system} and {c.reference} have no finished question in common."
    words = f"no difference from {c.reference} shown" if c.verdict == "no difference shown" else ""
    words = words or f"{c.verdict} than {c.reference}"
    d = c.difference
    bounds = f"{100 * d.mean:+.1f} points [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
    return f"{row.system}: {words}, {bounds} on the same {c.n} question{'' if c.n == 1 else 's'}."


def share(x: float, digits: int = 1) -> str:
    """A share for people.

    >>> share(0.4167)
    '41.7 %'
    """
    return f"{100 * x:.{digits}f} %"


def accuracy(row: Row, digits: int = 1) -> str:
    """Accuracy with its interval: ``41.7 % [30.1, 54.3]``, or a dash if nothing is finished."""
    if not row.n:
        return "-"
    return f"{share(row.accuracy, digits)} [{100 * row.interval.low:.{digits}f}, {100 * row.interval.high:.{digits}f}]"


def points(c: Comparison, digits: int = 1) -> str:
    """The difference in points with its interval: ``+3.0 [-1.0, +7.5]``."""
    d = c.difference
    return f"{100 * d.mean:+.{digits}f} [{100 * d.low:+.{digits}f}, {100 * d.high:+.{digits}f}]" if c.n else "-"


def amount(x: float) -> str:
    """A count or a time in few digits.

    >>> amount(6), amount(4.27), amount(0.271), amount(1234.5)
    ('6', '4.3', '0.27', '1,234')
    """
    if x >= 100 or x == round(x):
        return f"{x:,.0f}"
    return f"{x:.2f}" if x < 1 else f"{x:.1f}"


def finished(row: Row) -> str:
    """Questions finished, and how many were planned if some are missing: ``96 of 100``."""
    return str(row.n) if row.n == row.of else f"{row.n} of {row.of}"


def chance(p: float | None) -> str:
    """A p value: three digits, never 0."""
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def shortfall(summary: Summary) -> str | None:
    """How much of the run is missing, in a sentence; None if nothing is."""
    if not summary.partial:
        return None
    return f"Partial: {summary.finished} of {summary.planned} samples are finished; the rest is not counted."


def notes(summary: Summary) -> list[str]:
    """What a reader must know beside the figures: failed samples, the ceiling, several comparisons."""
    said = []
    for row in summary.overall:
        bad = [f"{n} {o}" for o, n in row.outcomes.items() if n and o not in ("scored", "unparsed")]
        if bad:
            said.append(f"{row.system}: {', '.join(bad)} of {row.samples} samples, counted as 0.")
        if row.absent:
            said.append(
                f"{row.system}: calls failed in {row.absent} of {row.samples} samples, members were absent there."
            )
    if c := summary.ceiling:
        said.append(
            f"At least one member alone was right on {share(c.accuracy)} of {c.n} questions: picking among their answers "
            "cannot score more."
        )
    n = len(compared(summary))
    if n:
        said.append(
            "Verdicts come from the 95 % paired bootstrap interval of the difference"
            + (f"; the {n} comparisons are not corrected for their number." if n > 1 else ".")
        )
    return said


def compared(summary: Summary) -> list[tuple[Row, Comparison]]:
    """The systems that share at least one finished question with the reference."""
    return [(r, r.against) for r in summary.overall if r.against and r.against.n]
