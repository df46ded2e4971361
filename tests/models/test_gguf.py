"""A GGUF file becomes a folder with the weights, configuration and tokenizer of the model it was made from."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from folkmoot.documents import BadInput
from folkmoot.models import folder
from folkmoot.models.gguf import convert

Gguf = Callable[..., tuple[Path, dict[str, np.ndarray]]]


def converted(source: Path, out: Path) -> tuple[dict[str, np.ndarray], int]:
    out.mkdir(exist_ok=True)
    count = convert(source, out)
    with safe_open(out / "model.safetensors", "pt") as f:
        return {name: f.get_tensor(name).float().numpy() for name in f.keys()}, count  # noqa: SIM118 - no mapping


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("arch", ["llama", "qwen2", "gemma3"])
def test_every_weight_comes_back_under_its_name(gguf: Gguf, tmp_path: Path, arch: str, packed: bool) -> None:
    source, wanted = gguf(arch, packed=packed)
    found, count = converted(source, tmp_path / "out")
    assert found.keys() == wanted.keys()
    assert count == sum(w.size for w in wanted.values()) == folder.inspect(tmp_path / "out")
    # 8 bits of mantissa; Q8_0 leaves up to half a step of 1/127 of a block's largest value
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=2**-8, atol=4e-3 if packed else 1e-6, err_msg=name)


def test_values_are_rounded_to_nearest_even(gguf: Gguf, tmp_path: Path) -> None:
    import torch

    source, wanted = gguf("qwen2")
    found, _ = converted(source, tmp_path / "out")
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], torch.from_numpy(value).bfloat16().float().numpy())


@pytest.mark.parametrize(("output", "tied"), [("", True), ("same", True), ("own", False)])
def test_the_embedding_is_kept_once_unless_the_output_differs(
    gguf: Gguf, tmp_path: Path, output: str, tied: bool
) -> None:
    source, _ = gguf("qwen2", packed=True, output=output)
    found, _ = converted(source, tmp_path / "out")
    assert ("lm_head.weight" not in found) is tied
    assert json.loads((tmp_path / "out/config.json").read_text())["tie_word_embeddings"] is tied


def test_configuration_tells_the_shape_and_the_ends(gguf: Gguf, tmp_path: Path) -> None:
    source, wanted = gguf("gemma3")
    converted(source, tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["architectures"] == ["Gemma3ForCausalLM"]
    assert config["vocab_size"] == len(wanted["model.embed_tokens.weight"])
    assert (config["hidden_size"], config["head_dim"], config["num_hidden_layers"]) == (64, 256, 2)
    assert config["rms_norm_eps"] == 1e-6, "stored in 32 bits, meant in decimal"
    generation = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert generation == {"eos_token_id": [1, 4], "bos_token_id": 2, "pad_token_id": 0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"leave_out": "blk.1.ffn_up.weight"}, "1 tensors are missing, model.layers.1.mlp.up_proj.weight among them"),
        ({"leave_out": "output_norm.weight"}, "model.norm.weight among them"),
        ({"llama__rope__scaling__type": "linear"}, "rope.scaling"),
        ({"pre": "unheard-of"}, "tokenizer split 'unheard-of' is not known here; known: smollm, qwen2, gpt-2"),
    ],
)
def test_what_is_not_known_is_refused(gguf: Gguf, tmp_path: Path, options: dict[str, str], says: str) -> None:
    source, _ = gguf("llama", **options)
    with pytest.raises(BadInput, match=says.replace(".", r"\.")) as e:
        converted(source, tmp_path / "out")
    assert str(e.value).startswith(f"{source}: ")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all, but long enough to be read as one"])
def test_what_is_no_gguf_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "x.gguf"
    source.write_bytes(content)
    with pytest.raises(BadInput, match="not a readable GGUF file") as e:
        converted(source, tmp_path / "out")
    assert "\n" not in str(e.value)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "x.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(BadInput, match="architecture 'mamba' cannot be converted; known: gemma3, llama, qwen2"):
        converted(tmp_path / "x.gguf", tmp_path / "out")


@pytest.mark.parametrize("arch", ["llama", "qwen2", "gemma3"])
def test_logits_are_those_of_an_independent_reader(gguf: Gguf, tmp_path: Path, arch: str) -> None:
    """transformers has a GGUF reader of its own; a wrong permutation or norm would differ by as much as the logits."""
    import torch
    from transformers import AutoModelForCausalLM

    source, wanted = gguf(arch, exact=True)
    converted(source, tmp_path / "out")
    ids = torch.arange(40).reshape(1, -1) % len(wanted["model.embed_tokens.weight"])
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)(ids).logits
        theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)(
            ids
        ).logits
    error = (ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt()
    assert error < 1e-3
