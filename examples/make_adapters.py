"""Make the two LoRA adapters of panel.py.

They are fresh adapters with small random weights, not trained ones: what they change is the wording, not the knowledge.
They stand for what contributors will bring.
"""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from folkmoot.models import resolve

HERE = Path(__file__).parent


def make(name: str, seed: int, folder: Path = HERE / "adapters") -> Path:
    """Write an adapter for the base of panel.py, unless it is there; returns its folder."""
    target = folder / name
    if not (target / "adapter_model.safetensors").is_file():
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(resolve("smollm2-135m-instruct").path)
        model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
        for key, value in model.named_parameters():
            if "lora_B" in key:  # zero in a fresh adapter, which would change nothing at all
                torch.nn.init.normal_(value, std=0.02)
        model.save_pretrained(target)
    return target


if __name__ == "__main__":
    print(make("ana-units", seed=1))
    print(make("bo-dates", seed=2))
