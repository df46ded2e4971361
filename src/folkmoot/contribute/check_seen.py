"""Questions that others ask or learn from: what a contribution's own data are compared with."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from folkmoot.contribute.files import taught
from folkmoot.contribute.untrusted_files import most_bytes
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.checks import folded
from folkmoot.evaluation.rows import Row
from folkmoot.evaluation.suite import find_suite, read_suite, suite_names
from folkmoot.evaluation.tasks import NoData, Task, asked, find_task, own_task, task_names
from folkmoot.progress import Progress, silent
from folkmoot.registry import Registry


@dataclass(frozen=True, slots=True)
class Seen:
    """Questions of others.

    Attributes:
        name: Where they come from.
        questions: Their texts.
        options: Of each, for comparison (see `folkmoot.evaluation.checks.folded`); empty for training rows.
        learnt: They are somebody's training rows: nobody may be tested on them, and others may learn from them, too.
    """

    name: str
    questions: tuple[str, ...]
    options: tuple[tuple[str, ...], ...] = ()
    learnt: bool = False


@dataclass(frozen=True, slots=True)
class Others:
    """Everything that a contribution's data are compared with.

    Attributes:
        seen: Questions that are here.
        tasks: How many tasks they come from.
        absent: Names of the tasks whose data are not here, so that nothing can be said of them.
        changed: Names of contributions that are not as their registry records them, or whose data cannot be read. They do
            not hold up another one, or two of them could never be added again; each is compared with all when it is.
    """

    seen: tuple[Seen, ...] = ()
    tasks: int = 0
    absent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def told(self) -> str:
        """What was compared, and what was not."""
        members = sum(not s.learnt for s in self.seen) - self.tasks
        compared = f"{self.tasks} tasks" + (f" and {members} contribution{'s'[: members > 1]}" if members else "")
        lacking = f"; {len(self.absent)} tasks have no data here and were not compared (--data)" if self.absent else ""
        if self.changed:
            lacking += f"; not as recorded or unreadable, and not compared: {', '.join(self.changed)}"
        return f"seen in none of {compared}{lacking}"


def seen(
    suites: Iterable[str] = (),
    data: Path | None = None,
    registry: Path | None = None,
    *,
    but: str = "",
    progress: Progress = silent,
) -> Others:
    """Questions that must be in nobody's data: those of tasks whose data are here, and of contributions in a registry.

    Of contributions these are the test questions, and the training rows that lie beside them, whether or not the lock names
    those: that many have no hash is no reason to let others be tested on them.

    Args:
        suites: Further tasks and suites, by name or file; all shipped tasks count always.
        data: The user's data folder.
        registry: Folder of a registry.
        but: A contribution of the registry that is left out: the one that is checked.
        progress: Told which task is read.

    Raises:
        BadInput: A task, suite or registry is not there, or cannot be read.
    """
    found: list[Seen] = []
    absent, changed = [], []
    tasks = _tasks(suites)
    for n, task in enumerate(tasks):
        progress("check: questions of others", n, len(tasks), task.name)
        try:
            found.append(Seen(f"task {task.name}", *_both(asked(task, data_dir=data))))
        except (NoData, Missing):
            absent.append(task.name)
    compared = len(found)
    if registry is not None:
        lock = Registry.read(registry)
        for name in (n for n in lock.entries if n != but):
            try:
                found += list(_of(lock, name))
            except BadInput:
                changed.append(name)
    return Others(tuple(found), compared, tuple(absent), tuple(changed))


def _of(lock: Registry, name: str) -> Iterator[Seen]:
    """Questions of one contribution.

    Raises:
        BadInput: It is not as recorded, or its data are not what the gate would have read.
    """
    (manifest,) = lock.members(name)
    if manifest.priority:
        _refuse_odd(Path(manifest.priority.file))
        yield Seen(f"contribution {name}", *_both(asked(own_task(manifest), ("test",))))
    for rows in (lock.folder / lock.entry(name).source / f for f in taught(manifest)):
        if not os.path.lexists(rows):
            continue
        _refuse_odd(rows)
        yield Seen(f"the training rows of contribution {name}", _learnt(rows), learnt=True)


def _both(rows: Sequence[Row]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Questions and their options."""
    return tuple(r.question for r in rows), tuple(folded(r)[1] for r in rows)


def _refuse_odd(path: Path) -> None:
    """Refuse what the gate would not read: what the lock does not name, or a lock that came from elsewhere, may be anything."""
    most = most_bytes(path.name)
    try:
        found = path.lstat()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}: check that contribution again") from None
    if not stat.S_ISREG(found.st_mode) or most is None or found.st_size > most:
        raise BadInput(f"{path}: no plain file, or more than {most} bytes: check that contribution again")


def _learnt(path: Path) -> tuple[str, ...]:
    """What is asked in training rows."""
    asked = []
    try:
        for line in filter(str.strip, path.read_text(encoding="utf-8-sig").split("\n")):
            held = json.loads(line)
            said = [held.get("question", held.get("prompt"))]
            said += [m["content"] for m in held.get("messages", ()) if m["role"] == "user"]
            asked += [q for q in said if isinstance(q, str)]
    except (OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError) as e:
        raise BadInput(f"{path}: training rows that cannot be read: {e}; check that contribution again") from None
    return tuple(asked)


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
