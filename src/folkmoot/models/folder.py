"""What a folder with a model must be before anything loads it.

Folders come from other people. Weights are only read from safetensors, which is data and nothing else; what could run
code (pickled weights, ``auto_map``) is refused here, before a loader sees it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

from folkmoot.documents import BadInput
from folkmoot.paths import cache_dir
from folkmoot.progress import Progress, silent

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
LOADED = frozenset({".safetensors", ".json", ".jinja", ".txt", ".model"})
"""Endings of what loaders read; nothing else belongs to a model's identity."""

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
_HEADER_LIMIT = 100_000_000


def inspect(folder: Path) -> int:
    """Check that a folder holds a whole model which cannot run code.

    Returns:
        The number of parameters.

    Raises:
        BadInput: Something is missing, cut short or not safe; the message says what.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    weights = sorted(folder.glob("*.safetensors"))
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise BadInput(f"{folder}: this is a LoRA adapter, not a model; name it as adapter, and its base as model")
    if not weights:
        if pickled := sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES):
            raise BadInput(
                f"{folder}: its weights are pickled ({pickled[0]}), and loading a pickle can run any code; "
                "convert them to safetensors where they come from"
            )
        raise BadInput(f"{folder}: no *.safetensors file in it")
    config = _object(folder / "config.json")
    if "model_type" not in config:
        raise BadInput(f"{folder / 'config.json'}: it names no 'model_type'")
    if not any((folder / name).exists() for name in _TOKENIZERS):
        raise BadInput(f"{folder}: no tokenizer in it (one of {', '.join(_TOKENIZERS)})")
    for path in sorted(folder.glob("*config.json")):
        if _mentions_code(_object(path)):
            raise BadInput(f"{path}: 'auto_map' asks to run code that comes with the model, which is never done here")
    for index in folder.glob("*.safetensors.index.json"):
        placed = _object(index).get("weight_map")
        if not isinstance(placed, dict):
            raise BadInput(f"{index}: no 'weight_map' in it that says which part holds what; fetch the model again")
        shards = set(map(str, placed.values()))
        if absent := sorted(s for s in shards if not (folder / Path(s).name).exists()):
            raise BadInput(f"{folder}: {absent[0]} is missing, one of {len(shards)} parts that {index.name} names")
    return sum(_parameters(p) for p in weights)


def fingerprint(folder: Path, progress: Progress = silent) -> str:
    """A digest of everything in a folder that loaders read: equal content, equal digest, wherever it lies.

    Reading gigabytes takes seconds, so the digest is remembered for as long as no file's size or time changes.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix in LOADED and p.is_file())
    stats = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in paths]
    memo = cache_dir() / "fingerprints" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(memo.read_text(encoding="utf-8"))
        if told["stats"] == stats:
            return str(told["digest"])
    total = sum(p.stat().st_size for p in paths)
    seen, digests = 0, []
    for path in paths:
        progress(f"check {folder.name}", seen, total)
        digests.append((path.name, sha256(path)))
        seen += path.stat().st_size
    progress(f"check {folder.name}", total, total)
    digest = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        memo.parent.mkdir(parents=True, exist_ok=True)
        replace_text(memo, json.dumps({"stats": stats, "digest": digest}))
    return digest


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that whoever reads it sees the old text or the new one, also after a crash."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path.parent}: {path.name} is missing") from None
    except (OSError, ValueError, RecursionError) as e:
        raise BadInput(f"{path}: not readable as JSON: {e}") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: expected names and values, got {type(data).__name__}")
    return data


def _mentions_code(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value.get("auto_map")) or any(map(_mentions_code, value.values()))
    return isinstance(value, list) and any(map(_mentions_code, value))


def _parameters(path: Path) -> int:
    """Parameters that a safetensors file holds; refuses a file whose header and size do not fit together."""
    try:
        size = path.stat().st_size
        with path.open("rb") as f:
            length = int.from_bytes(f.read(8), "little")
            if not 2 <= length <= min(_HEADER_LIMIT, size - 8):
                raise ValueError("the header's length is wrong")
            header = json.loads(f.read(length))
        header.pop("__metadata__", None)
        ends = [int(t["data_offsets"][1]) for t in header.values()]
        if 8 + length + max(ends, default=0) != size:
            raise ValueError(f"{size} bytes, but its header tells of {8 + length + max(ends, default=0)}")
        return sum(math.prod(int(n) for n in t["shape"]) for t in header.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as e:
        raise BadInput(f"{path}: damaged or cut short: {e}; fetch it again") from None
