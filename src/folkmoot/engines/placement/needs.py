"""How much memory a model takes, from its folder: config.json and the headers of its weights. Nothing is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from folkmoot.engines.placement.lora import RANKS, Lora
from folkmoot.engines.placement.tensors import Tensor, folder_tensors

GIB = 2**30

CUDA_CONTEXT = 6 * GIB // 10
"""What CUDA, its libraries and a process's allocator take on a GPU before the first tensor: 0.4 to 0.6 GiB are usual."""
CUDA_GRAPHS = GIB
"""What vLLM's captured graphs take: some hundred MB for small models, about one GiB for large ones."""
STEP_TOKENS = 16384
"""Tokens that vLLM computes in one step at most by default, on the largest GPUs; its activations are sized for it."""
CPU_PROCESS = 6 * GIB // 10
"""What Python, torch and transformers take in main memory beside the weights."""
CPU_VLLM = 2 * GIB
"""The same for vLLM's two processes, with its compiled kernels and buffers."""
ADAPTER_ROOM = 2 * GIB
"""For adapters, what may be reserved beside even the smallest model. Else not more than its weights take."""
MOST_SLOTS = 32
"""Adapters in one batch at most: kernels loop over them, and every one has its memory reserved."""
CPU_IN_FLIGHT = 32
"""Requests at a time beyond which a CPU gains little."""

Kind = Literal["vllm", "transformers"]
Device = Literal["gpu", "cpu"]
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Size:
    """A model's measures.

    Attributes:
        parameters: How many numbers it has.
        weights: Bytes at 2 bytes a number; what is stored in a packed format counts as it is stored.
        kv_numbers: Numbers kept for every token of context; None if its configuration does not tell.
        heads: Attention heads, by which it can be split over GPUs.
        kv_heads: Of them, those with keys and values of their own.
        step_numbers: Numbers that live at a time for every token in a step: the widest layer, in and out.
        vocabulary: Tokens that it knows.
        rank_numbers: Numbers that an adapter on all its layers has for every rank.
        window: Tokens that it was made for.
    """

    parameters: int
    weights: int
    kv_numbers: int | None
    heads: int = 1
    kv_heads: int = 1
    step_numbers: int = 0
    vocabulary: int = 0
    rank_numbers: int = 0
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What one base needs, in bytes.

    Attributes:
        name: The model's.
        kind: The engine that runs it.
        device: Where it can run.
        weights: Of the model.
        kv_token: For every token of context; None if that is not known.
        tokens: Of prompt and reply together, for a request as planned.
        in_flight: Requests at a time, as planned.
        folders: Different adapters in all.
        slots: Adapters that share a batch.
        rank: Of an adapter, at most; as the engine reserves it.
        adapters: For all slots.
        overhead: On every device that it runs on.
        heads: Attention heads.
        kv_heads: Of them, those with keys and values of their own.
        precision: Bytes of a number.
    """

    name: str
    kind: Kind
    device: Device
    weights: int
    kv_token: int | None
    tokens: int = 2048
    in_flight: int = 1
    folders: int = 0
    slots: int = 0
    rank: int = 0
    adapters: int = 0
    overhead: int = 0
    heads: int = 1
    kv_heads: int = 1
    precision: int = 2


def measure(folder: Path) -> Size:
    """The size of the model in a folder.

    Raises:
        ValueError: The folder does not tell; the text says why.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        have = folder_tensors(folder)
    except OSError as e:
        raise ValueError(f"{e.filename or folder} cannot be read") from None
    except (ValueError, RecursionError) as e:
        raise ValueError(f"{folder} is damaged: {e}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{folder / 'config.json'} is no configuration")
    if not have:
        packed = ": GGUF is converted only for models of the catalogue" if any(folder.glob("*.gguf")) else ""
        raise ValueError(f"{folder} has no safetensors{packed}")
    return _size(config | (config["text_config"] if isinstance(config.get("text_config"), dict) else {}), have)


