"""LoRA adapters read as data, and what speaks against using one: found before an engine loads anything.

An adapter is a folder with ``adapter_config.json`` and ``adapter_model.safetensors``, as PEFT's ``save_pretrained``
writes it. Of the weights only the header is read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from folkmoot.engines.contract import EngineError
from folkmoot.engines.placement.tensors import Tensor, folder_tensors, tensors

Runs = Literal["vllm", "transformers"]
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Rank limits that vLLM knows."""

_CONFIG_CAP = 4_000_000
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that change the base model's weights, so that the adapter does not fit the base as it is."""

_NOWHERE = {
    "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "layer replication",
    "megatron_config": "Megatron layers",
    "trainable_token_indices": "trained token embeddings (trainable_token_indices)",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "arrow_config": "Arrow routing",
}
"""What no engine here has, by its key in the configuration."""

_NOT_IN_VLLM = {"use_dora": "uses DoRA", "lora_bias": "trains biases of its own (lora_bias)"}

_PLAIN = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
"""Formats whose tensors have the shape of the matrix; packed ones have another."""

_OTHER = {
    "lora_A": "lora_B",
    "lora_B": "lora_A",
    "lora_embedding_A": "lora_embedding_B",
    "lora_embedding_B": "lora_embedding_A",
}
_PREFIX = "base_model.model."
_TENSOR = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)"
    r"(?P<tail>\.weight|\.bias)?"
)


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA adapter that an engine can use.

    Attributes:
        path: Its folder, absolute.
        rank: The largest of its ranks.
        alpha: Scale: a module's change is multiplied by alpha / rank.
        modules: Names of the base's modules that it changes.
        bytes: Size of its weights.
    """

    path: Path
    rank: int
    alpha: float
    modules: tuple[str, ...]
    bytes: int


def check_adapter(folder: str | Path, base: Path | None, *, engine: Runs, max_rank: int | None = None) -> Lora:
    """Read an adapter and make sure that an engine can use it on a base.

    Args:
        folder: The adapter.
        base: Folder of the model that it is applied to; None if that is not on this machine, then its fit is not checked.
        engine: Which engine applies it.
        max_rank: Largest rank that the engine was built for; default: the largest that it can have.

    Raises:
        EngineError: One line: the adapter, everything that is wrong with it, and what to do.
    """
    lora, faults = examine(folder, base, engine=engine, max_rank=max_rank)
    if lora is None:
        raise EngineError(f"adapter {folder}: {'; '.join(faults)}.")
    return lora


def examine(
    folder: str | Path, base: Path | None, *, engine: Runs, max_rank: int | None = None
) -> tuple[Lora | None, list[str]]:
    """As `check_adapter`, with the faults as a list: an adapter that can be used, or at least one fault."""
    path = Path(folder).expanduser().resolve()
    try:
        config = _configuration(path)
    except ValueError as e:
        return None, [str(e)]
    faults = [*_features(config, engine), *_rank(config, engine, max_rank)]
    mine: dict[str, Tensor] = {}
    try:
        mine = tensors(path / WEIGHTS)
    except FileNotFoundError:
        faults.append(f"it has no {WEIGHTS}; other formats may hold code and are not loaded. Save it as safetensors")
    except (OSError, ValueError) as e:
        faults.append(f"its {WEIGHTS} is damaged: {e}. Save it again")
    else:
        faults += _incomplete(mine, config, engine)
        if base is not None:
            faults += _misfit(mine, config, base)
    if faults:
        return None, faults
    modules = tuple(sorted({m for m, part in map(_split, mine) if part in _OTHER}))
    return Lora(path, max(_ranks(config)), config["lora_alpha"], modules, sum(t.bytes for t in mine.values())), []


def _configuration(path: Path) -> dict[str, Any]:
    """The configuration of a LoRA; everything else is a ValueError that says why."""
    if not path.is_dir():
        raise ValueError(f"no such folder, so there is no {CONFIG}. Name the folder that PEFT's save_pretrained wrote")
    file = path / CONFIG
    try:
        if file.stat().st_size > _CONFIG_CAP:
            raise ValueError(f"its {CONFIG} is oversized. Save the adapter again")
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(f"there is no {CONFIG} in it. Give the folder that PEFT's save_pretrained wrote") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"its {CONFIG} cannot be read as JSON. Save the adapter again") from None
    kind = config.get("peft_type", "LORA") if isinstance(config, dict) else None
    if isinstance(kind, str) and kind != "LORA":
        raise ValueError(f"it is of type {kind}; only LORA works here. Train a LoRA")
    if kind != "LORA" or not _sound(config):
        raise ValueError(f"its {CONFIG} cannot be read as a LoRA configuration. Save the adapter again with PEFT")
    return {"lora_alpha": 8, **config}  # PEFT's own default


def _sound(config: Mapping[str, Any]) -> bool:
    """Whether what is used of a configuration has the right types."""
    alphas = [config.get("lora_alpha", 8), *(_table(config, "alpha_pattern") or {}).values()]
    targets = config.get("target_modules")
    return (
        _table(config, "rank_pattern") is not None
        and _table(config, "alpha_pattern") is not None
        and all(type(r) is int and r > 0 for r in _ranks(config))
        and all(type(a) in (int, float) and math.isfinite(a) for a in alphas)
        and (targets is None or _pattern(targets) or _names(targets))
        and (config.get("modules_to_save") is None or _names(config["modules_to_save"]))
    )


def _table(config: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    found = config.get(key) or {}
    return found if isinstance(found, dict) else None


def _pattern(value: Any) -> bool:
    """A text that can be a pattern; it is never run here, since it may be made to run for ever."""
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except (re.error, RecursionError, OverflowError):
        return False


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _ranks(config: Mapping[str, Any]) -> list[Any]:
    return [config.get("r"), *(_table(config, "rank_pattern") or {}).values()]


def _features(config: Mapping[str, Any], engine: Runs) -> Iterator[str]:
    for key, name in _NOWHERE.items():
        if config.get(key):
            yield f"it uses {name}, which no engine here has. Train a plain LoRA"
    if (config.get("bias") or "none") != "none":
        yield "it trains biases of the base model. Train it with bias='none'"
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGES_BASE):
        yield f"its initialisation {start!r} changes the base model. Convert it to a plain LoRA with PEFT"
    if engine == "vllm":
        for key, name in _NOT_IN_VLLM.items():
            if config.get(key):
                yield f"it {name}, which vLLM does not have. Use the transformers engine, or train a plain LoRA"
        if modules := config.get("modules_to_save"):
            yield f"it replaces whole modules ({', '.join(modules)}), which vLLM does not do. Train without modules_to_save"


def _rank(config: Mapping[str, Any], engine: Runs, max_rank: int | None) -> Iterator[str]:
    rank = max(_ranks(config))
    if engine == "vllm" and rank > RANKS[-1]:
        yield f"its rank is {rank}, and vLLM goes up to {RANKS[-1]}. Use the transformers engine, or train a smaller rank"
    elif max_rank is not None and rank > max_rank:
        yield f"its rank is {rank}, above the engine's limit of {max_rank}. Build the engine with max_lora_rank={rank}"


def _split(name: str) -> tuple[str, str]:
    """Module and part: ``base_model.model.x.q_proj.lora_A.weight`` is ``lora_A`` of ``x.q_proj``; other names have no part."""
    if found := _TENSOR.fullmatch(name.removeprefix(_PREFIX)):
        part, tail = found["part"], found["tail"] or ""
        if (part, tail) == ("lora_B", ".bias"):
            return found["module"], "bias"
        if tail != ".bias" and (tail or part not in ("lora_A", "lora_B")):
            return found["module"], part
    return name.removeprefix(_PREFIX), ""


def _incomplete(mine: Mapping[str, Tensor], config: Mapping[str, Any], engine: Runs) -> Iterator[str]:
    """Tensors that lack their partner, that no LoRA has, or whose rank is not the configuration's."""
    parts = {_split(name): tensor for name, tensor in mine.items()}
    if not any(part in _OTHER for _, part in parts):
        yield f"there are no LoRA matrices in its {WEIGHTS}. Save the adapter again"
        return
    alone = sorted(f"{m}.{_OTHER[p]}" for m, p in parts if p in _OTHER and (m, _OTHER[p]) not in parts)
    if alone:
        yield f"{_listed(alone)} missing from its {WEIGHTS}. Save the adapter again"
    saved = frozenset(config.get("modules_to_save") or ())
    # PEFT puts a copy of the base's own matrix beside an adapter of embeddings; vLLM stumbles over it.
    copies = ".base_layer.weight" if engine == "transformers" else "\0"
    strange = [
        m
        for m, p in parts
        if (not p and not _within(m.rpartition(".")[0], saved) and not m.endswith(copies))
        or (p == "bias" and not config.get("lora_bias"))
    ]
    strange += [m for m, p in parts if p == "lora_magnitude_vector" and not config.get("use_dora")]
    if strange:
        yield f"its {WEIGHTS} holds more than its configuration tells of: {_listed(sorted(strange), be=False)}. Save it again"
    ranks = set(_ranks(config))
    for (module, part), tensor in parts.items():
        if part in _OTHER and not config.get("target_parameters"):  # those have the matrices of all experts in one
            if len(tensor.shape) != 2:
                yield f"{module}.{part} is no matrix. Save the adapter again"
                return
            if (rank := tensor.shape[0 if part.endswith("_A") else 1]) not in ranks:
                yield (
                    f"{module}.{part} has rank {rank}, and its configuration names {', '.join(map(str, sorted(ranks)))}. "
                    "Keep configuration and weights of one training together"
                )
                return


