"""The report of a run, written from its folder: at the end, and again at any time later."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from folkmoot.discussion import Turn
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.page import render_page
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.summary import Summary, summarise
from folkmoot.evaluation.table import render_markdown, render_text, to_json
from folkmoot.visible import visible

MANIFEST = "manifest.json"
REHEARSAL = "A rehearsal: the replies are made up, no model was run. The figures mean nothing."
PAGE_TURNS = 10_000
"""Turns of discussions that the page holds; a browser has to carry them all."""


def write_report(store: RunStore, meta: dict[str, Any]) -> Summary:
    """Write tables and page of what the store holds, and the manifest again.

    Args:
        store: Of the run.
        meta: What is known about the run beside its samples.
    """
    summary = _summary(store, meta)
    meta |= {"partial": summary.partial}
    store.write_json(MANIFEST, meta)
    store.write_json("table.json", to_json(summary) | {"scripted": meta["scripted"]})
    store.write_text("table.md", (f"{REHEARSAL}\n\n" if meta["scripted"] else "") + render_markdown(summary))
    store.write_text("report.html", render_page(summary, list(_shown(store)), meta))
    return summary


def _shown(store: RunStore) -> Iterator[Result]:
    """The discussions that the page shows: all, or those of the first questions if there are very many."""
    turns, question = 0, None
    for r in store.results():
        if (r.task, r.item) != question and turns > PAGE_TURNS:
            return
        question, turns = (r.task, r.item), turns + len(r.turns)
        yield r


def _summary(store: RunStore, meta: dict[str, Any]) -> Summary:
    kinds = meta["kinds"]
    return summarise(
        store.figures(),
        list(kinds),
        meta["reference"],
        kinds=kinds,
        planned=meta["planned"],
        draws=meta["draws"],
        seed=meta["seed"],
    )


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
    with RunStore(folder, write=False) as store:
        try:
            meta = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            summary = _summary(store, meta)
            command = meta["command"]
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInput(
                f"{folder}: its {MANIFEST} cannot be read; run 'folkmoot eval run' again to write it"
            ) from None
    if form == "json":
        print(json.dumps(to_json(summary), indent=2))
    elif form == "markdown":
        print(render_markdown(summary))
    else:
        print(render_text(summary, width()))
        print(f"\n{command}")
        if (folder / "report.html").is_file():
            print(f"Report: {folder / 'report.html'}")


def show_item(folder: Path, item: str) -> None:
    """Print all discussions of one question.

    Raises:
        BadInput: The run has no such question.
    """
    with RunStore(folder, write=False) as store:
        found = list(store.results(item=item))
        if not found:
            raise BadInput(f"{folder}: no question {item!r}; {did_you_mean(item, store.items())}")
    task = None
    for r in found:
        if r.task != task:  # two tasks may number their questions alike
            task = r.task
            print(visible(f"[{task}] {r.question}\n\ngold: {' | '.join(r.gold)}"))
        print(visible(f"\n== {r.system}: {r.answer or r.outcome} (score {r.score:g})"))
        for t in r.turns:
            print(show_turn(t))
        if r.decision:
            print(visible(f"-> {r.decision.answer or 'no answer'} by {r.decision.by}: {r.decision.why}"))


def show_turn(t: Turn) -> str:
    """A turn as text for a terminal; control characters of the model are not obeyed."""
    about = f" on {t.about}" if t.about else ""
    read = f" -> {t.answer}" if t.answer is not None else ""
    words = t.error or t.text.strip()
    body = "\n".join(f"   {line}" for line in visible(words).splitlines())
    return f"{t.speaker} ({t.role}{about}, round {t.round + 1}){read}{' FAILED' if t.error else ''}\n{body}"
