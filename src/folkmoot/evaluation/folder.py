"""A run's folder opened to be read: what is stored there and what is known about it, or one line that says why not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.store import RunStore

RUNS = Path("runs")
"""Where ``eval run`` puts runs that were given no folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that can be read, finished or not.

    Attributes:
        folder: Where it is.
        store: Its samples.
        manifest: What is known beside the samples: ``kinds``, ``planned``, ``draws``, ``command`` and more.
        figures: The finished samples without their words, questions of dev left out.
        kinds: Kind of every system, in the order of the tables. Those that the manifest does not know yet are baselines: they
            are planned last, when the graphs have run.
    """

    folder: Path
    store: RunStore
    manifest: Mapping[str, Any]
    figures: list[Figures]
    kinds: Mapping[str, str]

    @property
    def tasks(self) -> dict[str, int]:
        """Planned questions of every task."""
        return dict(self.manifest["planned"])

    def items(self) -> Mapping[tuple[str, str], Item]:
        """The questions with what counts as right, by task and id."""
        return self.store.items()


def find_run(name: Path) -> Path:
    """The folder of a run, given as a path or by its name under ``runs/``.

    Raises:
        BadInput: There is no such folder, or it is a file.
    """
    if name.is_dir():
        return name
    if name.is_file():
        hint = f"; did you mean {str(name.parent)!r}?" if (name.parent / "results.sqlite").is_file() else ""
        raise BadInput(f"{name}: a file; give the folder of a run{hint}")
    if (RUNS / name / "results.sqlite").is_file():
        return RUNS / name
    known = [str(p.parent) for p in sorted(RUNS.glob("*/results.sqlite"))] if RUNS.is_dir() else []
    hint = did_you_mean(str(name), known) if known else "'folkmoot eval run SUITE' makes one"
    raise BadInput(f"{name}: no such folder; {hint}")


@contextmanager
def opened(name: Path) -> Iterator[Run]:
    """Open a run to read it; works while another process writes it.

    Raises:
        BadInput: There is no run, or none that this version can read.
    """
    folder = find_run(name)
    file = folder / "manifest.json"
    try:
        with RunStore(folder, write=False) as store:
            try:
                manifest = json.loads(file.read_text(encoding="utf-8"))
                if not {"kinds", "planned", "draws", "command"} <= manifest.keys():
                    raise KeyError
                next(store.results(), None)  # a body that cannot be read is found here, not in the middle
                figures = store.figures()
                kinds = manifest["kinds"] | {f.system: "baseline" for f in figures if f.system not in manifest["kinds"]}
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as e:
                why = f": {e.strerror}" if isinstance(e, OSError) else ""
                raise BadInput(
                    f"{folder}: not a run that this version of folkmoot can read{why}; run it again"
                ) from None
            yield Run(folder, store, manifest, figures, kinds)
    except sqlite3.Error as e:
        raise BadInput(f"{folder}: not a run that this version of folkmoot can read ({e}); run it again") from None


def known(word: str, names: Iterable[str], what: str, folder: Path) -> str:
    """The word, if it is among the names.

    Raises:
        BadInput: It is not; says what is close.
    """
    names = list(names)
    if word not in names:
        raise BadInput(f"{folder}: no {what} {word!r}; {did_you_mean(word, names[:5000])}")
    return word
