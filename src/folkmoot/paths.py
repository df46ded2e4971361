"""Where things are kept on this machine, and what is in a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from folkmoot.complaint import BadInput


def cache_dir() -> Path:
    """The folder for models and completions: `FOLKMOOT_CACHE`, else ``folkmoot`` in the user's cache folder."""
    if named := os.environ.get("FOLKMOOT_CACHE"):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("folkmoot", appauthor=False)


def folder_hash(folder: str | Path) -> str:
    """Content hash of the files in a folder.

    Raises:
        BadInput: There is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(f"adapter {str(folder)!r}: no such folder")
    h = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        with path.open("rb") as f:
            h.update(f"{path.relative_to(root)}\0{hashlib.file_digest(f, 'sha256').hexdigest()}\n".encode())
    return h.hexdigest()[:16]
