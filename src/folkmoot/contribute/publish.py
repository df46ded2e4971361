"""A contribution sent to a model hub, with its card, in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from folkmoot.contribute.card import hub_base, write_card
from folkmoot.contribute.check import check
from folkmoot.contribute.files import CARD, TERMS, belonging, files
from folkmoot.contribute.findings import NotAdmitted
from folkmoot.contribute.hub_errors import said
from folkmoot.contribute.store import plain_errors
from folkmoot.contribute.untrusted_files import copy, look
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import MANIFEST, read_manifest
from folkmoot.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Published:
    """What was sent.

    Attributes:
        repo: ``org/name``.
        commit: Its commit there.
        url: Where people look at it.
        files: What was sent.
    """

    repo: str
    commit: str
    url: str
    files: tuple[str, ...]


def publish(
    folder: Path,
    repo: str,
    *,
    endpoint: str | None = None,
    private: bool = False,
    rows: bool = False,
    message: str | None = None,
    suites: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = silent,
) -> Published:
    """Check a contribution and send what belongs to it to a model hub; the repository is made if it is not there.

    Everything goes in one commit: others see all of it or nothing. In it, files there that belong to a contribution and are
    not sent go, except what says the terms (``LICENSE``, ``NOTICE``). The token is taken from where the hub's own client
    takes it: ``HF_TOKEN``, or what ``hf auth login`` left.

    Args:
        folder: The contribution.
        repo: ``org/name``.
        endpoint: Address of the hub, if it is not the usual one.
        private: Others may not see the repository; only for one that is made now.
        rows: Send the rows that it was trained on too.
        message: Of the commit.
        suites: As in `check`.
        data: As in `check`.
        progress: Told about it.

    Raises:
        NotAdmitted: See there.
        BadInput: It cannot be read, not be used by others, or changed while it was checked.
        Missing: The hub cannot be reached, or refuses.
    """
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise Missing("huggingface_hub is not installed: pip install 'folkmoot[local]'") from None
    manifest = read_manifest(folder / MANIFEST, move=False)
    if manifest.engine != "openai" and hub_base(manifest) is None and not manifest.model.startswith("./"):
        raise BadInput(f"{folder / MANIFEST}: its base {manifest.model!r} is on this machine only; name it as org/name")
    if not get_token():
        raise Missing(
            "the hub wants to know who you are: set HF_TOKEN to a token that may write, or log in (`hf auth login`)"
        )
    found = check(folder, suites=suites, data=data, progress=progress)
    if not found.admitted:
        raise NotAdmitted(str(folder), found)
    with plain_errors(folder):
        written = write_card(folder)
    sent = files(folder, manifest, rows=rows)
    disable_progress_bars()
    api = HfApi(endpoint=endpoint, library_name="folkmoot")
    progress(f"send {manifest.name} to {repo}", note=f"{len(sent)} files")
    with tempfile.TemporaryDirectory(prefix="folkmoot-publish-") as place:
        hashes, wrong = copy(folder, [f for f in look(folder)[0] if f.name in sent], Path(place), progress)
        judged = [f for f in sent if f != CARD or not written]  # the card that was written just now nobody has judged
        if wrong or any(found.files.get(f) != hashes.get(f) for f in judged):
            raise BadInput(f"{folder}: it changed while it was checked; publish it again when nobody writes to it")
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            there = belonging(api.list_repo_files(repo), manifest)
            done = api.create_commit(
                repo,
                [
                    *(CommitOperationAdd(f, Path(place, f)) for f in sent),
                    *(CommitOperationDelete(f) for f in there if f not in sent and f not in TERMS),
                ],
                commit_message=message or f"{manifest.name}: a contribution to Folkmoot teams",
            )
        except Exception as e:
            raise said(e, repo, writing=True) from None
    return Published(repo, done.oid, str(done.repo_url), sent)
