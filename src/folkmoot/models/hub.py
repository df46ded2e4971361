"""Models from a model hub, through the hub's own client and cache; never waits long for a hub that is not there."""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.models.folder import sha256
from folkmoot.progress import Progress

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
UNWANTED = ("*/*", "consolidated*", "*.fp16.safetensors", "*.fp32.safetensors")
"""Files in subfolders and second copies of the same weights."""

PATIENCE = 4.0
"""Seconds that a hub has to show that it is there."""


class Unavailable(Exception):  # noqa: N818
    """The hub cannot give this model now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a model, complete in the hub's cache."""

    path: Path
    commit: str


@dataclass(slots=True)
class _Line:
    """What this process has learned about one hub: why it is down, if it is."""

    down: str = ""


def fetch(repo: str, revision: str, name: str, progress: Progress) -> Snapshot:
    """Bring a model from the hub, or from the hub's cache if there is no network.

    Args:
        repo: ``org/name``.
        revision: Branch, tag or commit.
        name: What to call it in progress.
        progress: Told how many bytes have come.

    Raises:
        Unavailable: Why not.
    """
    if os.environ.get("FOLKMOOT_NO_HUB", "") not in ("", "0"):
        raise Unavailable("the hub is switched off by FOLKMOOT_NO_HUB")
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
        from huggingface_hub.errors import RevisionNotFoundError as NoRevision
    except ImportError:
        raise Unavailable("huggingface_hub is not installed: pip install 'folkmoot[local]'") from None
    if constants.HF_HUB_OFFLINE:
        line = _Line("HF_HUB_OFFLINE is set, and its cache does not have the model")
    else:
        progress(f"ask the hub for {name}")
        line = _line(constants.ENDPOINT)
    try:
        found = snapshot_download(
            repo,
            revision=revision,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
            local_files_only=bool(line.down),
            tqdm_class=_bar(f"download {name}", progress),
        )
    except LocalEntryNotFoundError as e:
        if not line.down:  # it answered before, but not now: do not wait for it again
            line.down = f"the hub does not answer ({_first_line(e)})"
        raise Unavailable(line.down) from None
    except GatedRepoError:
        raise Unavailable(
            f"{repo} asks for a licence agreement on the hub: accept it there, then log in (`hf auth login`)"
        ) from None
    except RepositoryNotFoundError:
        raise Unavailable(f"the hub has no public model {repo}; for a private one log in (`hf auth login`)") from None
    except NoRevision:
        raise Unavailable(f"{repo} has no revision {revision!r} on the hub") from None
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                f"no room for {repo} in the hub's cache {constants.HF_HUB_CACHE}; free some, or set HF_HOME to a larger disk"
            ) from None
        line.down = f"the hub failed ({_first_line(e)})"
        raise Unavailable(line.down) from None
    except ValueError as e:  # the client refuses the name; the hub was not asked
        raise Unavailable(f"{repo}: {_first_line(e)}") from None
    except Exception as e:  # whatever a client library raises, the wheels may still help
        line.down = f"the hub failed ({_first_line(e)})"
        raise Unavailable(line.down) from None
    if damaged := [p.name for p in Path(found).glob("*.safetensors") if _damaged(p)]:
        raise Unavailable(f"{damaged[0]} of {repo} was damaged in the hub's cache and is thrown away: run again")
    return Snapshot(Path(found), Path(found).name)


def _damaged(path: Path) -> bool:
    """Whether a file is not what the hub's cache calls it; large files lie there under their SHA-256. Removes it."""
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name) or sha256(blob) == blob.name:
        return False
    path.unlink()
    blob.unlink()
    return True


@functools.cache
def _line(endpoint: str) -> _Line:
    """Ask once for each process whether a hub is there, and never longer than `PATIENCE` seconds (and a bit)."""
    line = _Line("the hub does not answer")

    def knock() -> None:
        from huggingface_hub.utils import get_session

        try:
            get_session().head(endpoint, timeout=PATIENCE, follow_redirects=False)
            line.down = ""
        except Exception as e:  # any failure means: not there
            line.down = f"the hub cannot be reached ({_first_line(e)})"

    # A thread, because looking up a name can block far longer than any time-out that a client knows.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(PATIENCE + 1)
    return _Line(line.down)


def _bar(stage: str, progress: Progress) -> type[Any]:
    """A tqdm class that draws nothing and passes bytes on."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            told = super().update(n)
            if self.unit == "B" and self.total:
                progress(stage, min(self.n, self.total), self.total)
            return bool(told)

    return Bar


def _first_line(e: BaseException) -> str:
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
