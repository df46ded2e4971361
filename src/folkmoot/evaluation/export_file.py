"""A file that is there completely or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing


@contextmanager
def fresh(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a file to write; it takes its place when everything is written. ``-`` is standard output.

    Raises:
        BadInput: Something is there already, and `force` was not given.
        Missing: The folder is not there or full, or may not be written. Nothing is left behind.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_dir():
        raise BadInput(f"{path}: a folder; name a file with --out")
    path = path.resolve()  # the file behind a link, not the link
    plain = not path.exists() or path.is_file()  # a device or pipe is written to, never replaced
    if plain and path.exists() and not force:
        raise BadInput(f"{path} is there already; --force replaces it, --out names another")
    draft = path.with_name(f".{path.name}.{os.getpid()}") if plain else path
    try:
        with draft.open("wb") as f:
            yield f
            f.flush()
            if plain:
                os.fsync(f.fileno())
        if plain:
            os.replace(draft, path)
    except OSError as e:
        raise Missing(
            f"{path}: cannot be written: {e.strerror or e}. Make room, or name another place with --out."
        ) from None
    finally:
        if plain:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
