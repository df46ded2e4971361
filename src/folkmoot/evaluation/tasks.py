"""Tasks: what is asked, how answers are read and scored, where the questions come from. One YAML file each."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from folkmoot.answers import AnswerType
from folkmoot.answers.types import Kind
from folkmoot.documents import BadInput, Document, did_you_mean, read
from folkmoot.engines.contract import Missing
from folkmoot.evaluation import loaders
from folkmoot.evaluation.checks import SPLITS, sift, twice
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.item import Item, Metric
from folkmoot.evaluation.loaders import Hub, Splits
from folkmoot.evaluation.rows import Fields, Reading, Row
from folkmoot.manifest import Manifest

log = logging.getLogger(__name__)

_WHOLE = re.compile(r"[-+]?\d[\d,]*")
_METRICS: dict[str, tuple[Metric, ...]] = {"text": ("exact", "f1"), "code": ("tests",), "free": ("judge",)}


class NoData(BadInput):
    """A task's data are not on this machine; the message says where they may be and how to name them."""


class Data(Document):
    """Where the questions come from: a file, a data set on the Hugging Face hub, or both (the file is tried first).

    Attributes:
        file: Looked for beside the task file, then in the user's data folder, then among the shipped data.
        format: ``jsonl`` (an object per line) or ``moco`` (the JSON files of the MoCo toolkit).
        fields: Names of the fields of a JSONL file.
        hub: The data set on the hub; needs ``folkmoot[datasets]``.
        question_until: The question ends before the first of this text: some sets end theirs with an answer contract.
        options_in_question: The question lists the options already; else they are put under it.
        keys: ``letters``: options are labelled A, B, C and so on, whatever the data call them, and the prompt lists them so.
            ``as_given``: they keep their keys, for questions whose own text speaks of them ("Which of 1 to 4 ...").
    """

    file: str | None = None
    format: Literal["jsonl", "moco"] = "jsonl"
    fields: Fields = Fields()
    hub: Hub | None = None
    question_until: str | None = Field(default=None, min_length=1)
    options_in_question: bool = False
    keys: Literal["letters", "as_given"] = "letters"

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
        answer: Kind of answer: ``choice``, ``number``, ``math``, ``text``, ``boolean``, ``labels``, ``code`` or ``free``.
        metric: ``exact``; ``f1`` (share of words in common; for text); ``tests`` (for code, its default); ``judge`` (for
            free text, its default).
        tolerance: For numbers and mathematics: how far off, as a share of the right answer, still counts. A right answer
            that the data write as a whole number is met exactly all the same.
        labels: For labels: the allowed ones; left out if the rows bring them as ``options``.
        cluster: Field of the rows by which items belong together; they are resampled together.
        kind_field: Field of the rows that holds the kind of their own answer, where a set mixes them.
        data: Where the questions come from.
        instruction: A sentence put under every question. The answer contract is added by the prompts all the same.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    source: str = ""
    licence: str = ""
    answer: Kind
    metric: Metric = "exact"
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    labels: tuple[str, ...] = ()
    cluster: str = ""
    kind_field: str = ""
    data: Data
    instruction: str = ""
    _path: Path | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _default_metric(cls, data: Any) -> Any:
        if isinstance(data, dict) and "metric" not in data and data.get("answer") in ("code", "free"):
            return {**data, "metric": _METRICS[data["answer"]][0]}
        return data

    @model_validator(mode="after")
    def _fits(self) -> Task:
        metrics = _METRICS.get(self.answer, ("exact",))
        if self.metric not in metrics:
            raise ValueError(f"metric {self.metric!r} is not for answer {self.answer!r}; use {' or '.join(metrics)}")
        if self.tolerance and self.answer not in ("number", "math"):
            raise ValueError(f"tolerance is for answer 'number' or 'math'; leave it out for answer {self.answer!r}")
        if self.labels and self.answer != "labels":
            raise ValueError(f"labels are for answer 'labels'; leave them out for answer {self.answer!r}")
        return self

    @property
    def reading(self) -> Reading:
        """How the rows of its data are read."""
        return Reading(self.answer, self.labels, self.data.keys == "as_given", self.cluster, self.kind_field)


