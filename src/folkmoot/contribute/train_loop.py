"""The loop of a training: steps, looks at the held-out examples, checkpoints, an early stop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from folkmoot.contribute.train_fit import Fit, Unstable
from folkmoot.contribute.train_recipe import Recipe
from folkmoot.contribute.train_state import Progressed, write
from folkmoot.contribute.train_tokens import Example, batches
from folkmoot.documents import BadInput
from folkmoot.progress import Progress

CHECKPOINT_S = 30.0
"""Seconds of work after which a kill costs no more."""

_LOOKS = 2
"""Looks at the held-out examples in an epoch."""


def total_steps(examples: int, recipe: Recipe) -> int:
    """Steps of a whole training."""
    return recipe.epochs * math.ceil(examples / recipe.batch)


def run(
    fit: Fit,
    folder: Path,
    name: str,
    far: Progressed,
    learn: Sequence[Example],
    held: Sequence[Example],
    recipe: Recipe,
    progress: Progress,
) -> Progressed:
    """Train to the end, from where `far` is.

    Args:
        fit: In the state that belongs to `far`.
        folder: The contribution, for checkpoints.
        name: Of the participant, for the progress.
        far: How far it is.
        learn: Examples to learn from.
        held: Examples held out.
        recipe: How.
        progress: Told about every step.

    Raises:
        BadInput: The loss is no number any more.
        Missing: A checkpoint cannot be written; the one before is whole.
    """
    per_epoch = math.ceil(len(learn) / recipe.batch)
    steps = total_steps(len(learn), recipe)
    look = math.ceil(per_epoch / _LOOKS)
    stage = f"train {name}" if not far.step else f"train {name} from step {far.step}"
    began, before, left = time.monotonic(), far, len(learn) * recipe.epochs - far.seen
    epoch, order = -1, list[list[Example]]()
    try:
        progress(stage, 0, left)
        if not far.held and held:
            far = replace(far, held=((0, fit.loss(held)),))
            fit.keep()
        saved = time.monotonic()
        while not far.stopped and far.step < steps:
            if epoch != far.step // per_epoch:
                epoch = far.step // per_epoch
                order = batches(learn, recipe.batch, recipe.seed, epoch)
            batch = order[far.step % per_epoch]
            loss = fit.learn(batch)
            far = replace(
                far, step=fit.step, seen=far.seen + len(batch), train=(*far.train, (fit.step, loss)), best=far.best
            )
            if held and (far.step % look == 0 or far.step == steps):
                far = _looked(fit, far, held, recipe)
            if far.step == steps and not far.stopped:
                far = replace(far, stopped="epochs")
            now = time.monotonic()
            far = replace(far, seconds=before.seconds + now - began)
            if far.stopped or (held and far.step % look == 0) or now - saved > CHECKPOINT_S:
                write(folder, far, fit.state())
                saved = now
            seen = far.seen - before.seen
            progress(stage, seen, left, f"{_losses(far)}  {seen / max(now - began, 1e-9):.1f} examples/s")
    except Unstable:
        raise BadInput(
            f"{name}: the loss is no number any more after step {fit.step}; nothing of it is kept. "
            f"Train with a lower --lr (it was {recipe.lr:g}) and --restart"
        ) from None
    return far if held else replace(far, best=far.step)


def _looked(fit: Fit, far: Progressed, held: Sequence[Example], recipe: Recipe) -> Progressed:
    loss = fit.loss(held)
    better = loss < min(v for _, v in far.held)
    if better:
        fit.keep()
    far = replace(far, held=(*far.held, (far.step, loss)), best=far.step if better else far.best)
    waited = sum(step > far.best for step, _ in far.held)
    return replace(far, stopped="early") if waited >= recipe.patience else far


def _losses(far: Progressed) -> str:
    recent = [v for _, v in far.train[-10:]]
    words = f"loss {sum(recent) / len(recent):.3f}"
    return words + (f"  held out {far.held[-1][1]:.3f}" if far.held else "")
