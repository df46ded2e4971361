"""The command line that makes a run again, as it is recorded with what the run found."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from folkmoot.evaluation.run import RunOptions


def told(words: Sequence[str], given: Mapping[str, Any], run: RunOptions, options: Mapping[str, Any] = {}) -> str:
    """A command, quoted for a shell.

    Args:
        words: The program, its verb and arguments.
        given: Flags of the verb with their values; None stands for a flag that was left out.
        run: What every run takes.
        options: Of a graph: ``--with``.
    """
    line = list(words)
    for key, value in options.items():
        line += ["--with", f"{key}={json.dumps(value) if not isinstance(value, str) else value}"]
    flags = {**given, "--limit": run.limit, "--engine": run.engine, "--data": run.data, "--out": run.out}
    for flag, value in flags.items():
        line += [flag, f"{value:g}" if isinstance(value, float) else str(value)] if value is not None else []
    line += ["--scripted"] if run.scripted else []
    line += ["--unsafe-code"] if run.unsafe_code else []
    return shlex.join(line)
