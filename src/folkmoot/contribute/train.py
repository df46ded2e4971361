"""From a contributor's rows to an adapter that is scored: reads, fits, writes, and goes on where it was interrupted."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from folkmoot.contribute import train_state as state
from folkmoot.contribute.card import write_card
from folkmoot.contribute.init import EXAMPLES
from folkmoot.contribute.rows import leaks, read_lessons, refuse
from folkmoot.contribute.train_log import draw, smooth
from folkmoot.contribute.train_recipe import Recipe, changes, digest, since, terms
from folkmoot.contribute.train_record import record
from folkmoot.contribute.train_tokens import Example, encoded, split
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.engines.placement.lora import CONFIG, WEIGHTS, check_adapter
from folkmoot.engines.scripted import Scripted
from folkmoot.manifest import MANIFEST, Manifest, beside, read_manifest
from folkmoot.models.folder import sha256
from folkmoot.progress import Progress, silent

if TYPE_CHECKING:
    from folkmoot.models import LocalModel

ADAPTER = "adapter"
DATA = "train.jsonl"
LEAST = 20
"""Rows below which training is refused."""

_PACKAGES = ("folkmoot", "torch", "transformers", "peft")


@dataclass(frozen=True, slots=True)
class Job:
    """A contribution to train.

    Attributes:
        folder: The contribution.
        data: The training rows.
        recipe: How.
        device: ``cpu``, ``cuda``; None: the GPU if there is one.
        threads: Of the CPU; None: the free cores.
        score: Score before and after on the priority test set.
        restart: Begin anew where a training is finished or differs; one that was interrupted goes on all the same.
        command: As it was given, for the manifest.
    """

    folder: Path
    data: Path
    recipe: Recipe = field(default_factory=Recipe)
    device: str | None = None
    threads: int | None = None
    score: bool = True
    restart: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class _Material:
    """What is trained on: the base, the examples, and all that the result depends on."""

    base: LocalModel
    rows: int
    learn: list[Example]
    held: list[Example]
    longest: int
    terms: Mapping[str, Any]


def train(job: Job, progress: Progress = silent) -> dict[str, Any]:
    """Fit the adapter of a contribution, write it, score it, and say so in the manifest.

    Returns:
        The block ``trained`` of the manifest.

    Raises:
        BadInput: The contribution or its rows cannot be trained on; one line for each fault. Nothing has changed.
        Missing: A package, a model or room on the disk is not there. The last checkpoint is kept.
    """
    path = job.folder / MANIFEST
    raw = read_manifest(path, move=False)
    manifest = beside(raw, job.folder)
    _refuse(raw, path)
    scored = job.score and _scorable(manifest, progress)
    material = _material(job, raw, manifest, progress)
    with state.alone(job.folder):
        begun = _begun(job, material.terms)
        if begun is not None or not _done(job, raw, material.terms):
            far, modules, device = _fitted(job, raw, material, begun, progress)
            draw(job.folder, raw.name, far)
            trained = _told(job, material, far, modules, device)
            named = {} if raw.adapter else {"adapter": ADAPTER}
            record(path, {**named, "trained": trained, "hashes": _hashes(job.folder, raw, material.base)})
            state.forget(job.folder)
        else:
            trained = dict(raw.trained)
            progress(f"{raw.name} is trained already with this recipe and data")
        hashes = _hashes(job.folder, raw, material.base)
        if scored and not ("score" in trained and hashes == raw.hashes):
            trained["score"] = _scores(job, progress)
            record(path, {"trained": trained, "hashes": hashes})
        write_card(job.folder)
    return trained


def _refuse(raw: Manifest, path: Path) -> None:
    if raw.url:
        raise BadInput(
            f"{path}: it is served elsewhere ('url'), so there are no weights here to train: train it where it is served, or "
            "name a base as 'model' and leave out 'engine' and what goes with 'url'"
        )
    if raw.engine not in (None, "transformers", "vllm"):
        raise BadInput(f"{path}: engine {raw.engine!r} has no weights here to train on: name a model and leave it out")
    if raw.adapter is not None and os.path.normpath(raw.adapter) != ADAPTER:
        raise BadInput(f"{path}: adapter {raw.adapter!r}: training writes to {ADAPTER!r}: write 'adapter: {ADAPTER}'")
    if lacking := [p for p in ("torch", "transformers", "peft", "safetensors") if util.find_spec(p) is None]:
        raise Missing(f"{', '.join(lacking)} not installed, which train: pip install 'folkmoot[local]'")


def _scorable(manifest: Manifest, progress: Progress) -> bool:
    """Whether there is a test set to score on; it is read now, so that a fault in it shows before hours of training."""
    from folkmoot.evaluation.tasks import load_split, own_task

    if manifest.priority is None:
        progress("no priority test set in the manifest: there will be no score")
        return False
    if manifest.priority.answer == "free":
        progress("open answers are scored by judges, not here: there will be no score")
        return False
    path = Path(manifest.priority.file)
    if path.is_file() and not path.read_bytes().strip():
        raise BadInput(
            f"{path}: it is empty: write questions into it that it is to be judged by, 20 or more, a line each, such as "
            f"{EXAMPLES[manifest.priority.answer]}, or give --no-score"
        )
    load_split(own_task(manifest), "test")
    return True


def _material(job: Job, raw: Manifest, manifest: Manifest, progress: Progress) -> _Material:
    from folkmoot.engines.chat import load_chat
    from folkmoot.engines.transformers import TransformersEngine
    from folkmoot.models import resolve

    me = raw.model_copy(update={"adapter": None}).participant(Scripted([]))
    lessons = read_lessons(job.data, manifest, me, LEAST)
    refuse(leaks(lessons, manifest), job.data)
    base = resolve(manifest.model, revision=manifest.revision, progress=progress)
    most, window = job.recipe.max_tokens, TransformersEngine(base.path).context
    if window and most > window:
        raise BadInput(f"--max-tokens {most}: {base.name} reads {window} tokens at most: give --max-tokens {window}")
    progress(f"read {job.data.name}", note=f"{len(lessons)} rows")
    rows = encoded(lessons, load_chat(base.path), most, job.data)
    learn, held = split(rows, job.recipe.held_out, job.recipe.seed)
    longest = max(len(e.ids) for e in (*learn, *held))
    return _Material(base, len(lessons), learn, held, longest, terms(job.recipe, base.identity, rows))


def _begun(job: Job, now: Mapping[str, Any]) -> tuple[state.Progressed, dict[str, Any]] | None:
    """The checkpoint to go on from."""
    try:
        found = state.read(job.folder)
    except BadInput:
        if not job.restart:
            raise
        found = None
    if found and dict(found[0].terms) == now:
        return found
    if job.restart:
        state.forget(job.folder)
    elif found:
        raise BadInput(
            f"{job.folder}: a training begun here differs ({changes(found[0].terms, now)}): "
            "give the same command as then to go on with it, or --restart to begin anew"
        )
    return None


def _done(job: Job, raw: Manifest, now: Mapping[str, Any]) -> bool:
    """Whether the adapter in the folder is what this training would give."""
    if job.restart:
        return False
    place = job.folder / ADAPTER
    if not raw.trained and not place.exists():
        return False
    same = raw.trained.get("terms") == digest(now)
    if same and all(
        (place / n).is_file() and raw.hashes.get(f"{ADAPTER}/{n}") == sha256(place / n) for n in (CONFIG, WEIGHTS)
    ):
        return True
    if not raw.trained:
        why = "and nothing says how it was trained"
    elif same:
        why = "and its files have changed since it was trained"
    else:
        why = f"trained otherwise ({since(raw.trained, job.recipe, sha256(job.data))})"
    raise BadInput(f"{job.folder}: there is an adapter already, {why}: --restart trains it anew")


def _fitted(
    job: Job,
    raw: Manifest,
    material: _Material,
    begun: tuple[state.Progressed, dict[str, Any]] | None,
    progress: Progress,
) -> tuple[state.Progressed, tuple[str, ...], str]:
    """Fit, and write the adapter of the best step."""
    import torch

    from folkmoot.contribute.train_fit import Fit
    from folkmoot.contribute.train_loop import run, total_steps
    from folkmoot.engines.decoding.model import placed

    device, dtype = placed(job.device, "auto")
    if device == "mps" and not torch.backends.mps.is_available():
        raise Missing("device 'mps' is not there; use --device cpu")
    progress(f"load {material.base.name}", note=f"{device}, {dtype}")
    steps = total_steps(len(material.learn), job.recipe)
    try:
        fit = Fit(material.base.path, job.recipe, steps, material.longest, device, dtype, job.threads)
        far = begun[0] if begun else state.Progressed(material.terms)
        if begun:
            fit.restore(far.step, begun[1])
        far = run(fit, job.folder, raw.name, far, material.learn, material.held, job.recipe, progress)
    except torch.OutOfMemoryError:
        raise Missing(
            f"{device}: not enough memory to train {material.base.name} on examples of {material.longest} tokens: "
            "use --device cpu, shorter rows or a smaller base"
        ) from None
    fit.use_best()
    _write_adapter(job.folder, fit, raw, material.base)
    modules = fit.modules
    del fit
    gc.collect()
    return far, modules, f"{device}, {dtype}"


def _write_adapter(folder: Path, fit: Any, raw: Manifest, base: LocalModel) -> None:
    from safetensors import SafetensorError

    place, new, old = (folder / name for name in (ADAPTER, f".{ADAPTER}.part", f".{ADAPTER}.old"))
    try:
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)
        fit.save(new, raw.model, raw.revision)
        check_adapter(new, base.path, engine="transformers")
        state.settle(new)
        if place.exists():
            place.replace(old)
        new.replace(place)
        state.settle(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        shutil.rmtree(new, ignore_errors=True)
        raise state.unwritable(folder, ADAPTER, e) from None
    except SafetensorError as e:  # its own word for what the system said
        shutil.rmtree(new, ignore_errors=True)
        told = re.search(r"\(os error (\d+)\)", str(e))
        error = OSError(int(told[1]), os.strerror(int(told[1]))) if told else OSError(str(e))
        raise state.unwritable(folder, ADAPTER, error) from None


def _told(
    job: Job, material: _Material, far: state.Progressed, modules: tuple[str, ...], device: str
) -> dict[str, Any]:
    """The block ``trained``, but for the scores."""
    recipe, train = job.recipe, smooth(far.train)
    inside = job.data.resolve().is_relative_to(job.folder.resolve())
    name = str(job.data.resolve().relative_to(job.folder.resolve())) if inside else job.data.name
    return {
        "method": "lora",
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        "target_modules": list(modules),
        "data": {"file": name, "sha256": sha256(job.data), "rows": material.rows},
        "examples": len(material.learn),
        "held_out": len(material.held),
        "epochs": recipe.epochs,
        "steps": far.step,
        "best_step": far.best,
        "stopped": far.stopped,
        "learning_rate": recipe.lr,
        "batch": recipe.batch,
        "max_tokens": recipe.max_tokens,
        "patience": recipe.patience,
        "seed": recipe.seed,
        "seconds": round(far.seconds, 1),
        "examples_per_second": round(far.seen / far.seconds, 2) if far.seconds else 0.0,
        "device": device,
        "versions": {p: metadata.version(p) for p in _PACKAGES},
        "loss": {
            "train": {"first": round(train[0][1], 4), "last": round(train[-1][1], 4)},
            **(
                {"held_out": {"first": round(far.held[0][1], 4), "best": round(min(v for _, v in far.held), 4)}}
                if far.held
                else {}
            ),
        },
        "command": job.command,
        "terms": digest(material.terms),
    }


def _hashes(folder: Path, raw: Manifest, base: LocalModel) -> dict[str, str]:
    """The hashes that the manifest had, with those of what was written now."""
    files = [f"{ADAPTER}/{CONFIG}", f"{ADAPTER}/{WEIGHTS}"]
    if raw.priority and (folder / raw.priority.file).is_file():
        files.append(raw.priority.file)
    return {**raw.hashes, **{f: sha256(folder / f) for f in files}, "base": base.identity}


def _scores(job: Job, progress: Progress) -> dict[str, Any]:
    from folkmoot.contribute.train_score import scores

    manifest = read_manifest(job.folder / MANIFEST)
    found = scores(manifest, manifest.model, device=job.device, threads=job.threads, progress=progress)
    rounded = {k: {n: round(v, 4) for n, v in asdict(s).items()} for k, s in found.items()}
    return {"split": "test", "metric": manifest.priority.metric if manifest.priority else "exact", **rounded}
