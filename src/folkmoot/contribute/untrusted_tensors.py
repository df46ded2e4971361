"""Safetensors from somebody who is not trusted: a header without tricks, and numbers that are numbers.

The libraries that load weights are lenient in places (a name that stands there twice, gaps between tensors); here the
header has to describe every byte of the file exactly once. Weights are looked through in pieces of bounded size.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.contribute.findings import Finding, refuse

HEADER = 25_000_000
"""Most bytes of a header; the format allows four times as much, real models stay below one."""
TENSORS, NAME = 20_000, 500
"""Most tensors of a file, and most characters of a tensor's name."""
_PIECE = 8 * 2**20
_DIMENSIONS = 8
_SAVE = "save the weights again with safetensors"

_FORMATS: Mapping[str, tuple[int, int]] = {
    "F64": (8, 0x7FF0000000000000), "F32": (4, 0x7F800000), "F16": (2, 0x7C00), "BF16": (2, 0x7F80),
    "F8_E5M2": (1, 0x7C), "F8_E4M3": (1, 0x7F),
    "I64": (8, 0), "I32": (4, 0), "I16": (2, 0), "I8": (1, 0), "U64": (8, 0), "U32": (4, 0), "U16": (2, 0), "U8": (1, 0),
    "BOOL": (1, 0),
}  # fmt: skip
"""Bytes of a number, and the bits that are all set where it is infinite or none (no such bits in whole numbers)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where one tensor lies.

    Attributes:
        dtype: As the format names it.
        shape: Its sizes.
        begin, end: Bytes, from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _Wrong(Exception):  # noqa: N818 - it ends up in a finding
    def __init__(self, check: str, what: str) -> None:
        super().__init__(what)
        self.check = check


@dataclass(frozen=True, slots=True)
class Spans:
    """The header of a file: `start` is where the weights begin."""

    tensors: Mapping[str, Span]
    start: int


def spans(file: Path, name: str) -> Spans | Finding:
    """The header of a file, or what is wrong with it.

    Args:
        file: The file, a private copy.
        name: What to call it.
    """
    try:
        return _spans(file)
    except _Wrong as e:
        return refuse(e.check, str(e), name, _SAVE)


def _spans(file: Path) -> Spans:
    size = file.stat().st_size
    with file.open("rb") as f:
        head = f.read(8)
        length = int.from_bytes(head, "little")
        kind = _other(head)
        if kind:
            raise _Wrong("disguised", f"it is called safetensors, and is {kind}")
        if length > HEADER:
            raise _Wrong("header-size", f"its header claims {length} bytes; at most {HEADER} are allowed")
        if size < 10 or length > size - 8:
            raise _Wrong("truncated", f"its header claims {length} bytes, the file has {size}")
        text = f.read(length)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except _Wrong:
        raise
    except (ValueError, RecursionError):
        raise _Wrong("header", "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _Wrong("header", "its header is no object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()):
        raise _Wrong("header", "its __metadata__ holds more than texts")
    if len(header) > TENSORS or max(map(len, header), default=0) > NAME:
        raise _Wrong("tensor-count", f"more than {TENSORS} tensors in a file, or names of more than {NAME} characters")
    found = {name: _span(name, told) for name, told in header.items()}
    _covers(found, size - 8 - length)
    return Spans(found, 8 + length)


def _other(head: bytes) -> str:
    """What a file really is, by its first bytes."""
    if head[:4] == b"PK\x03\x04":
        return "a zip archive, as PyTorch's pickles are"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and any(head[2:]):
        return "a pickle"
    known = {b"GGUF": "a GGUF file", b"\x7fELF": "a program", b"\x89HDF": "an HDF5 file", b"\x1f\x8b": "compressed"}
    return next((kind for magic, kind in known.items() if head.startswith(magic)), "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(k for k, _ in pairs).most_common(1)[0][0]
        raise _Wrong("duplicate-tensor", f"{twice!r} stands in its header twice, and readers differ in which they take")
    return found


def _no_constant(_: str) -> Any:
    raise ValueError


def _span(name: str, told: Any) -> Span:
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise _Wrong("header", f"tensor {name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _FORMATS:
        raise _Wrong("dtype", f"tensor {name!r} has the format {dtype!r}, which is not known here")
    if not _whole(shape) or len(shape) > _DIMENSIONS or not _whole(offsets) or len(offsets) != 2:
        raise _Wrong("header", f"shape or offsets of tensor {name!r} are no whole numbers")
    begin, end = offsets
    if math.prod(shape) * _FORMATS[dtype][0] != end - begin:
        raise _Wrong("tensor-size", f"tensor {name!r} has {end - begin} bytes, and its shape {shape} needs others")
    return Span(dtype, tuple(shape), begin, end)


def _whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**48 for n in numbers)


def _covers(found: Mapping[str, Span], size: int) -> None:
    """Every byte belongs to exactly one tensor."""
    at = 0
    for name, span in sorted(found.items(), key=lambda item: (item[1].begin, item[1].end)):
        if span.begin < at:
            raise _Wrong("overlap", f"tensor {name!r} begins inside another")
        if span.begin > at:
            raise _Wrong("gap", f"{span.begin - at} bytes before tensor {name!r} belong to none")
        at = span.end
    if at != size:
        check = "truncated" if at > size else "gap"
        raise _Wrong(check, f"its header tells of {at} bytes of weights, and there are {size}")


def unsound(file: Path, name: str, header: Spans) -> tuple[Finding | None, set[str]]:
    """Look through the weights.

    Args:
        file: The file.
        name: What to call it.
        header: From `spans`.

    Returns:
        The first tensor with an infinite number or one that is none, and the names of the tensors that are all zero.
    """
    import numpy as np

    zeros: set[str] = set()
    with file.open("rb") as f:
        for tensor, span in header.tensors.items():
            width, mask = _FORMATS[span.dtype]
            kind = np.dtype(f"<u{width}")
            bits = kind.type(mask)
            f.seek(header.start + span.begin)
            left, zero = span.end - span.begin, True
            while left:
                piece = np.frombuffer(f.read(min(left, _PIECE)), kind)
                left -= piece.nbytes
                if mask and bool(((piece & bits) == bits).any()):
                    what = f"tensor {tensor!r} holds numbers that are infinite or none (NaN)"
                    return refuse("not-finite", what, name, "train again with a lower learning rate"), zeros
                zero = zero and not piece.any()
            if zero and span.end > span.begin:
                zeros.add(tensor)
    return None, zeros
