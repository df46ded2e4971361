"""The files that loaders act on by themselves: only those that are known by name, and no key in them that leads elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from folkmoot.contribute.findings import Finding, refuse
from folkmoot.engines.placement.lora import CONFIG, WEIGHTS
from folkmoot.manifest import Manifest

_RUNS = frozenset(
    {"auto_map", "auto_mapping", "trust_remote_code", "custom_pipelines", "custom_generate", "code_revision"}
)
"""Keys by which the libraries import modules that a folder names or brings."""
_ELSEWHERE = frozenset(
    [
        "use_kernels",
        "kernel_config",
        "quantization_config",
        "compression_config",
        "transformers_weights",
        "tokenizer_file",
        "vocab_file",
        "merges_file",
        "gguf_file",
    ]
)
"""Keys by which the libraries fetch programs, choose other code for the layers, or read other files."""
_LAYERS = re.compile(r"_?(attn|experts)_implementation(_\w+)?")
_OWN_LAYERS = ("eager", "sdpa")
"""What may be said of how layers are computed: the library's own ways. Anything else may name a program on a hub."""

_TEXTS = frozenset({"README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", ".gitattributes"})
_TOKENIZER = frozenset(
    [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "tokenizer.model",
        "spiece.model",
        "chat_template.jinja",
        "chat_template.json",
    ]
)
_ADAPTER = _TEXTS | _TOKENIZER | {CONFIG, WEIGHTS}
_MODEL = _TEXTS | _TOKENIZER | {"config.json", "generation_config.json", "model.safetensors.index.json"}
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")


def check_names(manifest: Manifest, names: Iterable[str]) -> Iterator[Finding]:
    """Whether the folders of the adapter and of the model hold nothing but files that are looked at here.

    Libraries take up what lies in such a folder without being told: further chat templates, an adapter beside the weights.

    Args:
        manifest: As written.
        names: Of all files, relative to the contribution.
    """
    homes = {}
    if manifest.engine != "openai" and manifest.model.startswith("./"):
        homes[PurePosixPath(manifest.model)] = "model"
    if manifest.adapter is not None:
        homes.setdefault(PurePosixPath(manifest.adapter), "adapter")
    for name in names:
        path = PurePosixPath(name)
        home = next((h for h in path.parents if h in homes), None)
        if home is None:
            continue
        kind, inner = homes[home], str(path.relative_to(home))
        allowed = inner in _ADAPTER if kind == "adapter" else inner in _MODEL or bool(_WEIGHTS.fullmatch(inner))
        if not allowed:
            what = f"no file of {'an adapter' if kind == 'adapter' else 'a model'} that is known here"
            yield refuse("unknown-file", what, name, "remove it")


def check_configurations(folder: Path, names: Iterable[str]) -> Iterator[Finding]:
    """Every JSON file: it can be read, no key stands there twice, and none asks for code or leads elsewhere.

    Args:
        folder: A private copy of the contribution.
        names: Of its files.
    """
    for name in names:
        if PurePosixPath(name).suffix != ".json":
            continue
        try:
            data = json.loads((folder / name).read_text(encoding="utf-8"), object_pairs_hook=_once)
            keys = list(_wrong(data))
        except (ValueError, RecursionError) as e:
            why = "nested too deeply" if isinstance(e, RecursionError) else str(e)
            yield refuse("json", f"it cannot be read: {why}", name, "write it again")
            continue
        if code := [k for k, runs in keys if runs]:
            what = f"{code[0]!r} asks to run code that comes with the model or is named by it"
            yield refuse("remote-code", what, name, "use an architecture that the library has, and remove the key")
        elif keys:
            what = f"{keys[0][0]!r} names programs or files that nobody here has looked at"
            yield refuse("leads-elsewhere", what, name, "remove the key")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _wrong(value: Any) -> Iterator[tuple[str, bool]]:
    """Keys at any depth that must not be there, and whether they ask for code."""
    if isinstance(value, dict):
        for key, held in value.items():
            if key in _RUNS and held:
                yield key, True
            elif (key in _ELSEWHERE and held) or (_LAYERS.fullmatch(key) and not _plain(held)):
                yield key, False
            yield from _wrong(held)
    elif isinstance(value, list):
        for held in value:
            yield from _wrong(held)


def _plain(held: Any) -> bool:
    """Whether a value chooses one of the library's own ways for layers, or nothing."""
    return held is None or isinstance(held, bool) or held in _OWN_LAYERS
