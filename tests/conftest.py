"""What many tests use."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a text with ``tests/snapshots/NAME`` exactly.

    After a change that is meant: ``FOLKMOOT_SNAPSHOTS=write pytest``, then read the difference in git.
    """

    def same(name: str, text: str) -> None:
        path, text = SNAPSHOTS / name, text.rstrip("\n") + "\n"
        if os.environ.get("FOLKMOOT_SNAPSHOTS") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no snapshot {name}: write it with FOLKMOOT_SNAPSHOTS=write"
        assert text == path.read_text(encoding="utf-8")

    return same
