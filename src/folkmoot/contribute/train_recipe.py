"""What determines a training: the same recipe on the same data gives the same adapter, as far as the hardware does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from folkmoot.contribute.train_tokens import Example


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is fitted.

    Attributes:
        rank: Of the LoRA matrices, on all linear layers.
        epochs: Times that every example is seen.
        lr: Learning rate at its highest; it rises over the first steps and then falls to 0 in a straight line.
        batch: Examples per step.
        seed: Of the first weights, the held-out rows and the order of the examples.
        held_out: Share of the rows that is not learnt from.
        patience: Looks at the held-out rows without a better loss after which training stops.
        max_tokens: Tokens of the longest example that is taken.
    """

    rank: int = 4
    epochs: int = 4
    lr: float = 2e-3
    batch: int = 16
    seed: int = 0
    held_out: float = 0.1
    patience: int = 4
    max_tokens: int = 1024

    @property
    def alpha(self) -> int:
        """Scale of the change: it is multiplied by alpha / rank."""
        return 2 * self.rank


def terms(recipe: Recipe, base: str, rows: Sequence[Sequence[Example]]) -> dict[str, Any]:
    """All that the result depends on, as plain data.

    Args:
        recipe: How.
        base: Identity of the base model.
        rows: The data as the model sees them: prompts, system text and template are in there.
    """
    seen = hashlib.sha256(json.dumps([[(e.ids, e.learnt) for e in row] for row in rows]).encode())
    return {**asdict(recipe), "base": base, "data": seen.hexdigest()}


def digest(found: Mapping[str, Any]) -> str:
    """A short name of the terms."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two terms, for people: ``lr 0.002 -> 0.001, other data``."""
    words = {"data": "other data (rows, system text or prompt template)", "base": "another base model"}
    return ", ".join(
        words.get(key, f"{key.replace('_', '-')} {before.get(key)} -> {now[key]}")
        for key in now
        if before.get(key) != now[key]
    )


def since(trained: Mapping[str, Any], recipe: Recipe, data: str) -> str:
    """What differs between a recipe and what a manifest says of a training, for people.

    Args:
        trained: The block ``trained``.
        recipe: As it is now.
        data: SHA-256 of the rows now.
    """
    words = [
        f"{key.replace('_', '-')} {before} -> {now}"
        for key, now in asdict(recipe).items()
        if (before := trained.get("learning_rate" if key == "lr" else key, now)) != now and key != "held_out"
    ]
    told = trained.get("data")
    if not isinstance(told, dict) or told.get("sha256") != data:
        words.append("other rows")
    return ", ".join(words) or "other held-out share, system text, instruction, prompt template or base model"
