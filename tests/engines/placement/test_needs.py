"""What a model needs is read from its folder, without loading it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from folkmoot.engines.placement.lora import Lora
from folkmoot.engines.placement.needs import GIB, Size, measure, needs

CONFIG: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 100, "intermediate_size": 128,
    "max_position_embeddings": 512,
}  # fmt: skip
EMBED, HEAD, Q = "model.embed_tokens.weight", "lm_head.weight", "model.layers.0.self_attn.q_proj.weight"


def write(folder: Path, config: dict[str, Any], **shapes: tuple[tuple[int, ...], str]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    given = {EMBED: ((100, 64), "float16"), Q: ((64, 64), "float16")} | {
        k.replace("__", "."): v for k, v in shapes.items()
    }
    save_file({k: np.zeros(s, dtype) for k, (s, dtype) in given.items()}, folder / "model.safetensors")
    return folder


def test_a_model_is_measured(tmp_path: Path) -> None:
    size = measure(write(tmp_path, CONFIG))
    assert size == Size(
        parameters=100 * 64 + 64 * 64,
        weights=2 * (100 * 64 + 64 * 64),
        kv_numbers=2 * 2 * 2 * 16,
        heads=4,
        kv_heads=2,
        step_numbers=4 * 64 + 2 * 128,
        vocabulary=100,
        rank_numbers=164 + 128,
        window=512,
    )


def without(*keys: str, **more: Any) -> dict[str, Any]:
    return {k: v for k, v in CONFIG.items() if k not in keys} | more


@pytest.mark.parametrize(
    ("config", "kv", "kv_heads"),
    [
        (without("num_key_value_heads"), 2 * 2 * 4 * 16, 4),
        (without("head_dim"), 2 * 2 * 2 * 16, 2),
        ({"text_config": CONFIG}, 2 * 2 * 2 * 16, 2),
        ({"n_layer": 2, "n_embd": 64, "n_head": 4}, 2 * 2 * 4 * 16, 4),
        (without(kv_lora_rank=32, qk_rope_head_dim=8), 2 * (32 + 8), 1),
        (without("num_hidden_layers"), None, 2),
        (without(num_attention_heads="4", num_key_value_heads=None), None, 1),
        ({}, None, 1),
    ],
    ids=["no kv heads", "no head size", "nested", "older names", "latent", "no layers", "wrong type", "empty"],
)
def test_keys_and_values_are_known_as_far_as_the_configuration_tells(
    tmp_path: Path, config: dict[str, Any], kv: int | None, kv_heads: int
) -> None:
    size = measure(write(tmp_path, config))
    assert (size.kv_numbers, size.kv_heads) == (kv, kv_heads)


def test_tied_ends_count_once_also_if_they_are_stored_twice(tmp_path: Path) -> None:
    tied = measure(write(tmp_path, without(tie_word_embeddings=True), lm_head__weight=((100, 64), "float16")))
    assert tied.weights == 2 * (100 * 64 + 64 * 64)
    free = measure(write(tmp_path, without(tie_word_embeddings=False), lm_head__weight=((100, 64), "float16")))
    assert free.weights == 2 * (2 * 100 * 64 + 64 * 64)


def test_wide_numbers_are_loaded_as_short_ones_and_packed_ones_as_they_are(tmp_path: Path) -> None:
    size = measure(write(tmp_path, CONFIG, x__weight=((10, 10), "float32"), x__qweight=((10, 10), "int8")))
    assert size.weights == 2 * (100 * 64 + 64 * 64) + 200 + 100


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "config.json cannot be read"),
        ({"config.json": b"{"}, "is damaged"),
        ({"config.json": b"[]"}, "is no configuration"),
        ({"config.json": b"{}"}, "has no safetensors$"),
        ({"config.json": b"{}", "m.gguf": b"GGUF"}, "has no safetensors: GGUF is converted only for models of the cat"),
        ({"config.json": b"{}", "model.safetensors": b"x"}, "is damaged: model.safetensors: it is cut short"),
    ],
)
def test_folders_that_tell_nothing(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        measure(tmp_path)


BIG = Size(7 * 10**9, 14 * 10**9, 32 * 2 * 8 * 128, 32, 8, 45_000, 32_000, 2_500_000, 4096)
TINY = Size(135 * 10**6, 270 * 10**6, 11_520, 9, 3, 5_000, 49_152, 350_000, 8192)


def lora(rank: int) -> Lora:
    return Lora(Path("x"), rank, 16, ("q_proj",), rank * 1000)


def asked(size: Size, count: int, rank: int, **more: Any) -> Any:
    given: dict[str, Any] = {"kind": "vllm", "device": "gpu", "tokens": 2048, "in_flight": 128}
    return needs("m", size, adapters=[lora(rank)] * count, **(given | more))


@pytest.mark.parametrize(
    ("size", "count", "rank", "slots", "limit"),
    [
        (BIG, 0, 0, 0, 0),
        (BIG, 8, 16, 8, 16),
        (BIG, 8, 12, 8, 16),
        (BIG, 100, 16, 32, 16),
        (BIG, 100, 256, 10, 256),
        (TINY, 100, 256, 11, 256),
        (TINY, 1, 512, 1, 512),
    ],
)
def test_adapters_in_a_batch_are_bounded_by_their_memory(
    size: Size, count: int, rank: int, slots: int, limit: int
) -> None:
    n = asked(size, count, rank)
    assert (n.folders, n.slots, n.rank) == (count, slots, limit)
    assert n.adapters == slots * size.rank_numbers * limit * 2
    assert n.adapters <= max(n.weights, 2 * GIB)


def test_on_a_cpu_all_adapters_have_a_place_and_one_stays_empty() -> None:
    n = asked(TINY, 100, 8, device="cpu")
    assert (n.slots, n.adapters) == (100, 101 * TINY.rank_numbers * 8 * 2)
    assert asked(TINY, 0, 0, device="cpu").adapters == 0


def test_the_transformers_engine_has_all_adapters_as_they_are() -> None:
    n = asked(BIG, 100, 12, kind="transformers")
    assert (n.slots, n.rank, n.adapters) == (100, 12, 100 * 12_000)


def test_precision_and_device_count() -> None:
    plain, wide, small = asked(BIG, 0, 0), asked(BIG, 0, 0, precision=4), asked(BIG, 0, 0, device="cpu")
    assert (wide.weights, wide.kv_token) == (2 * plain.weights, 2 * plain.kv_token)
    assert small.in_flight < plain.in_flight == 128
    assert asked(BIG, 0, 0, tokens=10**6).tokens == 4096, "no more than the model was made for"
