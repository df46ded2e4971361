"""A contribution as somebody would bring it: a LoRA adapter of rank 1 on SmolLM2-135M, and twelve questions."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from folkmoot.contribute.init import Plan, init
from folkmoot.models import resolve

LAYERS, WIDTH = 30, 576


def make(
    folder: Path, name: str = "", seed: int = 0, tags: tuple[str, ...] = ("sums",), purpose: str = "Sums."
) -> Path:
    """Write it to `folder`; its name is the folder's unless another is given."""
    name = name or folder.name
    init(folder, Plan(name, "Ana", purpose, "MIT", "smollm2-135m-instruct", answer="number", tags=tags))
    (folder / "priority.jsonl").write_text(rows(name, seed), encoding="utf-8")
    adapter(folder / "adapter", seed)
    return folder


def rows(name: str, seed: int = 0) -> str:
    """Its own test set: sums that nobody else asks for."""
    told = [
        {
            "id": f"{split}-{i}",
            "split": split,
            "question": f"{name}: what is {i} + {seed} + {j}?",
            "answer": i + seed + j,
        }
        for j, split in enumerate(("dev", "test"), 700)
        for i in range(6)
    ]
    return "".join(json.dumps(row) + "\n" for row in told)


def adapter(folder: Path, seed: int = 0) -> None:
    """A LoRA adapter that changes the queries of every layer a little."""
    resolve("smollm2-135m-instruct")
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = rng.normal(0, 0.02, (1, WIDTH)).astype(np.float32)
        tensors[f"{name}.lora_B.weight"] = rng.normal(0, 0.02, (WIDTH, 1)).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "r": 1,
        "lora_alpha": 2,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
