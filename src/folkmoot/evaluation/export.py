"""A run in the formats of other programs: CSV, Parquet, JSON, and the logs of inspect_ai. One sample in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.evaluation.export_file import fresh
from folkmoot.evaluation.export_rows import SAMPLE, TURN, sample_row, turn_rows, write_csv, write_parquet
from folkmoot.evaluation.folder import Run, opened
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.show import sample_json
from folkmoot.progress import Progress, silent

FORMS = ("csv", "parquet", "json", "inspect")
STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        form: See `FORMS`.
        files: What was written; empty for standard output.
        samples: How many samples.
        rows: How many rows, lines or logs.
    """

    form: str
    files: tuple[Path, ...]
    samples: int
    rows: int


def export(
    folder: Path,
    form: str,
    *,
    out: Path | None = None,
    turns: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write the finished samples of a run for another program.

    Args:
        folder: The run.
        form: ``csv``, ``parquet`` or ``json`` (one file), or ``inspect`` (a folder with a log for every task and system).
        out: Where to; a name that ends in ``.jsonl`` gets a line for every sample; ``-`` is standard output. Default: a
            file or folder inside the run.
        turns: For ``csv`` and ``parquet``: a row for every turn instead of every sample.
        force: Replace what is there.
        progress: Told how many samples are written.

    Raises:
        BadInput: There is no such run or form, or something is there already.
        Missing: It cannot be written, or a package is missing.
    """
    if form not in FORMS:
        raise BadInput(f"--to {form}: {did_you_mean(form, FORMS)}")
    if turns and form not in ("csv", "parquet"):
        raise BadInput(f"--turns is for csv and parquet; {form} holds all turns anyway")
    with opened(folder) as run:
        if form == "inspect":
            from folkmoot.evaluation.export_inspect import write_logs

            if out == STDOUT:
                raise BadInput("--out -: inspect logs are several files; name a folder")
            files = write_logs(run, out or run.folder / "inspect", force=force, progress=progress)
            return Exported(form, tuple(files), len(run.figures), len(files))
        ending = {"csv": "csv", "parquet": "parquet", "json": "json"}[form]
        path = out or run.folder / f"{'turns' if turns else 'run' if form == 'json' else 'samples'}.{ending}"
        with fresh(path, force=force) as f:
            rows = _write(run, form, path, f, turns, progress)
        return Exported(form, () if path == STDOUT else (path,), len(run.figures), rows)


def _write(run: Run, form: str, path: Path, f: BinaryIO, turns: bool, progress: Progress) -> int:
    if form == "json":
        lines = path.suffix in (".jsonl", ".ndjson")
        return _write_lines(run, f, progress) if lines else _write_document(run, f, progress)
    items, kinds = run.items(), run.kinds
    if turns:
        rows = (row for r in told(run, progress) for row in turn_rows(r, kinds))
    else:
        rows = (sample_row(r, items.get((r.task, r.item)), kinds) for r in told(run, progress))
    columns = TURN if turns else SAMPLE
    return write_csv(f, columns, rows) if form == "csv" else write_parquet(f, columns, rows)


def told(run: Run, progress: Progress) -> Iterator[Result]:
    """The samples one after the other, and how many have gone by."""
    total = len(run.figures)
    for done, r in enumerate(run.store.results(), 1):
        yield r
        if done % 50 == 0 or done == total:
            progress("export", done, total)


def _write_lines(run: Run, f: BinaryIO, progress: Progress) -> int:
    rows = 0
    for r in told(run, progress):
        f.write(_json({"question": r.question, "gold": list(r.gold)} | sample_json(r)) + b"\n")
        rows += 1
    return rows


def _write_document(run: Run, f: BinaryIO, progress: Progress) -> int:
    """One JSON document: ``run`` (the manifest), ``items`` (the questions) and ``samples``, each on a line of its own."""
    rows = 0
    f.write(b'{"run": ' + _json(dict(run.manifest)) + b',\n"items": [')
    for i, item in enumerate(run.items().values()):
        f.write((b",\n" if i else b"\n") + _json(item.plain()))
    f.write(b'\n],\n"samples": [')
    for r in told(run, progress):
        f.write((b",\n" if rows else b"\n") + _json(sample_json(r)))
        rows += 1
    f.write(b"\n]}\n")
    return rows


def _json(data: Any) -> bytes:
    # A lone surrogate cannot be written as UTF-8; as an escape, which is what is put in its place, it is valid JSON
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace")
