"""A team file, written: picks from a registry where the members are in one, else the members spelled out."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import Manifest
from folkmoot.registry import Registry


def write_team(file: Path, members: Sequence[Manifest], registry: Path | None, home: Path) -> None:
    """Write a team file; paths in it are relative to it. An older file is replaced at once, or not at all.

    Args:
        file: Where.
        members: Who.
        registry: Folder that they were picked from, if they were.
        home: The folder that paths in `members` are relative to.

    Raises:
        Missing: It cannot be written.
    """
    import yaml

    names = [m.name for m in members]
    if registry is not None and _holds(registry, names):
        told: dict[str, Any] = {"registry": _beside(str(registry), file), "members": names}
    else:
        told = {"members": [_spelled(m, file, home) for m in members]}
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
        os.replace(draft, file)
    except OSError as e:
        with suppress(OSError):
            draft.unlink()
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Missing(f"--write {file}: no room on its disk; free some, or name a file on another disk") from None
        raise Missing(f"--write {file}: cannot be written ({e.strerror}); name a file where you may write") from None


def _holds(registry: Path, names: Sequence[str]) -> bool:
    try:
        return set(names) <= set(Registry.read(registry).entries)
    except BadInput:
        return False


def _spelled(m: Manifest, file: Path, home: Path) -> dict[str, Any]:
    told = m.model_dump(mode="json", exclude_defaults=True)
    told.pop("trained", None)
    told.pop("hashes", None)
    if m.adapter:
        told["adapter"] = _beside(str(home / m.adapter), file)
    if m.priority:
        told["priority"]["file"] = _beside(str(home / m.priority.file), file)
    if m.model.startswith(("./", "../")) or (os.sep in m.model and (home / m.model).is_dir()):
        told["model"] = _beside(str(home / m.model), file)
    return told


def _beside(path: str, file: Path) -> str:
    """A path relative to the folder of a file, in a form that is read as a path."""
    found = os.path.relpath(path, file.absolute().parent)
    return found if found.startswith(".") else f"./{found}"
