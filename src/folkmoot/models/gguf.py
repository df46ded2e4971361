"""A GGUF file becomes a model folder: bf16 safetensors, configuration and tokenizer.

Packed weights are unpacked a piece at a time, straight into the safetensors file, so that memory stays a few hundred
megabytes whatever the size of the model. Formats: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and
https://github.com/huggingface/safetensors#format. Nothing in the file is executed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.models import tokenizer
from folkmoot.progress import Progress, silent

CONVERSION = 1
"""Goes up when the same GGUF file would become another folder; it is part of the model's identity."""

PIECE = 300_000
"""Values unpacked at a time. Larger pieces leave the processor's cache: at 4 million the speed is a third less."""

_COMMON = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
}
_LAYER_NAMES = {
    "llama": {**_COMMON, "ffn_norm": "post_attention_layernorm"},
    "qwen2": {**_COMMON, "ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        **_COMMON,
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One tensor on its way: the packed source, its new name, and what is undone on the way."""

    source: Any
    name: str
    shape: tuple[int, ...]
    rows: Any = None
    minus_one: bool = False


def convert(source: Path, out: Path, progress: Progress = silent, name: str = "") -> int:
    """Write the model of a GGUF file as a folder that transformers and vLLM load.

    Args:
        source: The GGUF file.
        out: An existing folder; model.safetensors, config.json, generation_config.json, tokenizer.json and
            tokenizer_config.json are written into it.
        progress: Told how many bytes are written.
        name: What to call the model in progress and complaints.

    Returns:
        The number of parameters written.

    Raises:
        BadInput: The file is no GGUF, or of an architecture or tokenizer not known here.
    """
    from gguf import GGUFReader

    name = name or source.name
    progress(f"read {name}")
    try:
        reader = GGUFReader(source, "r")
        fields: dict[str, Any] = reader.fields
        meta = {key: field.contents() for key, field in fields.items()}
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as e:
        raise BadInput(f"{source}: not a readable GGUF file: {_first_line(e)}") from None
    arch = meta.get("general.architecture")
    if arch not in _LAYER_NAMES:
        raise BadInput(f"{source}: architecture {arch!r} cannot be converted; known: {', '.join(sorted(_LAYER_NAMES))}")
    try:
        plan = _plan(reader.tensors, meta, arch)
        config = _config(meta, arch, {t.name: t.shape for t in plan})
    except KeyError as e:
        raise BadInput(f"{source}: the GGUF file lacks {e.args[0]!r}, which a {arch} model needs") from None
    except ValueError as e:
        raise BadInput(f"{source}: {e}") from None
    tokenizer.write(meta, out, source)
    others = {k: v for k, v in config.items() if k in ("bos_token_id", "pad_token_id")}
    _json(out / "config.json", config)
    _json(out / "generation_config.json", {"eos_token_id": tokenizer.end_ids(meta), **others})
    _write_safetensors(plan, out / "model.safetensors", f"convert {name}", progress)
    return sum(math.prod(t.shape) for t in plan)


def _plan(tensors: Any, meta: dict[str, Any], arch: str) -> list[_Tensor]:
    """Every tensor with its new name, in the order of the file; refuses what is unknown or missing."""
    import numpy as np

    heads, kv_heads = meta[f"{arch}.attention.head_count"], meta[f"{arch}.attention.head_count_kv"]
    by_name = {t.name: t for t in tensors}
    if "output.weight" in by_name and _same_matrix(by_name["output.weight"], by_name["token_embd.weight"]):
        # The published model has one matrix for both ends; the file holds it twice, packed differently. One copy,
        # the finer one, is closer to the original and saves a tenth to a quarter of the memory.
        by_name["token_embd.weight"] = max(
            by_name.pop("output.weight"), by_name["token_embd.weight"], key=lambda t: int(t.n_bytes)
        )
    plan = []
    for old, t in by_name.items():
        rows = None
        shape = tuple(int(n) for n in reversed(t.shape))
        if arch == "llama" and (m := re.search(r"\.attn_([qk])\.", old)):
            # llama.cpp interleaves the two halves of each rotary head; the rows go back to where they were.
            n = heads if m[1] == "q" else kv_heads
            rows = np.arange(shape[0]).reshape(n, shape[0] // n // 2, 2).swapaxes(1, 2).reshape(-1)
        # llama.cpp stores Gemma's zero-centred norms with one added.
        minus_one = arch == "gemma3" and old.endswith("_norm.weight")
        plan.append(_Tensor(t, _new_name(old, arch), shape, rows, minus_one))
    layers = int(meta[f"{arch}.block_count"])
    first = {t.name for t in plan if t.name.startswith("model.layers.0.")}
    wanted = {n.replace("layers.0.", f"layers.{i}.", 1) for i in range(layers) for n in first}
    wanted |= {"model.embed_tokens.weight", "model.norm.weight"}
    if missing := wanted - {t.name for t in plan}:
        raise ValueError(f"{len(missing)} tensors are missing, {min(missing)} among them")
    return plan


def _new_name(old: str, arch: str) -> str:
    stem, _, kind = old.rpartition(".")
    if stem in _TOP_NAMES:
        return f"{_TOP_NAMES[stem]}.{kind}"
    if (m := re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)) and (leaf := _LAYER_NAMES[arch].get(m[2])):
        return f"model.layers.{m[1]}.{leaf}.{kind}"
    raise ValueError(f"unknown tensor {old!r} in a {arch} model")


def _same_matrix(a: Any, b: Any) -> bool:
    """Whether two packed matrices differ by no more than packing does (4 bits: 7 % root mean square)."""
    import numpy as np

    if list(a.shape) != list(b.shape):
        return False
    rows = np.linspace(0, len(a.data) - 1, min(len(a.data), 2000)).astype(int)
    x, y = _unpack(a, a.data[rows]), _unpack(b, b.data[rows])
    return float(np.square(x - y).mean()) < 0.15**2 * float(np.square(x).mean())


def _unpack(t: Any, data: Any) -> Any:
    from gguf import dequantize

    return dequantize(data, t.tensor_type)


def _config(meta: dict[str, Any], arch: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The configuration in the form in which model hubs publish it, which every loader reads."""

    def key(name: str) -> Any:
        return meta[f"{arch}.{name}"]

    config = {
        "vocab_size": shapes["model.embed_tokens.weight"][0],
        "hidden_size": key("embedding_length"),
        "intermediate_size": key("feed_forward_length"),
        "num_hidden_layers": key("block_count"),
        "num_attention_heads": key("attention.head_count"),
        "num_key_value_heads": key("attention.head_count_kv"),
        "max_position_embeddings": key("context_length"),
        # Stored in 32 bits: 1e-6 comes out as 9.99999997e-07.
        "rms_norm_eps": float(f"{key('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": float(key("rope.freq_base")),
        "tie_word_embeddings": "lm_head.weight" not in shapes,
        "dtype": "bfloat16",
        # Without it, transformers takes any large vocabulary for one of Mistral's early ones and warns.
        "transformers_version": "5.0.0",
        **{
            f"{ours}_token_id": meta[f"tokenizer.ggml.{theirs}_token_id"]
            for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
            if f"tokenizer.ggml.{theirs}_token_id" in meta
        },
    }
    if any(k.startswith(f"{arch}.rope.scaling.") for k in meta):
        raise ValueError("stretched rotary positions (rope.scaling) are not known here")
    if arch == "llama":
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "head_dim": key("rope.dimension_count"),
            "hidden_act": "silu",
            **config,
        }
    if arch == "qwen2":
        return {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", **config}
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "head_dim": key("attention.key_length"),
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": key("attention.key_length"),
        "sliding_window": key("attention.sliding_window"),
        # The file says neither: both are the same in all Gemma 3 models.
        "sliding_window_pattern": 6,
        "rope_local_base_freq": 10000.0,
        **config,
    }


def _write_safetensors(plan: list[_Tensor], path: Path, stage: str, progress: Progress) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for t in plan:
        size = 2 * math.prod(t.shape)
        header[t.name] = {"dtype": "BF16", "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as f, ThreadPoolExecutor(2) as pool:
        f.write(len(text).to_bytes(8, "little") + text)
        for t in plan:
            for window in _windows(list(_pieces(t)), 8):  # not all at once: a slow disk must not fill the memory
                for data in pool.map(partial(_bf16, t), window):
                    f.write(data)
                progress(stage, f.tell(), 8 + len(text) + at)


def _pieces(t: _Tensor) -> Iterator[Any]:
    """Row selections of a tensor, each of about `PIECE` values."""
    count = len(t.source.data) if len(t.shape) > 1 else 1
    step = max(1, PIECE // max(1, t.shape[-1]))
    for i in range(0, count, step):
        yield t.rows[i : i + step] if t.rows is not None else slice(i, i + step)


def _windows(items: list[Any], size: int) -> Iterator[list[Any]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]


def _bf16(t: _Tensor, piece: Any) -> bytes:
    """Unpacked values of some rows as bytes of bfloat16, rounded to nearest even."""
    import numpy as np

    values = np.array(_unpack(t.source, t.source.data[piece] if len(t.shape) > 1 else t.source.data), np.float32)
    if t.minus_one:
        values -= 1
    bits = values.view(np.uint32)
    bits += (bits >> 16 & 1) + np.uint32(0x7FFF)
    return bytes((bits >> 16).astype("<u2").tobytes())


def _json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _first_line(e: Exception) -> str:
    return (str(e).splitlines() or [type(e).__name__])[0]
