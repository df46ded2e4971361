"""LoRA adapters are read as data, and what speaks against one is said by name before anything is loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from folkmoot.engines.contract import EngineError
from folkmoot.engines.placement.lora import CONFIG, WEIGHTS, check_adapter, examine

LORA: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj", "v_proj"],
    "bias": "none",
    "base_model_name_or_path": "org/base",
}
MODULES = {f"model.layers.{i}.self_attn.{m}": (16, 4) if m == "v_proj" else (16, 16) for i in range(2) for m in ("q_proj", "v_proj")}  # fmt: skip


def zeros(*shape: int) -> Any:
    return np.zeros(shape, dtype="float32")


def pair(module: str, into: int = 16, out: int = 16, rank: int = 8) -> dict[str, Any]:
    name = f"base_model.model.{module}.lora_"
    return {f"{name}A.weight": zeros(rank, into), f"{name}B.weight": zeros(out, rank)}


def whole() -> dict[str, Any]:
    return {k: v for m, (into, out) in MODULES.items() for k, v in pair(m, into, out).items()}


def write(folder: Path, matrices: dict[str, Any] | None = None, **config: Any) -> Path:
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps(LORA | config))
    save_file(whole() if matrices is None else matrices, folder / WEIGHTS)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Shapes of two layers of a model with grouped values."""
    folder = tmp_path / "base"
    folder.mkdir()
    shapes = {f"{m}.weight": zeros(out, into) for m, (into, out) in MODULES.items()}
    save_file(shapes | {"model.embed_tokens.weight": zeros(32, 16)}, folder / "model.safetensors")
    return folder


def test_a_good_adapter_is_described(tmp_path: Path, base: Path) -> None:
    lora = check_adapter(write(tmp_path / "ana"), base, engine="vllm", max_rank=8)
    assert (lora.path, lora.rank, lora.alpha) == (tmp_path / "ana", 8, 16)
    assert lora.modules == tuple(sorted(MODULES))
    assert lora.bytes == sum(8 * (into + out) * 4 for into, out in MODULES.values())


def test_the_largest_rank_counts(tmp_path: Path, base: Path) -> None:
    wide = whole() | pair("model.layers.1.self_attn.q_proj", rank=32)
    folder = write(tmp_path / "ana", wide, rank_pattern={"layers.1.self_attn.q_proj": 32})
    assert check_adapter(folder, base, engine="transformers").rank == 32
    with pytest.raises(EngineError, match=r"its rank is 32, above the engine's limit of 16.*max_lora_rank=32"):
        check_adapter(folder, base, engine="vllm", max_rank=16)


