"""A contributor's training rows as conversations, each exactly as the product will hold it.

Two forms, in one JSONL file: ``question`` (or ``prompt``) with ``answer`` (and ``reasoning``, ``options``), or ``messages``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from folkmoot.discussion import Discussion
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Message, PromptTooLong, Role
from folkmoot.evaluation.checks import folded
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.loaders import jsonl_splits
from folkmoot.evaluation.rows import Fields, row
from folkmoot.evaluation.tasks import Task, as_item, own_task
from folkmoot.manifest import Manifest, Priority
from folkmoot.participant import Participant
from folkmoot.prompts import render

LONGEST_LINE = 2_000_000
"""Characters of a row; a longer one is not even taken apart."""

_SHOWN = 20
_LEAST_QUOTED = 20
"""Characters from which a test question is looked for inside longer messages; a shorter one may stand there by chance."""

_UNSCORED = ("code", "free")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One conversation to learn from.

    Attributes:
        where: File and line.
        messages: What was said; what the assistant says is learnt.
        asked: The question, folded for comparison, with its options; for a chat the user's turns.
    """

    where: str
    messages: tuple[Message, ...]
    asked: tuple[str, tuple[str, ...]]


class _Wrong(Exception):  # noqa: N818 - it ends up in the list of complaints
    pass


def read_lessons(path: Path, manifest: Manifest, me: Participant, least: int = 1) -> list[Lesson]:
    """The training rows of a participant, asked as its priority test set is asked.

    Args:
        path: The JSONL file.
        manifest: Whose; its ``priority`` says how answers are given (as text if it has none).
        me: The same as a participant: its system text goes before each question.
        least: Fewest rows that are worth training on.

    Raises:
        BadInput: The file is missing or empty, or rows cannot be used; one line for each, with its place.
    """
    task = own_task(manifest if manifest.priority else manifest.model_copy(update={"priority": Priority()}))
    lessons: list[Lesson] = []
    wrong: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            for n, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    lessons.append(lesson(_object(line), task, me, f"{path}:{n}"))
                except _Wrong as e:
                    wrong.append(f"{path}:{n}: {e}")
    except FileNotFoundError:
        raise BadInput(
            f"{path}: no such file: write your training rows into it, a line each, such as "
            '{"question": "...", "answer": "..."}, or name another file with --data'
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot be read: {e}") from None
    refuse(wrong, path)
    if len(lessons) < least:
        held = f"it has {len(lessons)} rows" if lessons else "it is empty"
        raise BadInput(f"{path}: {held}; training needs at least {least}, and some hundreds to learn something")
    return lessons


def lesson(data: Mapping[str, Any], task: Task, me: Participant, where: str) -> Lesson:
    """One row as a conversation."""
    if "messages" in data:
        messages = tuple(_message(m) for m in _listed(data["messages"]))
        if not any(m.role == "assistant" for m in messages):
            raise _Wrong("no assistant turn, so there is nothing to learn: end 'messages' with one")
        said = " \n ".join(m.content for m in messages if m.role == "user")
        return Lesson(where, messages, (_fold(said), ()))
    name = next((n for n in ("question", "prompt") if n in data), None)
    if name is None or (task.answer != "free" and "answer" not in data):
        raise _Wrong("no known form: it needs 'question' (or 'prompt') and 'answer', or 'messages'")
    kind = "free" if task.answer in _UNSCORED else task.answer
    read = row(data, Fields(question=name), replace(task.reading, kind=kind, cluster="", kind_field=""), where, where)
    if read.wrong:
        raise _Wrong(read.wrong)
    try:
        item = as_item(task, replace(read, kind=task.answer))
        asked: Discussion = {"question": item.question, "answer_type": item.answer_type}
        prompt = me.messages(render("answer", asked, me))
    except (ValueError, PromptTooLong) as e:
        raise _Wrong(str(e)) from None
    return Lesson(where, (*prompt, Message("assistant", _reply(data, item))), folded(read))


def _reply(data: Mapping[str, Any], item: Item) -> str:
    """The reply in the form that the answer contract asks for."""
    kind = item.answer_type
    reasoning = data.get("reasoning") or ""
    if not isinstance(reasoning, str):
        raise _Wrong(f"reasoning {reasoning!r}: write it as text")
    reasoning = reasoning.strip()
    if kind.kind in _UNSCORED:
        answer = data.get("answer")
        if not isinstance(answer, str) or not answer.strip():
            raise _Wrong("the answer is empty or no text")
        whole = kind.kind == "free" or "```" in answer
        last = answer.strip() if whole else f"```python\n{answer.strip()}\n```"
        return f"{reasoning}\n{last}" if reasoning else last
    gold = item.gold[0]
    if kind.kind == "choice" and not reasoning:
        reasoning = kind.options[kind.labels.index(gold)]
    reply = f"{reasoning}\nAnswer: {gold}" if reasoning else f"Answer: {gold}"
    if kind.score(kind.extract(reply), item.gold) != 1.0:
        raise _Wrong(f"the answer {gold!r} cannot be read back from its reply {_short(reply)!r}: shorten it or reword")
    return reply


def leaks(lessons: Sequence[Lesson], manifest: Manifest) -> list[str]:
    """Rows that ask what the priority test set asks in its ``test`` split, a line each; none if there is no such set.

    Raises:
        BadInput: The test set cannot be read.
    """
    if manifest.priority is None:
        return []
    task = own_task(manifest)
    splits = jsonl_splits(Path(manifest.priority.file), task.data.fields, task.reading)
    tests = {folded(r): r.id for r in splits["test"]() if not r.wrong} if "test" in splits else {}
    quoted = [(question, id_) for (question, _), id_ in tests.items() if len(question) >= _LEAST_QUOTED]
    found = []
    for taught in lessons:
        id_ = tests.get(taught.asked)
        if id_ is None and any(m.role == "user" for m in taught.messages) and not taught.asked[1]:
            id_ = next((i for question, i in quoted if question in taught.asked[0]), None)
        if id_ is not None:
            found.append(f"{taught.where}: asks test question {id_} of {manifest.priority.file}: remove this row")
    return found


def refuse(wrong: Sequence[str], source: Path) -> None:
    """Complain, if there is anything to complain about, at most so many times.

    Raises:
        BadInput: There is.
    """
    if wrong:
        more = [f"{source}: {len(wrong) - _SHOWN} more like these"] if len(wrong) > _SHOWN else []
        raise BadInput("\n".join([*wrong[:_SHOWN], *more]))


def _object(line: str) -> Mapping[str, Any]:
    if len(line) > LONGEST_LINE:
        raise _Wrong(f"{len(line)} characters in one row: split it into shorter ones")
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise _Wrong(f"not JSON: {str(e).splitlines()[0]}") from None
    if not isinstance(data, dict):
        raise _Wrong("expected an object {...}")
    if not data:
        raise _Wrong("the row is empty: fill it or remove it")
    return data


def _listed(messages: Any) -> Sequence[Any]:
    if not isinstance(messages, list) or not messages:
        raise _Wrong("'messages' must be a list of turns, each with 'role' and 'content'")
    return messages


def _message(said: Any) -> Message:
    role, content = (said.get("role"), said.get("content")) if isinstance(said, dict) else (None, None)
    if role not in get_args(Role):
        raise _Wrong(f"a turn's role is {role!r}: use {', '.join(get_args(Role))}")
    if not isinstance(content, str) or not content.strip():
        raise _Wrong(f"a turn of the {role} is empty or no text")
    return Message(cast("Role", role), content)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
