"""How far a run is: what is finished, whether somebody is writing it, what failed, and what to do next."""

from __future__ import annotations

import io
import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from folkmoot.evaluation.folder import Run, opened
from folkmoot.visible import visible

State = Literal["running", "finished", "failed", "stopped"]
"""running: a process is writing it. finished: nothing is missing. failed: nothing is missing, but calls failed. stopped: samples
are missing, and nobody is working on them."""
_STAGES = (
    ("members and graphs", {"member", "graph"}),
    ("baselines at matched budgets", {"baseline"}),
    ("smaller teams", {"coalition"}),
    ("monoliths", {"monolith"}),
)
_LAST = "baselines, smaller teams, judges and report"


@dataclass(frozen=True, slots=True)
class Part:
    """One system on one task: samples finished, planned, and those of the finished ones that had calls that failed."""

    system: str
    kind: str
    task: str
    finished: int
    planned: int
    failed: int


@dataclass(frozen=True, slots=True)
class Status:
    """How far a run is.

    Attributes:
        folder: Where it is.
        title: Name of its suite.
        state: See `State`.
        stage: What is being worked on, or was when it stopped; None if nothing is missing.
        finished, planned: Samples. Baselines are planned once the graphs have run; until then they are not counted.
        dev: Samples finished on the dev split, to choose the best member.
        coalitions: Samples of smaller teams, for what each member is worth: finished and planned. They are planned like the
            baselines.
        failed: Samples that failed or had calls that failed.
        failure: The first of these: where and why.
        calls, prompt_tokens, completion_tokens: Of all finished samples, dev left out; cached calls count in full.
        started: When the run was started, or gone on with; None if that is not known.
        last: When something was last written.
        scripted: A rehearsal: no model was run.
        command: What made the run.
        next: The command that goes on from here.
        parts: By system and task.
    """

    folder: str
    title: str
    state: State
    stage: str | None
    finished: int
    planned: int
    dev: int
    coalitions: tuple[int, int]
    failed: int
    failure: str | None
    calls: int
    prompt_tokens: int
    completion_tokens: int
    started: str | None
    last: str
    scripted: bool
    command: str
    next: str
    parts: tuple[Part, ...]


def status(folder: Path) -> Status:
    """Look at a run, finished or being written.

    Raises:
        BadInput: There is no run that can be read.
    """
    busy = writing(folder)  # before the samples are counted: a run that ends in between is then seen as finished
    with opened(folder) as run:
        busy = busy or writing(run.folder)
        return _status(run, busy)


def _status(run: Run, busy: bool) -> Status:
    figures, meta = run.figures, run.manifest
    done = Counter((f.system, f.task) for f in figures)
    bad = Counter((f.system, f.task) for f in figures if f.outcome == "error" or f.failures)
    parts = tuple(
        Part(s, kind, t, done[s, t], max(n * meta["draws"], done[s, t]), bad[s, t])
        for s, kind in run.kinds.items()
        for t, n in run.tasks.items()
    )
    first = run.store.first_failure()
    lacking = {p.kind for p in parts if p.finished < p.planned}
    smaller = len(run.store.coalitions()) if meta.get("worth") else 0
    coalitions = (smaller, max(smaller, sum(w["samples"] for w in meta.get("worth", ()))))
    lacking |= {"coalition"} if coalitions[0] < coalitions[1] else set()
    ended = "partial" in meta  # that is written with the report, when all is done
    state: State = "running" if busy else "stopped" if lacking or not ended else "failed" if first else "finished"
    going_on = shlex.join(["folkmoot", "eval", "resume", str(run.folder)])
    return Status(
        folder=str(run.folder),
        title=str(meta.get("title", run.folder.name)),
        state=state,
        stage=next((name for name, kinds in _STAGES if kinds & lacking), None if ended else _LAST),
        finished=sum(p.finished for p in parts),
        planned=sum(p.planned for p in parts),
        dev=len(run.store.figures(dev=True)),
        coalitions=coalitions,
        failed=first[0] if first else 0,
        failure=_failure(first[1]) if first else None,
        calls=sum(f.calls for f in figures),
        prompt_tokens=sum(f.prompt_tokens for f in figures),
        completion_tokens=sum(f.completion_tokens for f in figures),
        started=meta.get("started"),
        last=_last(run.folder),
        scripted=bool(meta.get("scripted")),
        command=str(meta["command"]),
        next={
            "running": shlex.join(["folkmoot", "eval", "status", str(run.folder)]),
            "finished": shlex.join(["folkmoot", "eval", "show", str(run.folder)]),
        }.get(state, going_on),
        parts=parts,
    )


