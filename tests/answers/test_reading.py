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
            AnswerType(kind, tuple(g.get("options", ())), tuple(g.get("keys", ()))),
            g.get("cut", False),
            reply,
            read,
            id=f"{g['about']}-{i}",
        )
        for g in groups
        for i, (reply, read) in enumerate(replies(g))
    ]


def replies(group: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Replies with their readings: written out, or as words that are put into forms."""
    made = [(form.replace("{}", word), read) for form in group.get("forms", ()) for word, read in group["words"]]
    return [*map(tuple, group.get("read", ())), *made]


@pytest.mark.parametrize("kind", ["choice", "boolean", "labels"])
def test_enough_cases_are_written_down(kind: str) -> None:
    found = [(p.values[0], p.values[1], p.values[2]) for p in cases(kind)]
    assert len(found) == len(set(found)), "a case stands there twice"
    assert len(found) >= 300


KINDS = ("choice", "boolean", "labels", "number", "text")


@pytest.mark.parametrize(("kind", "cut", "reply", "read"), [c for k in KINDS for c in cases(k)])
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
