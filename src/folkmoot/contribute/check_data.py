"""The data of a contribution: questions that can be asked and scored, and that nobody has seen before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from folkmoot.contribute.check_manifest import Told
from folkmoot.contribute.files import ROWS
from folkmoot.contribute.findings import Finding, passed, refuse, refused, warn
from folkmoot.contribute.rows import leaks, read_lessons
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation.suite import find_suite, read_suite, suite_names
from folkmoot.evaluation.tasks import NoData, Task, examined, find_task, own_task, questions, task_names
from folkmoot.manifest import Manifest, beside
from folkmoot.progress import Progress, silent
from folkmoot.registry import Registry

LINE, QUESTIONS, ROWS_MOST = 64 * 1024, 5_000, 100_000
"""Most bytes of a row, most rows of a test set and most training rows."""
FEW_DEV, FEW_TEST = 8, 20
"""Fewer questions than these are worth a warning: routers see eight, and a score over twenty is coarse."""
_SHOWN = 3
_CHANCE = 24
"""Characters from which a question is looked for without its options; shorter ones may be alike by chance."""


def check_data(folder: Path, told: Told, sources: Sequence[tuple[str, list[str]]]) -> list[Finding]:
    """The priority test set and the training rows.

    Args:
        folder: A private copy of the contribution.
        told: Its manifest, in order.
        sources: From `seen`: where questions come from that must not be in its data, and the questions.
    """
    own = told.manifest.priority
    if own is None:
        remedy = "write priority.jsonl with dev and test questions, and name it under 'priority'"
        return [refuse("priority", "it has no test set of its own", told.at(), remedy)]
    if not (folder / own.file).is_file():
        remedy = 'write {"id": ..., "split": "test", "question": ..., "answer": ...}, a line each'
        return [refuse("priority", f"there is no {own.file}", told.at("priority"), remedy)]
    findings = [f for name in (own.file, ROWS) if (folder / name).is_file() for f in _lines(folder / name, name)]
    if refused(findings):
        return findings
    manifest = beside(told.manifest, folder)
    try:
        task = own_task(manifest)
    except BadInput as e:
        return [refuse("priority", _within(str(e), folder), told.at("priority"), "mend what it says of the answers")]
    findings += _questions(task, own.file, folder)
    findings += _seen_before(task, own.file, sources)
    if (folder / ROWS).is_file():
        findings += _training(folder, manifest, sources)
    if not refused(findings):
        findings.append(passed("data", f"{own.file}: answers of kind {task.answer}, seen nowhere else"))
    return findings


def _within(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "")


def _lines(path: Path, name: str) -> Iterator[Finding]:
    """Whether the rows are rows, before anything takes them apart."""
    most = ROWS_MOST if name == ROWS else QUESTIONS
    with path.open("rb") as f:
        for n, line in enumerate(iter(lambda: f.readline(LINE + 1), b""), 1):
            if n > most:
                yield refuse("row-count", f"more than {most} rows", name, "leave out what is not needed")
                return
            if len(line) > LINE:
                yield refuse("row-size", f"a row of more than {LINE} bytes", f"{name}:{n}", "split it, or shorten it")
                return
            try:
                text = line.decode("utf-8-sig" if n == 1 else "utf-8").strip()
                held = json.loads(text) if text else {}
            except (ValueError, RecursionError):
                yield refuse("rows", "not JSON in UTF-8", f"{name}:{n}", 'write {"question": ..., "answer": ...}')
                return
            if not isinstance(held, dict):
                yield refuse("rows", "no object", f"{name}:{n}", 'write {"question": ..., "answer": ...}')
                return


def _questions(task: Task, name: str, folder: Path) -> Iterator[Finding]:
    try:
        splits = {s.name: s for s in examined(task)}
    except (BadInput, Missing) as e:
        yield refuse("rows", _within(str(e).splitlines()[0], folder), name, "mend the row")
        return
    levels: dict[str, Callable[[str, str, str, str], Finding]] = {"duplicate": warn, "ceiling": warn}
    for split in splits.values():
        for kind in dict.fromkeys(f.kind for f in split.findings):
            several = [f for f in split.findings if f.kind == kind]
            if kind == "overlap" and split.name == "dev":
                continue  # the same rows as in test
            shown = "; ".join(f"{f.item}: {f.what}" for f in several[:_SHOWN])
            more = f"; {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
            check = {"overlap": "dev-test-overlap", "duplicate": "duplicates", "ceiling": "unreadable-answers"}.get(
                kind, "rows"
            )
            say = levels.get(kind, refuse)
            yield say(check, f"{split.name}: {_within(shown, folder)}{more}", name, "mend or remove these rows")
    tests = set(map(_plain, questions(task, ("test",))))
    again = [q for q in questions(task, ("dev",)) if _plain(q) in tests]
    if again and not any(f.kind == "overlap" for s in splits.values() for f in s.findings):
        what = f"{len(again)} dev questions are test questions but for their punctuation, such as {again[0][:80]!r}"
        yield refuse("dev-test-overlap", what, name, "remove them from one of the two")
    for split_name, few in (("dev", FEW_DEV), ("test", FEW_TEST)):
        count = len(splits[split_name].items) if split_name in splits else 0
        if not count:
            yield refuse("rows", f"no question with split {split_name!r} that can be asked", name, "add some")
        elif count < few:
            yield warn("rows", f"only {count} questions with split {split_name!r}", name, f"have {few} or more")


def _seen_before(task: Task, name: str, sources: Sequence[tuple[str, list[str]]]) -> Iterator[Finding]:
    mine = {_plain(q): q for q in questions(task, ("test",))}
    for source, theirs in sources:
        known = set(map(_plain, theirs))
        if both := [q for plain, q in mine.items() if plain in known]:
            what = f"{len(both)} of its test questions are those of {source}, such as {both[0][:80]!r}"
            yield refuse("suite-overlap", what, name, "write questions of your own")


def _training(folder: Path, manifest: Manifest, sources: Sequence[tuple[str, list[str]]]) -> Iterator[Finding]:
    path = folder / ROWS
    try:
        me = manifest.model_copy(update={"adapter": None}).participant(rehearsal(manifest.name))
        lessons = read_lessons(path, manifest, me)
        own = leaks(lessons, manifest)
    except BadInput as e:
        yield refuse("training-rows", _within(str(e).splitlines()[0], folder), ROWS, "mend or remove the row")
        return
    if own:
        what = f"{len(own)} rows ask what its own test set asks: {_within(own[0], folder)}"
        yield refuse("training-overlap", what, ROWS, "remove these rows, and train again")
    asked = {_plain(taught.asked[0]): taught.where for taught in lessons}
    for source, theirs in sources:
        both = [asked[plain] for plain in map(_plain, theirs) if len(plain) >= _CHANCE and plain in asked]
        if both:
            what = f"{len(both)} rows ask questions of {source}, the first at {_within(both[0], folder)}"
            yield refuse("training-overlap", what, ROWS, "remove these rows, and train again")


def seen(
    suites: Iterable[str] = (),
    data: Path | None = None,
    registry: Path | None = None,
    *,
    but: str = "",
    progress: Progress = silent,
) -> list[tuple[str, list[str]]]:
    """Questions that must be in nobody's data: those of tasks whose data are here, and of contributions in a registry.

    Args:
        suites: Further tasks and suites, by name or file; all shipped tasks count always.
        data: The user's data folder.
        registry: Folder of a registry.
        but: A contribution of the registry that is left out: the one that is checked.
        progress: Told which task is read.

    Raises:
        BadInput: A task, suite or registry is not there, or cannot be read.
    """
    found = []
    tasks = _tasks(suites)
    for n, task in enumerate(tasks):
        progress("check: questions of others", n, len(tasks), task.name)
        try:
            found.append((f"task {task.name}", questions(task, data_dir=data)))
        except (NoData, Missing):
            continue
    if registry is not None:
        for name in (n for n in Registry.read(registry).entries if n != but):
            (manifest,) = Registry.read(registry).members(name)
            if manifest.priority:
                found.append((f"contribution {name}", questions(own_task(manifest), ("test",))))
    return found


def _tasks(suites: Iterable[str]) -> list[Task]:
    tasks = {name: find_task(name) for name in task_names()}
    for name in suites:
        if name in tasks:
            continue
        path = Path(name)
        if name in suite_names() or (path.is_file() and "tasks" in path.read_text(encoding="utf-8", errors="replace")):
            suite, _ = read_suite(find_suite(name))
            used = [find_task(use.name, find_suite(name).parent) for use in suite.tasks if not use.whose]
        else:
            used = [find_task(name)]
        tasks |= {task.name: task for task in used}
    return list(tasks.values())


def _plain(question: str) -> str:
    """A question for comparison: only letters and digits count, as words."""
    return " ".join(re.findall(r"\w+", question.casefold()))
