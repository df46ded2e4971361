"""A sample as a row of the store, and back: figures in columns of their own, all else in one body of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.result import Figures, Result

FIGURES = tuple(f.name for f in fields(Figures))
_FLAGS = tuple(FIGURES.index(name) for name in ("answered", "dev"))
COLUMNS = ("key", *FIGURES, "body")


def figures(row: list[Any]) -> Figures:
    """The figures of a row."""
    for at in _FLAGS:
        row[at] = bool(row[at])
    return Figures(*row)


def row(result: Result) -> tuple[Any, ...]:
    """The row of a sample."""
    figures = result.figures
    return (
        result.key,
        *(getattr(figures, name) for name in FIGURES),
        json.dumps(_body(result), separators=(",", ":")),
    )


def brief(result: Result) -> tuple[Any, ...]:
    """The row of a coalition: what was said is in the completion cache, and only a failure has to be told."""
    failed = result.outcome == "error" or result.figures.failures
    why = result.error or next((t.error for t in result.turns if t.error), None)
    told = replace(result, turns=(), marks=(), decision=None, error=why, why="", judgements=())
    figures = result.figures
    return (
        result.key,
        *(getattr(figures, name) for name in FIGURES),
        json.dumps(_body(told), separators=(",", ":")) if failed else None,
    )


def _body(r: Result) -> dict[str, Any]:
    """A result as plain data, made by hand: `dataclasses.asdict` takes ten times as long. The question is in `items`."""
    body = {name: getattr(r, name) for name in _RESULT}
    body["turns"] = [
        {name: getattr(t, name) for name in _TURN} | {"prompt": [[m.role, m.content] for m in t.prompt]}
        for t in r.turns
    ]
    body["decision"] = r.decision and {name: getattr(r.decision, name) for name in _DECISION}
    body["judgements"] = [{name: getattr(j, name) for name in _JUDGEMENT} for j in r.judgements]
    return body


_RESULT = tuple(f.name for f in fields(Result) if f.name not in ("question", "gold"))
_TURN = tuple(f.name for f in fields(Turn))
_DECISION = tuple(f.name for f in fields(Decision))
_JUDGEMENT = tuple(f.name for f in fields(Judgement))


def result(body: dict[str, Any], items: Mapping[tuple[str, str], Item]) -> Result:
    """A sample from its body, with the question that it is an answer to."""
    asked = items.get((body["task"], body["item"]))
    return Result(
        **body
        | {
            "question": asked.question if asked else "",
            "gold": asked.gold if asked else (),
            "turns": tuple(_turn(t) for t in body["turns"]),
            "decision": _decision(body["decision"]),
            "marks": tuple(body["marks"]),
            "judgements": tuple(Judgement(**j) for j in body["judgements"]),
        }
    )


def _turn(body: dict[str, Any]) -> Turn:
    return Turn(**body | {"prompt": tuple(Message(role, content) for role, content in body["prompt"])})


def _decision(body: dict[str, Any] | None) -> Decision | None:
    return Decision(**body | {"tally": tuple((str(a), float(n)) for a, n in body["tally"])}) if body else None
