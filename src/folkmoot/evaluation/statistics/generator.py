"""Random numbers that repeat."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator


def generator(seed: int | str) -> Generator:
    """A generator that gives the same numbers for the same seed, on every machine and in every process."""
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(seed).encode()).digest()[:16], "big"))
