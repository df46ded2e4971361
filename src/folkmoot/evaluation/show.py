"""What there is to see of a run: its questions with the outcome of every system, and all transcripts of one question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from folkmoot.discussion import Decision, Turn
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.folder import Run, known
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.worth.provenance import provenance

Look = Literal["right", "wrong", "unparsed", "truncated", "refused", "limit", "error"]
"""What may be looked for: ``scored`` splits into right and wrong, the other outcomes are as they are."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what became of it.

    Attributes:
        task, item: Which.
        samples: For every system that finished it, its draws.
    """

    task: str
    item: str
    samples: Mapping[str, tuple[Figures, ...]]

    def score(self, system: str) -> float | None:
        """Mean score of a system over its draws; None if it has none."""
        draws = self.samples.get(system, ())
        return sum(map(_worth, draws)) / len(draws) if draws else None

    def right(self, system: str) -> bool:
        """The system scored more than half: with several draws, more than half of them were right."""
        score = self.score(system)
        return score is not None and score > 0.5


@dataclass(frozen=True, slots=True)
class Filter:
    """Which questions and samples to look at; everything if nothing is set.

    Attributes:
        task: Of this task.
        systems: Of these systems, in this order.
        draw: This draw, from 0.
        only: Samples with one of these; see `Look`.
        disagreements: Questions that some of the systems have right and some wrong.
        only_right: Questions that this system has right and every member alone has wrong (every other system, where no
            member was asked alone).
        collapsed: Questions that this system has wrong and some member alone has right.
    """

    task: str | None = None
    systems: tuple[str, ...] = ()
    draw: int | None = None
    only: tuple[Look, ...] = ()
    disagreements: bool = False
    only_right: str | None = None
    collapsed: str | None = None


def look(f: Figures | Result) -> Look:
    """What a sample is, in one word."""
    if f.outcome != "scored":
        return f.outcome
    return "right" if f.score > 0.5 else "wrong"


def check(run: Run, wanted: Filter) -> None:
    """See whether a run has what is asked for.

    Raises:
        BadInput: A name is unknown; says what is close.
    """
    if wanted.task is not None:
        known(wanted.task, run.tasks, "task", run.folder)
    for system in (*wanted.systems, wanted.only_right, wanted.collapsed):
        if system is not None:
            known(system, run.kinds, "system", run.folder)
    for word in wanted.only:
        if word not in get_args(Look):
            raise BadInput(f"--only {word}: {did_you_mean(word, get_args(Look))}")
    if wanted.draw is not None and not 0 <= wanted.draw < run.manifest["draws"]:
        raise BadInput(f"{run.folder}: no draw {wanted.draw}; draws are numbered from 0 to {run.manifest['draws'] - 1}")


def questions(run: Run, wanted: Filter) -> list[Question]:
    """The questions that pass, in the order of the run.

    Raises:
        BadInput: A name is unknown.
    """
    check(run, wanted)
    found: dict[tuple[str, str], dict[str, list[Figures]]] = {}
    for f in run.figures:
        if wanted.task in (None, f.task) and wanted.draw in (None, f.draw):
            found.setdefault((f.task, f.item), {}).setdefault(f.system, []).append(f)
    order = list(run.kinds)
    every = (
        Question(task, item, {s: tuple(draws[s]) for s in order if s in draws}) for (task, item), draws in found.items()
    )
    return [q for q in every if _passes(q, wanted, run.kinds)]


def _passes(q: Question, wanted: Filter, kinds: Mapping[str, str]) -> bool:
    systems = [s for s in wanted.systems or kinds if s in q.samples]
    if wanted.only and not any(look(f) in wanted.only for s in systems for f in q.samples[s]):
        return False
    if wanted.disagreements and len({q.right(s) for s in systems}) < 2:
        return False
    if wanted.only_right is not None:
        others = _alone(q, wanted.only_right, kinds)
        if not q.right(wanted.only_right) or not others or any(map(q.right, others)):
            return False
    if wanted.collapsed is not None:
        system = wanted.collapsed
        if system not in q.samples or q.right(system) or not any(map(q.right, _alone(q, system, kinds))):
            return False
    return True


def _alone(q: Question, system: str, kinds: Mapping[str, str]) -> list[str]:
    """The members alone, or all others where there are none, that finished the question."""
    others = [s for s in q.samples if s != system]
    return [s for s in others if kinds.get(s) == "member"] if "member" in kinds.values() else others


def transcripts(run: Run, item: str, wanted: Filter) -> dict[str, list[Result]]:
    """All samples of one question that pass, by task: two tasks may number their questions alike.

    Raises:
        BadInput: The run has no such question, or a name is unknown.
    """
    check(run, wanted)
    ids = dict.fromkeys(f.item for f in run.figures if wanted.task in (None, f.task))
    known(item, ids, "question" if wanted.task is None else f"question of task {wanted.task!r} called", run.folder)
    order = {s: i for i, s in enumerate(wanted.systems or run.kinds)}
    found: dict[str, list[Result]] = {}
    for r in run.store.results(item=item):
        if (
            wanted.task in (None, r.task)
            and wanted.draw in (None, r.draw)
            and r.system in order
            and (not wanted.only or look(r) in wanted.only)
        ):
            found.setdefault(r.task, []).append(r)
    for results in found.values():
        results.sort(key=lambda r: (r.draw, order[r.system]))
    return found


def questions_json(run: Run, found: Iterable[Question], systems: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The questions as plain data."""
    items = run.items()
    return [
        {
            "task": q.task,
            "item": q.item,
            "question": items[q.task, q.item].question if (q.task, q.item) in items else None,
            "gold": list(items[q.task, q.item].gold) if (q.task, q.item) in items else [],
            "systems": {
                s: {"score": q.score(s), "draws": [look(f) for f in draws]}
                for s, draws in q.samples.items()
                if not systems or s in systems
            },
        }
        for q in found
    ]


