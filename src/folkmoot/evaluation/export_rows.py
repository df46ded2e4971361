"""Samples and turns as rows: for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, Literal

from folkmoot.engines.contract import Missing
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.show import marked

Type = Literal["text", "texts", "int", "float", "bool"]
Row = Mapping[str, Any]
BATCH = 1000
"""Rows of a Parquet row group that are in memory at a time."""

SAMPLE: dict[str, Type] = {
    "task": "text",
    "item": "text",
    "cluster": "text",
    "system": "text",
    "kind": "text",
    "draw": "int",
    "outcome": "text",
    "answered": "bool",
    "answer": "text",
    "score": "float",
    "gold": "text",
    "accepted": "texts",
    "question": "text",
    "answer_kind": "text",
    "metric": "text",
    "calls": "int",
    "prompt_tokens": "int",
    "cached_tokens": "int",
    "completion_tokens": "int",
    "seconds": "float",
    "truncated": "int",
    "hits": "int",
    "failures": "int",
    "decided_by": "text",
    "decision": "text",
    "why": "text",
    "judgements": "text",
    "error": "text",
    "key": "text",
}
"""Columns of a row per sample, in order."""
TURN: dict[str, Type] = {
    "task": "text",
    "item": "text",
    "system": "text",
    "kind": "text",
    "draw": "int",
    "turn": "int",
    "speaker": "text",
    "role": "text",
    "round": "int",
    "about": "text",
    "sample": "int",
    "answer": "text",
    "mark": "float",
    "text": "text",
    "finish": "text",
    "prompt_tokens": "int",
    "cached_tokens": "int",
    "completion_tokens": "int",
    "queue_s": "float",
    "service_s": "float",
    "hit": "bool",
    "error": "text",
    "prompt": "text",
    "key": "text",
}
"""Columns of a row per turn, in order."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_STARTS = {"=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'"}


def sample_row(r: Result, item: Item | None, kinds: Mapping[str, str]) -> Row:
    """A sample as a row with the columns of `SAMPLE`."""
    figures = r.figures
    row = {name: getattr(figures, name) for name in SAMPLE if hasattr(figures, name)}
    return row | {
        "cluster": item.cluster if item else "",
        "kind": kinds.get(r.system, ""),
        "answer": r.answer,
        "gold": r.gold[0] if r.gold else None,
        "accepted": list(r.gold),
        "question": r.question,
        "answer_kind": item.answer_type.kind if item else "",
        "metric": item.metric if item else "",
        "decided_by": r.decision.by if r.decision else None,
        "decision": r.decision.why if r.decision else None,
        "why": r.why,
        "judgements": json.dumps(
            [{"judge": j.judge, "against": j.against, "first": j.first, "second": j.second} for j in r.judgements]
        ),
        "error": r.error,
        "key": r.key,
    }


def turn_rows(r: Result, kinds: Mapping[str, str]) -> Iterator[Row]:
    """The turns of a sample as rows with the columns of `TURN`; prompts as JSON."""
    for i, (t, mark) in enumerate(marked(r)):
        row = {name: getattr(t, name) for name in TURN if hasattr(t, name)}
        yield row | {
            "task": r.task,
            "item": r.item,
            "system": r.system,
            "kind": kinds.get(r.system, ""),
            "draw": r.draw,
            "turn": i,
            "sample": t.draw,
            "mark": mark,
            "prompt": json.dumps([{"role": m.role, "content": m.content} for m in t.prompt], ensure_ascii=False),
            "key": r.key,
        }


def write_csv(f: BinaryIO, columns: Mapping[str, Type], rows: Iterable[Row]) -> int:
    """Write rows as CSV (RFC 4180, UTF-8); returns how many. See `guarded` for text that looks like a formula."""
    text = io.TextIOWrapper(f, encoding="utf-8", errors="replace", newline="", write_through=True)
    count = 0
    try:
        out = csv.writer(text)
        out.writerow(columns)
        for row in rows:
            out.writerow(_cell(row[name]) for name in columns)
            count += 1
        text.flush()
    finally:
        text.detach()  # the file is not ours to close
    return count


def guarded(text: str) -> str:
    """Text for a cell of a spreadsheet: what would be taken for a formula gets an apostrophe in front.

    Plain numbers stay as they are. A text that begins with an apostrophe gets another one, so that taking one apostrophe
    away from every cell that begins with one gives back the text.

    >>> guarded("=HYPERLINK(1)"), guarded("-3"), guarded("it's"), guarded("'t")
    ("'=HYPERLINK(1)", '-3', "it's", "''t")
    """
    suspect = text[:1] in _STARTS or text.lstrip()[:1] in _STARTS
    return f"'{text}" if suspect and not _NUMBER.fullmatch(text) else text


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return guarded(value)
        case list():
            return json.dumps(value, ensure_ascii=False)
    return value


def write_parquet(f: BinaryIO, columns: Mapping[str, Type], rows: Iterable[Row]) -> int:
    """Write rows as Parquet; returns how many.

    Raises:
        Missing: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Missing("Parquet needs pyarrow: pip install 'folkmoot[parquet]', or export --to csv") from None
    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    count, rows = 0, iter(rows)
    with pq.ParquetWriter(f, schema, compression="zstd") as out:
        while batch := [{name: _sound(row[name]) for name in columns} for row in islice(rows, BATCH)]:
            out.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _sound(value: Any) -> Any:
    """Text without lone surrogates, which no UTF-8 file can hold."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_sound(v) for v in value]
    return value
