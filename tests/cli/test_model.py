"""``folkmoot model list`` and ``pull``."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from folkmoot.cli.model import app
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models import LocalModel, known


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path))
    monkeypatch.setenv("FOLKMOOT_NO_HUB", "1")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_list_says_what_there_is_and_what_fetching_costs() -> None:
    result = run("list")
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["NAME", "PARAMETERS", "LICENCE", "SIZE", "STATE", "PATH"]
    assert rows[0].split() == ["smollm2-135m-instruct", "135", "M", "Apache-2.0", "93", "MB", "to", "fetch", "absent"]
    assert len(rows) == len(known())


def test_list_for_programs() -> None:
    rows = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in rows] == list(known())
    assert rows[0]["state"] == "absent"
    assert rows[0]["path"] is None
    assert rows[0]["parameters"] == 134_515_008


def test_list_shows_what_is_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(2_000_000))
    here = LocalModel(tmp_path, "gemma-3-270m", "x", 1)
    monkeypatch.setattr("folkmoot.models.ready", lambda name: here if name == here.name else None)
    row = next(line for line in run("list").stdout.splitlines() if line.startswith("gemma"))
    assert row.split()[-4:] == ["2", "MB", "ready", str(tmp_path)]


def test_pull_prints_where_each_model_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, bool]] = []

    def resolve(name: str, *, progress: Any, thorough: bool) -> LocalModel:
        asked.append((name, thorough))
        progress(f"download {name}", 1, 2)
        return LocalModel(tmp_path / name, name, "x")

    monkeypatch.setattr("folkmoot.models.resolve", resolve)
    result = run("pull", "one", "two")
    assert result.stdout.splitlines() == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert "download one" in result.stderr
    assert asked == [("one", True), ("two", True)], "pull checks contents, not only sizes"


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("smollm2-135m", BadInput, "did you mean 'smollm2-135m-instruct'?"),
        ("org/name", Missing, "FOLKMOOT_NO_HUB"),
    ],
)
def test_pull_raises_what_the_command_line_turns_into_exit_codes(name: str, kind: type[Exception], says: str) -> None:
    result = run("pull", name)
    assert isinstance(result.exception, kind)
    assert says in str(result.exception)
    assert result.stdout == ""