@pytest.mark.parametrize(
    ("config", "said", "engines"),
    [
        ({"use_dora": True}, "it uses DoRA", "vllm"),
        ({"lora_bias": True}, r"it trains biases of its own", "vllm"),
        ({"modules_to_save": ["lm_head"]}, r"replaces whole modules \(lm_head\)", "vllm"),
        ({"bias": "lora_only"}, "it trains biases of the base model", "both"),
        ({"init_lora_weights": "pissa_niter_4"}, "its initialisation 'pissa_niter_4' changes the base", "both"),
        ({"init_lora_weights": "OLoRA"}, "changes the base", "both"),
        ({"init_lora_weights": "corda"}, "changes the base", "both"),
        ({"init_lora_weights": "loftq"}, "changes the base", "both"),
        ({"init_lora_weights": "gaussian"}, "", "none"),
        ({"init_lora_weights": False}, "", "none"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "it uses layer replication", "both"),
        ({"alora_invocation_tokens": [1, 2]}, "it uses activated LoRA", "both"),
        ({"trainable_token_indices": [7]}, "trained token embeddings", "both"),
        ({"peft_type": "IA3"}, "it is of type IA3; only LORA works here", "both"),
        ({"peft_type": None}, "cannot be read as a LoRA", "both"),
        ({"r": "8"}, "cannot be read as a LoRA", "both"),
        ({"r": True}, "cannot be read as a LoRA", "both"),
        ({"r": 0}, "cannot be read as a LoRA", "both"),
        ({"rank_pattern": [8]}, "cannot be read as a LoRA", "both"),
        ({"lora_alpha": "16"}, "cannot be read as a LoRA", "both"),
        ({"target_modules": {"q_proj": 1}}, "cannot be read as a LoRA", "both"),
        ({"modules_to_save": "lm_head"}, "cannot be read as a LoRA", "both"),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_what_an_engine_lacks_is_named(
    tmp_path: Path, base: Path, config: dict[str, Any], said: str, engines: str, engine: Any
) -> None:
    folder = write(tmp_path / "ana", **config)
    if engines in (engine, "both"):
        with pytest.raises(EngineError, match=f"^adapter {folder}: .*{said}") as e:
            check_adapter(folder, base, engine=engine)
        assert "\n" not in str(e.value)
    else:
        assert check_adapter(folder, base, engine=engine).rank == 8


def test_vllm_has_a_largest_rank_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "ana", pair("x.q_proj", rank=600), r=600)
    assert examine(folder, None, engine="transformers")[1] == []
    [fault] = examine(folder, None, engine="vllm")[1]
    assert "its rank is 600, and vLLM goes up to 512" in fault


def changed(*, without: str = "", **more: Any) -> dict[str, Any]:
    return {k: v for k, v in whole().items() if not without or without not in k} | more


Q0, Q = "model.layers.0.self_attn.q_proj", "base_model.model.model.layers.{}.self_attn.q_proj.{}"


@pytest.mark.parametrize(
    ("matrices", "config", "said"),
    [
        (changed(without=f"{Q0}.lora_B"), {}, rf"{Q0}\.lora_B is missing from its"),
        (changed(without="lora_A"), {}, r"lora_A and 3 more are missing"),
        (changed(without="layers.1.self_attn.v_proj"), {}, r"layers\.1\.self_attn\.v_proj is missing, which its target"),
        (changed(without="layers.1"), {"layers_to_transform": [0]}, ""),
        (changed(without="layers.1"), {"target_modules": r".*\.0\..*"}, ""),
        (whole(), {"target_modules": ["q_proj"]}, r"matrices for model.layers.0.self_attn.v_proj and 1 more, which its"),
        (whole() | {Q.format(0, "lora_magnitude_vector"): zeros(16)}, {}, "more than its configuration tells of"),
        (whole() | {"base_model.model.lm_head.weight": zeros(32, 16)}, {}, r"tells of: lm_head\.weight"),
        (whole() | {Q.format(0, "lora_B.bias"): zeros(16)}, {}, "more than its configuration tells of"),
        (whole() | pair(Q0, rank=4), {}, r"q_proj\.lora_A has rank 4, and its configuration names 8"),
        (whole() | pair(Q0, into=24), {}, r"another model \('org/base'\): .*q_proj is 16 wide here and 24 there"),
        (whole() | pair(Q0, out=24), {}, r"another model .*q_proj is 16 wide here and 24 there"),
        (whole() | pair("model.layers.2.self_attn.q_proj"), {}, r"changes model\.layers\.2\.self_attn\.q_proj, which is"),
        (whole() | {Q.format(0, "lora_A.weight"): zeros(8, 16, 1)}, {}, r"lora_A is no matrix"),
        ({"x": zeros(1)}, {}, "there are no LoRA matrices"),
        (pair("transformer.h.0.attn.c_attn"), {"target_modules": ["c_attn"]}, ""),
        (
            whole() | {"base_model.model.model.embed_tokens.lora_embedding_A": zeros(8, 32),
                       "base_model.model.model.embed_tokens.lora_embedding_B": zeros(16, 8)},
            {"target_modules": ["q_proj", "v_proj", "embed_tokens"]}, "",
        ),
    ],
)  # fmt: skip
def test_tensors_are_whole_and_fit_the_base(
    tmp_path: Path, base: Path, matrices: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    folder = write(tmp_path / "ana", matrices, **config)
    if not said:
        assert check_adapter(folder, base, engine="vllm")
        return
    with pytest.raises(EngineError, match=said):
        check_adapter(folder, base, engine="vllm")


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path, base: Path) -> None:
    folder = write(tmp_path / "ana", changed(without=f"{Q0}.lora_B"), use_dora=True, bias="all")
    lora, faults = examine(folder, base, engine="vllm", max_rank=4)
    assert lora is None
    for said in ("biases", "DoRA", "limit of 4", "is missing"):
        assert sum(said in fault for fault in faults) == 1, said


def test_a_packed_base_is_not_taken_for_another_model(tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    weights = {f"{m}.weight": np.zeros((into * out // 2, 1), "uint8") for m, (into, out) in MODULES.items()}
    save_file(weights, packed / "model.safetensors")
    assert check_adapter(write(tmp_path / "ana"), packed, engine="vllm")


def test_matrices_that_the_base_stores_the_other_way_round(tmp_path: Path) -> None:
    base = tmp_path / "gpt"
    base.mkdir()
    save_file({"h.0.attn.c_attn.weight": zeros(16, 48)}, base / "model.safetensors")
    matrices = pair("h.0.attn.c_attn", into=16, out=48)
    assert check_adapter(
        write(tmp_path / "a", matrices, target_modules=["c_attn"], fan_in_fan_out=True), base, engine="vllm"
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (CONFIG, None, rf"there is no {CONFIG} in it"),
        (CONFIG, b"{", "cannot be read as JSON"),
        (CONFIG, b"\xff\xfe", "cannot be read as JSON"),
        (CONFIG, b"[" * 100_000, "cannot be read as"),
        (CONFIG, b"[]", "cannot be read as a LoRA"),
        (CONFIG, b" " * 5_000_000, "is oversized"),
        (WEIGHTS, None, "other formats may hold code"),
        (WEIGHTS, b"", "damaged: it is cut short"),
        (WEIGHTS, b"\xff" * 40, "damaged: it is cut short"),
        (WEIGHTS, (8).to_bytes(8, "little") + b"[1, 2]  ", "damaged: its header cannot be read"),
        (WEIGHTS, (11).to_bytes(8, "little") + b'{"x": {}}  ', "damaged: its header cannot be read"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, file: str, content: bytes | None, said: str) -> None:
    folder = write(tmp_path / "ana")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(EngineError, match=said):
        check_adapter(folder, None, engine="vllm")


def test_a_file_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    folder = write(tmp_path / "ana")
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1])
    with pytest.raises(EngineError, match=f"damaged: it has {len(weights) - 1} bytes, but its header tells of"):
        check_adapter(folder, None, engine="vllm")


def test_an_oversized_header_is_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "ana")
    with (folder / WEIGHTS).open("wb") as f:
        f.write((200_000_000).to_bytes(8, "little"))
        f.truncate(300_000_000)  # a sparse file
    with pytest.raises(EngineError, match="its header of 200000000 bytes is oversized"):
        check_adapter(folder, None, engine="vllm")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^adapter .*nowhere: no such folder, so there is no adapter_config"):
        check_adapter(tmp_path / "nowhere", None, engine="transformers")


def test_a_base_that_cannot_be_read_is_named(tmp_path: Path, base: Path) -> None:
    (base / "model.safetensors").write_bytes(b"x")
    with pytest.raises(EngineError, match=rf"its base {base} cannot be read: model.safetensors: it is cut short"):
        check_adapter(write(tmp_path / "ana"), base, engine="vllm")