@dataclass(frozen=True, slots=True)
class Split:
    """The questions of one split.

    Attributes:
        name: Name of the split.
        items: Those that can be asked and scored, in the order of the file.
        findings: What is wrong with the data.
        source: The file or the hub data set they came from.
        splits: All splits that the source has.
    """

    name: str
    items: tuple[Item, ...]
    findings: tuple[Finding, ...]
    source: str
    splits: tuple[str, ...]

    def has(self, split: str) -> bool:
        """Whether the source has a split of this name."""
        return split in self.splits

    @property
    def excluded(self) -> int:
        """How many items had to be left out."""
        return sum(f.excluded for f in self.findings)

    @property
    def total(self) -> int:
        """How many items the data hold."""
        return len(self.items) + self.excluded


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


def own_task(manifest: Manifest) -> Task:
    """The priority test set of a participant as a task, called ``priority-NAME``.

    Raises:
        BadInput: It has none, or what its manifest says of it does not fit together.
    """
    own = manifest.priority
    if own is None:
        raise BadInput(f"participant {manifest.name!r}: no priority test set; say where it is under 'priority'")
    told = {"answer": own.answer, **own.model_dump(exclude={"file", "answer"}, exclude_defaults=True)}
    try:
        task = Task(
            name=f"priority-{manifest.name}".replace(" ", "-"),
            description=manifest.purpose or f"What {manifest.name} is for.",
            source=manifest.contributor,
            licence=manifest.licence,
            data=Data(file=str(Path(own.file).absolute())),
            **told,
        )
    except ValidationError as e:
        why = e.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise BadInput(f"participant {manifest.name!r}: priority: {why}") from None
    return task


def load_items(task: Task, split: str = "test", limit: int | None = None, data_dir: Path | None = None) -> list[Item]:
    """The first questions of a split, in the order of the file. What had to be left out is logged as a warning.

    Args:
        task: From `find_task`.
        split: ``dev`` or ``test``.
        limit: Most questions.
        data_dir: The user's data folder; without it the one that FOLKMOOT_DATA names.

    Raises:
        BadInput: The data are missing (`NoData`) or wrong; one line per finding, each with its place and a remedy.
        Missing: The data are on the hub only, and it cannot be reached from here.
    """
    found = load_split(task, split, data_dir)
    if found.excluded:
        why = next(f for f in found.findings if f.excluded)
        counts = f"{found.excluded} of {found.total} {split} items left out"
        log.warning("task %s: %s (%s); %s: %s", task.name, counts, found.source, why.item, why.what)
    return list(found.items[:limit])


def load_split(task: Task, split: str = "test", data_dir: Path | None = None) -> Split:
    """All questions of a split that can be asked, and what the checks found. See `load_items`."""
    splits, source, own = _source(task, data_dir)
    if splits and split not in splits:
        raise BadInput(f"{source}: no split {split!r}; {did_you_mean(split, splits)}")
    rows = splits[split]() if splits else []
    if own:
        _refuse_wrong(rows, source)
    found = _sifted(task, split, rows, splits, source)
    if not found.items:
        raise BadInput(f"{source}: no items in split {split!r} of task {task.name!r}")
    return found


def examined(task: Task, data_dir: Path | None = None, splits: Sequence[str] = SPLITS) -> list[Split]:
    """The splits that a task has out of those asked for, with what the checks found; nothing is refused."""
    held, source, _ = _source(task, data_dir)
    return [_sifted(task, split, held[split](), held, source) for split in splits if split in held]


