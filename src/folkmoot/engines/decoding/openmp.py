"""Keep the threads that compute on a CPU from getting in the way of everything else."""

from __future__ import annotations

import os
import threading
from typing import Any

_IMPORTING = threading.Lock()


def import_transformers() -> Any:
    """The transformers package with the classes that load models, imported calmly.

    It builds itself while it is imported, which goes wrong when two engines start on two threads at once.

    Raises:
        ImportError: It is not installed, or cannot be imported.
    """
    with _IMPORTING:
        calm()
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401 - loads what is lazy in the package

        return transformers


def calm() -> None:
    """Let idle compute threads sleep instead of spin. Works only before torch is first imported.

    GNU OpenMP, which torch uses on Linux, lets a thread that waits for the others spin for milliseconds. Wherever
    anything else runs beside it, the spinning takes the time away from the very thread that is waited for; decoding
    was seen to become six to eight times slower on two cores. What the user has set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
