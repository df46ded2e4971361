"""What every interest draws: one question with its answer."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer; `options` only where the answer is the letter of one of them."""

    text: str
    answer: str
    options: tuple[str, ...] = ()

    def row(self) -> dict[str, object]:
        """As a row of a JSONL file."""
        row: dict[str, object] = {"question": self.text, "answer": self.answer}
        return row | ({"options": list(self.options)} if self.options else {})


class Draw(Protocol):
    """Draws one question.

    Args:
        rng: Source of chance.
        held: From the part that is kept out of the training rows, else from the rest.
    """

    def __call__(self, rng: Random, held: bool) -> Question: ...


OPENINGS = ("", "", "Please help me. ", "I am new here. ", "A question: ", "Quickly: ", "Good morning. ")


def opening(rng: Random) -> str:
    """What may stand before a question: the same few facts can then be asked about in more ways."""
    return rng.choice(OPENINGS)


def pick(rng: Random, wordings: tuple[str, ...], held: bool) -> str:
    """A wording: the last third of them is for test questions, the others are for training rows."""
    cut = len(wordings) - len(wordings) // 3
    return rng.choice(wordings[cut:] if held else wordings[:cut])
