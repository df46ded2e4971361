"""The arithmetic of fitting a LoRA adapter: one step, the loss on held-out examples, the state between two steps."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from folkmoot.contribute.train_recipe import Recipe
from folkmoot.contribute.train_tokens import Example, pieces
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.engines.placement.lora import CONFIG, WEIGHTS

_WARM_UP = 0.05
_CLIP = 1.0
_LONG = 1024
"""Tokens from which activations are computed twice rather than kept."""

_ROOM = 2.5e9
"""Bytes of activations that one pass may keep on a CPU, about."""


class Unstable(Exception):  # noqa: N818 - reads as a sentence
    """The loss or its gradient is no number any more."""


class Fit:
    """An adapter being fitted to a base model.

    Args:
        folder: The base model.
        recipe: How.
        steps: How many there will be.
        longest: Tokens of the longest example.
        device: As `folkmoot.engines.decoding.model.placed` gives it.
        dtype: The same.
        threads: Of the CPU; default: the free cores.

    Raises:
        Missing: A package is not installed, or the model cannot be loaded.
        BadInput: The model has no linear layers to adapt.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, steps: int, longest: int, device: str, dtype: str, threads: int | None
    ) -> None:
        import torch

        self._recipe, self._steps, self._device = recipe, steps, device
        self._mixed = dtype == "bfloat16"
        self._model = _adapted(folder, recipe, longest, device, dtype, threads)
        self._own = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._own.values(), lr=recipe.lr, weight_decay=0.0)
        self._room = _room(self._model, device)
        self.step = 0
        self._best: dict[str, Any] = {}

    @property
    def modules(self) -> tuple[str, ...]:
        """Kinds of layers that are adapted."""
        return tuple(sorted(self._model.peft_config["default"].target_modules))

    def learn(self, batch: Sequence[Example]) -> float:
        """Take one step; the loss per learnt token before it.

        Raises:
            Unstable: There is no step to take.
        """
        import torch

        total = sum(sum(e.learnt) for e in batch)
        loss = 0.0
        self._model.train()
        for part in pieces(batch, self._room):
            piece = self._loss(part) / total
            piece.backward()
            loss += float(piece.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self._own.values(), _CLIP))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise Unstable
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.lr * slope(self.step, self._steps)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def loss(self, examples: Sequence[Example]) -> float:
        """Mean loss per learnt token, without learning.

        Raises:
            Unstable: It is no number.
        """
        import torch

        self._model.eval()
        with torch.no_grad():
            total = sum(float(self._loss(part)) for part in pieces(examples, self._room))
        found = total / sum(sum(e.learnt) for e in examples)
        if not math.isfinite(found):
            raise Unstable
        return found

    def keep(self) -> None:
        """Remember the weights as they are now as the best."""
        self._best = {name: p.detach().clone() for name, p in self._own.items()}

    def use_best(self) -> None:
        """Put the best weights in place."""
        import torch

        with torch.no_grad():
            for name, value in self._best.items():
                self._own[name].copy_(value)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors by name."""
        found = {f"now/{name}": p.detach() for name, p in self._own.items()}
        found |= {f"best/{name}": p for name, p in self._best.items()}
        for name, p in self._own.items():
            found |= {f"{key}/{name}": value for key, value in self._optimizer.state.get(p, {}).items()}
        return {name: value.contiguous().cpu() for name, value in found.items()}

    def restore(self, step: int, tensors: dict[str, Any]) -> None:
        """The inverse of `state`."""
        import torch

        with torch.no_grad():
            for name, p in self._own.items():
                p.copy_(tensors[f"now/{name}"])
                held = {
                    k: tensors[f"{k}/{name}"] for k in ("step", "exp_avg", "exp_avg_sq") if f"{k}/{name}" in tensors
                }
                if held:
                    self._optimizer.state[p] = {k: v if k == "step" else v.to(self._device) for k, v in held.items()}
        self._best = {n: tensors[f"best/{n}"].to(self._device) for n in self._own if f"best/{n}" in tensors}
        self.step = step

    def save(self, folder: Path, name: str, revision: str | None) -> None:
        """Write the adapter as PEFT does, its weights in bfloat16.

        Args:
            folder: Where; it is made.
            name: What the base model is called there.
            revision: Of the base model, if it has one.
        """
        import torch
        from peft import get_peft_model_state_dict

        tensors = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        small = {key: value.to(torch.bfloat16).cpu() for key, value in tensors.items()}
        self._model.save_pretrained(str(folder), state_dict=small, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # the contribution has a card of its own
        (folder / WEIGHTS).chmod(0o644)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config |= {"base_model_name_or_path": name, "revision": revision, "target_modules": list(self.modules)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def _loss(self, part: Sequence[Example]) -> Any:
        """Sum of the losses of all learnt tokens."""
        import torch

        width = max(len(e.ids) for e in part)
        ids = torch.zeros((len(part), width), dtype=torch.long)
        learnt = torch.zeros((len(part), width), dtype=torch.bool)
        for i, e in enumerate(part):
            ids[i, : len(e.ids)] = torch.tensor(e.ids)
            learnt[i, : len(e.ids)] = torch.tensor(e.learnt)
        first = max(1, min(len(e.ids) - e.tail for e in part))
        wanted = torch.arange(first - 1, width - 1, device=self._device)
        # Padding is on the right, where causal attention never looks: no mask is needed.
        with torch.autocast(self._device.partition(":")[0], torch.bfloat16, enabled=self._mixed):
            logits = self._model(input_ids=ids.to(self._device), logits_to_keep=wanted, use_cache=False).logits
        mask = learnt[:, first:].to(self._device)
        return torch.nn.functional.cross_entropy(
            logits[mask].float(), ids[:, first:].to(self._device)[mask], reduction="sum"
        )


def slope(step: int, steps: int) -> float:
    """Share of the learning rate at a step: a short rise, then straight down to 0 after the last.

    >>> [round(slope(i, 40), 2) for i in (0, 1, 2, 21, 39)]
    [0.5, 1.0, 1.0, 0.5, 0.03]
    """
    rise = max(1, round(_WARM_UP * steps))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise), 1.0)


def _adapted(folder: Path, recipe: Recipe, longest: int, device: str, dtype: str, threads: int | None) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as e:
        raise Missing(f"peft cannot be imported ({e}); install folkmoot with the extra 'local'") from None
    import torch
    from transformers.utils.logging import disable_progress_bar

    from folkmoot.engines.decoding.cores import free_cores
    from folkmoot.engines.decoding.model import MOST_THREADS
    from folkmoot.engines.decoding.openmp import import_transformers

    AutoModelForCausalLM = import_transformers().AutoModelForCausalLM  # noqa: N806 - a class
    disable_progress_bar()
    if device == "cpu":
        torch.set_num_threads(threads or min(free_cores(), MOST_THREADS))
    try:
        base = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
        ).to(device)
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        raise Missing(
            f"{folder}: the model cannot be loaded: {(str(e).strip() or type(e).__name__).splitlines()[0]}"
        ) from None
    torch.manual_seed(recipe.seed)
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    try:
        model = get_peft_model(base, lora, autocast_adapter_dtype=True)
    except ValueError as e:
        raise BadInput(f"{folder}: this model takes no LoRA adapter: {str(e).splitlines()[0]}") from None
    if longest > _LONG:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def _room(model: Any, device: str) -> int:
    """Tokens, padding included, of one pass."""
    import torch

    config = model.config.get_text_config(decoder=True)
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    token = config.num_hidden_layers * (40 * config.hidden_size + 20 * wide)  # bytes, measured
    free = 0.5 * torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else _ROOM
    return max(256, int(free / token))
