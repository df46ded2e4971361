"""The command line. One file per group of verbs; heavy imports happen inside the commands."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Entry point: runs a command and maps what went wrong to an exit code.

    0 done, 2 bad input, 3 some samples failed, 4 a prerequisite is missing, 130 interrupted, or left at a question.
    """
    try:
        _command()
    except KeyboardInterrupt:  # also while the first modules are read
        sys.stderr.write("\ninterrupted\n")
        sys.stderr.flush()
        os._exit(130)  # engine threads may be inside a model; nothing is left to save here


def _command() -> None:
    from folkmoot.cli.app import app
    from folkmoot.complaint import BadInput
    from folkmoot.engines.contract import EngineError, Missing

    signal.signal(signal.SIGTERM, _as_interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter still shows the rest
    try:
        app()
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)  # the reader (head, less) has had enough
    except OSError as e:
        _stop(e, 4)
    except BadInput as e:
        _stop(e, 2)
    except Missing as e:
        _stop(e, 4)
    except EngineError as e:
        _stop(e, 3)
    except SystemExit as e:
        # Typer's code for a question that was left with Ctrl-C, the end of input, or a no
        sys.exit(130 if e.code == 1 else e.code)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """Being asked to end is an interruption: what is finished is kept, and engines end their processes."""
    raise KeyboardInterrupt


def _stop(error: Exception, code: int) -> None:
    if os.environ.get("FOLKMOOT_DEBUG"):
        raise error
    sys.stderr.write(f"folkmoot: {error}\n")
    sys.exit(code)