def _misfit(mine: Mapping[str, Tensor], config: Mapping[str, Any], base: Path) -> Iterator[str]:
    """What shows that the adapter was made for another model. vLLM would cut or pad its matrices and say nothing."""
    try:
        have = folder_tensors(base)
    except (OSError, ValueError) as e:
        yield f"its base {base} cannot be read: {e}. Fetch the base again"
        return
    parts = {_split(name): tensor for name, tensor in mine.items()}
    modules = {m for m, p in parts if p in _OTHER}
    absent = modules - {name.rpartition(".")[0] for name in have}
    if absent == modules:
        return  # the model has other names in memory than in its files: the engine decides
    said = config.get("base_model_name_or_path")
    made = f"it was made for another model{f' ({said[:100]!r})' if isinstance(said, str) and said else ''}"
    for (module, part), tensor in parts.items():
        matrix = have.get(f"{module}.weight")
        if matrix is None or matrix.dtype not in _PLAIN or part not in _OTHER:
            continue
        if len(matrix.shape) != 2 or len(tensor.shape) != 2:
            continue
        out, into = reversed(matrix.shape) if _transposed(config, part) else matrix.shape
        wanted, got = (into, tensor.shape[1]) if part.endswith("_A") else (out, tensor.shape[0])
        if wanted != got:
            yield f"{made}: {module} is {wanted} wide here and {got} there. Name its own base"
            return
    # Tied ends have one matrix in the file, under one of two names.
    if other := sorted(m for m in absent if not m.endswith(("lm_head", "embed_tokens"))):
        yield f"{made}: it changes {other[0]}, which is not there. Name its own base"
        return
    yield from _targets(modules, config, have)


