"""YAML in, values or complaints out: each complaint is one line with file, line and remedy."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from folkmoot.documents import BadInput, Document, did_you_mean, line_of, load, read


class Bed(Document):
    plant: str
    rows: int = Field(default=1, ge=1)
    kind: Literal["herb", "root"] = "herb"

    @field_validator("plant")
    @classmethod
    def _plant(cls, v: str) -> str:
        if v == "ivy":
            raise ValueError("ivy takes over; choose another plant")
        return v


class Garden(Document):
    name: str
    beds: tuple[Bed, ...] = ()
    fence: Bed | str | None = None
    notes: dict[str, Any] = Field(default_factory=dict)


def write(folder: Path, text: str) -> Path:
    path = folder / "garden.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(BadInput) as e:
        read(path, Garden)
    return str(e.value).replace(str(path), "FILE")


def test_a_good_document_is_read_and_cannot_be_changed(tmp_path: Path) -> None:
    garden = read(write(tmp_path, "name: north\nbeds:\n  - plant: dill\n    rows: 3\n"), Garden)
    assert garden == Garden(name="north", beds=(Bed(plant="dill", rows=3),))
    with pytest.raises(ValueError, match="frozen"):
        garden.name = "south"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: north\nname: x\n", "FILE:1: unknown key 'nmae'; did you mean 'name'?"),
        ("name: x\nzzz: 1\n", "FILE:2: unknown key 'zzz'; known: beds, fence, name, notes"),
        ("name: x\nbeds:\n- plant: dill\n- plnt: dill\n  plant: rue\n", "FILE:4: unknown key 'plnt'; did you mean 'plant'?"),
        ("beds: []\n", "FILE:1: 'name' is missing"),
        ("name: x\nbeds:\n- plant: dill\n- rows: 2\n", "FILE:4: 'beds.1.plant' is missing"),
        ("name: [a, b]\n", "FILE:1: name: input should be a valid string, got ['a', 'b']"),
        ("name: x\nbeds:\n- plant: dill\n  rows: many\n", "FILE:4: beds.0.rows: input should be a valid integer"),
        ("name: x\nbeds:\n- plant: dill\n  rows: 0\n", "FILE:4: beds.0.rows: input should be greater than or equal to 1, got 0"),
        ("name: x\nbeds:\n- {plant: dill, kind: tree}\n", "FILE:3: beds.0.kind: input should be 'herb' or 'root', got 'tree'"),
        ("name: x\nbeds: dill\n", "FILE:2: beds: expected a list ([a, b]), got 'dill'"),
        ("name: x\nbeds:\n- dill\n", "FILE:3: beds.0: expected names and values ({name: value})"),
        ("name: x\nbeds:\n\n- plant: ivy\n", "FILE:4: beds.0.plant: ivy takes over; choose another plant"),
        ("name: a\nname: b\n", "FILE:2: 'name' stands here twice; remove one"),
        ("name: x\nbeds:\n- plant: a\n  plant: b\n", "FILE:4: 'plant' stands here twice; remove one"),
        ("", "FILE: the file is empty; it needs name"),
        ("# only a comment\n", "FILE: the file is empty; it needs name"),
        ("- a\n- b\n", "FILE:1: expected names and values (name), got ['a', 'b']"),
        ("just words\n", "FILE:1: expected names and values (name), got 'just words'"),
        ("name: 'open\n", "FILE:2: not valid YAML: found unexpected end of stream"),
        ("name: a\n\tbeds: []\n", "FILE:2: not valid YAML: found character '\\t' that cannot start any token"),
        ("name: a\n---\nname: b\n", "FILE:2: not valid YAML: but found another document"),
        ("name: !!python/object/apply:os.system [true]\n", "FILE:1: not valid YAML: could not determine a constructor"),
        ("name: &a [*a]\n", "FILE: not valid YAML"),
        ("name: x\n1: y\n", "FILE:1: 1: keys should be strings, got 1"),
        ("name: \x00\n", "FILE: not valid YAML: unacceptable character #x0000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    found = complaint(tmp_path, text)
    assert found.startswith(said)
    assert "\n" not in found


def test_every_finding_gets_its_own_line(tmp_path: Path) -> None:
    found = complaint(tmp_path, "nmae: x\nbeds:\n- plant: dill\n  rows: -1\n- kind: herb\n")
    assert found.splitlines() == [
        "FILE:1: 'name' is missing",
        "FILE:4: beds.0.rows: input should be greater than or equal to 1, got -1",
        "FILE:5: 'beds.1.plant' is missing",
        "FILE:1: unknown key 'nmae'; did you mean 'name'?",
    ]


def test_where_several_forms_are_allowed_each_is_explained_at_the_place_itself(tmp_path: Path) -> None:
    found = complaint(tmp_path, "name: x\nfence:\n  plant: dill\n  plnt: 1\n")
    assert found.splitlines() == [
        "FILE:4: unknown key 'plnt'; did you mean 'plant'?",
        "FILE:2: fence: input should be a valid string, got {'plant': 'dill', 'plnt': 1}",
    ]


def test_long_values_are_not_repeated_in_full(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, f"name: [{'x, ' * 500}]\n")) < 150


def test_aliases_of_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    assert "more than 50000 values" in complaint(tmp_path, bomb)


def test_what_looks_like_a_date_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a library changed the shared safe loader, as lm-format-enforcer does."""
    tag = "tag:yaml.org,2002:timestamp"
    monkeypatch.setitem(yaml.SafeLoader.yaml_constructors, tag, lambda loader, node: 1 / 0)
    garden = read(write(tmp_path, "name: 2024-01-02\nnotes: {when: 2024-13-45}\n"), Garden)
    assert (garden.name, garden.notes) == ("2024-01-02", {"when": "2024-13-45"})


def test_a_plain_alias_is_fine(tmp_path: Path) -> None:
    garden = read(write(tmp_path, "name: x\nbeds:\n- &b {plant: dill}\n- *b\n- {<<: *b, rows: 2}\n"), Garden)
    assert [(b.plant, b.rows) for b in garden.beds] == [("dill", 1), ("dill", 1), ("dill", 2)]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.yaml: no such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: Zoë".encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin\.yaml: is not UTF-8 \(byte 9\)"):
        load(tmp_path / "latin.yaml")


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    data, lines = load(write(tmp_path, "\ufeffname: x\n\nbeds:\n  - plant: a\n  # between\n  - plant: b\n"))
    assert data == {"name": "x", "beds": [{"plant": "a"}, {"plant": "b"}]}
    assert [line_of(lines, at) for at in [("name",), ("beds",), ("beds", 1), ("beds", 1, "plant")]] == [1, 3, 6, 6]
    assert line_of(lines, ("beds", 1, "absent", "deeper")) == 6, "the nearest place around it"
    assert line_of({}, ("x",)) == 1


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("debat", ["debate", "vote"], "did you mean 'debate'?"),
        ("xyz", ["b", "a"], "known: a, b"),
        ("xyz", [], "there are none"),
    ],
)
def test_did_you_mean(word: str, known: list[str], said: str) -> None:
    assert did_you_mean(word, known) == said


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=6))
def test_did_you_mean_never_suggests_what_is_not_known(word: str, known: list[str]) -> None:
    said = did_you_mean(word, known)
    assert said == "there are none" if not known else any(repr(k) in said or k in said for k in known)
    if word in known:
        assert said == f"did you mean {word!r}?"
