"""A run as logs of inspect_ai (format version 2): its viewer and its data frames open them. One log per task and system.

The package itself is not needed: a log is a zip file of JSON documents, ``header.json``, ``summaries.json``,
``reductions.json`` and one per sample.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from types import TracebackType
from typing import Any, BinaryIO

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.export_file import fresh
from folkmoot.evaluation.export_inspect_sample import SCORER, add_usage, name_of, sample_document, summary_document
from folkmoot.evaluation.folder import Run
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Result
from folkmoot.progress import Progress

AT_ONCE = 48
"""Logs that are written side by side; for more, the samples are read again. Each takes two open files."""


def write_logs(run: Run, folder: Path, *, force: bool, progress: Progress) -> list[Path]:
    """Write a log for every task and system of a run.

    Raises:
        BadInput: There are logs already.
        Missing: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = sorted(folder.glob("*.eval"))
    except OSError as e:
        raise Missing(f"{folder}: cannot be written: {e.strerror}. Name another folder with --out.") from None
    if there and not force:
        raise BadInput(f"{folder}: there are logs already; --force replaces them, --out names another folder")
    groups: dict[tuple[str, str], list[Figures]] = {}
    for f in run.figures:
        groups.setdefault((f.task, f.system), []).append(f)
    items, paths, waiting, done = run.items(), [], iter(groups.items()), 0
    while part := dict(islice(waiting, AT_ONCE)):
        with ExitStack() as stack:
            logs = {}
            for (task, system), figures in part.items():
                head = _head(run, task, system, figures)
                path = folder / _file_name(head["eval"])
                file = stack.enter_context(fresh(path, force=force))
                logs[task, system] = stack.enter_context(_Log(file, head, figures))
                paths.append(path)
            for r in run.store.results():
                if log := logs.get((r.task, r.system)):
                    log.add(r, items.get((r.task, r.item)), run.kinds.get(r.system, ""))
                    done += 1
                    if done % 50 == 0 or done == len(run.figures):
                        progress("export", done, len(run.figures))
    ours = {_log_id(p) for p in paths}
    for old in (p for p in there if p not in paths and _log_id(p) in ours):  # of the same run, when it was less far
        old.unlink(missing_ok=True)
    return paths