def questions(task: Task, splits: Sequence[str] = SPLITS, data_dir: Path | None = None) -> list[str]:
    """Texts of a task's questions as the data have them, without options and instruction, whether or not they can be asked."""
    return [row.question for row in asked(task, splits, data_dir)]


def asked(task: Task, splits: Sequence[str] = SPLITS, data_dir: Path | None = None) -> list[Row]:
    """Rows of a task that ask something, whether or not it can be asked."""
    held = _source(task, data_dir)[0]
    return [row for split in splits if split in held for row in held[split]() if row.question]


def _sifted(task: Task, split: str, rows: Sequence[Row], splits: Splits, source: str) -> Split:
    other = {"dev": "test", "test": "dev"}.get(split, "")
    try:
        others = splits[other]() if other in splits else []
    except Missing:  # the split that is asked for is there, and that is what counts
        others = []
    items, findings = sift(task.name, split, rows, others, lambda row: as_item(task, row))
    return Split(split, tuple(items), tuple(findings), source, tuple(splits))


def _source(task: Task, data_dir: Path | None) -> tuple[Splits, str, bool]:
    """The splits, where they come from, and whether that is the user's own file."""
    path = _data_file(task, data_dir)
    if path is None:
        assert task.data.hub is not None
        return loaders.hub_splits(task.data.hub, task.reading), task.data.hub.dataset, False
    if task.data.format == "moco":
        return loaders.moco_splits(path, task.reading), str(path), False
    return loaders.jsonl_splits(path, task.data.fields, task.reading), str(path), True


def _refuse_wrong(rows: Sequence[Row], source: str) -> None:
    """Name what is wrong in a user's own file, who can mend it."""
    wrong: list[str] = []
    ids: dict[str, str] = {}
    for row in rows:
        if row.wrong or row.id in ids:
            wrong.append(f"{row.where}: {row.wrong or twice(row, ids)}")
        else:
            ids[row.id] = row.where
    if wrong:
        more = [f"{source}: {len(wrong) - 20} more like these"] if len(wrong) > 20 else []
        raise BadInput("\n".join(wrong[:20] + more))


def as_item(task: Task, row: Row) -> Item:
    """A row as it is asked: options and the task's instruction stand under its question.

    Raises:
        ValueError: Its options or keys cannot be those of an answer.
    """
    question = row.question.split(task.data.question_until)[0] if task.data.question_until else row.question
    whole = all(_WHOLE.fullmatch(g) for g in row.gold)
    near = 0.0 if whole or row.kind not in ("number", "math") else task.tolerance
    kind = AnswerType(row.kind, row.options, row.keys, near)
    parts = [question.strip()]
    if kind.kind == "choice" and not task.data.options_in_question:
        parts.append("\n".join(f"{key}) {text}" for key, text in zip(kind.labels, kind.options, strict=True)))
    if task.instruction:
        parts.append(task.instruction.strip())
    metric = task.metric if row.kind == task.answer else _METRICS.get(row.kind, ("exact",))[0]
    return Item(row.id, "\n\n".join(parts), kind, row.gold, task.name, metric, row.cluster, row.tests, row.entry)


def data_folder(data_dir: Path | None) -> Path | None:
    """The user's folder with data sets, of ``--data`` or else of ``FOLKMOOT_DATA``; None: neither names one.

    Raises:
        BadInput: It is not there.
    """
    named = data_dir or (Path(os.environ["FOLKMOOT_DATA"]) if os.environ.get("FOLKMOOT_DATA") else None)
    named = named.expanduser() if named else None
    if named and not named.is_dir():
        raise BadInput(f"{named}: no such folder (named by {'--data' if data_dir else 'FOLKMOOT_DATA'})")
    return named


def _data_file(task: Task, data_dir: Path | None) -> Path | None:
    """The task's file, or None if the hub has to be asked."""
    named = data_folder(data_dir)
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
    raise NoData(f"task {task.name!r}: its data file {task.data.file} is {where}; {remedy}")
