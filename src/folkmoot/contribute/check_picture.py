"""Pictures of a contribution: drawings that a browser shows, and that must not do more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.parsers import expat

from folkmoot.contribute.findings import Finding, refuse

_DRAWN = frozenset(
    (
        *("svg", "g", "path", "line", "polyline", "polygon", "rect", "circle", "ellipse", "text", "tspan", "title"),
        *("desc", "style", "defs", "clipPath", "marker", "mask", "pattern", "linearGradient", "radialGradient", "stop"),
    )
)
"""Elements that draw, or name what is drawn."""
_DEPTH = 64
_FETCHES = re.compile(r"\\|@import|javascript:|expression\(|url\(\s*[\"']?\s*(?!#)", re.IGNORECASE)
"""What makes a style fetch something from elsewhere. A backslash can spell all of these in another way."""


class _Active(Exception):  # noqa: N818 - it ends up in a finding
    pass


def check_pictures(folder: Path, names: Iterable[str]) -> Iterator[Finding]:
    """Every SVG file is a plain drawing."""
    for name in names:
        if not name.endswith(".svg"):
            continue
        try:
            _read((folder / name).read_bytes())
        except (expat.ExpatError, ValueError, LookupError):
            yield refuse("picture", "no SVG in UTF-8", name, "draw it again, or remove it")
        except _Active as e:
            what = f"a drawing that runs or fetches something: {str(e)[:40]!r}"
            yield refuse("picture", what, name, "draw it again with 'folkmoot contribute train', or remove it")


def _read(data: bytes) -> None:
    """Read a drawing as browsers do, with its entities spelt out; no tree is made of it."""
    parser = expat.ParserCreate()
    open_: list[str] = []
    style: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        open_.append(name)
        if name not in _DRAWN or len(open_) > _DEPTH:
            raise _Active(f"<{name}>")
        for key, value in attributes.items():
            outward = key.rpartition(":")[2] in ("href", "src", "base") and not value.startswith("#")
            if outward or key.lower().startswith("on") or _FETCHES.search(value):
                raise _Active(f"{key}={value}")

    def end(name: str) -> None:
        open_.pop()
        if name == "style":
            if found := _FETCHES.search("".join(style)):
                raise _Active("".join(style)[found.start() :])
            style.clear()

    def text(said: str) -> None:
        if "style" in open_:
            style.append(said)

    def declared(_: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise ValueError

    def active(*found: object) -> None:
        raise _Active(" ".join(str(f) for f in found if f))

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler, parser.ProcessingInstructionHandler = (
        declared,
        active,
        active,
    )
    parser.Parse(data, True)
