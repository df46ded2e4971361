"""What training writes into a manifest leaves the rest of it alone."""

import pytest
import yaml

from folkmoot.contribute.train_record import record

PLAIN = """\
# Mine.
name: ana  # short
model: base

trained:
  seed: 0
  loss:
    best: 1.0

# What it is for:
tags:
- one
hashes: {a: b}
purpose: |
  trained: on nothing
  # no comment
"""


def test_comments_and_other_keys_stay(tmp_path):
    path = tmp_path / "participant.yaml"
    path.write_text(PLAIN)
    record(path, {"trained": {"seed": 1}, "hashes": {"c": "d"}})
    text = path.read_text()
    assert yaml.safe_load(text) == {
        **yaml.safe_load(PLAIN), "trained": {"seed": 1}, "hashes": {"c": "d"}
    }  # fmt: skip
    assert "# Mine.\nname: ana  # short\n" in text
    assert "# What it is for:\ntags:\n- one\n" in text
    assert text.endswith("trained:\n  seed: 1\nhashes:\n  c: d\n")


def test_twice_is_as_once(tmp_path):
    path = tmp_path / "participant.yaml"
    path.write_text(PLAIN)
    record(path, {"trained": {"seed": 1}})
    once = path.read_text()
    record(path, {"trained": {"seed": 1}})
    assert path.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "{name: ana, model: base, trained: {seed: 0}}",
        '"name": ana\nmodel: base\n"trained":\n    seed: 0\n',
        "name: ana\nmodel: base\n...\n",
        "---\nname: ana\nmodel: base",
        "trained: {}\nname: ana\nmodel: base\nsystem: 'two\n\n  trained: lines'\n",
    ],
)
def test_whatever_the_layout_the_values_arrive(tmp_path, text):
    path = tmp_path / "participant.yaml"
    path.write_text(text)
    record(path, {"trained": {"seed": 1}, "hashes": {}})
    assert yaml.safe_load(path.read_text()) == {**yaml.safe_load(text), "trained": {"seed": 1}, "hashes": {}}