def writing(folder: Path) -> bool:
    """True if a process holds the run's lock. Where the system cannot tell, nobody does."""
    try:
        import fcntl

        with (folder / "writing.lock").open("rb") as lock:
            # Shared and given back at once: it cannot keep a writer out for longer than this line takes
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ImportError):
        return False
    return False


def status_json(s: Status) -> dict[str, Any]:
    """The status as plain data."""
    return asdict(s) | {"parts": [asdict(p) for p in s.parts]}


def status_text(s: Status, width: int = 100) -> str:
    """The status for people."""
    per_cent = f" ({100 * s.finished / s.planned:.0f} %)" if s.planned else ""
    heads = {
        "running": "running: a process is writing it",
        "finished": "finished",
        "failed": "finished, but calls failed",
        "stopped": "stopped before it was finished",
    }
    lines = [
        f"{s.title}: {heads[s.state]}" + (" (a rehearsal: no model was run)" if s.scripted else ""),
        f"{s.finished} of {s.planned} samples{per_cent}"
        + (f", {s.dev} on dev" if s.dev else "")
        + (f", {s.coalitions[0]} of {s.coalitions[1]} of smaller teams" if s.coalitions[1] else "")
        + (f"; now: {s.stage}" if s.stage and s.state == "running" else f"; next: {s.stage}" if s.stage else ""),
        f"{s.calls:,} calls, {s.prompt_tokens:,} prompt tokens, {s.completion_tokens:,} completion tokens",
        (f"started {s.started}, " if s.started else "") + f"last written {s.last}",
    ]
    if s.failed:
        lines.append(f"{s.failed} sample{'' if s.failed == 1 else 's'} with failed calls; the first: {s.failure}")
    text = visible("\n".join(lines))
    return f"{text}\n\n{_table(s, width)}Next: {visible(s.next)}\n"


def _failure(r: Any) -> str:
    why = r.error or next((t.error for t in r.turns if t.error), None) or r.outcome
    return f"{r.system}, {r.task}, {r.item}: {why}"


def _last(folder: Path) -> str:
    files = [p for p in (folder / "results.sqlite", folder / "results.sqlite-wal") if p.exists()]
    newest = max((p.stat().st_mtime for p in files), default=0.0)
    return datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds")


def _table(s: Status, width: int) -> str:
    """Systems down, tasks across, as many tasks side by side as fit."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    systems = list(dict.fromkeys(p.system for p in s.parts))
    tasks = list(dict.fromkeys(p.task for p in s.parts))
    cells = {(p.system, p.task): p for p in s.parts}
    name = min(max((len(x) for x in systems), default=6), 28)
    column = min(max([len("finished"), *map(len, tasks)]), 20) + 2
    at_once = max(1, (width - name) // column)
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        for start in range(0, len(tasks), at_once):
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
            table.add_column("samples", max_width=name, overflow="fold")
            for t in tasks[start : start + at_once]:
                table.add_column(Text(visible(t)), justify="right", max_width=20, overflow="fold")
            for system in systems:
                row = [cells[system, t] for t in tasks[start : start + at_once]]
                words = (f"{p.finished}/{p.planned}" + (f" !{p.failed}" if p.failed else "") for p in row)
                table.add_row(Text(visible(system)), *map(Text, words))
            console.print(table)
            console.print()
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
