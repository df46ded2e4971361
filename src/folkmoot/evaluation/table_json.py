"""The analysis as plain data, for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.summary import Row
from folkmoot.evaluation.verdicts import sentence
from folkmoot.evaluation.worth import view as worth


def verdicts(analysis: Analysis) -> list[str]:
    """One sentence for every graph against the reference; against everything if there is no such comparison."""
    told = [c for c in analysis.contrasts if c.reference == analysis.summary.reference]
    return [sentence(c) for c in told or analysis.contrasts]


def to_json(analysis: Analysis) -> dict[str, Any]:
    """The analysis as plain data. Figures of a system without a finished sample are null."""
    summary = analysis.summary

    def plain(row: Row) -> dict[str, Any]:
        data: dict[str, Any] = _plain(row)
        if row.against:
            data["against"] = _without_verdict(row.against)
        if not row.n:
            data |= dict.fromkeys(("accuracy", "parse_rate", "calls", "prompt_tokens", "completion_tokens", "seconds"))
        return data

    return {
        "reference": summary.reference,
        "partial": summary.partial,
        "finished": summary.finished,
        "planned": summary.planned,
        "draws": summary.draws,
        "systems": [plain(r) for r in summary.overall],
        "tasks": {task: [plain(r) for r in rows] for task, rows in summary.by_task.items()},
        "contrasts": [_plain(c) for c in analysis.contrasts],
        "contrasts_by_task": [_without_verdict(c) for c in analysis.by_task],
        "members": analysis.members and _plain(analysis.members),
        "collaboration": [_plain(c) for c in analysis.collaboration],
        "points": [_plain(p) for p in analysis.points],
        "participation": analysis.participation
        and _plain(analysis.participation) | {"scores": worth.plain(analysis.participation)},
        "findings": [_plain(f) for f in analysis.findings],
        "verdicts": verdicts(analysis) if analysis.contrasts else [],
    }


def _plain(value: Any) -> Any:
    """Dataclasses and named tuples as mappings, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _without_verdict(c: Contrast) -> dict[str, Any]:
    """A contrast outside the declared family: for reading, corrected for nothing."""
    return {k: v for k, v in _plain(c).items() if k not in ("verdict", "adjusted", "family")}
