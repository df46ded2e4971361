"""How long to wait before a request is tried again."""

from __future__ import annotations

import contextlib
import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Seconds before the first retry (doubled each time) and the most that is ever waited, Retry-After included."""


def pause(tries: int) -> float:
    """Seconds until the next try: doubling, jittered and capped."""
    doubled = FIRST_PAUSE_S * 2.0 ** min(tries - 1, 30)
    return min(doubled * random.uniform(0.5, 1.0), LONGEST_PAUSE_S)  # noqa: S311 - no secret depends on it


def asked_for(after: str | None) -> float | None:
    """Seconds until the next try that a Retry-After header asks for, a little more so that not all come at once.

    None if it says nothing that can be understood.
    """
    seconds = _seconds(after)
    return None if seconds is None else min(seconds * random.uniform(1.0, 1.1), LONGEST_PAUSE_S)  # noqa: S311


def _seconds(after: str | None) -> float | None:
    """A number or a date, as seconds from now.

    >>> _seconds("2.5"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT"), _seconds("soon")
    (2.5, 0.0, None)
    """
    if after is None:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(after)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    with contextlib.suppress(ValueError):
        date = parsedate_to_datetime(after)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max((date - datetime.now(UTC)).total_seconds(), 0.0)
    return None
