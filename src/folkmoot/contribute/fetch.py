"""A contribution from a model hub: the files that belong to it, at one commit."""

from __future__ import annotations

import glob
import os
import re
import shutil
from pathlib import Path

from folkmoot.contribute.check_manifest import inside
from folkmoot.contribute.files import belonging
from folkmoot.contribute.hub_errors import said
from folkmoot.contribute.untrusted_files import FILES, TOTAL, most_bytes
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST, read_manifest
from folkmoot.progress import Progress

_PATIENCE = 10.0


def fetch(repo: str, revision: str | None, to: Path, endpoint: str | None, progress: Progress) -> str:
    """Download what belongs to a contribution, and nothing else of its repository.

    Args:
        repo: ``org/name``.
        revision: Branch, tag or commit; the main branch if left out.
        to: A new folder.
        endpoint: Address of the hub, if it is not the usual one.
        progress: Told about it.

    Returns:
        The commit.

    Raises:
        BadInput: The repository holds no contribution, or what would be fetched is none or too large.
        Missing: The hub cannot be reached or does not give it.
        OSError: The folder cannot be written.
    """
    if os.environ.get("FOLKMOOT_NO_HUB", "") not in ("", "0"):
        raise Missing(f"{repo}: the hub is switched off by FOLKMOOT_NO_HUB")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise Missing("huggingface_hub is not installed: pip install 'folkmoot[local]'") from None
    disable_progress_bars()
    api = HfApi(endpoint=endpoint, library_name="folkmoot")
    progress(f"ask the hub for {repo}")
    try:
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=_PATIENCE)
    except Exception as e:
        raise said(e, repo) from None
    sizes = {s.rfilename: s.size for s in info.siblings or ()}
    commit = str(info.sha)
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise Missing(f"{repo}: the hub names no commit of it, only {commit[:50]!r}")
    if MANIFEST not in sizes:
        raise BadInput(f"{repo}: no contribution: it has no {MANIFEST}")
    _limited(repo, MANIFEST, sizes[MANIFEST])
    try:
        api.hf_hub_download(repo, MANIFEST, revision=commit, local_dir=to)
        wanted = belonging(sizes, read_manifest(to / MANIFEST, move=False))
        total = sum(_limited(repo, f, sizes[f]) for f in wanted)
        if total > TOTAL or len(wanted) > FILES:
            most = f"at most {FILES} with {TOTAL / 1e9:.0f} GB"
            raise BadInput(f"{repo}: {len(wanted)} files, {total / 1e9:.0f} GB; a contribution has {most}")
        free = shutil.disk_usage(to).free
        if total > free:
            raise Missing(
                f"{repo}: {total} bytes are to be fetched, and {to.parent.parent} has room for {free}; free some"
            )
        progress(f"download {repo}", note=f"{len(wanted)} files, {total / 1e6:.1f} MB")
        api.snapshot_download(repo, revision=commit, allow_patterns=[glob.escape(f) for f in wanted], local_dir=to)
    except (BadInput, Missing):
        raise
    except Exception as e:
        raise said(e, repo) from None
    shutil.rmtree(to / ".cache", ignore_errors=True)  # the client's own notes
    return commit


def _limited(repo: str, name: str, size: object) -> int:
    """The size of a file, if the gate would look at such a file at all.

    Raises:
        BadInput: It would not.
    """
    most = most_bytes(name)
    if most is None or not inside(name):
        raise BadInput(f"{repo}: {name[:200]!r} is no file that a contribution has; nothing of its weights was fetched")
    if not isinstance(size, int) or size < 0:
        raise BadInput(f"{repo}: the hub does not say how large its {name} is; nothing of its weights was fetched")
    if size > most:
        raise BadInput(f"{repo}: its {name} is larger than {most} bytes; nothing of its weights was fetched")
    return size
