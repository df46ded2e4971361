"""The tokenizer of a GGUF file cuts text as the model's own does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from folkmoot.models.gguf import convert


@pytest.fixture
def load(gguf: Callable[..., Any], tmp_path: Path) -> Callable[[str], Any]:
    from transformers import AutoTokenizer

    def load(arch: str) -> Any:
        source, _ = gguf(arch)
        out = tmp_path / "out"
        out.mkdir()
        convert(source, out)
        return AutoTokenizer.from_pretrained(out)

    return load


@pytest.mark.parametrize(
    ("arch", "text", "tokens"),
    [
        ("llama", "hello 12", ["hello", "Ġ", "1", "2"]),  # digits one by one, though "12" is a token
        ("llama", "<|im_start|>he<tool>", ["<|im_start|>", "he", "<tool>"]),
        ("qwen2", "hello12", ["hello", "1", "2"]),
        ("qwen2", "e\u0301", ["Ã", "©"]),  # composed first (NFC)
        ("gemma3", "hello hello", ["<bos>", "hello", "▁", "hello"]),  # BOS belongs to the text
        ("gemma3", "he\n  ll", ["<bos>", "he", "\n", "▁▁", "ll"]),  # runs of spaces are whole
        ("gemma3", "é", ["<bos>", "<0xC3>", "<0xA9>"]),  # what is not in the vocabulary comes as bytes
    ],
)
def test_text_is_cut_as_the_model_learned_it(
    load: Callable[[str], Any], arch: str, text: str, tokens: list[str]
) -> None:
    tokenizer = load(arch)
    ids = tokenizer(text).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == tokens


@pytest.mark.parametrize("arch", ["llama", "qwen2", "gemma3"])
def test_text_comes_back(load: Callable[[str], Any], arch: str) -> None:
    tokenizer = load(arch)
    text = "hello  12,\n\thé 日本 🙂 don't   "
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


@pytest.mark.parametrize(
    ("arch", "bos", "eos", "pad"),
    [
        ("llama", "<|im_start|>", "<|im_end|>", "<|endoftext|>"),
        ("qwen2", None, "<|im_end|>", "<|endoftext|>"),  # the file names one; the model never saw it as such
        ("gemma3", "<bos>", "<eos>", "<pad>"),
    ],
)
def test_special_tokens(load: Callable[[str], Any], arch: str, bos: str | None, eos: str, pad: str) -> None:
    tokenizer = load(arch)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (bos, eos, pad)


def test_the_chat_template_is_the_files_own(load: Callable[[str], Any], tmp_path: Path) -> None:
    tokenizer = load("llama")
    said = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    assert said == "<|im_start|>hello<|im_end|>"
    assert "chat_template" in json.loads((tmp_path / "out/tokenizer_config.json").read_text())


def test_tokens_that_only_fill_the_matrix_are_no_tokens(load: Callable[[str], Any]) -> None:
    assert "[PAD1]" not in load("llama").get_vocab()
