"""One question as its data have it: fields in, a row out that says what is wrong with it, if anything is."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import Field

from folkmoot.answers.figures import value
from folkmoot.answers.options import LETTERS
from folkmoot.answers.types import Kind
from folkmoot.documents import Document, did_you_mean
from folkmoot.evaluation.finding import FindingKind

WORDS_FOR_KINDS: Mapping[str, Kind] = {
    **{kind: kind for kind in get_args(Kind)},
    # the words of TheoremQA
    "bool": "boolean",
    "integer": "number",
    "float": "number",
    "list of integer": "math",
    "list of float": "math",
    "option": "text",
}
"""What the field that names an item's own kind may hold."""

_BOOLEANS = ("true", "false", "yes", "no")


class Fields(Document):
    """Names of the fields of a row.

    Attributes:
        id: Unique name; the line or row number where there is none.
        question: The text.
        options: A list of texts, a map from keys to texts, or ``{text: [...], label: [...]}``; for labels, the allowed ones.
        answer: A key, the text of an option or the index (from 0) of one; a number; true or false; a text or a list of
            aliases, which may be JSON inside a string; for labels, the list of those that hold.
        split: The split a row belongs to; rows without it belong to ``test``.
        answer_after: The answer is what follows the last of this text.
        tests: For code: Python source that defines ``check(candidate)``.
        entry: For code: the name of the function under test; worked out from question and tests where there is none.
    """

    id: str = "id"
    question: str = "question"
    options: str = "options"
    answer: str = "answer"
    split: str = "split"
    answer_after: str | None = Field(default=None, min_length=1)
    tests: str = "tests"
    entry: str = "entry"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a task wants its rows read.

    Attributes:
        kind: Kind of answer.
        labels: For labels: the allowed ones; empty if each row brings its own.
        own_keys: Options keep the keys that the data give them; else they become A, B, C and so on.
        cluster: Field by which items are clustered, or empty.
        kind_field: Field that holds the kind of an item's answer, or empty if all have the task's.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    own_keys: bool = False
    cluster: str = ""
    kind_field: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One question as read.

    Attributes:
        where: File and line, or file and id, for complaints.
        id: Its name.
        kind: Kind of answer.
        question: The text.
        options: Texts of the options; for labels, the allowed labels.
        keys: The options' own keys, where they are kept.
        gold: Accepted answers; for a choice, the key.
        cluster: Name of its cluster, or empty.
        tests, entry: For code, see `Item`.
        wrong: Why it cannot be used, one line; empty if it can.
        fault: What kind of finding that is.
    """

    where: str
    id: str
    kind: Kind = "text"
    question: str = ""
    options: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    cluster: str = ""
    tests: str = ""
    entry: str = ""
    wrong: str = ""
    fault: FindingKind = "schema"


class _Wrong(Exception):  # noqa: N818 - it ends up in a row, not with the caller
    def __init__(self, fault: FindingKind, what: str) -> None:
        super().__init__(what)
        self.fault: FindingKind = fault


def row(data: Mapping[str, Any], fields: Fields, reading: Reading, where: str, name: str) -> Row:
    """One row from its fields; what is wrong with them is said in the row.

    Args:
        data: The fields.
        fields: Their names.
        reading: What the task wants.
        where: For complaints.
        name: Its id if it brings none.
    """
    found = Row(where, str(data.get(fields.id, name)), reading.kind)
    try:
        found = replace(found, kind=_kind(data, reading))
        _check_present(data, fields, reading, found.kind)
        question = data[fields.question]
        if not isinstance(question, str) or not question.strip():
            raise _Wrong("empty", f"{fields.question} is empty or no text")
        found = replace(found, question=question, cluster=str(data[reading.cluster]) if reading.cluster else "")
        return replace(found, **_right(data, fields, reading, found))
    except _Wrong as e:
        return replace(found, wrong=str(e), fault=e.fault)


def _kind(data: Mapping[str, Any], reading: Reading) -> Kind:
    if not reading.kind_field:
        return reading.kind
    said = str(data.get(reading.kind_field))
    if said not in WORDS_FOR_KINDS:
        raise _Wrong(
            "schema", f"{reading.kind_field} {said!r} is no kind of answer; {did_you_mean(said, WORDS_FOR_KINDS)}"
        )
    return WORDS_FOR_KINDS[said]


def _check_present(data: Mapping[str, Any], fields: Fields, reading: Reading, kind: Kind) -> None:
    needed = [fields.question, *([reading.cluster] if reading.cluster else [])]
    if kind == "code":
        needed.append(fields.tests)
    elif kind != "free":
        needed.append(fields.answer)
    if kind == "choice" or (kind == "labels" and not reading.labels):
        needed.append(fields.options)
    for field in needed:
        if field in data and data[field] is None:
            raise _Wrong("empty", f"field {field!r} is empty")
        if field not in data:
            raise _Wrong("schema", f"field {field!r} is missing; {did_you_mean(field, set(data))}")


def _right(data: Mapping[str, Any], fields: Fields, reading: Reading, found: Row) -> dict[str, Any]:
    """What counts as right: the fields of a `Row` that say so."""
    if found.kind == "free":
        return {}
    if found.kind == "code":
        return _program(data, fields, found.question)
    answer = data[fields.answer]
    if fields.answer_after is not None:
        if not isinstance(answer, str) or fields.answer_after not in answer:
            raise _Wrong("gold", f"{fields.answer} holds no {fields.answer_after!r}")
        answer = answer.rsplit(fields.answer_after, 1)[1].strip()
    if found.kind == "labels":
        allowed = reading.labels or _options(data[fields.options])[1]
        return {"options": allowed, "gold": (_labels(answer, allowed),)}
    if found.kind != "choice":
        return {"gold": _said(answer, found.kind)}
    keys, texts = _options(data[fields.options])
    shown = keys if reading.own_keys else tuple(LETTERS[: len(texts)])
    return {
        "options": texts,
        "keys": keys if reading.own_keys else (),
        "gold": (shown[_index(answer, keys, texts, shown, listed=isinstance(data[fields.options], list))],),
    }


def _program(data: Mapping[str, Any], fields: Fields, question: str) -> dict[str, Any]:
    tests = data[fields.tests]
    try:
        defined = ast.parse(tests).body if isinstance(tests, str) else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Wrong("schema", f"{fields.tests} is no Python") from None
    if not any(isinstance(d, ast.FunctionDef) and d.name == "check" for d in defined):
        raise _Wrong("schema", f"{fields.tests} defines no check(candidate)")
    if data.get(fields.entry):
        return {"tests": tests, "entry": str(data[fields.entry])}
    from folkmoot.sandbox import entry_of

    return {"tests": tests, "entry": entry_of(question, tests)}


def _said(answer: Any, kind: Kind) -> tuple[str, ...]:
    """Accepted answers as texts."""
    names = _aliases(answer) if kind == "text" else None
    several = names or (answer if isinstance(answer, list | tuple) else [answer])
    plain = (str, int, float) if kind != "boolean" else (str, bool)
    if any((isinstance(a, bool) and kind != "boolean") or not isinstance(a, plain) for a in several):
        raise _Wrong("gold", f"answer {answer!r}: write it as text (in quotes) or as a number")
    golds = tuple(dict.fromkeys(" ".join(str(a).split()) for a in several))
    if not golds or not all(golds):
        raise _Wrong("empty", "the answer is empty")
    for gold in golds:
        if kind == "number" and value(gold) is None:
            raise _Wrong("gold", f"answer {gold!r} is no number (write 1234.5, -3 or 2/3)")
        if kind == "boolean" and gold.casefold() not in _BOOLEANS:
            raise _Wrong("gold", f"answer {gold!r} is neither true nor false (write true, false, yes or no)")
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


def _labels(answer: Any, allowed: Sequence[str]) -> str:
    """The labels that hold, as a reply would list them."""
    several = answer if isinstance(answer, list | tuple) else [answer]
    said = [" ".join(str(a).split()) for a in several]
    if not said or not all(said):
        raise _Wrong("empty", "the answer is empty")
    spelt = {a.casefold(): a for a in allowed}
    for label in said:
        if label.casefold() not in spelt:
            raise _Wrong("gold", f"answer {label!r} is none of the labels ({', '.join(allowed)})")
    return ", ".join(spelt[label.casefold()] for label in said)


def _options(options: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys and texts of the options."""
    if isinstance(options, Mapping) and set(options) == {"text", "label"}:
        both = options["label"], options["text"]
        if not all(isinstance(part, list | tuple) for part in both) or len(both[0]) != len(both[1]):
            raise _Wrong("schema", "options: as many labels as texts are needed")
        options = {str(k): t for k, t in zip(*both, strict=True)}
    if isinstance(options, Mapping):
        keys, texts = [str(k) for k in options], list(options.values())
    elif isinstance(options, list | tuple):
        keys, texts = list(LETTERS[: len(options)]), list(options)
    else:
        raise _Wrong("schema", f"options {options!r}: write a list of texts, or a map from keys to texts")
    texts = [" ".join(str(t).split()) for t in texts]
    if not 2 <= len(texts) <= len(LETTERS):
        raise _Wrong("schema", f"2 to {len(LETTERS)} options are needed, got {len(texts)}")
    if not all(texts):
        raise _Wrong("empty", f"option {LETTERS[texts.index('')]} is empty")
    return tuple(keys), tuple(texts)


def _index(answer: Any, keys: Sequence[str], texts: Sequence[str], shown: Sequence[str], *, listed: bool) -> int:
    """Which option is right."""
    said = " ".join(str(answer).split())
    if isinstance(answer, int) and not isinstance(answer, bool) and said not in keys and 0 <= answer < len(texts):
        at = answer
    elif said in keys:
        at = keys.index(said)
        if listed and said in texts and texts.index(said) != at:
            raise _Wrong("gold", f"answer {said!r} is the letter of one option and the text of another; give its index")
    elif said in texts:
        at = texts.index(said)
    else:
        raise _Wrong("gold", f"answer {answer!r} is none of the options ({', '.join(keys)})")
    twins = [shown[i] for i, t in enumerate(texts) if i != at and t == texts[at]]
    if twins:
        raise _Wrong("gold", f"options {twins[0]} and {shown[at]} are the same, and one of them is the answer")
    return at
