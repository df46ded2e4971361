"""The report of a run, written from its folder: at the end, and again at any time later."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.evaluation.analysis import Analysis, analyse
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.judging import agreement
from folkmoot.evaluation.page import render_page
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.table import render_markdown, render_text
from folkmoot.evaluation.table_json import to_json

MANIFEST = "manifest.json"
REHEARSAL = "A rehearsal: the replies are made up, no model was run. The figures mean nothing."
PAGE_SAMPLES = 20_000
"""Samples whose discussions the page holds in full, at least; beyond that, disagreements and a sample of the rest."""
NEEDED = ("title", "command", "options", "kinds", "planned", "draws", "seed", "margin", "family", "matches", "findings")


def write_report(store: RunStore, meta: dict[str, Any]) -> Analysis:
    """Write tables and page of what the store holds, and the manifest again.

    Args:
        store: Of the run.
        meta: What is known about the run beside its samples.
    """
    with store.snapshot():
        analysis = analyse(store, meta)
        page = _page(store, analysis, meta)
    meta |= {"partial": analysis.summary.partial}
    store.write_json(MANIFEST, meta)
    store.write_json("table.json", to_json(analysis) | {"scripted": meta["scripted"]})
    store.write_text("table.md", (f"{REHEARSAL}\n\n" if meta["scripted"] else "") + render_markdown(analysis))
    store.write_text("report.html", page)
    return analysis


def rewrite(folder: Path) -> Path:
    """Write the report of a run again from its samples.

    Returns:
        The page.

    Raises:
        BadInput: There is no run, or another process is writing it.
    """
    meta = read_own_meta(folder)
    with RunStore(folder) as store:
        write_report(store, meta)
    return folder / "report.html"


def render(folder: Path, *, texts: bool = True) -> str:
    """The page of a run, for a file elsewhere; the run is only read.

    Args:
        folder: Of the run.
        texts: With questions and discussions. Without them the page may be published where the data may not.
    """
    meta = read_meta(folder)
    with RunStore(folder, write=False) as store, store.snapshot():
        return _page(store, analyse(store, meta), meta, texts=texts)


def _page(store: RunStore, analysis: Analysis, meta: Mapping[str, Any], *, texts: bool = True) -> str:
    figures = store.figures()
    told = {**meta, "agreement": agreement_by_system(store)}
    results = shown(store, figures, meta["seed"])
    if not texts:
        results = (wordless(r) for r in results)
        quoted = (replace(f, what=f"{f.kind} (not shown)") for f in analysis.findings)
        analysis = replace(analysis, findings=tuple(quoted))
        told["findings"] = []
    return render_page(analysis, results, told, store.items(), total=len(figures))


def wordless(r: Result) -> Result:
    """A result without the words of its question and of its discussion: only what became of it."""
    return replace(
        r, question="(not shown)", gold=(), answer=None, turns=(), marks=(), decision=None, error=None, why=""
    )


def agreement_by_system(store: RunStore) -> dict[str, dict[str, Any]]:
    """How steady the judges were, by the system whose replies they judged; empty if nothing was judged."""
    said: dict[str, list[tuple[Judgement, ...]]] = {}
    judged = {task for (task, _), item in store.items().items() if item.metric == "judge"}
    for r in store.results() if judged else ():
        if r.judgements:
            said.setdefault(r.system, []).append(r.judgements)
    return {system: asdict(agreement(found)) for system, found in said.items()}


def shown(store: RunStore, figures: list[Figures], seed: int, most: int = PAGE_SAMPLES) -> Iterator[Result]:
    """The discussions that the page holds: all of them, or all disagreements and a sample of the other questions.

    Args:
        store: Of the run.
        figures: Of all samples.
        seed: Of the sample.
        most: Samples from which on not all are held.
    """
    kept = None
    if len(figures) > most:
        scores: dict[tuple[str, str], set[float]] = {}
        sizes: dict[tuple[str, str], int] = {}
        for f in figures:
            key = (f.task, f.item)
            scores.setdefault(key, set()).add(f.score if f.outcome == "scored" else 0.0)
            sizes[key] = sizes.get(key, 0) + 1
        kept = {key for key, found in scores.items() if len(found) > 1}
        room = most - sum(sizes[key] for key in kept)
        rest = [key for key in scores if key not in kept]
        for key in random.Random(seed).sample(rest, len(rest)):  # noqa: S311 - no secret depends on it
            if (room := room - sizes[key]) < 0:
                break
            kept.add(key)
    for r in store.results():
        if kept is None or (r.task, r.item) in kept:
            yield r


def read_meta(folder: Path) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        BadInput: There is none that can be read.
    """
    try:
        meta = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(meta, dict) and all(name in meta for name in NEEDED):
            return meta
    except NotADirectoryError:
        raise BadInput(f"{folder}: this is a file; give the folder of a run") from None
    except (OSError, ValueError):
        pass
    if not (folder / "results.sqlite").is_file():
        raise BadInput(f"{folder}: no run here (no results.sqlite); give the folder that 'eval run' printed")
    raise BadInput(f"{folder}: its {MANIFEST} cannot be read; run 'folkmoot eval run' again to write it")


def read_own_meta(folder: Path) -> dict[str, Any]:
    """The manifest of a run whose tables are to be written: an experiment has others in their place.

    Raises:
        BadInput: There is no run, or it is an experiment.
    """
    meta = read_meta(folder)
    if "experiment" in meta:
        raise BadInput(
            f"{folder}: an experiment, which writes its own tables; run its command again: {meta['command']}"
        )
    return meta


def width() -> int:
    """Columns of the terminal, 100 if there is none."""
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 100


def show_table(folder: Path, form: str) -> None:
    """Print the table of a run, finished or not: ``terminal``, ``markdown`` or ``json``.

    Raises:
        BadInput: There is no run.
    """
    meta = read_meta(folder)
    with RunStore(folder, write=False) as store, store.snapshot():
        analysis = analyse(store, meta)
    if form == "json":
        print(json.dumps(to_json(analysis), indent=2))
    elif form == "markdown":
        print(render_markdown(analysis))
    else:
        print(render_text(analysis, width()))
        print(f"\n{meta['command']}")
        if (folder / "report.html").is_file():
            print(f"Report: {folder / 'report.html'}")
