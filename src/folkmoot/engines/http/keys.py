"""Keys of servers: named by a variable or a file, read late, shown nowhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from folkmoot.engines.contract import Missing


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that does not show itself."""

    text: str = ""

    def __repr__(self) -> str:
        return "***"


def read_key(base: str, env: str | None, file: str | Path | None) -> Secret:
    """The key of the server at `base`; an empty one if neither a variable nor a file is named.

    Raises:
        Missing: There is nothing there that could be a key.
    """
    if env is not None:
        where, key = f"the environment variable {env}", os.environ.get(env, "").strip()
    elif file is not None:
        try:
            where, key = f"the file {file}", Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Missing(f"{base}: the key file {file} cannot be read ({type(error).__name__}).") from None
    else:
        return Secret()
    if not key or not key.isascii() or not key.isprintable():
        raise Missing(f"{base}: {where} holds no usable key. Set it and try again.")
    return Secret(key)


def without(key: Secret, text: str) -> str:
    """A server's words, fit for an error line: one line, short, printable, without the key."""
    if key.text:
        text = text.replace(key.text, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return (text[:300] + " ..." if len(text) > 300 else text).rstrip(".")
