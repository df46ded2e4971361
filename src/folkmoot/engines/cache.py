"""The completion cache: what was once computed is not computed again.

Content-addressed: a key is the hash of engine identity, request (messages, sampling, seed, adapter, draw) and options.
The store is one SQLite file in WAL mode, shared by all systems of a run, by later runs and by other processes. Equal
requests in flight at the same time are computed once. Failures are never stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import Capabilities, Choice, Completion, Engine, Missing, Request, require


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
        with self._storing():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path or ":memory:", timeout=patience, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut the last calls
            self._db.execute("CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as e:
            raise Missing(
                f"completion cache {self._path}: {e}. Remove the file, or set FOLKMOOT_CACHE to another folder."
            ) from None

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored value, or None."""
        with self._storing():
            row = self._db.execute("SELECT value FROM completions WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Store a value; the first one to be stored under a key stays."""
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        with self._storing():
            self._db.execute("INSERT OR IGNORE INTO completions VALUES (?, ?)", (key, text))

    def close(self) -> None:
        """Close the file. Idempotent."""
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
            self.put(key, value)
            return value, False
        finally:
            with self._lock:
                del self._flying[key]
            mine.set_result(None)


@dataclass
class Meter:
    """Counts what was really computed, as opposed to taken from the cache."""

    calls: int = 0
    hits: int = 0
    tokens: int = 0
    """Completion tokens."""


@dataclass
class Cached:
    """An engine behind the cache; itself an `Engine`."""

    engine: Engine
    completions: Completions
    meter: Meter = field(default_factory=Meter)

    @property
    def identity(self) -> str:
        """The engine's own."""
        return self.engine.identity

    @property
    def capabilities(self) -> Capabilities:
        """The engine's own."""
        return self.engine.capabilities

    @property
    def context(self) -> int | None:
        """The engine's own."""
        return self.engine.context

    async def start(self) -> None:
        """Start the engine."""
        await self.engine.start()

    async def close(self) -> None:
        """Close the engine; the cache stays open."""
        await self.engine.close()

    def count_tokens(self, text: str) -> int:
        """The engine's own."""
        return self.engine.count_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """See `Engine.complete`; a reply from the cache is marked and keeps the figures of the original call."""
        require(self.engine, request)

        async def work() -> dict[str, Any]:
            return asdict(await self.engine.complete(request))

        value, hit = await self.completions.once(_key(self.identity, request), work)
        self._count(hit, value)
        return replace(Completion(**value), hit=hit)

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """See `Engine.choose`; cached as completions are."""
        require(self.engine, request)

        async def work() -> dict[str, Any]:
            return asdict(await self.engine.choose(request, options))

        value, hit = await self.completions.once(_key(self.identity, request, tuple(options)), work)
        self._count(hit, value)
        value = {**value, "probabilities": tuple(value["probabilities"])}
        return replace(Choice(**value), hit=hit)

    def _count(self, hit: bool, value: dict[str, Any]) -> None:
        if hit:
            self.meter.hits += 1
        else:
            self.meter.calls += 1
            self.meter.tokens += value["completion_tokens"]


def _key(identity: str, request: Request, options: tuple[str, ...] | None = None) -> str:
    canonical = json.dumps([identity, request.canonical(), options], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
