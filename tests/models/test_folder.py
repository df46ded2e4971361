"""Folders from other people: what could run code, or is not whole, is refused before a loader sees it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from folkmoot.documents import BadInput
from folkmoot.models import folder


def safetensors(shapes: dict[str, list[int]]) -> bytes:
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "llama"}')
    (path / "tokenizer.json").write_text("{}")
    (path / "model.safetensors").write_bytes(safetensors({"a": [2, 3], "b": [4]}))
    return path


def test_a_good_folder_is_counted(model: Path) -> None:
    assert folder.inspect(model) == 10


def write(name: str, content: str | bytes) -> Callable[[Path], Any]:
    return lambda path: (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def remove(*names: str) -> Callable[[Path], Any]:
    return lambda path: [(path / name).unlink() for name in names]


def pickled(path: Path) -> None:
    (path / "model.safetensors").rename(path / "pytorch_model.bin")


def adapter(path: Path) -> None:
    (path / "config.json").rename(path / "adapter_config.json")


def part_gone(path: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


def cut(path: Path) -> None:
    (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-1])


BIG = (2**40).to_bytes(8, "little") + b"{}"


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (pickled, "its weights are pickled (pytorch_model.bin), and loading a pickle can run any code"),
        (
            write("config.json", '{"model_type": "x", "auto_map": {"AutoModel": "evil.Model"}}'),
            "'auto_map' asks to run",
        ),
        (write("tokenizer_config.json", '{"deep": [{"auto_map": {"A": "b"}}]}'), "'auto_map' asks to run code"),
        (remove("model.safetensors"), "no *.safetensors file in it"),
        (remove("config.json"), "config.json is missing"),
        (remove("tokenizer.json"), "no tokenizer in it"),
        (write("config.json", "{}"), "it names no 'model_type'"),
        (write("config.json", "[" * 100_000), "not readable as JSON"),
        (write("config.json", "[1]"), "expected names and values, got list"),
        (write("config.json", b"\xff\xfe"), "not readable as JSON"),
        (adapter, "this is a LoRA adapter, not a model; name it as adapter"),
        (part_gone, "model-2.safetensors is missing, one of 2 parts"),
        (cut, "damaged or cut short"),
        (write("model.safetensors", b""), "damaged or cut short"),
        (write("model.safetensors", BIG), "damaged or cut short: the header's length is wrong"),
        (write("model.safetensors", (4).to_bytes(8, "little") + b"[[]]"), "damaged or cut short"),
    ],
)
def test_a_bad_folder_is_refused_in_one_line(model: Path, harm: Callable[[Path], Any], says: str) -> None:
    harm(model)
    with pytest.raises(BadInput) as e:
        folder.inspect(model)
    assert says in str(e.value)
    assert str(model) in str(e.value)
    assert "\n" not in str(e.value)


def test_a_pickle_beside_safetensors_is_nobodys_business(model: Path) -> None:
    """Training leaves such files; nothing ever loads them."""
    (model / "training_args.bin").write_bytes(b"")
    assert folder.inspect(model) == 10


def test_a_fingerprint_is_of_the_content_only(model: Path, tmp_path: Path) -> None:
    first = folder.fingerprint(model)
    os.utime(model / "config.json", (1, 1))
    assert folder.fingerprint(model) == first
    assert folder.fingerprint(model.rename(tmp_path / "moved")) == first
    (tmp_path / "moved/README.md").write_text("hello")
    assert folder.fingerprint(tmp_path / "moved") == first
    (tmp_path / "moved/chat_template.jinja").write_text("hello")
    assert folder.fingerprint(tmp_path / "moved") != first


def test_a_fingerprint_is_remembered_until_a_file_changes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folder.fingerprint(model)
    with monkeypatch.context() as m:
        m.setattr(folder, "sha256", None)  # calling it would fail
        assert folder.fingerprint(model) == first
    (model / "config.json").write_text('{"model_type": "qwen"}')
    assert folder.fingerprint(model) != first


def test_a_spoilt_memory_of_fingerprints_only_costs_time(model: Path, cache: Path) -> None:
    first = folder.fingerprint(model)
    (memo,) = (cache / "fingerprints").iterdir()
    memo.write_text('{"stats": null')
    assert folder.fingerprint(model) == first
