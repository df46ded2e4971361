"""The discussions of a run for the page: a small matrix that is read at once, and compressed blocks that are read on demand."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.evaluation.worth.provenance import provenance
from folkmoot.visible import visible

SHORTEST_PIECE = 24
"""A text shorter than this is not looked for in prompts: its number would be hardly shorter."""
BLOCK = 400_000
"""Characters of text after which a block is closed: what the browser inflates to show one question."""
EXCERPT = 140
"""Characters of a question that the matrix shows."""
LETTERS = dict(zip(OUTCOMES, "-utfle", strict=True))
"""One letter for each outcome in the matrix; scored samples are ``r`` (right), ``w`` (wrong) or ``s`` (partly right)."""


class Packed:
    """What the page holds of the discussions.

    Attributes:
        matrix: Compressed: ``systems`` ([name, kind] each), ``tasks``, ``draws``, ``starts`` (number of the first sample of
            every block), and a row per question and draw: [task, id, draw, beginning of the question, a letter per system,
            numbers of the samples (-1: there is none), {system: score} of partial scores].
        questions: Compressed: the full text of every row's question, for the search.
        blocks: Compressed: ``texts`` (all strings of the block), ``prompts`` (messages as [role, numbers of the texts that
            make up the content]), ``samples``; their layout is that of `_sample` and `_turn`. ``transcript.js`` reads it.
        rows: How many questions (times draws) there are.
        samples: How many samples there are.
    """

    def __init__(
        self, results: Iterable[Result], kinds: Mapping[str, str], items: Mapping[tuple[str, str], Item] = {}
    ) -> None:
        systems = {name: i for i, name in enumerate(kinds)}
        tasks: dict[str, int] = {}
        rows: dict[tuple[str, str, int], list[Any]] = {}
        whole: list[str] = []
        starts, block = [0], _Block()
        self.blocks: list[str] = []
        self.samples = 0
        for r in results:
            if r.system not in systems:
                continue
            key = (r.task, r.item, r.draw)
            if key not in rows:
                if block.size > BLOCK:
                    self.blocks.append(block.packed())
                    starts.append(self.samples)
                    block = _Block()
                task, question = tasks.setdefault(r.task, len(tasks)), visible(r.question)
                excerpt = " ".join(question[: 4 * EXCERPT].split())[:EXCERPT]
                empty = ["." * len(systems), [-1] * len(systems), {}]
                rows[key] = [task, visible(r.item), r.draw, excerpt, *empty]
                whole.append(question)
            row, at = rows[key], systems[r.system]
            letter = LETTERS[r.outcome] if r.outcome != "scored" else _letter(r.score)
            row[4] = row[4][:at] + letter + row[4][at + 1 :]
            row[5][at] = self.samples
            if letter == "s":
                row[6][at] = round(r.score, 3)
            asked = items.get((r.task, r.item))
            block.add(r, asked.answer_type if asked else None)
            self.samples += 1
        if self.samples:
            self.blocks.append(block.packed())
        self.rows = len(rows)
        self.matrix = pack(
            {
                "systems": [[visible(name), visible(kind)] for name, kind in kinds.items()],
                "tasks": [visible(t) for t in tasks],
                "draws": max((draw for _, _, draw in rows), default=0) + 1,
                "starts": starts,
                "rows": list(rows.values()),
            }
        )
        self.questions = pack(whole)


def pack(value: Any) -> str:
    """JSON, zlib, base64: no character in it means anything to HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 6)).decode("ascii")


def unpack(packed: str) -> Any:
    """What `pack` was given."""
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def _letter(score: float) -> str:
    return "r" if score >= 1 else "w" if score <= 0 else "s"


class _Block:
    """Samples that are compressed together, with every text once and prompts as pieces that repeat."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.prompts: list[list[list[Any]]] = []
        self.samples: list[list[Any]] = []
        self.size = 0
        self._numbers: dict[str, int] = {}
        self._known: dict[tuple[Message, ...], int] = {}

    def add(self, r: Result, kind: AnswerType | None) -> None:
        self.samples.append(_sample(r, self, kind))

    def packed(self) -> str:
        return pack({"texts": self.texts, "prompts": self.prompts, "samples": self.samples})

    def text(self, text: str | None) -> int:
        """The number of a text that is visible already; -1 for None."""
        if text is None:
            return -1
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
            self.size += len(text)
        return number

    def seen(self, text: str | None) -> int:
        """The number of a text that is made visible first."""
        return -1 if text is None else self.text(visible(text))

    def prompt(self, prompt: tuple[Message, ...], quoted: Sequence[str]) -> int:
        if not prompt:
            return -1
        number = self._known.setdefault(prompt, len(self.prompts))
        if number == len(self.prompts):
            self.prompts.append([[m.role, [self.text(p) for p in _pieces(visible(m.content), quoted)]] for m in prompt])
        return number


def _pieces(content: str, quoted: Sequence[str]) -> list[str]:
    """A prompt cut where the question and quoted replies begin and end, and else at line ends: pieces that repeat."""
    parts = [(content, False)]
    for quote in quoted:
        if quote in content:
            parts = [cut for part, whole in parts for cut in ([(part, True)] if whole else _cut(part, quote))]
    return [p for part, whole in parts for p in ([part] if whole else part.splitlines(keepends=True)) if p]


def _cut(part: str, quote: str) -> list[tuple[str, bool]]:
    between = part.split(quote)
    return [cut for rest in between[:-1] for cut in ((rest, False), (quote, True))] + [(between[-1], False)]


def _sample(r: Result, block: _Block, kind: AnswerType | None) -> list[Any]:
    quotable = {visible(t).strip() for t in (r.question, *(turn.text for turn in r.turns))}
    quoted = sorted((q for q in quotable if len(q) >= SHORTEST_PIECE), key=lambda q: (-len(q), q))  # the longest first
    d, origin = r.decision, provenance(r, kind)
    marks = r.marks if len(r.marks) == len(r.turns) else (None,) * len(r.turns)
    return [
        block.seen(r.question),
        [block.seen(g) for g in r.gold],
        r.outcome,
        round(r.score, 3),
        block.seen(r.answer),
        round(r.seconds, 2),
        block.seen(r.error),
        d and [block.seen(d.by), [[block.seen(a), round(w, 3)] for a, w in d.tally], block.seen(d.why)],
        [_turn(t, mark, block, quoted) for t, mark in zip(r.turns, marks, strict=True)],
        [_judgement(j, block) for j in r.judgements],
        block.seen(origin.words) if len(r.turns) > 1 else -1,
        list(origin.turns) if len(r.turns) > 1 else [],
    ]


def _turn(t: Turn, mark: float | None, block: _Block, quoted: Sequence[str]) -> list[Any]:
    return [
        block.seen(t.speaker),
        block.seen(t.role),
        t.round,
        block.seen(t.text),
        block.seen(t.answer),
        None if mark is None else round(mark, 3),
        block.seen(t.about),
        t.draw,
        block.prompt(t.prompt, quoted),
        t.finish or "",
        t.prompt_tokens,
        t.cached_tokens,
        t.completion_tokens,
        round(t.queue_s, 2),
        round(t.service_s, 2),
        int(t.hit),
        block.seen(t.error),
    ]


def _judgement(j: Judgement, block: _Block) -> list[Any]:
    return [
        block.seen(j.judge),
        block.seen(j.against),
        j.first,
        j.second,
        j.score,
        int(j.flipped),
        j.words,
        j.words_against,
    ]
