"""Checks of a task's data: what cannot be answered or scored is left out of every run, and all that is found is listed.

The defects that these checks look for are those of published sets: answers that are none of the options, questions that
stand in both splits, and right answers that the set's own scorer does not accept.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from folkmoot.evaluation.finding import Finding, FindingKind
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.rows import Row

if TYPE_CHECKING:
    from folkmoot.evaluation.tasks import Task

SPLITS = ("dev", "test")
_FORMS: Mapping[str, str] = {"as a last line": "I see.\n\nAnswer: {}", "in a box": "I see.\n\nIt is $\\boxed{{{}}}$."}


def folded(row: Row) -> tuple[str, tuple[str, ...]]:
    """A question for comparison: `plain`, and the order of the options does not count.

    The options belong to it: "Which of these is true?" of other things is another question.

    >>> folded(Row("f:1", "1", question="Which  is RED ?", options=("Sky", "blood")))
    ('which is red', ('blood', 'sky'))
    """
    return plain(row.question), tuple(sorted(map(plain, row.options)))


def plain(text: str) -> str:
    """A text for comparison: its words, and the signs of formulas; case, spaces and punctuation do not count.

    >>> plain("Who is the  Miller of Pellbrook ?"), plain("who is the miller, of Pellbrook")
    ('who is the miller of pellbrook', 'who is the miller of pellbrook')
    >>> plain("What is (17 + 2.5) * 3?"), plain("What is 17 + 2.5 * 3?"), plain("a well-known year: -5")
    ('what is ( 17 + 2.5 ) * 3', 'what is 17 + 2.5 * 3', 'a well known year - 5')
    """
    seen = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if unicodedata.category(c) != "Cf")
    found = [m.group().strip() for m in _TOKEN.finditer(seen)]
    if not any(t in _SIGNS or t == "-" for t in found):
        found = [t for t in found if t not in _BRACKETS]
    return " ".join(found) or " ".join(seen.split())


_SIGNS, _BRACKETS = frozenset("+*/^=<>%|&~#\u00d7\u00f7\u2212\u2260\u2264\u2265\u221a\u00b1"), frozenset("()[]{}")
_TOKEN = re.compile(
    r"\w+(?:(?<=\d)[.,]\d+)*|-(?=\s*[\d(])|(?<=[\d)])\s*-"
    rf"|[{re.escape(''.join(sorted(_SIGNS | _BRACKETS)))}]"
)


def sift(
    task: str, split: str, rows: Sequence[Row], others: Iterable[Row], item: Callable[[Row], Item]
) -> tuple[list[Item], list[Finding]]:
    """The items of one split that can be used, and what was found.

    Left out are: rows that do not fit, second copies of a question, items whose right answer the scorer does not accept,
    and, in ``dev``, questions that are test questions as well (so that nothing is tuned on them; the test item stays).

    Args:
        task: Its name.
        split: Name of the split.
        rows: Those of the split.
        others: Those of ``dev`` if this is ``test``, and the other way round.
        item: Makes an item of a row; raises ValueError if that cannot be.
    """
    twins = {folded(r): r.id for r in others if not r.wrong} if split in SPLITS else {}
    ids: dict[str, str] = {}
    first: dict[tuple[str, tuple[str, ...]], Row] = {}
    kept: list[Item] = []
    findings: list[Finding] = []

    def found(row: Row, kind: FindingKind, what: str, *, excluded: bool = True) -> None:
        findings.append(Finding(task, split, row.id, kind, what, excluded))

    for row in rows:
        if row.wrong:
            found(row, row.fault, row.wrong)
            continue
        if row.id in ids:
            found(row, "schema", twice(row, ids))
            continue
        ids[row.id] = row.where
        key = folded(row)
        if key in first:
            found(row, "duplicate", _duplicate(row, first[key]))
            continue
        first[key] = row
        if key in twins:
            found(row, "overlap", _overlap(split, twins[key]), excluded=split == "dev")
            if split == "dev":
                continue
        try:
            made = item(row)
        except ValueError as e:
            found(row, "schema", str(e))
            continue
        what, lost = ceiling(made)
        if what:
            found(row, "ceiling", what, excluded=lost)
        if not lost:
            kept.append(made)
    return kept, findings


def twice(row: Row, ids: Mapping[str, str]) -> str:
    """The complaint about an id that is taken."""
    return f"id {row.id!r} stands at {ids[row.id]} already"


def _duplicate(row: Row, first: Row) -> str:
    same = set(map(plain, row.gold)) == set(map(plain, first.gold)) or row.kind == "choice"
    return f"the same question as item {first.id}{'' if same else ', with another answer'}"


def _overlap(split: str, twin: str) -> str:
    return f"also a test question (item {twin})" if split == "dev" else f"also a dev question (item {twin})"


def ceiling(item: Item) -> tuple[str, bool]:
    """Whether the scorer accepts the item's own right answers, in the forms that replies are asked for.

    Returns:
        What was lost, in words, or empty; and whether nothing at all is left that scores 1 on a last line, so that the
        item cannot be answered. An answer that is lost in a box only (one with a lone brace is) is no reason to drop it.
    """
    if item.metric not in ("exact", "f1"):
        return "", False
    lost: dict[str, list[str]] = {name: [] for name in _FORMS}
    for gold in item.gold:
        for name, form in _FORMS.items():
            if item.answer_type.score(item.answer_type.extract(form.format(gold)), item.gold, item.metric) != 1.0:
                lost[name].append(gold)
    words = [f"{golds[0]!r} is not read {name}" for name, golds in lost.items() if golds]
    return "; ".join(words), len(lost["as a last line"]) == len(item.gold)


def check(task: Task, data_dir: Path | None = None, splits: Sequence[str] = SPLITS) -> list[Finding]:
    """Everything that is wrong with a task's data. A user's own file is listed here rather than refused.

    Args:
        task: From `find_task`.
        data_dir: The user's data folder; without it the one that FOLKMOOT_DATA names.
        splits: Which splits; those that the data do not have are passed over.

    Raises:
        BadInput: The data cannot be found or read.
        Missing: They are on the hub only, and it cannot be reached from here.
    """
    from folkmoot.evaluation.tasks import examined

    return [f for s in examined(task, data_dir, splits) for f in s.findings]


def findings_table(tasks: Iterable[Task], data_dir: Path | None = None, splits: Sequence[str] = SPLITS) -> str:
    """Markdown: what the checks find, a line for each split of each task. See `check` for arguments and errors."""
    from folkmoot.evaluation.tasks import examined

    kinds: tuple[FindingKind, ...] = get_args(FindingKind)
    lines = [f"| task | split | items | left out | {' | '.join(kinds)} |", "|---|---|" + "--:|" * (2 + len(kinds))]
    for task in tasks:
        for s in examined(task, data_dir, splits):
            by = Counter(f.kind for f in s.findings)
            counts = (str(by[k] or "") for k in kinds)
            lines.append(f"| {task.name} | {s.name} | {s.total} | {s.excluded or ''} | {' | '.join(counts)} |")
    return "\n".join(lines)
