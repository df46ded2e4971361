"""Every kind of isolation that works here, and a guard against processes that outlive a sample."""

import ctypes
import os
import time
from functools import partial
from pathlib import Path

import pytest

from folkmoot.sandbox.check import check
from folkmoot.sandbox.kinds import kinds
from folkmoot.sandbox.trial import probe

KINDS = [kind for kind in kinds() if not probe(kind)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def judge(kind):
    """Run a program against tests in one kind of isolation."""
    return partial(check, kind)


def children() -> set[int]:
    return {
        int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text("ascii").split()
    }


@pytest.fixture
def strays():
    """The processes that the test has left behind, wherever they hang; those that have ended are reaped."""
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us
    before = children()

    def left() -> set[int]:
        deadline = time.monotonic() + 5
        while (now := children() - before) and time.monotonic() < deadline:
            for pid in now:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)
        return now

    yield left
    libc.prctl(36, 0, 0, 0, 0)
