"""Pictures of a contribution: drawings that a browser shows, and that must not do more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from folkmoot.contribute.findings import Finding, refuse

_ACTIVE = re.compile(
    r"<\s*(?:[\w.-]+:)?(?:script|foreignobject|iframe|embed|object|handler|use|image|a|animate|set)\b"
    r"|\son\w+\s*=|<!(?:doctype|entity)|javascript:|(?:href|src)\s*=\s*[\"'](?!#)|@import|url\(\s*[\"']?(?!#)",
    re.IGNORECASE,
)
"""What makes a drawing run something, or fetch something from elsewhere."""


def check_pictures(folder: Path, names: Iterable[str]) -> Iterator[Finding]:
    """Every SVG file is a plain drawing."""
    for name in names:
        if not name.lower().endswith(".svg"):
            continue
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            yield refuse("picture", "no SVG in UTF-8", name, "draw it again, or remove it")
            continue
        if found := _ACTIVE.search(text):
            what = f"a drawing that runs or fetches something: {found.group()[:40]!r}"
            yield refuse("picture", what, name, "draw it again with 'folkmoot contribute train', or remove it")