class _Log:
    """One log while it is written: samples go in as they come, the rest when there are no more."""

    def __init__(self, file: BinaryIO, head: dict[str, Any], figures: Sequence[Figures]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._summaries = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._head = head
        self._figures = figures
        self._letters = all(f.score in (0, 1) for f in figures)
        self._usage: dict[str, dict[str, int]] = {}
        self._put("_journal/start.json", {k: head[k] for k in ("version", "eval", "plan")})

    def __enter__(self) -> _Log:
        return self

    def add(self, r: Result, item: Item | None, kind: str) -> None:
        """Write a sample."""
        document = sample_document(r, item, kind, self._head["eval"], letters=self._letters)
        self._put(f"samples/{document['id']}_epoch_{document['epoch']}.json", document)
        self._summaries.write((b",\n" if self._summaries.tell() else b"[") + _json(summary_document(document)))
        for speaker, usage in document["model_usage"].items():
            add_usage(self._usage, speaker, usage)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._summaries, self._zip:
            if error is None:
                self._summaries.write(b"]" if self._summaries.tell() else b"[]")
                self._summaries.seek(0)
                with self._zip.open("summaries.json", "w", force_zip64=True) as f:
                    shutil.copyfileobj(self._summaries, f)
                self._put("reductions.json", _reductions(self._figures))
                self._head["stats"]["model_usage"] = self._usage
                self._put("header.json", self._head)

    def _put(self, name: str, document: Any) -> None:
        self._zip.writestr(name, _json(document))


def _head(run: Run, task: str, system: str, figures: Sequence[Figures]) -> dict[str, Any]:
    """All that a log says beside its samples: what was run, on what, with which result."""
    meta = run.manifest
    planned, draws = run.tasks.get(task, 0), meta["draws"]
    graph: dict[str, Any] = next((s for s in meta.get("suite", {}).get("systems", ()) if s.get("name") == system), {})
    errors = sum(f.outcome == "error" for f in figures)
    scores = _by_item(figures)
    metrics = {"accuracy": fmean(scores.values()), "stderr": _standard_error(list(scores.values()))}
    return {
        "version": 2,
        "status": "success" if len(figures) >= planned * draws else "cancelled",
        "eval": {
            "eval_id": _id(run, task, system, "eval"),
            "run_id": _id(run, "run"),
            "created": _moment(meta),
            "task": task,
            "task_id": _id(run, task, system),
            "task_version": 0,
            "task_attribs": {},
            "task_args": {},
            "tags": [k for k in (run.kinds.get(system),) if k],
            "dataset": {
                "name": task,
                "samples": planned,
                "sample_ids": [name_of(i) for i in scores],
                "shuffled": False,
            },
            "model": f"folkmoot/{system}",
            "model_args": {},
            "config": {"epochs": draws, "epochs_reducer": ["mean"]},
            "packages": {"folkmoot": str(meta.get("versions", {}).get("folkmoot", ""))},
            "metadata": {
                "suite": meta.get("title"),
                "kind": run.kinds.get(system),
                "seed": meta.get("seed"),
                "command": meta["command"],
                "participants": meta.get("participants"),
                "rehearsal": bool(meta.get("scripted")),
            },
            "scorers": [{"name": SCORER, "options": {}, "metrics": [{"name": name} for name in metrics]}],
        },
        "plan": {
            "name": "plan",
            "steps": [{"solver": graph.get("graph", "majority_vote"), "params": dict(graph.get("with", {}))}],
            "config": {
                k: v for k, v in meta.get("sampling", {}).items() if k in ("temperature", "top_p", "max_tokens")
            },
        },
        "results": {
            "total_samples": max(planned * draws, len(figures)),
            "completed_samples": len(figures) - errors,
            "scores": [
                {
                    "name": SCORER,
                    "scorer": SCORER,
                    "reducer": "mean",
                    "scored_samples": len(scores),
                    "unscored_samples": 0,
                    "params": {},
                    "metrics": {name: {"name": name, "value": value, "params": {}} for name, value in metrics.items()},
                }
            ],
        },
        "stats": {"started_at": _moment(meta), "completed_at": str(meta.get("date", "")), "model_usage": {}},
    }


def _moment(meta: Mapping[str, Any]) -> str:
    return str(meta.get("started") or meta.get("date") or "1970-01-01T00:00:00+00:00")


def _by_item(figures: Sequence[Figures]) -> dict[str, float]:
    """Mean score of every question over its draws."""
    draws: dict[str, list[float]] = {}
    for f in figures:
        draws.setdefault(f.item, []).append(f.score if f.outcome == "scored" else 0.0)
    return {item: fmean(scores) for item, scores in draws.items()}


def _standard_error(scores: Sequence[float]) -> float:
    return stdev(scores) / sqrt(len(scores)) if len(scores) > 1 else 0.0


def _reductions(figures: Sequence[Figures]) -> list[dict[str, Any]]:
    samples = [{"value": score, "sample_id": name_of(item)} for item, score in _by_item(figures).items()]
    return [{"scorer": SCORER, "reducer": "mean", "samples": samples}]


def _id(run: Run, *of: str) -> str:
    """Stays the same when the same run is exported again."""
    what = json.dumps([run.manifest.get("title"), run.manifest.get("seed"), *of])
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:22]


def _file_name(about: Mapping[str, Any]) -> str:
    """As inspect_ai names its logs: moment, task, id."""
    words = (about["created"], about["task"], about["task_id"])
    return "_".join("".join(c if c.isalnum() or c in ".-" else "-" for c in word) for word in words) + ".eval"


def _log_id(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
