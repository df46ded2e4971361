"""Keep the threads that compute on a CPU from getting in the way of everything else."""

from __future__ import annotations

import os


def calm() -> None:
    """Let idle compute threads sleep instead of spin. Works only before torch is first imported.

    GNU OpenMP, which torch uses on Linux, lets a thread that waits for the others spin for milliseconds. Wherever
    anything else runs beside it, the spinning takes the time away from the very thread that is waited for; decoding
    was seen to become six to eight times slower on two cores. What the user has set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
