"""The transcripts of a run as compact JSON for the page: every text once, prompts as pieces that repeat."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from folkmoot.discussion import Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.visible import visible

SHORTEST_PIECE = 24
"""A text shorter than this is not looked for in prompts: its number would be hardly shorter."""


class _Texts:
    """Numbers for texts, each kept once."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.all))
        if number == len(self.all):
            self.all.append(text)
        return number


def transcripts(results: Sequence[Result], systems: Sequence[str], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Everything the page shows about single questions.

    Returns:
        ``systems`` ([name, kind] each), ``tasks``, ``outcomes``, ``texts`` (all strings), ``prompts`` (messages as
        [role, numbers of texts that make up the content]), ``items`` ([task, id, draw, question, gold..., a sample
        or null per system]). Strings are numbers into ``texts`` wherever they can be long. The layout of samples
        and turns is that of `_sample` and `_turn`; ``page.js`` reads it.
    """
    texts, prompts = _Texts(), _Prompts()
    tasks = list(dict.fromkeys(r.task for r in results))
    rows: dict[tuple[str, str, int], dict[str, Result]] = {}
    for r in results:
        if r.system in systems:
            rows.setdefault((r.task, r.item, r.draw), {})[r.system] = r
    items = []
    for (task, item, draw), by_system in rows.items():
        one = next(iter(by_system.values()))
        head = [
            tasks.index(task),
            visible(item),
            draw,
            texts(visible(one.question)),
            [texts(visible(g)) for g in one.gold],
        ]
        samples = [_sample(by_system[s], texts, prompts) if s in by_system else None for s in systems]
        items.append([*head, samples])
    return {
        "systems": [[visible(s), visible(kinds.get(s, ""))] for s in systems],
        "tasks": [visible(t) for t in tasks],
        "outcomes": list(OUTCOMES),
        "draws": max((draw for _, _, draw in rows), default=0) + 1,
        "items": items,
        "prompts": prompts.all,
        "texts": texts.all,
    }


def to_script(data: Any) -> str:
    r"""JSON that may stand inside ``<script type="application/json">``: nothing in it can end or open markup.

    >>> to_script("</script><!--")
    '"\\u003c/script\\u003e\\u003c!--"'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


class _Prompts:
    """Numbers for whole prompts, each kept once."""

    def __init__(self) -> None:
        self.all: list[list[list[Any]]] = []
        self._numbers: dict[tuple[Message, ...], int] = {}

    def __call__(self, prompt: tuple[Message, ...], texts: _Texts, known: re.Pattern[str] | None) -> int:
        if not prompt:
            return -1
        number = self._numbers.setdefault(prompt, len(self.all))
        if number == len(self.all):
            self.all.append([[m.role, [texts(p) for p in _pieces(visible(m.content), known)]] for m in prompt])
        return number


def _pieces(content: str, known: re.Pattern[str] | None) -> list[str]:
    """A prompt cut where the question and quoted replies begin and end, and else at line ends: pieces that repeat."""
    pieces: list[str] = []
    for i, part in enumerate(known.split(content) if known else [content]):
        pieces += [part] if i % 2 else part.splitlines(keepends=True)
    return [p for p in pieces if p]


def _sample(r: Result, texts: _Texts, prompts: _Prompts) -> list[Any]:
    quotable = {visible(t).strip() for t in (r.question, *(turn.text for turn in r.turns))}
    longest_first = sorted((q for q in quotable if len(q) >= SHORTEST_PIECE), key=lambda q: (-len(q), q))
    known = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if longest_first else None
    d = r.decision
    return [
        OUTCOMES.index(r.outcome),
        round(r.score, 3),
        _optional(r.answer, texts),
        round(r.seconds, 2),
        _optional(r.error, texts),
        d and [visible(d.by), [[texts(visible(a)), round(w, 3)] for a, w in d.tally], texts(visible(d.why))],
        [_turn(t, texts, prompts, known) for t in r.turns],
    ]


def _turn(t: Turn, texts: _Texts, prompts: _Prompts, known: re.Pattern[str] | None) -> list[Any]:
    return [
        texts(visible(t.speaker)),
        texts(visible(t.role)),
        t.round,
        texts(visible(t.text)),
        _optional(t.answer, texts),
        _optional(t.about, texts),
        t.draw,
        prompts(t.prompt, texts, known),
        t.finish or "",
        t.prompt_tokens,
        t.cached_tokens,
        t.completion_tokens,
        round(t.queue_s, 2),
        round(t.service_s, 2),
        int(t.hit),
        _optional(t.error, texts),
    ]


def _optional(text: str | None, texts: _Texts) -> int:
    return -1 if text is None else texts(visible(text))
