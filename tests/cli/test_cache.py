"""`folkmoot cache`: what it holds, emptied and exported."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from folkmoot.cli.app import app
from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.cache_file import completions_file
from folkmoot.engines.contract import Completion, Message, Missing, Request
from folkmoot.engines.scripted import Scripted


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three replies."""
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path))
    completions = Completions(completions_file())
    engine = Cached(Scripted([Completion(f"\ud800 {i}", "stop", 10, 5, service_s=2.0) for i in range(3)]), completions)
    for i in range(3):
        asyncio.run(engine.complete(Request((Message("user", str(i)),))))
    completions.close()
    return tmp_path


def folkmoot(*words: str) -> str:
    done = CliRunner().invoke(app, ["cache", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_info_counts_replies_and_what_they_cost(filled: Path) -> None:
    assert "3 replies, 15 tokens, 6 s of work" in folkmoot("info")
    found = json.loads(folkmoot("info", "--json"))
    assert (found["completions"], found["prompt_tokens"]) == (3, 30)
    assert found["bytes"] > 0


def test_export_writes_a_line_of_json_for_each(filled: Path) -> None:
    assert folkmoot("export", str(filled / "out.jsonl")) == f"3 replies in {filled / 'out.jsonl'}\n"
    lines = [json.loads(line) for line in (filled / "out.jsonl").read_text().splitlines()]
    assert [e["text"] for e in lines] == ["\ud800 0", "\ud800 1", "\ud800 2"]
    assert {"key", "finish", "prompt_tokens", "service_s"} <= set(lines[0])
    assert folkmoot("export", "-").splitlines() == (filled / "out.jsonl").read_text().splitlines()


def test_clear_asks_and_empties(filled: Path) -> None:
    assert CliRunner().invoke(app, ["cache", "clear"], input="n\n").exit_code == 1
    assert "3 replies" in folkmoot("info")
    assert folkmoot("clear", "--yes") == "removed 3 replies\n"
    assert "0 replies, 0 tokens" in folkmoot("info")


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "nowhere"))
    assert "0 replies" in folkmoot("info")
    assert folkmoot("clear") == "removed 0 replies\n"
    assert folkmoot("export", "-") == ""
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_no_cache_is_one_clear_line(filled: Path) -> None:
    completions_file().write_text("no database " * 1000)
    assert isinstance(CliRunner().invoke(app, ["cache", "info"]).exception, Missing)


def test_export_writes_through_links_and_devices_and_never_replaces_them(filled: Path) -> None:
    (filled / "link.jsonl").symlink_to(filled / "real.jsonl")
    folkmoot("export", str(filled / "link.jsonl"))
    assert (filled / "link.jsonl").is_symlink()
    assert len((filled / "real.jsonl").read_text().splitlines()) == 3
    assert folkmoot("export", "/dev/null") == "3 replies in /dev/null\n"
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["absent/out.jsonl", "."])
def test_export_to_where_nothing_can_be_written_is_one_clear_line(filled: Path, name: str) -> None:
    done = CliRunner().invoke(app, ["cache", "export", str(filled / name)])
    assert isinstance(done.exception, Missing)
    assert str(done.exception).startswith(str((filled / name).resolve()))
    assert ".part" not in str(done.exception)
