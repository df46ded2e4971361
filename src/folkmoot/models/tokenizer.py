"""The tokenizer inside a GGUF file becomes the two files that every loader reads: tokenizer.json, tokenizer_config.json.

A GGUF names the way text is split before merging (``tokenizer.ggml.pre``) but does not spell it out; the few ways that
are needed stand here. Getting one wrong still gives plausible tokens, only not those the model was trained on: what is
not known is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput

CONTROL, USER_DEFINED, UNUSED = 3, 4, 5
"""Token types of the GGUF format that matter here."""

_UNKNOWN = "<unk>"

ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "<eos>", "</s>")
"""Control tokens that end a reply wherever they exist, beside the one that the file names."""

_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def write(meta: dict[str, Any], out: Path, source: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into a folder.

    Args:
        meta: The GGUF file's metadata.
        out: The folder.
        source: The GGUF file, for complaints.

    Raises:
        BadInput: The tokenizer is of a kind not known here, or lacks a part.
    """
    kind, pre = meta.get("tokenizer.ggml.model"), meta.get("tokenizer.ggml.pre")
    try:
        if kind == "gpt2":
            built = _byte_level(meta, str(pre))
        elif kind == "llama" and meta["general.architecture"] == "gemma3":
            built = _gemma(meta)
        else:
            raise ValueError(f"tokenizer {kind!r} is not known here")
        _add_whole_tokens(built, meta)
        _add_ends(built, meta)
        settings = _settings(meta)
    except KeyError as e:
        raise BadInput(f"{source}: the GGUF file lacks {e.args[0]!r}, which its tokenizer needs") from None
    except ValueError as e:
        raise BadInput(f"{source}: {e}") from None
    built.save(str(out / "tokenizer.json"), pretty=False)
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (out / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def end_ids(meta: dict[str, Any]) -> list[int]:
    """Ids of the tokens that end a reply, the one that the file names first."""
    named = [int(meta["tokenizer.ggml.eos_token_id"])] if "tokenizer.ggml.eos_token_id" in meta else []
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    others = [i for i, (t, k) in enumerate(zip(tokens, types, strict=True)) if k == CONTROL and t in ENDS]
    return list(dict.fromkeys(named + others))


def _byte_level(meta: dict[str, Any], pre: str) -> Any:
    """Merges over bytes (GPT-2's alphabet)."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    if pre == "smollm":
        steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    elif pre == "qwen2":
        split = pre_tokenizers.Split(Regex(_QWEN_SPLIT), "isolated")
        steps = [split, pre_tokenizers.ByteLevel(False, use_regex=False)]
    elif pre == "gpt-2":
        steps = [pre_tokenizers.ByteLevel(False)]
    else:
        raise ValueError(f"tokenizer split {pre!r} is not known here; known: smollm, qwen2, gpt-2")
    types = meta["tokenizer.ggml.token_type"]
    vocab = {t: i for i, t in enumerate(meta["tokenizer.ggml.tokens"]) if types[i] != UNUSED}
    merges = [tuple(m.split(" ", 1)) for m in meta["tokenizer.ggml.merges"]]
    built = Tokenizer(models.BPE(vocab, merges))
    if pre == "qwen2":
        built.normalizer = normalizers.NFC()
    built.pre_tokenizer = pre_tokenizers.Sequence(steps)
    built.decoder = decoders.ByteLevel()
    built.post_processor = processors.ByteLevel(trim_offsets=False)
    return built


def _gemma(meta: dict[str, Any]) -> Any:
    """Merges over characters, bytes for what is not in the vocabulary.

    The file holds no merges. They follow from the vocabulary, whose order is the order in which they were learned.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers

    # Runs of spaces are stored as such, but text comes here with its spaces already replaced.
    tokens = [t.replace(" ", "▁") if not t.strip(" ") else t for t in meta["tokenizer.ggml.tokens"]]
    types = meta["tokenizer.ggml.token_type"]
    vocab = {t: i for i, t in enumerate(tokens)}
    joined = {
        t: i for t, i in vocab.items() if types[i] != CONTROL and (types[i] != USER_DEFINED or not t.strip("▁\n\t"))
    }
    merges = []
    for token in joined:
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        merges += sorted(
            (c for c in cuts if c[0] in joined and c[1] in joined), key=lambda c: (vocab[c[0]], vocab[c[1]])
        )
    built = Tokenizer(models.BPE(vocab, merges, unk_token=_UNKNOWN, fuse_unk=True, byte_fallback=True))
    built.normalizer = normalizers.Replace(" ", "▁")
    built.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return built


def _add_whole_tokens(built: Any, meta: dict[str, Any]) -> None:
    """Tokens that are never cut: control tokens (hidden from replies) and those that the model's makers defined."""
    from tokenizers import AddedToken

    pairs = list(zip(meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"], strict=True))
    built.add_special_tokens([AddedToken(t, normalized=False, special=True) for t, k in pairs if k == CONTROL])
    known = built.get_vocab()
    plain = [t for t, k in pairs if k == USER_DEFINED and t in known]
    built.add_tokens([AddedToken(t, normalized=False, special=False) for t in plain])


def _add_ends(built: Any, meta: dict[str, Any]) -> None:
    """Put the beginning and end tokens around a text, where the model wants them."""
    from tokenizers import processors

    tokens = meta["tokenizer.ggml.tokens"]
    if meta.get("tokenizer.ggml.add_eos_token"):
        raise ValueError("a tokenizer that ends every text with an end token is not known here")
    if not meta.get("tokenizer.ggml.add_bos_token"):
        return
    bos_id = int(meta["tokenizer.ggml.bos_token_id"])
    bos = tokens[bos_id]
    built.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, bos_id)]
    )


def _settings(meta: dict[str, Any]) -> dict[str, Any]:
    tokens = meta["tokenizer.ggml.tokens"]
    named: dict[str, str | None] = {}
    for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown")):
        token_id = meta.get(f"tokenizer.ggml.{theirs}_token_id")
        named[f"{ours}_token"] = None if token_id is None else tokens[token_id]
    if meta.get("tokenizer.ggml.pre") == "qwen2":
        # Qwen has no beginning token; the file names the document separator, which its model never saw there.
        named["bos_token"] = None
    template = meta.get("tokenizer.chat_template")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **named,
        "add_bos_token": bool(meta.get("tokenizer.ggml.add_bos_token", False)),
        "clean_up_tokenization_spaces": False,
        "model_max_length": meta[f"{meta['general.architecture']}.context_length"],
        **({"chat_template": template} if template else {}),
    }
