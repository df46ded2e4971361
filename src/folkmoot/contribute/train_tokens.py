"""Conversations as token ids, with a mark on those that are learnt, and the batches that they are learnt in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from folkmoot.contribute.rows import Lesson, refuse
from folkmoot.engines.contract import EngineError

if TYPE_CHECKING:
    from folkmoot.engines.chat import Chat

_FULL = 0.75
"""Share of the longest example's length below which an example goes into another pass, for less padding."""

_WORTH = 4
"""Examples that make a pass of their own worth it."""

_REMEDY = "shorten, split or remove this row, or raise --max-tokens"


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a conversation.

    Attributes:
        ids: All of them.
        learnt: Of each whether it is predicted in training: true for what the assistant says, with the end token.
    """

    ids: tuple[int, ...]
    learnt: tuple[bool, ...]

    @property
    def tail(self) -> int:
        """Tokens from the first that is learnt to the end."""
        return len(self.ids) - self.learnt.index(True)


def examples(lesson: Lesson, chat: Chat) -> list[Example]:
    """A conversation as the engine would lay it out: what stands before a reply is what the model is given to answer.

    One example, or several where the model's template changes earlier turns once there are later ones.

    Raises:
        EngineError: The template refuses the conversation.
    """
    found: list[Example] = []
    ids: list[int] = []
    learnt: list[bool] = []
    for i, message in enumerate(lesson.messages):
        if message.role != "assistant":
            continue
        before = chat.encode(lesson.messages[:i])
        if before[: len(ids)] != ids:
            found.append(Example(tuple(ids), tuple(learnt)))
            ids, learnt = [], []
        learnt += [False] * (len(before) - len(ids))
        reply = [*chat.text_ids(message.content), *([] if chat.end_id is None else [chat.end_id])]
        ids = before + reply
        learnt += [True] * len(reply)
    return [*found, Example(tuple(ids), tuple(learnt))]


def encoded(lessons: Sequence[Lesson], chat: Chat, longest: int, source: Path) -> list[list[Example]]:
    """The examples of every lesson.

    Args:
        lessons: From one file.
        chat: Of the base model.
        longest: Tokens of an example at most.
        source: The file, for complaints.

    Raises:
        BadInput: Rows are too long, or the template refuses them; a line for each.
    """
    found, wrong = [], []
    for lesson in lessons:
        try:
            made = examples(lesson, chat)
        except EngineError as e:
            wrong.append(f"{lesson.where}: {e}")
            continue
        if (most := max(len(e.ids) for e in made)) > longest:
            wrong.append(f"{lesson.where}: {most} tokens, and at most {longest} are taken: {_REMEDY}")
        found.append(made)
    refuse(wrong, source)
    return found


def split(rows: Sequence[Sequence[Example]], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and those held out. Rows with the same prompt stay on one side.

    Args:
        rows: Examples by row.
        share: Of the rows that are held out, 0 to below 1; with more than 0 at least one.
        seed: Of the choice.
    """
    prompts = [tuple(e.ids[: len(e.ids) - e.tail] for e in row) for row in rows]
    times = Counter(prompts)
    order = list(times)
    random.Random(f"held-out {seed}").shuffle(order)  # noqa: S311 - a choice, no secret
    wanted = max(1, round(share * len(rows))) if share else 0
    out: set[tuple[tuple[int, ...], ...]] = set()
    count = 0
    for prompt in order[:-1]:  # whatever is asked for, something is left to learn from
        if count >= wanted:
            break
        out.add(prompt)
        count += times[prompt]
    learn = [e for row, p in zip(rows, prompts, strict=True) if p not in out for e in row]
    held = [e for row, p in zip(rows, prompts, strict=True) if p in out for e in row]
    return learn, held


def batches(pool: Sequence[Example], size: int, seed: int, epoch: int) -> list[list[Example]]:
    """The batches of an epoch, in random order. The same for the same arguments.

    Not grouped by length: rows of like length are often of one kind, and steps on one kind at a time learn worse.
    """
    order = list(pool)
    random.Random(f"batches {seed} {epoch}").shuffle(order)  # noqa: S311 - an order, no secret
    return [order[i : i + size] for i in range(0, len(order), size)]


def pieces(batch: Sequence[Example], room: int) -> Iterator[list[Example]]:
    """A batch in parts of like length, which hold at most `room` tokens with their padding, or one longer example."""
    part: list[Example] = []
    for example in sorted(batch, key=lambda e: -len(e.ids)):
        longest = len(part[0].ids) if part else 0
        short = len(part) >= _WORTH and len(example.ids) < _FULL * longest
        if part and (short or longest * (len(part) + 1) > room):
            yield part
            part = []
        part.append(example)
    if part:
        yield part