def _size(config: Mapping[str, Any], have: Mapping[str, Tensor]) -> Size:
    if _tied(config) and any(n.endswith("embed_tokens.weight") for n in have):
        have = {n: t for n, t in have.items() if not n.endswith("lm_head.weight")}  # stored twice, loaded once
    matrices = [t.shape for n, t in have.items() if n.endswith("weight") and len(t.shape) == 2]
    layers, hidden = _number(config, "num_hidden_layers", "n_layer"), _number(config, "hidden_size", "n_embd")
    heads = _number(config, "num_attention_heads", "n_head")
    kv_heads = _number(config, "num_key_value_heads", "num_kv_heads") or heads
    head = _number(config, "head_dim") or (hidden // heads if hidden and heads else None)
    latent = _number(config, "kv_lora_rank")
    kv = None
    if layers and latent:
        kv = layers * (latent + (_number(config, "qk_rope_head_dim") or 0))
    elif layers and kv_heads and head:
        kv = 2 * layers * kv_heads * head
    inner = _number(config, "intermediate_size", "n_inner") or 4 * (hidden or 0)
    return Size(
        parameters=sum(t.count for t in have.values()),
        weights=sum(t.count * 2 if t.dtype in _FLOATS else t.bytes for t in have.values()),
        kv_numbers=kv,
        heads=heads or 1,
        kv_heads=1 if latent else kv_heads or 1,
        step_numbers=4 * (hidden or 0) + 2 * inner,
        vocabulary=_number(config, "vocab_size") or 0,
        rank_numbers=sum(sum(shape) for shape in matrices),
        window=_number(config, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
    )


def _tied(config: Mapping[str, Any]) -> bool:
    """Whether input and output share a matrix; some kinds of models leave it out because they always do."""
    return bool(config.get("tie_word_embeddings", config.get("model_type") in ("gemma", "gemma2", "gemma3_text")))


def _number(config: Mapping[str, Any], *keys: str) -> int | None:
    found = (config.get(k) for k in keys)
    return next((n for n in found if type(n) is int and 0 < n < 2**40), None)


def needs(
    name: str,
    size: Size,
    *,
    kind: Kind,
    device: Device,
    tokens: int,
    in_flight: int,
    adapters: Sequence[Lora] = (),
    precision: int = 2,
) -> Needs:
    """What a model needs on an engine.

    Args:
        name: What people call it.
        size: From `measure`.
        kind: The engine.
        device: Where.
        tokens: Of prompt and reply together, for one request; not more than the model was made for.
        in_flight: Requests at a time.
        adapters: All that are used on it.
        precision: Bytes of a number.
    """
    if device == "cpu":
        in_flight = min(in_flight, CPU_IN_FLIGHT)
    weights = size.weights * precision // 2
    rank = max((a.rank for a in adapters), default=0)
    slots, reserved = len(adapters), sum(a.bytes for a in adapters)
    if kind == "vllm" and adapters:
        rank = next((r for r in RANKS if r >= rank), rank)  # it knows some limits, not any number
        slot = size.rank_numbers * rank * precision  # for all layers, whatever an adapter changes
        if device == "gpu":
            slots = min(slots, MOST_SLOTS, max(1, max(weights, ADAPTER_ROOM) // max(slot, 1)))
        reserved = (slots + (device == "cpu")) * slot  # there one is kept empty (`folkmoot.engines.vllm_boot`)
    if device == "cpu":
        overhead = CPU_VLLM if kind == "vllm" else CPU_PROCESS
    else:
        step = STEP_TOKENS * size.step_numbers * precision + in_flight * size.vocabulary * 8  # logits, and once sorted
        overhead = CUDA_CONTEXT + step + (CUDA_GRAPHS if kind == "vllm" else 0)
    return Needs(
        name=name,
        kind=kind,
        device=device,
        weights=weights,
        kv_token=None if size.kv_numbers is None else size.kv_numbers * precision,
        tokens=min(tokens, size.window or tokens),
        in_flight=in_flight,
        folders=len(adapters),
        slots=slots,
        rank=rank,
        adapters=reserved,
        overhead=overhead,
        heads=size.heads,
        kv_heads=size.kv_heads,
        precision=precision,
    )