def _targets(modules: set[str], config: Mapping[str, Any], have: Mapping[str, Tensor]) -> Iterator[str]:
    """Whether the layers with matrices are those that the configuration names, where it names them by the end of their name.

    Expressions are not tried: they come from other people, and one can be made that takes for ever.
    """
    targets = config.get("target_modules")
    if not isinstance(targets, list) or config.get("target_parameters"):
        return
    ends = frozenset(targets)
    if surplus := sorted(m for m in modules if not _within(m, ends)):
        yield f"it holds matrices for {_listed(surplus, be=False)}, which its target_modules do not name. Save it again"
    if config.get("layers_to_transform") is not None or config.get("exclude_modules"):
        return
    named = {n.removesuffix(".weight") for n, t in have.items() if n.endswith(".weight") and len(t.shape) == 2}
    lacking = sorted(m for m in named - modules if _within(m, ends))
    if lacking:
        yield f"the matrices of {_listed(lacking)} missing, which its target_modules name. Save it again"


def _within(module: str, ends: frozenset[str]) -> bool:
    """Whether a module is called by one of these names, or ends with one after a dot."""
    parts = module.split(".")
    return any(".".join(parts[i:]) in ends for i in range(len(parts)))


def _transposed(config: Mapping[str, Any], part: str) -> bool:
    return bool(config.get("fan_in_fan_out")) or part.startswith("lora_embedding")


def _listed(names: list[str], *, be: bool = True) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return names[0] + more + ((" are" if more else " is") if be else "")
