"""A contribution from a model hub: the files that belong to it, at one commit."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path

from folkmoot.contribute.files import belonging
from folkmoot.contribute.hub_errors import said
from folkmoot.contribute.untrusted_files import TOTAL
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST, read_manifest
from folkmoot.progress import Progress

_MANIFEST_CAP = 64 * 2**10
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
        BadInput: The repository holds no contribution, or is too large.
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
    sizes = {s.rfilename: s.size or 0 for s in info.siblings or ()}
    commit = str(info.sha)
    if MANIFEST not in sizes:
        raise BadInput(f"{repo}: no contribution: it has no {MANIFEST}")
    if sizes[MANIFEST] > _MANIFEST_CAP:
        raise BadInput(f"{repo}: its {MANIFEST} is larger than {_MANIFEST_CAP} bytes; nothing was fetched")
    try:
        api.hf_hub_download(repo, MANIFEST, revision=commit, local_dir=to)
        wanted = belonging(sizes, read_manifest(to / MANIFEST, move=False))
        total = sum(sizes[f] for f in wanted)
        if total > TOTAL:
            raise BadInput(f"{repo}: {total / 1e9:.0f} GB; a contribution has at most {TOTAL / 1e9:.0f}")
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
