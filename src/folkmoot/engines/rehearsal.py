"""Engines and an encoder for a rehearsal: they answer at once, in the form asked for, and without a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from folkmoot.engines import simulated_reply
from folkmoot.engines.contract import Capabilities, Request
from folkmoot.engines.scripted import Scripted


def rehearsal(model: str) -> Scripted:
    """A scripted engine that answers every prompt in the form asked for, with an answer that depends on its hash.

    It lets a suite run from end to end without weights. What it says is of course worthless.
    """

    def reply(request: Request) -> str:
        die = simulated_reply.dice(model, request)[0]
        return f"I thought about it.\nAnswer: {simulated_reply.answer_to(request.messages[-1].content, die)}"

    def odds(request: Request, options: Sequence[str]) -> Sequence[float]:
        return simulated_reply.odds(model, request, options)

    able = Capabilities(adapters=True, seeds=True, choose=True, counts=True)
    return Scripted(reply, name=f"rehearsal {model}", choices=odds, capabilities=able)


class WordsInCommon:
    """A sentence encoder without a model: the cosine of the counts of words."""

    identity = "scripted:words"

    async def start(self) -> None:
        """Nothing to load."""

    async def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """The cosine of the words of a text with those of each of the others, 0 to 1."""
        mine = _words(text)
        return [_cosine(mine, _words(other)) for other in others]


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def _cosine(a: Counter[str], b: Counter[str]) -> float:
    length = math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
    return sum(n * b[word] for word, n in a.items()) / length if length else 0.0
