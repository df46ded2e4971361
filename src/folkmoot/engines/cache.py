"""The completion cache: what was once computed is not computed again.

Content-addressed: a key is the hash of engine identity, request (messages, sampling, seed, contents of the adapter, draw)
and options.
The store is one SQLite file in WAL mode, shared by all systems of a run, by later runs and by other processes. Equal
requests in flight at the same time are computed once. Failures are never stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import Choice, Completion, Engine, Missing, Request, require
from folkmoot.engines.wrapped import Wrapped
from folkmoot.paths import folder_hash

FLUSH_S = 0.005
"""Seconds after which new values are in the file at the latest: those of one moment cost one transaction."""


class Completions:
    """The store. Safe for many threads, event loops and processes.

    Args:
        path: The SQLite file, or None to keep nothing beyond this object.
        patience: Seconds to wait while another process has the file locked.

    Raises:
        Missing: The file cannot be opened, read or written; every method may raise it.
    """

    def __init__(self, path: Path | None, *, patience: float = 60) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._flying: dict[str, Future[None]] = {}
        self._fresh: dict[str, str] = {}
        self._since = 0.0  # when the oldest of them came
        self._trouble: Exception | None = None
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path or ":memory:", timeout=patience, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "PRAGMA synchronous=NORMAL"
            )  # a killed process loses milliseconds, a power cut the last calls
            self._db.execute("CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as e:
            raise self._unusable(e) from None

    def _unusable(self, e: Exception) -> Missing:
        return Missing(f"completion cache {self._path}: {e}. Remove the file, or set FOLKMOOT_CACHE to another folder.")

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored value, or None."""
        if key in self._fresh:
            self.flush()  # another process may have stored another value first: then that one counts
        try:
            with self._lock:
                row = self._db.execute("SELECT value FROM completions WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as e:
            raise self._unusable(e) from None
        return json.loads(row[0]) if row else None

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Store a value; the first one to be stored under a key stays."""
        self._add(key, value)
        self.flush()

    def _add(self, key: str, value: dict[str, Any]) -> float:
        """Take a value up for the next transaction; for how many seconds the oldest one of it has waited."""
        if self._trouble is not None:
            raise self._unusable(self._trouble)
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        with self._lock:
            now = time.monotonic()
            self._since = self._since if self._fresh else now
            self._fresh.setdefault(key, text)
            return now - self._since

    def flush(self) -> None:
        """Store what has been taken up."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR IGNORE INTO completions VALUES (?, ?)", list(self._fresh.items()))
                self._db.execute("COMMIT")
                self._fresh.clear()
            except sqlite3.Error as e:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._trouble = e
                raise self._unusable(e) from None

    def close(self) -> None:
        """Store what has been taken up and close the file. Idempotent."""
        try:
            if self._fresh:
                self.flush()
        finally:
            with self._lock:
                self._db.close()

    async def once(self, key: str, work: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[dict[str, Any], bool]:
        """The value of `key`, computed by `work` if nobody has done it or is doing it.

        If the one who computes fails or is cancelled, the next in line computes.

        Returns:
            The value, and True if it was not computed by this very call.
        """
        while True:
            if (found := self.get(key)) is not None:
                return found, True
            with self._lock:
                other = self._flying.get(key)
                if other is None:
                    mine = self._flying[key] = Future()
                    break
            await asyncio.shield(asyncio.wrap_future(other))
        try:
            value = await work()
            waited = self._add(key, value)
            if waited == 0:
                asyncio.get_running_loop().call_later(FLUSH_S, self._flush_later)
            elif waited > 10 * FLUSH_S:  # the event loop that was to do it is over
                self._flush_later()
            return value, False
        finally:
            with self._lock:
                del self._flying[key]
            mine.set_result(None)

    def _flush_later(self) -> None:
        with contextlib.suppress(Missing, sqlite3.ProgrammingError):  # the next call says so; closed meanwhile
            if self._fresh:
                self.flush()


@dataclass
class Meter:
    """Counts what was really computed, as opposed to taken from the cache."""

    calls: int = 0
    hits: int = 0
    tokens: int = 0
    """Completion tokens."""


@dataclass
class Cached(Wrapped):
    """An engine behind the cache; itself an `Engine`."""

    engine: Engine
    completions: Completions
    meter: Meter = field(default_factory=Meter)

    async def complete(self, request: Request) -> Completion:
        """See `Engine.complete`; a reply from the cache is marked and keeps the figures of the original call."""
        require(self.engine, request)

        async def work() -> dict[str, Any]:
            reply = await self.engine.complete(request)
            return {name: getattr(reply, name) for name in _COMPLETION}

        value, hit = await self.completions.once(_key(self.identity, request), work)
        self._count(hit, value)
        return Completion(**value, hit=hit)

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """See `Engine.choose`; cached as completions are."""
        require(self.engine, request)

        async def work() -> dict[str, Any]:
            choice = await self.engine.choose(request, options)
            return {name: getattr(choice, name) for name in _CHOICE}

        value, hit = await self.completions.once(_key(self.identity, request, tuple(options)), work)
        self._count(hit, value)
        return Choice(**{**value, "probabilities": tuple(value["probabilities"]), "hit": hit})

    def _count(self, hit: bool, value: dict[str, Any]) -> None:
        if hit:
            self.meter.hits += 1
        else:
            self.meter.calls += 1
            self.meter.tokens += value["completion_tokens"]


_COMPLETION = tuple(f.name for f in fields(Completion) if f.name != "hit")
_CHOICE = tuple(f.name for f in fields(Choice) if f.name != "hit")


_FORMAT = 2
"""Part of every key. Raise it when stored values change their meaning."""


def _key(identity: str, request: Request, options: tuple[str, ...] | None = None) -> str:
    known = request.canonical()
    if request.adapter is not None:
        known["adapter"] = _contents(request.adapter)
    canonical = json.dumps([_FORMAT, identity, known, options], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


_HASHES: dict[tuple[Any, ...], str] = {}  # a memo of a pure function of file contents


def _contents(adapter: str) -> str:
    """Content hash of an adapter: one trained anew in the same folder is another one."""
    try:
        files = sorted((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in os.scandir(adapter))
    except OSError:
        return adapter  # the engine will say what is wrong with it
    key = (adapter, *files)
    if key not in _HASHES:
        _HASHES[key] = folder_hash(adapter)
    return _HASHES[key]
