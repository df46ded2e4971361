"""What the admission gate says of a contribution: findings with remedies, scores, and whether it is admitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from folkmoot.documents import BadInput
from folkmoot.visible import visible as _whole

Level = Literal["refuse", "warn", "pass"]
"""refuse: not admitted. warn: admitted, and somebody should look. pass: checked, and nothing was found."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: See `Level`.
        check: Name of the check: ``symlink``, ``licence``, ``weights``.
        what: What was found, one line.
        where: File, or file and line, relative to the contribution; empty for the whole of it.
        remedy: What to do, one line; empty if nothing is to be done.
    """

    level: Level
    check: str
    what: str
    where: str = ""
    remedy: str = ""

    def line(self) -> str:
        """For messages: where, what and what to do."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f": {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Score:
    """What one system scored on the contribution's own test set.

    Attributes:
        score: Mean over the questions, 0 to 1.
        questions: How many.
        unread: Of these, replies in which no answer was found.
    """

    score: float
    questions: int
    unread: int


@dataclass(frozen=True, slots=True)
class Admission:
    """The outcome of ``folkmoot contribute check``.

    Attributes:
        findings: In the order of the checks.
        scores: On its own test set: ``contribution`` and ``base``; empty if it was not run.
        files: SHA-256 by relative path of the copy that was judged; empty if none could be made. What is kept or published
            has to be these files: the folder may have changed since.
    """

    findings: tuple[Finding, ...]
    scores: Mapping[str, Score] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def admitted(self) -> bool:
        """Nothing was refused."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Why it is not admitted."""
        return tuple(f for f in self.findings if f.level == "refuse")

    def plain(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "admitted": self.admitted,
            "findings": [asdict(f) for f in self.findings],
            "scores": {name: asdict(s) for name, s in self.scores.items()},
        }


class NotAdmitted(BadInput):
    """A contribution is not admitted, so nothing was done with it.

    Attributes:
        admission: Why.
    """

    def __init__(self, source: str, admission: Admission) -> None:
        lines = "\n".join(f"  {f.line()}" for f in admission.refusals)
        super().__init__(f"{source}: not admitted:\n{lines}")
        self.admission = admission


def refuse(check: str, what: str, where: str = "", remedy: str = "") -> Finding:
    """A finding for which a contribution is not admitted."""
    return Finding("refuse", check, visible(what), visible(where), remedy)


def warn(check: str, what: str, where: str = "", remedy: str = "") -> Finding:
    """A finding that somebody should look at."""
    return Finding("warn", check, visible(what), visible(where), remedy)


def passed(check: str, what: str) -> Finding:
    """Nothing was found."""
    return Finding("pass", check, visible(what))


def refused(findings: Sequence[Finding]) -> bool:
    """Whether any of them is a reason not to admit."""
    return any(f.level == "refuse" for f in findings)


def visible(text: str) -> str:
    r"""A text of somebody else's that is safe to show: one line of bounded length, without what terminals obey.

    >>> visible("a\x1b[31m\n\u202eb")
    'a⟨ESC⟩[31m ⟨U+202E⟩b'
    """
    shown = " ".join(_whole(text[: 2 * _LONGEST]).split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


def hidden(text: str) -> bool:
    """Whether a text holds characters that are not seen or that turn others around: controls, bidi, zero width."""
    return _whole(text) != text or "\n" in text or "\t" in text
