"""LoRA adapters in a model of transformers: read as data, checked against the model, switched between batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import EngineError

_KEPT = (
    "r", "lora_alpha", "target_modules", "exclude_modules", "fan_in_fan_out", "use_rslora", "use_dora", "rank_pattern",
    "alpha_pattern", "layers_to_transform", "layers_pattern", "modules_to_save", "lora_bias", "target_parameters",
)  # fmt: skip
"""What is taken over of a configuration: numbers and names of modules. PEFT imports modules that others name."""

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga", "mica")
"""Initialisations that change the base model's weights: everybody else on this base would get them too."""

_REFUSED = {
    "alora_invocation_tokens": "activated LoRA, which the transformers engine does not have",
    "layer_replication": "layer replication, which changes the base model",
    "megatron_config": "Megatron layers, which the transformers engine does not have",
}


class Adapters:
    """The adapters of one model, each loaded once. Used by one thread only.

    Args:
        model: The base model. PEFT wraps its layers in place; without an adapter they do what they did before.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: Any = None
        self._names: dict[tuple[str, int], str] = {}
        self._loaded = 0
        self._active: str | None = None

    def use(self, folder: str | None) -> None:
        """Apply the adapter in a folder to the model, or none.

        Raises:
            EngineError: It cannot be loaded or does not fit; names the adapter and the reason. Nothing is applied then.
        """
        name = None if folder is None else self._name(folder)
        if name == self._active or self._peft is None:
            return
        if name is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(name, inference_mode=True)
        self._active = name

    def _name(self, folder: str) -> str:
        path = Path(folder).expanduser().resolve()
        weights = path / "adapter_model.safetensors"
        # A file that was trained anew under the same name is another adapter.
        key = (str(path), weights.stat().st_mtime_ns if weights.is_file() else 0)
        if key not in self._names:
            config = _config(path, folder)
            self._names[key] = self._load(weights, config, folder)
        return self._names[key]

    def _load(self, weights: Path, config: dict[str, Any], folder: str) -> str:
        from peft import LoraConfig, PeftModel, set_peft_model_state_dict
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self._loaded += 1
        name = f"folkmoot_{self._loaded}"
        first = self._peft is None
        self._active = ""  # loading changes what is active: whatever is used next has to be applied
        try:
            tensors = load_file(str(weights))
            lora = LoraConfig(**config, init_lora_weights=True, inference_mode=True)
            if first:
                self._peft = PeftModel(self._model, lora, name, autocast_adapter_dtype=False)
            else:
                self._peft.add_adapter(name, lora)
            found = set_peft_model_state_dict(self._peft, tensors, adapter_name=name)
            strange = list(found.unexpected_keys)
            lacking = [k for k in found.missing_keys if name in k]
            if strange or lacking:
                raise ValueError(
                    f"its weights are for other layers ({(strange or lacking)[0]} is {'not ' if strange else 'missing '}"
                    f"{'in this model' if strange else 'in the file'})"
                )
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, OSError, SafetensorError) as e:
            self._forget(name, first)
            lines = str(e).strip().splitlines() or [type(e).__name__]
            why = next((line.strip() for line in lines if "size mismatch" in line), lines[0])
            raise EngineError(
                f"adapter {folder}: it does not fit this model: {why.rstrip('.')}. "
                "Use it with the model that it was trained on."
            ) from None
        self._peft.eval()
        return name

    def _forget(self, name: str, first: bool) -> None:
        if self._peft is not None and first:
            self._peft.base_model.unload()
            self._peft = None
        elif self._peft is not None and name in self._peft.peft_config:
            self._peft.delete_adapter(name)
        if self._peft is not None:
            self._peft.base_model.disable_adapter_layers()
        self._active = None


def _config(path: Path, folder: str) -> dict[str, Any]:
    """The parts of an adapter's configuration that are used, as plain data."""
    if wrong := _wrong(path):
        raise EngineError(f"adapter {folder}: {wrong}.")
    raw = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
    return {k: raw[k] for k in _KEPT if raw.get(k) is not None}


def _wrong(path: Path) -> str | None:
    """Why the adapter in this folder cannot be used with any model, with the remedy; None if it can."""
    try:
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
    except OSError:
        return "there is no adapter_config.json in it. Give the folder that PEFT's save_pretrained wrote"
    except ValueError:
        return "its adapter_config.json is not JSON. Save the adapter again"
    if not isinstance(config, dict) or type(config.get("r")) is not int:
        return "its adapter_config.json is not the configuration of a LoRA"
    if not (path / "adapter_model.safetensors").is_file():
        return "it has no adapter_model.safetensors; other formats may hold code and are not loaded. Save it as safetensors"
    if config.get("peft_type", "LORA") != "LORA":
        return f"it is of type {config['peft_type']}; only LORA works here"
    if (config.get("bias") or "none") != "none":
        return "it changes biases of the base model. Train it with bias='none'"
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGES_BASE):
        return f"its initialisation {start!r} changes the base model. Convert it to a plain LoRA with PEFT"
    return next((f"it uses {what}" for key, what in _REFUSED.items() if config.get(key)), None)
