"""What a model hub refuses, in one line that says what to do."""

from __future__ import annotations

import errno

from folkmoot.engines.contract import Missing
from folkmoot.visible import visible

_LOG_IN = "set HF_TOKEN to a token of yours, or log in (`hf auth login`)"


def said(error: Exception, repo: str, *, writing: bool = False) -> Exception:
    """The error to raise for what the hub's client raised.

    Args:
        error: Its error.
        repo: ``org/name``.
        writing: Something was to be written there.

    Returns:
        A `Missing`; or the error itself if it is about this machine's disk.
    """
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RevisionNotFoundError

    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # an upload that failed in a thread
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES):
        return error
    if isinstance(error, GatedRepoError):
        why = f"it asks for an agreement on the hub: accept it there, then {_LOG_IN}"
    elif isinstance(error, RevisionNotFoundError):
        why = "the hub has no such revision of it"
    elif isinstance(error, HFValidationError):
        why = f"no name of a repository: {_line(error)}"
    elif status == 401:
        why = f"the hub does not know you (HTTP 401): {_LOG_IN}" if writing else _absent()
    elif status == 403:
        want = "may write there" if writing else "may read it"
        why = f"the hub refuses it (HTTP 403): take a token that {want}, or another name"
    elif status == 404:
        why = "the hub has no such repository or place (HTTP 404): is the name right?" if writing else _absent()
    elif status == 409:
        why = "somebody else changed it at the same time (HTTP 409): run it again"
    elif status is not None:
        why = f"the hub failed (HTTP {status}: {_line(error)}): try again later"
    else:
        why = f"the hub cannot be reached ({_line(error)}): try again when the network is there"
    return Missing(f"{repo}: {why}")


def _absent() -> str:
    return f"the hub has no such public repository; for a private one {_LOG_IN}"


def _line(error: Exception) -> str:
    lines = [line for line in str(error).split("\n") if line.strip()]
    return visible(lines[0].strip())[:200] if lines else type(error).__name__
