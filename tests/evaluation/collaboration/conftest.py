"""Discussions written as tables: a line for each speaker, a column for each round."""

from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.collaboration.said import Said, said
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result

NUMBER = AnswerType("number")


def _discussion(
    table: str, *, gold: str = "4", answer: str | None = None, more: tuple[Turn, ...] = (), **known: Any
) -> Result:
    """A result from a table such as ``"ana 4 4 / bo 5 -"``: 4 is right, - abstains, ! fails, . is not asked.

    A speaker with a number (``ana#1``) is that draw of it. `more`: turns after the answers, not scored.
    """
    lines = [line.split() for line in table.replace("/", "\n").splitlines() if line.strip()]
    turns, marks = [], []
    for at in range(max((len(line) for line in lines), default=1) - 1):
        for who, *cells in lines:
            cell = cells[at] if at < len(cells) else "."
            if cell == ".":
                continue
            speaker, _, draw = who.partition("#")
            said_ = None if cell in "-!" else cell
            failed = "gone" if cell == "!" else None
            turns.append(Turn(speaker, round=at, draw=int(draw or 0), answer=said_, error=failed))
            marks.append(None if said_ is None else float(NUMBER.same(said_, gold)))
    plain: dict[str, Any] = {
        "key": "", "system": "debate", "task": "sums", "item": "0", "draw": 0, "question": "2 + 2?", "gold": (gold,),
        "outcome": "scored" if answer is not None else "unparsed", "answer": answer,
        "score": float(answer is not None and NUMBER.same(answer, gold)), "decision": None, "seconds": 0.0,
    }  # fmt: skip
    return Result(**{**plain, "turns": (*turns, *more), "marks": (*marks, *(None for _ in more)), **known})


@pytest.fixture(scope="session")
def discussion() -> Callable[..., Result]:
    return _discussion


@pytest.fixture(scope="session")
def answers() -> Callable[[str], list[Said]]:
    return lambda table: said(_discussion(table), NUMBER.canonical)


@pytest.fixture(scope="session")
def item() -> Callable[..., Item]:
    def make(name: str = "0", **known: Any) -> Item:
        return Item(
            **{"id": name, "question": "2 + 2?", "answer_type": NUMBER, "gold": ("4",), "task": "sums", **known}
        )

    return make
