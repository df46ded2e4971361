"""LoRA adapters in a model of transformers: read as data, checked against the model, given to the rows of a batch.

Plain adapters of linear layers are mixed (`folkmoot.engines.decoding.mixed`): rows of one batch may have any of them,
or none. The others (DoRA, embeddings, whole modules) are PEFT's, which has one at a time for all rows.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from folkmoot.engines.contract import EngineError
from folkmoot.engines.decoding.mixed import Mixed, Part
from folkmoot.engines.placement.lora import CONFIG, WEIGHTS, check_adapter

_KEPT = (
    "r", "lora_alpha", "target_modules", "exclude_modules", "fan_in_fan_out", "use_rslora", "use_dora", "rank_pattern",
    "alpha_pattern", "layers_to_transform", "layers_pattern", "modules_to_save", "lora_bias", "target_parameters",
)  # fmt: skip
"""What is taken over of a configuration: numbers and names of modules. PEFT imports modules that others name."""


class Worn(NamedTuple):
    """An adapter as rows have it.

    Attributes:
        name: Of this state of its weights.
        mixes: It may be in one batch with others.
    """

    name: str
    mixes: bool


class Adapters:
    """The adapters of one model, each loaded once. Used by one thread only.

    Args:
        model: The base model. Without an adapter its layers do what they did before.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._skeleton: Any = None
        self._mixed: Mixed | None = None
        self._alone = _OneForAll(model)
        self._loaded: dict[tuple[str, int], Worn] = {}
        self._current: dict[str, Worn] = {}
        self._count = 0

    def company(self, folder: str | None) -> str | None:
        """Load an adapter; adapters of equal company may be in one batch. None: those that mix, and no adapter.

        Raises:
            EngineError: It cannot be loaded or does not fit; names the adapter and the reason. Nothing has changed then.
        """
        if folder is None:
            return None
        weights = Path(folder).expanduser() / WEIGHTS
        # A file that was trained anew under the same name is another adapter.
        key = (folder, weights.stat().st_mtime_ns if weights.is_file() else 0)
        if key not in self._loaded:
            self._loaded[key] = self._load(weights, _config(weights.parent, folder), folder)
        self._current[folder] = self._loaded[key]
        return None if self._current[folder].mixes else self._current[folder].name

    def worn(self, folder: str | None) -> Worn | None:
        """An adapter whose company was asked, as it was then; rows keep it even if the folder changes."""
        return None if folder is None else self._current[folder]

    def apply(self, rows: Sequence[Worn | None], kept: Sequence[Worn | None] = ()) -> None:
        """Give each row of the next passes its adapter, or none.

        Args:
            rows: All of one company.
            kept: Of rows that will be computed again after these.
        """
        self._alone.use(next((a.name for a in rows if a is not None and not a.mixes), None))
        if self._mixed is not None:
            mixing = [a.name if a is not None and a.mixes else None for a in rows]
            self._mixed.apply(mixing, {a.name for a in kept if a is not None and a.mixes})

    def _load(self, weights: Path, config: dict[str, Any], folder: str) -> Worn:
        from peft import LoraConfig
        from safetensors.torch import load_file

        self._count += 1
        name = f"folkmoot_{self._count}"
        with _misfits(folder):
            tensors = load_file(str(weights))
            lora = LoraConfig(**config, init_lora_weights=True, inference_mode=True)
            if self._mixed is None:
                self._skeleton, self._mixed = _skeleton(self._model), Mixed(self._model)
            parts = _parts(_tried(self._skeleton, name, lora, tensors), name, tensors, self._mixed)
            if parts is None:
                self._alone.load(name, lora, tensors)
            else:
                self._mixed.append(name, parts)
        return Worn(name, mixes=parts is not None)


class _OneForAll:
    """Adapters that PEFT applies, one at a time to all rows.

    Args:
        model: The base model. PEFT wraps its layers in place.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: Any = None
        self._active: str | None = None

    def use(self, name: str | None) -> None:
        """Apply an adapter that was loaded, or none."""
        if name == self._active or self._peft is None:
            return
        if name is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(name, inference_mode=True)
        self._active = name

    def load(self, name: str, lora: Any, tensors: dict[str, Any]) -> None:
        """Take an adapter in, which is known to fit."""
        from peft import PeftModel

        self._active = ""  # loading changes what is active: whatever is used next has to be applied
        if self._peft is None:
            self._peft = PeftModel(self._model, lora, name, autocast_adapter_dtype=False)
        else:
            self._peft.add_adapter(name, lora)
        _fill(self._peft, name, tensors)
        self._peft.eval()


def _skeleton(model: Any) -> Any:
    """A copy of a model without numbers: adapters are tried on it."""
    import torch

    tensors = [*model.parameters(), *model.buffers()]
    empty = {id(t): torch.empty_like(t, device="meta") for t in tensors}
    for p in model.parameters():
        empty[id(p)] = torch.nn.Parameter(empty[id(p)], requires_grad=False)
    return copy.deepcopy(model, empty)


def _tried(skeleton: Any, name: str, lora: Any, tensors: dict[str, Any]) -> Any:
    """PEFT's model of a skeleton with an adapter in it. It decides which layers a configuration means, and how."""
    from peft import PeftModel

    peft = PeftModel(copy.deepcopy(skeleton), lora, name, autocast_adapter_dtype=False, low_cpu_mem_usage=True)
    _fill(peft, name, {key: tensor.to("meta") for key, tensor in tensors.items()})
    return peft


def _fill(peft: Any, name: str, tensors: dict[str, Any]) -> None:
    from peft import set_peft_model_state_dict

    found = set_peft_model_state_dict(peft, tensors, adapter_name=name)
    strange = list(found.unexpected_keys)
    lacking = [k for k in found.missing_keys if name in k]
    if strange or lacking:
        raise ValueError(
            f"its weights are for other layers ({(strange or lacking)[0]} is {'not ' if strange else 'missing '}"
            f"{'in this model' if strange else 'in the file'})"
        )


def _parts(peft: Any, name: str, tensors: dict[str, Any], mixed: Mixed) -> dict[str, Part] | None:
    """What a plain adapter of linear layers adds to each; None if it is something else."""
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    parts = {}
    for module, layer in peft.base_model.model.named_modules():
        if not isinstance(layer, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
            continue
        if type(layer) is not Linear or module not in mixed.modules:
            return None
        if layer.lora_variant or layer.lora_bias[name]:
            return None
        a, b = (tensors.get(f"base_model.model.{module}.lora_{side}.weight") for side in "AB")
        if a is None or b is None:
            return None  # under names that only PEFT knows how to read
        parts[module] = mixed.part(module, a, b.float() * layer.scaling[name])
    return parts


@contextlib.contextmanager
def _misfits(folder: str) -> Iterator[None]:
    """Say of an adapter that it does not fit, in one line, whatever PEFT says."""
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, OSError, SafetensorError) as e:
        lines = str(e).strip().splitlines() or [type(e).__name__]
        why = next((line.strip() for line in lines if "size mismatch" in line), lines[0])
        raise EngineError(
            f"adapter {folder}: it does not fit this model: {why.rstrip('.')}. "
            "Use it with the model that it was trained on."
        ) from None


def _config(path: Path, folder: str) -> dict[str, Any]:
    """The parts of an adapter's configuration that are used, as plain data."""
    check_adapter(folder, None, engine="transformers")  # whether it fits this base is for PEFT to say
    raw = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    return {k: raw[k] for k in _KEPT if raw.get(k) is not None}
