"""A small contribution that is in order, and a toy base model: what the hostile fixtures start from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WIDTH, RANK, LAYERS = 8, 2, 2
BASE, REVISION = "toy/base", "0123456789abcdef0123456789abcdef01234567"
TARGETS = ("q_proj", "v_proj")

MANIFEST = """\
name: ana-weekdays
contributor: Ana
purpose: Knows which day follows which.
licence: Apache-2.0
languages: [en]
model: {base}
revision: {revision}
adapter: ./adapter
priority:
  answer: text
hashes:
  base: {base}@{revision}
"""


def safetensors(tensors: Mapping[str, tuple[str, list[int], bytes]], *, header: bytes | None = None) -> bytes:
    """A file of tensors (format, shape, bytes); `header` stands in for the one that would be right."""
    told, at, body = {}, 0, b""
    for name, (dtype, shape, data) in tensors.items():
        told[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at, body = at + len(data), body + data
    text = json.dumps(told).encode() if header is None else header
    return len(text).to_bytes(8, "little") + text + body


def f32(*shape: int, value: float = 0.5) -> tuple[str, list[int], bytes]:
    """A tensor of equal numbers."""
    import math
    import struct

    return "F32", list(shape), struct.pack("<f", value) * math.prod(shape)


def base_tensors(width: int = WIDTH) -> dict[str, tuple[str, list[int], bytes]]:
    """The matrices of a toy model."""
    layers = {f"model.layers.{i}.self_attn.{t}.weight": f32(width, width) for i in range(LAYERS) for t in TARGETS}
    return {"model.embed_tokens.weight": f32(16, width), **layers}


def lora_tensors(width: int = WIDTH, rank: int = RANK, value: float = 0.5) -> dict[str, tuple[str, list[int], bytes]]:
    """An adapter for it."""
    found = {}
    for i in range(LAYERS):
        for target in TARGETS:
            at = f"base_model.model.model.layers.{i}.self_attn.{target}"
            found[f"{at}.lora_A.weight"] = f32(rank, width, value=value)
            found[f"{at}.lora_B.weight"] = f32(width, rank, value=value)
    return found


def lora_config(**changed: Any) -> dict[str, Any]:
    """Its configuration."""
    told = {"peft_type": "LORA", "r": RANK, "lora_alpha": 4, "target_modules": list(TARGETS), "bias": "none"}
    return told | {"base_model_name_or_path": BASE, "task_type": "CAUSAL_LM"} | changed


def write_base(folder: Path, width: int = WIDTH) -> Path:
    """The toy model's folder: enough for everything static."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(safetensors(base_tensors(width)))
    config = {"model_type": "llama", "hidden_size": width, "vocab_size": 16, "num_hidden_layers": LAYERS}
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer.json", {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": []})
    write_json(
        folder / "tokenizer_config.json", {"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}
    )
    return folder


def write_cached_base(cache: Path) -> None:
    """The toy model as a model of the hub that has been fetched before."""
    from folkmoot.models.store import MANIFEST, Manifest, seal

    entry = cache / "models" / f"{BASE}@{REVISION}".replace("/", "%2F")
    write_base(entry)
    seal(entry, Manifest(name=BASE, identity=f"{BASE}@{REVISION}", source="hub"))
    assert (entry / MANIFEST).is_file()


def questions(first: int, count: int, split: str) -> list[dict[str, str]]:
    """Questions that nobody else asks."""
    return [
        {
            "id": f"{split}{i}",
            "split": split,
            "question": f"In Ana's village, what follows market day {i}?",
            "answer": f"day {i + 1}",
        }
        for i in range(first, first + count)
    ]


def write_contribution(folder: Path) -> Path:
    """A contribution that is admitted."""
    (folder / "adapter").mkdir(parents=True)
    (folder / "training").mkdir()
    (folder / "participant.yaml").write_text(MANIFEST.format(base=BASE, revision=REVISION))
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(safetensors(lora_tensors()))
    write_json(folder / "adapter" / "adapter_config.json", lora_config())
    write_rows(folder / "priority.jsonl", [*questions(0, 10, "dev"), *questions(100, 24, "test")])
    train = [{"question": q["question"], "answer": q["answer"]} for q in questions(300, 5, "train")]
    write_rows(folder / "train.jsonl", train)
    (folder / "README.md").write_text("# ana-weekdays\n")
    (folder / ".gitignore").write_text("*.tmp\n")
    (folder / "training" / "loss.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>')
    (folder / "training" / "log.jsonl").write_text("{}\n")
    return folder


def write_model(folder: Path) -> None:
    """Turn a contribution into one with weights of its own."""
    import shutil

    shutil.rmtree(folder / "adapter")
    write_base(folder / "model")
    edit(folder / "participant.yaml", f"model: {BASE}\nrevision: {REVISION}\nadapter: ./adapter", "model: ./model")


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
