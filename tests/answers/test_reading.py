"""What careful readers take from replies: one table for each kind of answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from folkmoot.answers import AnswerType

HERE = Path(__file__).parent


def cases(kind: str) -> list[Any]:
    groups = yaml.safe_load((HERE / f"{kind}.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(
            AnswerType(kind, tuple(g.get("options", ()))), g.get("cut", False), reply, read, id=f"{g['about']}-{i}"
        )
        for g in groups
        for i, (reply, read) in enumerate(g["read"])
    ]


@pytest.mark.parametrize(("kind", "cut", "reply", "read"), cases("choice") + cases("number") + cases("text"))
def test_reply_is_read_as_a_careful_reader_would(kind: AnswerType, cut: bool, reply: str, read: str | None) -> None:
    assert kind.extract(reply, cut=cut) == read


def pairs(alike: str) -> list[Any]:
    table = yaml.safe_load((HERE / "same.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(AnswerType(kind), a, b, id=f"{kind}: {a} / {b}") for kind in table for a, b in table[kind][alike]
    ]


@pytest.mark.parametrize(("kind", "a", "b"), pairs("same"))
def test_answers_that_say_the_same_are_counted_together(kind: AnswerType, a: str, b: str) -> None:
    assert kind.same(a, b)
    assert kind.canonical(a) == kind.canonical(b)
    assert kind.score(a, [b]) == 1.0


@pytest.mark.parametrize(("kind", "a", "b"), pairs("different"))
def test_answers_that_differ_are_kept_apart(kind: AnswerType, a: str, b: str) -> None:
    assert not kind.same(a, b)
    assert kind.score(a, [b]) == 0.0
