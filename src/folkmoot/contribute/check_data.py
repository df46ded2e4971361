"""The data of a contribution: questions that can be asked and scored, and that nobody has seen before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from folkmoot.contribute.check_manifest import Told
from folkmoot.contribute.check_seen import Others, Seen
from folkmoot.contribute.files import taught
from folkmoot.contribute.findings import Finding, passed, refuse, refused, warn
from folkmoot.contribute.rows import Questions, leaks, read_lessons, words
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation.checks import plain
from folkmoot.evaluation.tasks import Task, examined, own_task, questions
from folkmoot.manifest import Manifest, beside

LINE, QUESTIONS, ROWS_MOST = 64 * 1024, 5_000, 100_000
"""Most bytes of a row, most rows of a test set and most training rows."""
FEW_DEV, FEW_TEST = 8, 20
"""Fewer questions than these are worth a warning: routers see eight, and a score over twenty is coarse."""
_SHOWN = 3
_CHANCE, _LONG = 24, 8
"""Characters from which a question of others is looked for whatever its options, and words from which it is then looked for
inside other texts, too; shorter ones may be alike by chance."""


def check_data(folder: Path, told: Told, sources: Others) -> list[Finding]:
    """The priority test set and the training rows.

    Args:
        folder: A private copy of the contribution.
        told: Its manifest, in order.
        sources: Questions that must not be in its data.
    """
    own = told.manifest.priority
    if own is None:
        remedy = "write priority.jsonl with dev and test questions, and name it under 'priority'"
        return [refuse("priority", "it has no test set of its own", told.at(), remedy)]
    if not (folder / own.file).is_file():
        remedy = 'write {"id": ..., "split": "test", "question": ..., "answer": ...}, a line each'
        return [refuse("priority", f"there is no {own.file}", told.at("priority"), remedy)]
    learnt = [name for name in taught(told.manifest) if (folder / name).is_file()]
    findings = list(_lines(folder / own.file, own.file, QUESTIONS))
    findings += [f for name in learnt for f in _lines(folder / name, name, ROWS_MOST)]
    if refused(findings):
        return findings
    manifest = beside(told.manifest, folder)
    try:
        task = own_task(manifest)
    except BadInput as e:
        return [refuse("priority", _within(str(e), folder), told.at("priority"), "mend what it says of the answers")]
    findings += _questions(task, own.file, folder)
    theirs = _asked_by_others(sources.seen)
    findings += [*_seen_before(task, own.file, sources.seen), *_told_ahead(task, manifest, told, theirs)]
    for name in learnt:
        findings += _training(folder, name, manifest, theirs)
    if not refused(findings):
        findings.append(passed("data", f"{own.file}: answers of kind {task.answer}, {sources.told()}"))
    return findings


def _within(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "")


def _lines(path: Path, name: str, most: int) -> Iterator[Finding]:
    """Whether the rows are rows, before anything takes them apart."""
    wrong = 0
    with path.open("rb") as f:
        for n, line in enumerate(iter(lambda: f.readline(LINE + 1), b""), 1):
            if n > most:
                yield refuse("row-count", f"more than {most} rows", name, "leave out what is not needed")
                return
            if fault := _fault(line, first=n == 1):
                yield refuse(fault[0], fault[1], f"{name}:{n}", fault[2])
                wrong += 1
            if wrong == _SHOWN:
                return
            rest = line
            while len(rest) > LINE and not rest.endswith(b"\n"):
                rest = f.readline(LINE + 1)  # of a row that is too long


def _fault(line: bytes, *, first: bool) -> tuple[str, str, str] | None:
    """What is wrong with a row: the check, what it found and the remedy."""
    form = 'write {"question": ..., "answer": ...}'
    if len(line) > LINE:
        return "row-size", f"a row of more than {LINE} bytes", "split it, or shorten it"
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").strip()
        held = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return "rows", "not JSON in UTF-8", form
    return None if isinstance(held, dict) else ("rows", "no object", form)


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
    tests = set(map(plain, questions(task, ("test",))))
    again = [q for q in questions(task, ("dev",)) if plain(q) in tests]
    if again and not any(f.kind == "overlap" for s in splits.values() for f in s.findings):
        what = f"{len(again)} dev questions are test questions but for their punctuation, such as {again[0][:80]!r}"
        yield refuse("dev-test-overlap", what, name, "remove them from one of the two")
    for split_name, few in (("dev", FEW_DEV), ("test", FEW_TEST)):
        count = len(splits[split_name].items) if split_name in splits else 0
        if not count:
            yield refuse("rows", f"no question with split {split_name!r} that can be asked", name, "add some")
        elif count < few:
            yield warn("rows", f"only {count} questions with split {split_name!r}", name, f"have {few} or more")


def _seen_before(task: Task, name: str, sources: Sequence[Seen]) -> Iterator[Finding]:
    mine = {plain(q): q for q in questions(task, ("test",))}
    for source in sources:
        known = set(map(plain, source.questions))
        if both := [q for text, q in mine.items() if text in known]:
            what = f"{len(both)} of its test questions are those of {source.name}, such as {both[0][:80]!r}"
            yield refuse("suite-overlap", what, name, "write questions of your own")


def _asked_by_others(sources: Sequence[Seen]) -> Questions:
    """What nobody may learn. Others' training rows are not among it: everybody may learn from the same."""
    held = Questions()
    for source in sources:
        for text, options in () if source.learnt else zip(map(plain, source.questions), source.options, strict=True):
            long = len(text) >= _CHANCE
            held.add(text, () if long else options, source.name, inside=long and len(words(text)) >= _LONG)
    return held


def _told_ahead(task: Task, manifest: Manifest, told: Told, theirs: Questions) -> Iterator[Finding]:
    """Whether what goes before every question answers some of them."""
    own = Questions()
    for question in map(plain, questions(task)):
        own.add(question, (), "its own test set", inside=len(question) >= _CHANCE)
    for key, text in (("system", manifest.system), ("instruction", task.instruction)):
        said = [plain(text)]
        if whose := own.find(said) or theirs.find(said):
            at = told.at("priority", key) if key == "instruction" else told.at(key)
            yield refuse("training-overlap", f"{key!r} holds a question of {whose}", at, "take it out")


def _training(folder: Path, name: str, manifest: Manifest, theirs: Questions) -> Iterator[Finding]:
    path = folder / name
    try:
        me = manifest.model_copy(update={"adapter": None}).participant(rehearsal(manifest.name))
        lessons = read_lessons(path, manifest, me)
        own = leaks(lessons, manifest)
    except BadInput as e:
        yield refuse("training-rows", _within(str(e).splitlines()[0], folder), name, "mend or remove the row")
        return
    if own:
        what = f"{len(own)} rows hold questions of its own test set: {_within(own[0], folder)}"
        yield refuse("training-overlap", what, name, "remove these rows, and train again")
    both: dict[str, list[str]] = {}
    try:
        for row in lessons:
            if (whose := theirs.find(row.texts, row.options)) is not None:
                both.setdefault(whose, []).append(row.where)
    except BadInput as e:
        yield refuse("training-rows", str(e), name, "shorten or remove the rows")
    for whose, places in both.items():
        what = f"{len(places)} rows ask questions of {whose}, the first at {_within(places[0], folder)}"
        yield refuse("training-overlap", what, name, "remove these rows, and train again")
