"""Models with weights of their own: a configuration that is of the size of the weights, in one piece or in shards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from folkmoot.contribute.findings import Finding, passed, refuse
from folkmoot.contribute.untrusted_template import check_templates
from folkmoot.contribute.untrusted_tensors import Spans
from folkmoot.documents import BadInput
from folkmoot.models.folder import inspect

_ARCHITECTURES = frozenset(
    [
        "bloom",
        "cohere",
        "cohere2",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "glm4",
        "gpt2",
        "gpt_neox",
        "gptj",
        "granite",
        "granitemoe",
        "helium",
        "llama",
        "mistral",
        "ministral",
        "mixtral",
        "nemotron",
        "olmo",
        "olmo2",
        "olmo3",
        "opt",
        "phi",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "smollm3",
        "stablelm",
        "starcoder2",
    ]
)


def check_model(path: Path, name: str, headers: Mapping[str, Spans]) -> Iterator[Finding]:
    """What can be seen of a model without loading it.

    Args:
        path: A private copy of its folder.
        name: What to call it.
        headers: Of all safetensors files of the contribution, by name.
    """
    have = {t for n, h in headers.items() if PurePosixPath(n).parent == PurePosixPath(name) for t in h.tensors}
    for index in path.glob("*.safetensors.index.json"):
        parts = as_object(index).get("weight_map")
        if (
            not isinstance(parts, dict)
            or set(parts) != have
            or any(str(v) != Path(str(v)).name for v in parts.values())
        ):
            what = "it names other tensors than the files hold, or files elsewhere"
            yield refuse("shards", what, f"{name}/{index.name}", "save the model again")
            return
    try:
        parameters = inspect(path)
    except BadInput as e:
        yield refuse("model", str(e).replace(str(path), name), name, "save the model again with its tokenizer")
        return
    config = as_object(path / "config.json")
    where, kind = f"{name}/config.json", config.get("model_type")
    if not isinstance(kind, str) or kind not in _ARCHITECTURES:
        remedy = "use an architecture that the library has, such as llama or qwen2"
        yield refuse("architecture", f"model_type {kind!r} is not known here", where, remedy)
    if wild := [k for k, v in config.items() if type(v) is int and not -1 <= v <= 2**27]:
        yield refuse("config", f"{wild[0]!r} is {config[wild[0]]}", where, "write the configuration again")
    yield from _size(config, where, headers, name)
    yield passed("model", f"{kind}, {parameters / 1e6:.0f} M parameters")
    yield from check_templates(path, name)


def _size(config: Mapping[str, Any], where: str, headers: Mapping[str, Spans], name: str) -> Iterator[Finding]:
    """Whether the configuration is of the size of the weights: what is lacking would be made up, at any size."""
    own = {
        t: s.shape
        for n, h in headers.items()
        if PurePosixPath(n).parent == PurePosixPath(name)
        for t, s in h.tensors.items()
    }
    table = next(
        (s for t, s in own.items() if t.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight"))), None
    )
    width = config.get("hidden_size", config.get("n_embd"))
    vocabulary = config.get("vocab_size")
    if table is not None and (len(table) != 2 or width not in (None, table[1]) or vocabulary not in (None, table[0])):
        what = f"it says {vocabulary} tokens of {width} numbers, the weights have {list(table)}"
        yield refuse("config", what, where, "keep configuration and weights of one model together")
    layers = {int(found[1]) for t in own if (found := re.search(r"\.(?:layers|h|blocks)\.(\d{1,6})\.", f".{t}"))}
    told = config.get("num_hidden_layers", config.get("n_layer"))
    if type(told) is int and layers and told != max(layers) + 1:
        what = f"it says {told} layers, the weights have {max(layers) + 1}"
        yield refuse("config", what, where, "keep configuration and weights of one model together")


def as_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
