"""LoRA adapters as vLLM takes them: checked before they are handed over, each under an id of its own."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import EngineError

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Rank limits that vLLM knows."""

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")
"""Initialisations that change the base model's weights, so that the adapter does not fit the base as it is."""

_HEADER_CAP = 100_000_000


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter.

    Attributes:
        number: Unique in this process: two adapters with one number would silently be one in vLLM.
        path: Its folder, absolute.
    """

    number: int
    path: Path


class Adapters:
    """Numbers adapters by folder. Thread-safe.

    Args:
        max_rank: Largest rank that is accepted.
    """

    def __init__(self, max_rank: int) -> None:
        self._max_rank = max_rank
        self._known: dict[Path, Adapter] = {}
        self._lock = threading.Lock()

    def find(self, folder: str, base: Path) -> Adapter:
        """The adapter in a folder.

        Args:
            folder: What the request names.
            base: Folder of the model it is applied to.

        Raises:
            EngineError: vLLM could not use it; the message names the folder and the reason.
        """
        path = Path(folder).expanduser().resolve()
        with self._lock:
            if path not in self._known:
                if wrong := _wrong(path, self._max_rank, base):
                    raise EngineError(f"adapter {folder}: {wrong}.")
                self._known[path] = Adapter(len(self._known) + 1, path)
            return self._known[path]


def _wrong(path: Path, max_rank: int, base: Path) -> str | None:
    """Why vLLM cannot use the adapter in this folder, with the remedy; None if it can."""
    try:
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        kind = config.get("peft_type", "LORA")
        ranks = [config["r"], *(config.get("rank_pattern") or {}).values()] if kind == "LORA" else [0]
        if any(type(r) is not int for r in ranks):
            raise TypeError
    except OSError:
        return "there is no adapter_config.json in it. Give the folder that PEFT's save_pretrained wrote"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its adapter_config.json cannot be read as a LoRA configuration"
    if kind != "LORA":
        return f"it is of type {kind}; only LORA works here"
    if not (path / "adapter_model.safetensors").is_file():
        return "it has no adapter_model.safetensors; other formats may hold code and are not loaded"
    if (rank := max(ranks)) > max_rank:
        return f"its rank is {rank}, above the engine's limit of {max_rank}. Build the engine with max_lora_rank={rank}"
    return _unsupported(config) or _misfit(path / "adapter_model.safetensors", base)


def _unsupported(config: dict[str, Any]) -> str | None:
    if modules := config.get("modules_to_save"):
        return f"it replaces whole modules ({', '.join(map(str, modules))}). Train without modules_to_save"
    if (config.get("bias") or "none") != "none" or config.get("lora_bias"):
        return "it trains biases. Train with bias='none'"
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGES_BASE):
        return f"its initialisation {start!r} changes the base model. Convert it to a plain LoRA with PEFT"
    for key, name in (
        ("use_dora", "DoRA"),
        ("alora_invocation_tokens", "activated LoRA"),
        ("layer_replication", "layer replication"),
        ("use_bdlora", "block-diagonal LoRA"),
        ("use_qalora", "QALoRA"),
    ):
        if config.get(key):
            return f"it uses {name}, which vLLM does not have. Use the transformers engine, or train a plain LoRA"
    return None


def _misfit(weights: Path, base: Path) -> str | None:
    """Whether the adapter was made for another model. vLLM would cut or pad its matrices and say nothing."""
    have: dict[str, list[int]] = {}
    try:
        for file in base.glob("*.safetensors"):
            have |= _shapes(file)
        mine = _shapes(weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "its adapter_model.safetensors is damaged. Save it again"
    for name, shape in mine.items():
        module, part = _module(name)
        matrix = have.get(f"{module}.weight")
        if matrix is None or len(shape) != 2 or part not in ("lora_A", "lora_B"):
            continue
        wanted, got = (matrix[1], shape[1]) if part == "lora_A" else (matrix[0], shape[0])
        if wanted != got:
            return f"it was made for another model: {module} is {wanted} wide here and {got} there. Name its own base"
    modules = {_module(name)[0] for name in mine}
    absent = {m for m in modules if f"{m}.weight" not in have}
    # If none is there, the model just has other names inside vLLM, which then decides. Tied ends have one matrix.
    if absent != modules and (other := sorted(m for m in absent if not m.endswith(("lm_head", "embed_tokens")))):
        return f"it was made for another model: it changes {other[0]}, which is not there. Name its own base"
    return None


def _module(name: str) -> tuple[str, str]:
    """Module and part: ``base_model.model.x.q_proj.lora_A.weight`` is ``lora_A`` of ``x.q_proj``."""
    module, _, part = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
    return module, part


def _shapes(file: Path) -> dict[str, list[int]]:
    """Shapes of the tensors in a safetensors file, from its header."""
    with file.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if length > _HEADER_CAP:
            raise ValueError("the header is too long")
        header = json.loads(f.read(length))
    return {name: list(t["shape"]) for name, t in header.items() if name != "__metadata__"}
