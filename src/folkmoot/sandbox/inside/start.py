"""Where a sandboxed process begins: go in, give everything up, then be solver or checker."""

from __future__ import annotations

import os
import sys
from typing import Any


def main(job: dict[str, Any]) -> None:
    """Do one job.

    Args:
        job: ``role`` (solver or checker), ``namespaces`` (the tree to build by our own hand, or None), and what `confine` and the
            role take.
    """
    try:
        if job["namespaces"] is not None:
            from folkmoot.sandbox.inside.namespaces import enter

            enter(job["namespaces"])
        from folkmoot.sandbox.inside import checker, confine, solver

        job["verdict"] = os.dup(1) if job["role"] == "checker" else -1
        job["keep"] = [fd for fd in (job["requests"], job["replies"], job["verdict"]) if fd >= 0]
        layers = confine.confine(job)
    except Exception as e:
        os.write(2, f"{type(e).__name__}: {e}\n".encode(errors="replace"))
        os._exit(70)
    try:
        (solver.solve if job["role"] == "solver" else checker.check)(job, layers)
    finally:
        sys.stdout = sys.stderr = None
        os._exit(0)
