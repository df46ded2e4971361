"""Tasks: what is asked, how answers are read and scored, where the questions come from. One YAML file each."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput, Document, did_you_mean, read
from folkmoot.evaluation import loaders
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.loaders import Fields, Hub, Row

log = logging.getLogger(__name__)


class Data(Document):
    """Where the questions come from: a file, a data set on the Hugging Face hub, or both (the file is tried first).

    Attributes:
        file: Looked for beside the task file, then in the user's data folder, then among the shipped data.
        format: ``jsonl`` (an object per line) or ``moco`` (the JSON files of the MoCo toolkit).
        fields: Names of the fields of a JSONL file.
        hub: The data set on the hub; needs ``folkmoot[datasets]``.
        question_until: The question ends before the first of this text: some sets end theirs with an answer contract.
        options_in_question: The question lists the options already; else they are put under it.
    """

    file: str | None = None
    format: Literal["jsonl", "moco"] = "jsonl"
    fields: Fields = Fields()
    hub: Hub | None = None
    question_until: str | None = Field(default=None, min_length=1)
    options_in_question: bool = False

    @model_validator(mode="after")
    def _some_source(self) -> Data:
        if not self.file and self.hub is None:
            raise ValueError("name a file or a hub data set")
        return self


class Task(Document):
    """A data set with splits, an answer type, a prompt contract and a scorer.

    Attributes:
        name: In suites and tables.
        description: One line.
        source: Who made the questions, and where.
        licence: Licence of the questions.
        answer: Kind of answer: ``choice``, ``number`` or ``text``.
        metric: ``exact``, or ``f1`` (share of words in common; for text).
        data: Where the questions come from.
        instruction: A sentence put under every question. The answer contract is added by the prompts all the same.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    source: str = ""
    licence: str = ""
    answer: Literal["choice", "number", "text"]
    metric: Literal["exact", "f1"] = "exact"
    data: Data
    instruction: str = ""
    _path: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _metric_fits(self) -> Task:
        if self.metric == "f1" and self.answer != "text":
            raise ValueError(f"metric 'f1' is for answer 'text'; leave it out for answer {self.answer!r}")
        return self


@dataclass(frozen=True, slots=True)
class Split:
    """The questions of one split.

    Attributes:
        items: In the order of the file.
        left_out: Id and reason of every item of a published data set that cannot be answered or scored.
        source: The file or the hub data set they came from.
    """

    items: tuple[Item, ...]
    left_out: tuple[tuple[str, str], ...]
    source: str


def _shipped(folder: str) -> Path:
    return Path(str(resources.files("folkmoot").joinpath("eval", folder)))


def task_names() -> list[str]:
    """Names of the shipped tasks."""
    return sorted(p.stem for p in _shipped("tasks").glob("*.yaml"))


def find_task(name: str, extra: Path | None = None) -> Task:
    """A shipped task by its name, or a task file.

    Args:
        name: Name of a shipped task, or path of a YAML file (relative to `extra`, else to the working folder).
        extra: A folder whose task files are known by their names too: that of the suite.

    Raises:
        BadInput: There is no such task, or its file does not fit.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if extra is not None and (extra / path).is_file():
            path = extra / path
    else:
        path = _shipped("tasks") / f"{name}.yaml"
        if extra is not None and not path.is_file():
            path = extra / f"{name}.yaml"
        if not path.is_file() or Path(name).name != name:
            raise BadInput(f"no task {name!r}; {did_you_mean(name, task_names())}; or name a task file (.yaml)")
    task = read(path, Task)
    task._path = path
    return task


def load_items(task: Task, split: str = "test", limit: int | None = None, data_dir: Path | None = None) -> list[Item]:
    """The first questions of a split, in the order of the file. What had to be left out is logged as a warning.

    Args:
        task: From `find_task`.
        split: ``dev`` or ``test``.
        limit: Most questions.
        data_dir: The user's data folder; without it the one that FOLKMOOT_DATA names.

    Raises:
        BadInput: The data are missing or wrong; one line per finding, each with its place and a remedy.
        Missing: The data are on the hub only, and it cannot be reached from here.
    """
    found = load_split(task, split, data_dir)
    if found.left_out:
        total = len(found.items) + len(found.left_out)
        (name, why), *_ = found.left_out
        counts = f"{len(found.left_out)} of {total} {split} items left out"
        log.warning("task %s: %s (%s); %s: %s", task.name, counts, found.source, name, why)
    return list(found.items[:limit])


def load_split(task: Task, split: str = "test", data_dir: Path | None = None) -> Split:
    """All questions of a split, and which had to be left out. See `load_items`."""
    path = _data_file(task, data_dir)
    if path is None:
        assert task.data.hub is not None
        rows, source, own = loaders.hub_rows(task.data.hub, task.answer, split), task.data.hub.dataset, False
    elif task.data.format == "moco":
        rows, source, own = loaders.moco_rows(path, task.answer, split), str(path), False
    else:
        rows, source, own = loaders.jsonl_rows(path, task.data.fields, task.answer, split), str(path), True
    rows = list(loaders.checked(rows))
    wrong = [r for r in rows if r.wrong]
    if own and wrong:  # the user can mend it
        more = [f"{source}: {len(wrong) - 20} more like these"] if len(wrong) > 20 else []
        raise BadInput("\n".join([f"{r.where}: {r.wrong}" for r in wrong[:20]] + more))
    items = tuple(_item(task, r) for r in rows if not r.wrong)
    if not items:
        raise BadInput(f"{source}: no items in split {split!r} of task {task.name!r}")
    return Split(items, tuple((r.id, r.wrong) for r in wrong), source)


def _item(task: Task, row: Row) -> Item:
    question = row.question.split(task.data.question_until)[0] if task.data.question_until else row.question
    kind = AnswerType(task.answer, row.options)
    parts = [question.strip()]
    if kind.options and not task.data.options_in_question:
        parts.append("\n".join(f"{letter}) {text}" for letter, text in zip(kind.labels, kind.options, strict=True)))
    if task.instruction:
        parts.append(task.instruction.strip())
    return Item(row.id, "\n\n".join(parts), kind, row.gold, task.name, task.metric)


def _data_file(task: Task, data_dir: Path | None) -> Path | None:
    """The task's file, or None if the hub has to be asked."""
    named = data_dir or (Path(os.environ["FOLKMOOT_DATA"]) if os.environ.get("FOLKMOOT_DATA") else None)
    named = named.expanduser() if named else None
    if named and not named.is_dir():
        raise BadInput(f"{named}: no such folder (named by {'--data' if data_dir else 'FOLKMOOT_DATA'})")
    if not task.data.file:
        return None
    folders = [*([task._path.parent] if task._path else []), *([named] if named else []), _shipped("data")]
    for folder in folders:
        if (folder / task.data.file).is_file():
            return folder / task.data.file
    if task.data.hub and loaders.hub_library() is not None:
        return None
    where = f"not in {named}" if named else "not here"
    remedy = "name the folder that holds it with --data DIR or FOLKMOOT_DATA"
    if task.data.hub:
        remedy += f", or fetch {task.data.hub.dataset} from the hub: pip install 'folkmoot[datasets]'"
    raise BadInput(f"task {task.name!r}: its data file {task.data.file} is {where}; {remedy}")
