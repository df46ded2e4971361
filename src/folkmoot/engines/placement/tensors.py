"""What is in safetensors files, from their headers: no weights are read and nothing heavy is imported."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HEADER_CAP = 100_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file.

    Attributes:
        dtype: As the format names it: ``BF16``, ``F32``.
        shape: Its sizes.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes that they take in the file."""
        return self.count * _BITS.get(self.dtype, 16) // 8


def tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut short, or its header is oversized; the text says which.
    """
    size = file.stat().st_size
    with file.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if not 2 <= length <= size - 8:
            raise ValueError("it is cut short or no safetensors file")
        if length > _HEADER_CAP:
            raise ValueError(f"its header of {length} bytes is oversized")
        text = f.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        found = {name: _tensor(told) for name, told in header.items()}
        end = max((told["data_offsets"][1] for told in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise ValueError("its header cannot be read") from None
    if 8 + length + end != size:
        raise ValueError(f"it has {size} bytes, but its header tells of {8 + length + end}")
    return found


def _tensor(told: Mapping[str, object]) -> Tensor:
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list):
        raise TypeError
    if any(type(n) is not int or n < 0 for n in (*shape, *offsets)):
        raise ValueError
    tensor = Tensor(dtype, tuple(shape))
    if dtype in _BITS and offsets[1] - offsets[0] != tensor.bytes:
        raise ValueError
    return tensor


def folder_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model's folder, whatever file they are in.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged; the text names it.
    """
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            found |= tensors(file)
        except ValueError as e:
            raise ValueError(f"{file.name}: {e}") from None
    return found
