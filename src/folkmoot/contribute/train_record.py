"""What training tells the manifest: the blocks ``trained`` and ``hashes``; the rest of the file stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from folkmoot.contribute.train_state import replace_bytes
from folkmoot.documents import load, plain

_KEY = re.compile(r"([A-Za-z_][\w-]*|\"[^\"]*\"|'[^']*')\s*:")


def record(path: Path, blocks: Mapping[str, Any]) -> None:
    """Put values under keys of the topmost level of a manifest, at its end; other lines and their comments stay.

    Args:
        path: The manifest.
        blocks: Values by key.

    Raises:
        BadInput: The file cannot be read.
        Missing: It cannot be written.
    """
    held = load(path)[0]
    wanted = {**held, **blocks}
    text = path.read_text(encoding="utf-8")
    kept = _without(text, set(blocks)).rstrip("\n")
    new = f"{kept}\n{_dump(blocks)}"
    try:
        same = plain(new) == wanted
    except ValueError:
        same = False
    # A manifest in another layout (one pair of braces, say) is written anew.
    replace_bytes(path.parent, path.name, (new if same else _dump(wanted)).encode("utf-8"))


def _without(text: str, keys: set[str]) -> str:
    """The lines of a document less some keys of the topmost level with all that is indented under them."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if found := _KEY.match(line):
            inside = found[1].strip("\"'") in keys
        elif line[:1] == "#":  # a comment at the left margin belongs to what follows
            inside = False
        if not inside:
            kept.append(line)
    return "\n".join(kept)


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
