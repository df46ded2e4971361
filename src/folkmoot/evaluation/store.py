"""The run store: a folder with one SQLite file of finished samples. What is in it is never paid for again.

A sample is committed before it is counted; samples that finish together are committed together, on a thread of the
store's own, so that no model waits for a disk. Two processes cannot write one run at the same time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation import columns
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.writer import Writer

_INSERT = f"INSERT OR REPLACE INTO {{}} VALUES ({', '.join('?' * len(columns.COLUMNS))})"  # noqa: S608 - constants
_FINISHED = "outcome != 'error' AND failures = 0"


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
        self._lock: Any = None
        self._writer: Writer[tuple[Result, bool]] | None = None
        if not write:
            self._db = _open_to_read(folder, file)
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "writing.lock", timeout=0)
            self._lock.acquire()
            self._db, self._out = _connected(file), _connected(file)  # the second one is the writer's
            for table in ("results", "coalitions"):
                self._db.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns.COLUMNS)}, PRIMARY KEY (key))"
                )
            self._db.execute("CREATE TABLE IF NOT EXISTS planned (key PRIMARY KEY)")
            self._db.execute("CREATE TABLE IF NOT EXISTS items (task, item, dev, body, PRIMARY KEY (task, item, dev))")
            if [row[1] for row in self._db.execute("PRAGMA table_info(results)")] != list(columns.COLUMNS):
                raise BadInput(f"{file}: written by another version of folkmoot; give another --out")
        except BadInput:
            self._lock.release()
            raise
        except Timeout:
            raise BadInput(
                f"{folder}: another process is writing this run; wait for it, or give another --out"
            ) from None
        except (sqlite3.Error, OSError) as e:
            raise Missing(f"{folder}: the run cannot be stored there: {e}. Give another folder with --out.") from None
        self._writer = Writer(self._insert, f"folkmoot {folder}")

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def plan(self, keys: Iterable[str]) -> int:
        """Say which samples the run consists of, in their order; samples of an earlier plan stay, but do not count.

        Returns:
            How many there are.
        """
        with _storing(self._db, f"{self.folder}: the plan"):
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM planned")
            self._db.executemany("INSERT INTO planned VALUES (?)", ((k,) for k in keys))
            self._db.execute("COMMIT")
        return int(self._db.execute("SELECT count(*) FROM planned").fetchone()[0])

    def ask(self, items: Iterable[Item], *, dev: bool = False) -> None:
        """Keep questions with what counts as right: a run can be scored and read again without its data files."""
        with _storing(self._db, f"{self.folder}: the questions"):
            self._db.execute("BEGIN")
            rows = ((i.task, i.id, dev, json.dumps(i.plain(), separators=(",", ":"))) for i in items)
            self._db.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def add(self, result: Result, *, words: bool = True) -> Future[None]:
        """Store a finished sample; an earlier one with the same key is replaced (it had failed).

        Args:
            result: The sample.
            words: Its discussion as well; a sample of a coalition is kept as figures alone, beside the others, and is found
                with `coalitions`.

        Returns:
            Done once it is durable. Fails with `Missing` if the disk is full or gone; nothing stored before is lost.
        """
        assert self._writer is not None, "open for reading only"
        return self._writer.put((result, words))

    def _insert(self, added: list[tuple[Result, bool]]) -> None:
        with _storing(self._out, f"{self.folder}: a sample"):
            self._out.execute("BEGIN")
            self._out.executemany(_INSERT.format("results"), (columns.row(r) for r, words in added if words))
            self._out.executemany(_INSERT.format("coalitions"), (columns.brief(r) for r, words in added if not words))
            self._out.execute("COMMIT")

    def finished(self) -> set[str]:
        """Keys of samples that need not run again: all but those that ended in an error, or with a member absent."""
        return {
            k
            for table in ("results", "coalitions")
            for (k,) in self._db.execute(f"SELECT key FROM {table} JOIN planned USING (key) WHERE {_FINISHED}")  # noqa: S608 - constants
        }

    def count(self) -> int:
        """How many of the planned samples are there, failed ones included."""
        return int(self._db.execute("SELECT count(*) FROM results JOIN planned USING (key)").fetchone()[0])

    def figures(self, *, dev: bool = False) -> list[Figures]:
        """The planned samples that are there, without their words, in the order of the plan; those on dev if asked."""
        return self._read("results", dev)

    def coalitions(self) -> list[Figures]:
        """The planned samples of coalitions that are there, in the order of the plan."""
        return self._read("coalitions", False)

    def drop_coalitions(self) -> int:
        """Forget the samples of coalitions, planned or not, so that they are played again; returns how many were planned."""
        many = len(self.coalitions())
        with _storing(self._db, f"{self.folder}: the samples of coalitions"):
            self._db.execute("DELETE FROM coalitions")
        return many

    def _read(self, table: str, dev: bool) -> list[Figures]:
        wanted = ", ".join(columns.FIGURES)
        rows = self._db.execute(
            f"SELECT {wanted} FROM planned JOIN {table} USING (key) WHERE dev = ? ORDER BY planned.rowid",  # noqa: S608 - constants
            (dev,),
        )
        known: dict[str, str] = {}  # names repeat: one string for all of a kind
        return [columns.figures([known.setdefault(v, v) if type(v) is str else v for v in row]) for row in rows]

    def results(self, *, item: str | None = None, dev: bool = False) -> Iterator[Result]:
        """The planned samples that are there, one after the other, in the order of the plan; of one question if named."""
        items = self.items(dev=dev)
        only = "" if item is None else "AND item = ?"
        query = f"SELECT body FROM planned JOIN results USING (key) WHERE dev = ? {only} ORDER BY planned.rowid"  # noqa: S608 - constants
        for (body,) in self._db.execute(query, (dev, *(() if item is None else (item,)))):
            yield columns.result(json.loads(body), items)

    def result(self, key: str, items: Mapping[tuple[str, str], Item]) -> Result:
        """One sample by its key.

        Args:
            key: Of a sample that is there.
            items: From `items`.
        """
        (body,) = self._db.execute("SELECT body FROM results WHERE key = ?", (key,)).fetchone()
        return columns.result(json.loads(body), items)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment, whatever is written meanwhile."""
        if self._writer is not None:
            self._writer.drain()
        self._db.execute("BEGIN")
        try:
            self._db.execute(
                "SELECT 1 FROM planned LIMIT 1"
            ).fetchone()  # the moment: a transaction begins with its first read
            yield
        finally:
            self._db.execute("COMMIT")

    def items(self, *, dev: bool = False) -> dict[tuple[str, str], Item]:
        """The questions with a planned and finished sample, by task and id, in the order of the plan."""
        wanted = "SELECT DISTINCT task, item FROM planned JOIN results USING (key) WHERE dev = ? ORDER BY planned.rowid"
        bodies = {
            (t, i): body for t, i, body in self._db.execute("SELECT task, item, body FROM items WHERE dev = ?", (dev,))
        }
        return {key: Item.of(json.loads(bodies[key])) for key in self._db.execute(wanted, (dev,)) if key in bodies}

    def first_failure(self) -> tuple[int, Result] | None:
        """How many samples failed or had calls that failed, and the first of them; None if there are none."""
        count, first = 0, None
        for table in ("results", "coalitions"):
            failed = f"FROM planned JOIN {table} USING (key) WHERE NOT ({_FINISHED})"
            count += self._db.execute(f"SELECT count(*) {failed}").fetchone()[0]
            first = first or self._db.execute(f"SELECT body {failed} ORDER BY planned.rowid LIMIT 1").fetchone()
        return (int(count), columns.result(json.loads(first[0]), {})) if first else None

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
        """Store what was added, close the file and give the lock back. Idempotent."""
        if self._writer is not None:
            self._writer.close()
            self._out.close()
        self._db.close()
        if self._lock is not None:
            self._lock.release()


def _connected(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


@contextmanager
def _storing(db: sqlite3.Connection, what: str) -> Iterator[None]:
    """Undoes a transaction that goes wrong, and says so in one line."""
    try:
        yield
    except BaseException as e:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if isinstance(e, sqlite3.Error):
            raise Missing(
                f"{what} cannot be stored: {e}. Make room and run the same command again: it resumes."
            ) from None
        raise


def _open_to_read(folder: Path, file: Path) -> sqlite3.Connection:
    if not file.is_file():
        raise BadInput(f"{folder}: no run here (no results.sqlite); give the folder that 'eval run' printed")
    uri = file.absolute().as_uri()
    try:
        return _readable(f"{uri}?mode=ro")
    except sqlite3.Error:
        try:  # a folder that may not be written: then nobody is writing there, and the log need not be kept
            return _readable(f"{uri}?immutable=1")
        except sqlite3.Error as e:
            raise BadInput(f"{file}: not a run that can be read: {e}") from None


def _readable(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=30)
    for table in ("results", "planned", "items"):
        db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - constants
    if not db.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'coalitions'"
    ).fetchone():  # begun before there were any
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"CREATE TEMP TABLE coalitions ({', '.join(columns.COLUMNS)}, PRIMARY KEY (key))")
    return db
