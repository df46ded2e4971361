"""Questions from files and from the hub, in one form: rows whose gold answers are known to fit.

A row that cannot be used says why. In a user's own JSONL file that is an error with file and line; in a published data
set the item is left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from folkmoot.answers.figures import value
from folkmoot.answers.options import LETTERS
from folkmoot.documents import BadInput, Document, did_you_mean
from folkmoot.engines.contract import Missing

_MOCO_KINDS = {"multiple_choice": ("choice",), "exact_match": ("number", "text"), "f1_match": ("text",)}


class Fields(Document):
    """Names of the fields of a row.

    Attributes:
        id: Unique name; the line or row number where there is none.
        question: The text.
        options: A list of texts, a map from labels to texts, or ``{text: [...], label: [...]}``.
        answer: A label, the text of an option or the index (from 0) of one; a number; a text or a list of aliases, which
            may be JSON inside a string.
        split: The split a row belongs to; rows without it belong to ``test``.
        answer_after: The answer is what follows the last of this text.
    """

    id: str = "id"
    question: str = "question"
    options: str = "options"
    answer: str = "answer"
    split: str = "split"
    answer_after: str | None = Field(default=None, min_length=1)


class Hub(Document):
    """A data set on the Hugging Face hub.

    Attributes:
        dataset: ``owner/name``.
        config: Its configuration.
        revision: Commit, tag or branch; name one to have the same questions next year.
        splits: Our split names to theirs.
        fields: Names of its fields.
    """

    dataset: str
    config: str | None = None
    revision: str | None = None
    splits: dict[str, str] = Field(default={"dev": "validation", "test": "test"}, min_length=1)
    fields: Fields = Fields()


@dataclass(frozen=True, slots=True)
class Row:
    """One question as read.

    Attributes:
        where: File and line, or file and id, for complaints.
        id: Its name.
        question: The text.
        options: Texts of the options.
        gold: Accepted answers; for a choice, the letter.
        wrong: Why it cannot be used; empty if it can.
    """

    where: str
    id: str
    question: str = ""
    options: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    wrong: str = ""


def jsonl_rows(path: Path, fields: Fields, kind: str, split: str) -> list[Row]:
    """Rows of one split of a JSONL file.

    Raises:
        BadInput: The file cannot be read, or has no such split.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot be read: {e}") from None
    rows: list[Row] = []
    splits: set[str] = set()
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{n}"
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as e:
            rows.append(Row(where, str(n), wrong=f"not JSON: {str(e).splitlines()[0]}"))
            continue
        if not isinstance(data, dict):
            rows.append(Row(where, str(n), wrong="expected an object {...}"))
            continue
        of = str(data.get(fields.split, "test"))
        splits.add(of)
        if of == split:
            rows.append(_row(data, fields, kind, where, str(n)))
    if splits and split not in splits:
        raise BadInput(f"{path}: no split {split!r}; {did_you_mean(split, splits)}")
    return rows


def moco_rows(path: Path, kind: str, split: str) -> list[Row]:
    """Rows of one split of a data file of the MoCo toolkit.

    Labels of options are taken by their order: some files call the fourth option ``id``, or number the options. Ids that
    stand there several times get a number behind them.

    Raises:
        BadInput: The file cannot be read, is of another kind, or has no such split.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise BadInput(f"{path}: cannot be read as JSON: {str(e).splitlines()[0]}") from None
    if not isinstance(data, dict) or not isinstance(data.get("task_type"), str):
        raise BadInput(f"{path}: no MoCo data: expected an object with task_type, dev and test")
    if kind not in _MOCO_KINDS.get(data["task_type"], ()):
        raise BadInput(f"{path}: task_type {data['task_type']!r} cannot be read with answer {kind!r}")
    if not isinstance(data.get(split), list):
        known = (k for k in data if isinstance(data[k], list))
        raise BadInput(f"{path}: no split {split!r}; {did_you_mean(split, known)}")
    fields = Fields(options="choices") if kind == "choice" else Fields(question="input", answer="output")
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for n, item in enumerate(data[split], 1):
        if not isinstance(item, dict):
            raise BadInput(f"{path}: {split} item {n} is no object")
        name = str(item.get("id", n))
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}#{seen[name]}"
        rows.append(_row({**item, "id": name}, fields, kind, f"{path}: item {name}", name))
    return rows


def hub_library() -> Any | None:
    """The ``datasets`` package, or None."""
    try:
        import datasets
    except ImportError:
        return None
    return datasets


def hub_rows(hub: Hub, kind: str, split: str) -> list[Row]:
    """Rows of one split of a data set on the hub.

    Raises:
        BadInput: The task names no such split.
        Missing: ``datasets`` is not installed, or the data set cannot be fetched.
    """
    if split not in hub.splits:
        raise BadInput(f"{hub.dataset}: no split {split!r}; {did_you_mean(split, hub.splits)}")
    library = hub_library()
    if library is None:
        raise Missing(f"{hub.dataset}: needs the package datasets: pip install 'folkmoot[datasets]'")
    try:
        table: Iterable[Mapping[str, Any]] = library.load_dataset(
            hub.dataset, hub.config, split=hub.splits[split], revision=hub.revision
        )
        rows = [dict(r) for r in table]
    except Exception as e:  # the package raises whatever its transport and its parsers raise
        why = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise Missing(f"{hub.dataset}: cannot be fetched ({why}); name a folder with --data DIR instead") from e
    return [_row(r, hub.fields, kind, f"{hub.dataset} {split} row {n}", str(n)) for n, r in enumerate(rows)]


def checked(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, with ids that stand there twice marked as wrong."""
    first: dict[str, str] = {}
    for row in rows:
        twice = not row.wrong and row.id in first
        yield replace(row, wrong=f"id {row.id!r} stands at {first[row.id]} already") if twice else row
        first.setdefault(row.id, row.where)


