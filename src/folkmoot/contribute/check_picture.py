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
_NAMESPACES = frozenset(("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"))
_INSIDE = re.compile(
    r"@media\b(?:[\w\s,-]|\([\w\s:.-]*\))*\{|(?<![\w-])(?:url\(#[\w.-]+\)|(?:rgba?|hsla?|matrix|translate|scale|rotate|skew[XY])\()",
    re.IGNORECASE,
)
"""Of what is written with ``@`` or brackets in styles and shapes: what leads nowhere."""
_OUTSIDE = re.compile(r"[@(\\\"']|//")
"""What nothing can be fetched without, once the above is taken out; a backslash can spell all of it in another way."""


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


def _leads(style: str) -> str:
    """A style, or a value of an attribute, from where it might lead elsewhere; empty if it does not."""
    left = _INSIDE.sub(" ", style)
    found = _OUTSIDE.search(left)
    return left[found.start() :] if found else ""


def _read(data: bytes) -> None:
    """Read a drawing as browsers do, with its entities spelt out; no tree is made of it."""
    parser = expat.ParserCreate()
    open_: list[str] = []
    style: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        open_.append(name)
        if name not in _DRAWN or len(open_) > _DEPTH or "style" in open_[:-1]:
            raise _Active(f"<{name}>")
        for key, value in attributes.items():
            outward = key.rpartition(":")[2] in ("href", "src", "base") and not value.startswith("#")
            said = key.startswith("aria-") or (key.partition(":")[0] == "xmlns" and value in _NAMESPACES)
            if outward or key.lower().startswith("on") or (not said and _leads(value)):
                raise _Active(f"{key}={value}")

    def end(name: str) -> None:
        open_.pop()
        if name == "style":
            if found := _leads("".join(style)):
                raise _Active(found)
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
