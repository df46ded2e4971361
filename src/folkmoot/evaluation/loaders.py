"""Questions from files and from the hub, split by split, in one form; see `rows` for the form.

A row that cannot be used says why. In a user's own JSONL file that is an error with file and line; in a published data
set the item is left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import Field

from folkmoot.documents import BadInput, Document
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.rows import Fields, Reading, Row, row

Splits: TypeAlias = Mapping[str, Callable[[], list[Row]]]
"""The splits that a source has, by name; each is read when it is called for."""

_CLOSED = ("number", "math", "text", "boolean", "labels")
_MOCO_KINDS = {
    "multiple_choice": ("choice",),
    "exact_match": _CLOSED,
    "f1_match": ("text",),
    "coding": ("code",),
    "reward_model": ("free",),
}


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


def jsonl_splits(path: Path, fields: Fields, reading: Reading) -> Splits:
    """The splits of a JSONL file. A line that is no object belongs to all of them, since nobody knows to which.

    Raises:
        BadInput: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot be read: {e}") from None
    held: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    broken: list[Row] = []
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as e:
            broken.append(Row(f"{path}:{n}", str(n), wrong=f"not JSON: {str(e).splitlines()[0]}"))
            continue
        if isinstance(data, dict):
            held.setdefault(str(data.get(fields.split, "test")), []).append((n, data))
        else:
            broken.append(Row(f"{path}:{n}", str(n), wrong="expected an object {...}"))
    if broken and not held:
        held["test"] = []

    def rows(split: str) -> list[Row]:
        return [*(row(data, fields, reading, f"{path}:{n}", str(n)) for n, data in held[split]), *broken]

    return {split: partial(rows, split) for split in held}


def moco_splits(path: Path, reading: Reading) -> Splits:
    """The splits of a data file of the MoCo toolkit (arXiv 2601.21257).

    Ids that stand there several times get a number behind them: some files number each of their parts from 0.

    Raises:
        BadInput: The file cannot be read or is of another kind.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise BadInput(f"{path}: cannot be read as JSON: {str(e).splitlines()[0]}") from None
    if not isinstance(data, dict) or not isinstance(data.get("task_type"), str):
        raise BadInput(f"{path}: no MoCo data: expected an object with task_type, dev and test")
    if reading.kind not in _MOCO_KINDS.get(data["task_type"], ()):
        raise BadInput(f"{path}: task_type {data['task_type']!r} cannot be read with answer {reading.kind!r}")
    if reading.kind == "choice":
        fields = Fields(options="choices")
    else:
        fields = Fields(question="input", answer="output", tests="test")

    def rows(split: str) -> list[Row]:
        read: list[Row] = []
        seen: dict[str, int] = {}
        for n, item in enumerate(data[split], 1):
            if not isinstance(item, dict):
                read.append(Row(f"{path}: {split} item {n}", str(n), wrong="expected an object {...}"))
                continue
            name = str(item.get("id", n))
            seen[name] = seen.get(name, 0) + 1
            name = name if seen[name] == 1 else f"{name}#{seen[name]}"
            read.append(row({**item, "id": name}, fields, reading, f"{path}: item {name}", name))
        return read

    return {split: partial(rows, split) for split, held in data.items() if isinstance(held, list)}


def hub_library() -> Any | None:
    """The ``datasets`` package, or None."""
    try:
        import datasets
    except ImportError:
        return None
    return datasets


def hub_splits(hub: Hub, reading: Reading) -> Splits:
    """The splits of a data set on the hub; reading one raises `Missing` if it cannot be fetched.

    Raises:
        Missing: ``datasets`` is not installed.
    """
    library = hub_library()
    if library is None:
        raise Missing(f"{hub.dataset}: needs the package datasets: pip install 'folkmoot[datasets]'")

    def rows(split: str) -> list[Row]:
        try:
            table: Iterable[Mapping[str, Any]] = library.load_dataset(
                hub.dataset, hub.config, split=hub.splits[split], revision=hub.revision
            )
            held = [dict(r) for r in table]
        except Exception as e:  # the package raises whatever its transport and its parsers raise
            why = str(e).splitlines()[0] if str(e) else type(e).__name__
            raise Missing(f"{hub.dataset}: cannot be fetched ({why}); name a folder with --data DIR instead") from e
        return [row(r, hub.fields, reading, f"{hub.dataset} {split} row {n}", str(n)) for n, r in enumerate(held)]

    return {split: partial(rows, split) for split in hub.splits}