def _row(data: Mapping[str, Any], fields: Fields, kind: str, where: str, name: str) -> Row:
    """One row from its fields; what is wrong with them is said in the row."""
    row = Row(where, str(data.get(fields.id, name)))
    needed = [fields.question, fields.answer, *([fields.options] if kind == "choice" else [])]
    for field in needed:
        if data.get(field) is None:
            return replace(row, wrong=f"field {field!r} is missing; {did_you_mean(field, set(data) - set(needed))}")
    question, answer = data[fields.question], data[fields.answer]
    if not isinstance(question, str) or not question.strip():
        return replace(row, wrong=f"{fields.question} is empty or no text")
    if fields.answer_after is not None:
        if not isinstance(answer, str) or fields.answer_after not in answer:
            return replace(row, wrong=f"{fields.answer} holds no {fields.answer_after!r}")
        answer = answer.rsplit(fields.answer_after, 1)[1].strip()
    row = replace(row, question=question)
    try:
        if kind != "choice":
            return replace(row, gold=_said(answer, kind))
        keys, texts = _options(data[fields.options])
        return replace(row, options=texts, gold=(LETTERS[_index(answer, keys, texts)],))
    except (ValueError, TypeError) as e:
        return replace(row, wrong=str(e))


def _said(answer: Any, kind: str) -> tuple[str, ...]:
    """Accepted answers as texts."""
    names = _aliases(answer) if kind == "text" else None
    several = names or (answer if isinstance(answer, list | tuple) else [answer])
    if any(isinstance(a, bool) or not isinstance(a, str | int | float) for a in several):
        raise ValueError(f"answer {answer!r}: write it as text (in quotes) or as a number")
    golds = tuple(dict.fromkeys(" ".join(str(a).split()) for a in several))
    if not golds or not all(golds):
        raise ValueError("the answer is empty")
    for gold in golds:
        if kind == "number" and value(gold) is None:
            raise ValueError(f"answer {gold!r} is no number (write 1234.5, -3 or 2/3)")
    return golds


def _aliases(answer: Any) -> list[str] | None:
    """The names in a list that is written as JSON inside a string (PopQA has its answers so)."""
    if not isinstance(answer, str) or not answer.startswith('["'):
        return None
    try:
        names = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def _options(options: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and texts of the options."""
    if isinstance(options, Mapping) and set(options) == {"text", "label"}:
        options = dict(zip(options["label"], options["text"], strict=True))
    if isinstance(options, Mapping):
        keys, texts = [str(k) for k in options], list(options.values())
    elif isinstance(options, list | tuple):
        keys, texts = list(LETTERS[: len(options)]), list(options)
    else:
        raise ValueError(f"options {options!r}: write a list of texts, or a map from labels to texts")
    texts = [" ".join(str(t).split()) for t in texts]
    if not 2 <= len(texts) <= len(LETTERS):
        raise ValueError(f"2 to {len(LETTERS)} options are needed, got {len(texts)}")
    if not all(texts):
        raise ValueError(f"option {LETTERS[texts.index('')]} is empty")
    return tuple(keys), tuple(texts)


def _index(answer: Any, keys: Sequence[str], texts: Sequence[str]) -> int:
    """Which option is right."""
    said = " ".join(str(answer).split())
    if isinstance(answer, int) and not isinstance(answer, bool) and said not in keys and 0 <= answer < len(texts):
        at = answer
    elif said in keys:
        at = keys.index(said)
    elif said in texts:
        at = texts.index(said)
    else:
        raise ValueError(f"answer {answer!r} is none of the options ({', '.join(keys)})")
    twins = [LETTERS[i] for i, t in enumerate(texts) if i != at and t == texts[at]]
    if twins:
        raise ValueError(f"options {twins[0]} and {LETTERS[at]} are the same, and one of them is the answer")
    return at
