"""The figures of a comparison, in words and digits for people."""

from __future__ import annotations

from folkmoot.evaluation.collaboration.bounds import ORACLE
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.summary import Row, Summary

LEGEND = (
    "Accuracy: mean score with 95 % Wilson interval; what could not be scored counts as 0, what failed (calls) is left out. Parsed: share of samples with "
    "an answer. Calls and tokens: mean per question; cached calls count at their original cost. Seconds: median per question "
    "of the critical path, waiting left out."
)
KINDS = {
    "graph": "Graphs",
    "baseline": "Baselines",
    "member": "Members alone",
    "monolith": "Monolith",
    "bound": "Computed",
}
"""Headings of the groups."""


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


def points(c: Contrast, digits: int = 1) -> str:
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
        bad = [f"{n} {o}" for o, n in row.outcomes.items() if n and o not in ("scored", "unparsed", "error")]
        if bad:
            said.append(f"{row.system}: {', '.join(bad)} of {row.samples} samples, counted as 0.")
        if failed := row.outcomes.get("error"):
            said.append(
                f"{row.system}: {failed} of {row.samples} samples failed and are left out; run again to try them again."
            )
        if row.absent:
            said.append(
                f"{row.system}: calls failed in {row.absent} of {row.samples} samples, members were absent there."
            )
    if oracle := next((r for r in summary.overall if r.system == ORACLE and r.kind == "bound"), None):
        said.append(
            f"At least one member alone was right on {share(oracle.accuracy)} of {oracle.n} questions (the oracle): picking "
            "among their answers cannot score more."
        )
    return said
