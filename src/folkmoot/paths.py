"""Where things are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder for models and completions: `FOLKMOOT_CACHE`, else ``folkmoot`` in the user's cache folder."""
    if named := os.environ.get("FOLKMOOT_CACHE"):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("folkmoot", appauthor=False)