def transcripts_json(
    found: Mapping[str, Sequence[Result]], items: Mapping[tuple[str, str], Item] = {}, *, prompts: bool
) -> list[dict[str, Any]]:
    """The transcripts as plain data: an object for every task."""

    def traced(r: Result) -> dict[str, Any]:
        item = items.get((r.task, r.item))
        p = provenance(r, item.answer_type if item else None)
        told = {"turns": list(p.turns), "authors": list(p.authors), "words": p.words}
        return sample_json(r, prompts=prompts) | {"provenance": told}

    return [
        {
            "task": task,
            "item": results[0].item,
            "question": results[0].question,
            "gold": list(results[0].gold),
            "samples": [traced(r) for r in results],
        }
        for task, results in found.items()
    ]


def sample_json(r: Result, *, prompts: bool = True) -> dict[str, Any]:
    """A sample as plain data; every turn with the mark of its answer. The question is told by `Item`, not here."""
    left_out = ("question", "gold", "turns", "decision", "marks", "judgements")
    data = {f.name: getattr(r, f.name) for f in fields(Result) if f.name not in left_out}
    data["turns"] = [
        {f.name: getattr(t, f.name) for f in fields(Turn) if f.name != "prompt"}
        | ({"prompt": [{"role": m.role, "content": m.content} for m in t.prompt]} if prompts else {})
        | {"mark": mark}
        for t, mark in marked(r)
    ]
    data["decision"] = r.decision and {f.name: getattr(r.decision, f.name) for f in fields(Decision)}
    data["judgements"] = [{f.name: getattr(j, f.name) for f in fields(Judgement)} for j in r.judgements]
    return data


def marked(r: Result) -> Iterator[tuple[Turn, float | None]]:
    """The turns, each with the score of its answer if it has one."""
    marks = (*r.marks, *[None] * (len(r.turns) - len(r.marks)))
    yield from zip(r.turns, marks, strict=True)


def _worth(f: Figures) -> float:
    return f.score if f.outcome == "scored" else 0.0
