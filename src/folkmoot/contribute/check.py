"""The admission gate: everything that is checked of a contribution before anybody uses it, the cheap and static first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from folkmoot.contribute.check_data import check_data
from folkmoot.contribute.check_manifest import Told, check_manifest
from folkmoot.contribute.check_picture import check_pictures
from folkmoot.contribute.check_seen import seen
from folkmoot.contribute.check_trial import check_trial
from folkmoot.contribute.check_weights import base_folder, check_base, check_weights
from folkmoot.contribute.findings import Admission, Finding, Score, refuse, refused
from folkmoot.contribute.untrusted_files import copy, look
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models import known, resolve
from folkmoot.progress import Progress, silent

_LEADS = frozenset({"path-outside", "base", "engine", "manifest"})
"""What a manifest says of where things are; while that is wrong nothing is looked for."""


def check(
    folder: Path,
    *,
    run: bool = True,
    suites: Sequence[str] = (),
    data: Path | None = None,
    registry: Path | None = None,
    called: str = "",
    progress: Progress = silent,
) -> Admission:
    """Check a contribution from somebody who is not trusted.

    Nothing of it is loaded by the libraries that run weights before everything static has been found in order. All that is
    read of it is a private copy, which is gone afterwards.

    Args:
        folder: The contribution.
        run: Load the model, ask it questions and score it on its own test set, beside its base alone.
        suites: Tasks and suites, by name or file, whose questions must not be in its data; the shipped tasks always count.
        data: The user's data folder, for the questions of tasks.
        registry: Folder of a registry: the test questions of those in it must not be in its data either.
        called: What its user knows it by, if not the folder.
        progress: Told what is being checked.

    Raises:
        BadInput: There is no such folder, or one of the arguments is wrong.
        Missing: A prerequisite is not there: its base cannot be had, what runs models is not installed, no room is left.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; name the folder of a contribution (it holds a participant.yaml)")
    progress(f"check: {called or folder}")
    held, findings = look(folder)
    if refused(findings):
        return Admission(tuple(findings))
    with tempfile.TemporaryDirectory(prefix="folkmoot-check-") as place:
        mine = Path(place) / "contribution"
        mine.mkdir(mode=0o700)
        hashes, wrong = copy(folder, held, mine, progress)
        findings += wrong
        if refused(findings):
            return Admission(tuple(findings))

        def judged(found: Iterable[Finding], scores: Mapping[str, Score] | None = None) -> Admission:
            return Admission(tuple(found), scores or {}, hashes)

        told: Told | None = None

        def manifest() -> list[Finding]:
            nonlocal told
            told, found = check_manifest(mine)
            return found

        findings += [*_all("manifest", manifest), *_all("picture", check_pictures, mine, hashes)]
        if told is None or any(f.check in _LEADS and f.level == "refuse" for f in findings):
            return judged(findings)
        sources = seen(suites, data, registry, but=told.manifest.name, progress=progress)
        base = base_folder(told)
        fit = _fit(mine, told, hashes, base, progress)
        asked = _all("rows", check_data, mine, told, sources)
        if run and base is None and not refused([*findings, *fit, *asked]):
            base = _fetched(told, progress)
            fit = fit if base is None else _fit(mine, told, hashes, base, progress)
        findings += [*fit, *asked]
        if refused(findings) or not run:
            return judged(findings)
        tried, scores = check_trial(mine, told, base, progress)
        return judged((*findings, *tried), scores)


def _fit(mine: Path, told: Told, hashes: Mapping[str, str], base: Path | None, progress: Progress) -> list[Finding]:
    return [*_all("base", check_base, told), *_all("weights", check_weights, mine, told, hashes, base, progress)]


def _all(name: str, part: Callable[..., Iterable[Finding]], *given: Any) -> list[Finding]:
    """The findings of one part of the check. What makes the part itself stumble is refused: nobody has looked through it."""
    try:
        return list(part(*given))
    except Missing:
        raise
    except Exception as e:  # data made to be odd; every kind of it is the contribution's fault here
        what = f"the check of it ended with {type(e).__name__}: {e}"
        return [refuse(name, what, remedy="write it as docs/contribute.md shows; if it is so, report this line")]


def _fetched(told: Told, progress: Progress) -> Path | None:
    """The base model, fetched if the catalogue knows it; None for models of their own and endpoints.

    Raises:
        Missing: It cannot be had, or is a hub model that nobody here has asked for: a contributor does not decide what
            this machine downloads.
    """
    m = told.manifest
    if m.engine == "openai" or m.model.startswith("./"):
        return None
    if m.model not in known():
        name = f"{m.model}@{m.revision}" if m.revision else m.model
        raise Missing(f"{m.name}: its base {m.model} is not on this machine: folkmoot model pull {name}")
    return resolve(m.model, revision=m.revision, progress=progress).path
