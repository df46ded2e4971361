"""A contributor's training rows as conversations, each exactly as the product will hold it.

Two forms, in one JSONL file: ``question`` (or ``prompt``) with ``answer`` (and ``reasoning``, ``options``), or ``messages``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from folkmoot.discussion import Discussion
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Message, PromptTooLong, Role
from folkmoot.evaluation.checks import folded, plain
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

_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf"
    "\ua9e0-\ua9ff\uaa60-\uaadf\uf900-\ufaff\U00016fe0-\U00018cff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff]"
)
"""Characters of scripts that put no spaces between words: Thai to Burmese, Khmer, Tai scripts, Han, kana, Yi."""

_WORDS = 64
"""Words of a question that are looked for inside other texts; whose first 64 are the same are the same."""
_STEPS = 40_000_000
"""Words compared in all, after which it is given up; 50 MB of plain text take a quarter of that."""
_END = ""
"""Where a question ends in the tree of words; no word is empty."""

_UNSCORED = ("code", "free")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One conversation to learn from.

    Attributes:
        where: File and line.
        messages: What was said; what the assistant says is learnt.
        options: For comparison, see `folkmoot.evaluation.checks.folded`.
        texts: All that its author wrote, for comparison: the question and the reply, or every turn of a chat.
    """

    where: str
    messages: tuple[Message, ...]
    options: tuple[str, ...]
    texts: tuple[str, ...]


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
        return Lesson(where, messages, (), tuple(plain(m.content) for m in messages))
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
    reply = _reply(data, item)
    asked_, options = folded(read)
    return Lesson(where, (*prompt, Message("assistant", reply)), options, (asked_, plain(reply)))


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
    """Rows that hold a question of the priority test set, a line each; none if there is no such set.

    A question that is long enough to be no chance is found with whatever options, a shorter one with its own or none.

    Questions of both its splits count: on ``dev`` routers and thresholds are chosen, which has no meaning where a member
    was trained on it.

    Raises:
        BadInput: The test set cannot be read.
    """
    if manifest.priority is None:
        return []
    task = own_task(manifest)
    splits = jsonl_splits(Path(manifest.priority.file), task.data.fields, task.reading)
    held = Questions()
    for split in ("dev", "test"):
        for r in splits[split]() if split in splits else ():
            if not r.wrong:
                question, options = folded(r)
                inside = len(question) >= _LEAST_QUOTED
                held.add(question, () if inside else options, f"{split} question {r.id}", inside=inside)
    return [
        f"{taught.where}: holds {name} of {manifest.priority.file}: remove this row"
        for taught in lessons
        if (name := held.find(taught.texts, taught.options))
    ]


def words(text: str) -> list[str]:
    """A text for comparison (see `folkmoot.evaluation.checks.plain`), word by word, or by character where none are spaced.

    >>> words("say 東京の桜 now")
    ['say', '東', '京', 'の', '桜', 'now']
    """
    return _UNSPACED.sub(r" \g<0> ", text).split()


class Questions:
    """Questions that must not be learnt from, and the texts in which they stand.

    Texts are looked through word by word along a tree of the questions' words, so that the time for it grows with the
    length of the texts and not with the number of questions.
    """

    def __init__(self) -> None:
        self._whole: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._inside: dict[str, Any] = {}
        self._steps = 0

    def add(self, question: str, options: tuple[str, ...], name: str, *, inside: bool) -> None:
        """Look for a question, too.

        Args:
            question: For comparison, see `folkmoot.evaluation.checks.plain`.
            options: Likewise; a row with other options asks something else. Empty if they do not matter.
            name: What to call it.
            inside: Whether it is found in longer texts, or only where it is all that is said.
        """
        asked = words(question)
        self._whole.setdefault(" ".join(asked), []).append((options, name))
        if inside:
            at = self._inside
            for word in asked[:_WORDS]:
                at = at.setdefault(word, {})
            at.setdefault(_END, []).append((options, name))

    def find(self, texts: Iterable[str], options: tuple[str, ...] = ()) -> str | None:
        """The name of a question that stands in texts, if one does; what is asked with other options is another."""
        for text in texts:
            for theirs, name in self._standing(words(text)):
                if not (theirs and options) or theirs == options:
                    return name
        return None

    def _standing(self, said: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
        yield from self._whole.get(" ".join(said), ())
        if not self._inside:
            return
        for begin in range(len(said)):
            at: Any = self._inside
            if self._steps > _STEPS:
                raise BadInput(
                    "the rows begin test questions too often to be compared with them: shorten or remove them"
                )
            for word in said[begin : begin + _WORDS]:
                self._steps += 1
                at = at.get(word)
                if at is None:
                    break
                yield from at.get(_END, ())


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


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
