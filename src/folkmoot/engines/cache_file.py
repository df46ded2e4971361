"""The completion cache as a file: what it holds, emptied, and written out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import Missing
from folkmoot.paths import cache_dir

_TOTALS = """
SELECT count(*), coalesce(sum(json_extract(value, '$.completion_tokens')), 0),
       coalesce(sum(json_extract(value, '$.prompt_tokens')), 0), coalesce(sum(json_extract(value, '$.service_s')), 0)
FROM completions
"""


def completions_file() -> Path:
    """Where completions are kept."""
    return cache_dir() / "completions.sqlite"


def survey(file: Path) -> dict[str, Any]:
    """What a cache holds: ``path``, ``bytes`` on the disk, ``completions``, their tokens, and seconds of work.

    Raises:
        Missing: The file cannot be read.
    """
    known: dict[str, Any] = {"path": str(file), "bytes": 0}
    totals = (0, 0, 0, 0.0)
    if file.is_file():
        known["bytes"] = sum(p.stat().st_size for p in file.parent.glob(f"{file.name}*"))
        with closing(_open(file)) as db:
            totals = _try(file, lambda: db.execute(_TOTALS).fetchone())
    return known | dict(zip(("completions", "completion_tokens", "prompt_tokens", "service_s"), totals, strict=True))


def empty(file: Path) -> None:
    """Remove everything from a cache. Other processes that use it go on and fill it again.

    Raises:
        Missing: The file cannot be written, or another process holds it.
    """
    if not file.is_file():
        return
    with closing(_open(file)) as db:
        _try(file, lambda: db.execute("DELETE FROM completions"))
        _try(file, lambda: db.execute("VACUUM"))
        _try(file, lambda: db.execute("PRAGMA wal_checkpoint(TRUNCATE)"))


def exported(file: Path) -> Iterator[str]:
    """Every entry of a cache as a line of JSON.

    Raises:
        Missing: The file cannot be read.
    """
    if not file.is_file():
        return
    with closing(_open(file)) as db:
        rows = _try(file, lambda: db.execute("SELECT key, value FROM completions ORDER BY rowid"))
        for key, value in rows:
            yield json.dumps({"key": key, **json.loads(value)})


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=30, isolation_level=None)


def _try(file: Path, work: Any) -> Any:
    try:
        return work()
    except sqlite3.Error as e:
        raise Missing(
            f"completion cache {file}: {e}. Remove the file, or set FOLKMOOT_CACHE to another folder."
        ) from None
