"""The run store: a folder with one SQLite file of finished samples. What is in it is never paid for again.

A sample is committed before it is counted. Two processes cannot write one run at the same time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from folkmoot.discussion import Decision, Turn
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Message, Missing
from folkmoot.evaluation.result import Result


class RunStore:
    """Finished samples of one run.

    Args:
        folder: The run directory; made if it is not there.
        write: Open for writing: takes the run's lock.

    Raises:
        BadInput: Another process is writing this run, or there is no run to read.
        Missing: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        from filelock import FileLock, Timeout

        self.folder = folder
        file = folder / "results.sqlite"
        self._lock: FileLock | None = None
        if not write and not file.is_file():
            raise BadInput(f"{folder}: no run here (no results.sqlite); give the folder that 'eval run' printed")
        if not write:
            try:
                self._db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
                self._db.execute("SELECT count(*) FROM results").fetchone()
            except sqlite3.Error:
                try:  # a folder that may not be written: then nobody is writing there, and the log need not be kept
                    self._db = sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)
                    self._db.execute("SELECT count(*) FROM results").fetchone()
                except sqlite3.Error as e:
                    raise BadInput(f"{file}: not a run that can be read: {e}") from None
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "writing.lock", timeout=0)
            self._lock.acquire()
            self._db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, system TEXT NOT NULL, task TEXT NOT NULL, "
                "item TEXT NOT NULL, draw INTEGER NOT NULL, outcome TEXT NOT NULL, body TEXT NOT NULL)"
            )
        except Timeout:
            raise BadInput(
                f"{folder}: another process is writing this run; wait for it, or give another --out"
            ) from None
        except (sqlite3.Error, OSError) as e:
            raise Missing(f"{folder}: the run cannot be stored there: {e}. Give another folder with --out.") from None

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def add(self, result: Result) -> None:
        """Store a finished sample durably; an earlier one with the same key is replaced (it had failed).

        Raises:
            Missing: The disk is full or gone; nothing that was stored before is lost.
        """
        body = json.dumps(asdict(result), ensure_ascii=True, separators=(",", ":"))
        row = (result.key, result.system, result.task, result.item, result.draw, result.outcome, body)
        try:
            self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as e:
            raise Missing(
                f"{self.folder}: a sample cannot be stored: {e}. Make room and run the same command again: it resumes."
            ) from None

    def finished(self) -> set[str]:
        """Keys of samples that need not run again: all but those that ended in an error."""
        return {k for (k,) in self._db.execute("SELECT key FROM results WHERE outcome != 'error'")}

    def results(self, keys: Collection[str] | None = None) -> list[Result]:
        """The stored samples, those with `keys` in that order if given, else all in the order in which they finished."""
        rows: dict[str, str] = dict(self._db.execute("SELECT key, body FROM results ORDER BY rowid"))
        return [_result(json.loads(rows[k])) for k in (keys if keys is not None else rows) if k in rows]

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of the run atomically; returns its path."""
        path, draft = self.folder / name, self.folder / f".{name}.{os.getpid()}"
        try:
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, path)
        except OSError as e:
            draft.unlink(missing_ok=True)
            raise Missing(f"{path}: cannot be written: {e}. The samples are safe; make room and run again.") from None
        return path

    def write_json(self, name: str, data: Any) -> Path:
        """Write a JSON file of the run atomically."""
        return self.write_text(name, json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file and give the lock back. Idempotent."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()


def _result(body: dict[str, Any]) -> Result:
    return Result(
        **body
        | {
            "gold": tuple(body["gold"]),
            "turns": tuple(_turn(t) for t in body["turns"]),
            "decision": _decision(body["decision"]),
        }
    )


def _turn(body: dict[str, Any]) -> Turn:
    return Turn(**body | {"prompt": tuple(Message(**m) for m in body["prompt"])})


def _decision(body: dict[str, Any] | None) -> Decision | None:
    return Decision(**body | {"tally": _pairs(body["tally"])}) if body else None


def _pairs(rows: Iterable[Any]) -> tuple[tuple[str, float], ...]:
    return tuple((str(a), float(n)) for a, n in rows)
