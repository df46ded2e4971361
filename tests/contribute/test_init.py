"""A new contribution: the folder passes the gate as soon as weights and data are there."""

import importlib.util
import io
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from folkmoot.answers.types import Kind
from folkmoot.cli.contribute_init import init as command
from folkmoot.contribute.check import check
from folkmoot.contribute.check_manifest import check_manifest
from folkmoot.contribute.init import EXAMPLES, Plan, init
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.tasks import examined, own_task
from folkmoot.manifest import MANIFEST, read_manifest

_spec = importlib.util.spec_from_file_location("contribution", Path(__file__).with_name("contribution.py"))
assert _spec is not None
assert _spec.loader is not None
contribution = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contribution)

PLAN = Plan("roman", "Ana", "Roman numerals.", "MIT", "smollm2-135m-instruct")


def test_it_lacks_weights_and_data_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "roman"
    written = init(folder, replace(PLAN, answer="number"))
    assert {p.name for p in written} == {MANIFEST, "README.md", "priority.jsonl", ".gitignore"}
    before = check(folder, run=False)
    files = {f.where.split(":")[0].split("/")[0] for f in before.refusals}
    assert files <= {"adapter", "priority.jsonl", ""}, [f.line() for f in before.refusals]
    assert before.refusals
    contribution.adapter(folder / "adapter")
    (folder / "priority.jsonl").write_text(contribution.rows("roman"))
    after = check(folder, run=False)
    assert after.admitted, [f.line() for f in after.refusals]


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, model="org/base", revision="0123abc", tags=("a", "b"), languages=("en", "da")),
        replace(
            PLAN, purpose="Says: #1, 'quoted' \"twice\" and {braces}.\nIn two lines -- yes", contributor="Bo: & co #3"
        ),
        replace(PLAN, weights=True, model=""),
        replace(PLAN, model="served", url="http://127.0.0.1:8000/v1", api_key_env="FOLKMOOT_KEY_ROMAN"),
        *(replace(PLAN, answer=kind) for kind in get_args(Kind)),
    ],
)
def test_the_manifest_says_what_was_asked_for(tmp_path: Path, plan: Plan) -> None:
    init(tmp_path, plan)
    told = read_manifest(tmp_path / MANIFEST, move=False)
    assert (told.name, told.licence, told.tags, told.languages) == (plan.name, "MIT", plan.tags, plan.languages)
    assert (told.contributor, told.purpose) == (plan.contributor, " ".join(plan.purpose.split()))
    assert told.model == ("./model" if plan.weights else plan.model)
    assert told.adapter == (None if plan.weights or plan.url else "adapter")
    assert (told.url, told.api_key_env, told.revision) == (plan.url, plan.api_key_env, plan.revision)
    assert told.priority
    assert told.priority.answer == plan.answer


def test_the_whole_manifest_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "contribute.md").read_text()
    (tmp_path / MANIFEST).write_text(text.split("```yaml\n")[2].split("```")[0])
    told, found = check_manifest(tmp_path)
    assert told
    assert told.manifest.name == "ana-tides"
    assert [f.line() for f in found if f.level != "pass"] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("model", "asked"), [("org/base", True), ("smollm2-135m-instruct", False)])
def test_the_commit_of_a_base_on_the_hub_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str, asked: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("0123abc\n"))
    command(tmp_path, name="roman", contributor="Ana", purpose="R.", licence="MIT", model=model, answer="text")
    assert ("Commit of the base on the hub" in capsys.readouterr().out) == asked
    assert read_manifest(tmp_path / MANIFEST, move=False).revision == ("0123abc" if asked else None)


def test_on_a_terminal_each_answer_is_judged_when_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["Roman Numbers", "roman", "Ana", "  ", "Roman numerals.", "Apache2", "MIT"]
    said += ["smollm2", "org/base", "../x", "0123abc", "numbr", "number"]
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in said)))
    command(tmp_path)
    out = capsys.readouterr().out
    for why in (
        "Error: name 'Roman Numbers': use small letters",
        "Error: purpose: empty",
        "Error: licence 'Apache2' is not known: did you mean 'Apache-2.0'?",
        "Error: unknown model 'smollm2'",
        "Error: revision '../x' is none",
        "Error: answer 'numbr': did you mean 'number'?",
    ):
        assert why in out
    assert "(text, number, math, boolean, choice, labels, code, free) [text]" in out
    told = read_manifest(tmp_path / MANIFEST, move=False)
    assert (told.name, told.licence, told.model, told.revision) == ("roman", "MIT", "org/base", "0123abc")
    assert told.priority
    assert told.priority.answer == "number"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"licence": "Apache2"}, "licence 'Apache2'"),
        ({"tag": ["Two Words"]}, "tag 'Two Words'"),
        ({"url": "not a url"}, "url 'not a url'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(BadInput, match=said):
        command(tmp_path / "new", **wrong)  # type: ignore[arg-type]
    (tmp_path / MANIFEST).write_text("name: ana\n")
    with pytest.raises(BadInput, match="a contribution is here already"):
        command(tmp_path)
    assert capsys.readouterr().out == ""


def test_what_comes_next_can_be_typed_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    folder = Path("my things/o'clock")
    command(folder, name="roman", contributor="Ana", purpose="R.", licence="MIT", model="smollm2-135m-instruct")
    steps = capsys.readouterr().out.split("Next:\n")[1].splitlines()
    assert f"into {shlex.quote(str(folder / 'priority.jsonl'))}: {{" in steps[0]
    assert f"into {shlex.quote(str(folder / 'train.jsonl'))}, then" in steps[1]
    for step, words in zip(steps[1:], (["train"], ["check"], ["add"]), strict=True):
        typed = shlex.split(step[step.index("folkmoot ") :])
        assert typed[:4] == ["folkmoot", "contribute", *words, str(folder)]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_row_that_it_shows_can_be_read(tmp_path: Path, kind: Kind) -> None:
    init(tmp_path, replace(PLAN, answer=kind))
    assert EXAMPLES[kind] in (tmp_path / MANIFEST).read_text()
    (tmp_path / "priority.jsonl").write_text(EXAMPLES[kind] + "\n")
    split = examined(own_task(read_manifest(tmp_path / MANIFEST)))[0]
    assert (split.name, len(split.items), split.findings) == ("test", 1, ())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    for name in ("README.md", "priority.jsonl", ".gitignore"):
        (tmp_path / name).write_text("mine\n")
    assert {p.name for p in init(tmp_path, PLAN)} == {MANIFEST}
    assert {(tmp_path / n).read_text() for n in ("README.md", "priority.jsonl", ".gitignore")} == {"mine\n"}
    before = (tmp_path / MANIFEST).read_text()
    with pytest.raises(BadInput, match="a contribution is here already"):
        init(tmp_path, replace(PLAN, purpose="Another."))
    assert (tmp_path / MANIFEST).read_text() == before


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of so many bytes at `path`, or a reason to skip."""
    path.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("size", ["4k", "8k"], ids=["the manifest has no room", "the card has no room"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "full"
    with small_disk(disk, size):
        with pytest.raises(Missing) as e:
            init(disk / "new" / "roman", PLAN)
        assert str(e.value).endswith("roman: no room on its disk; free some and run it again. Nothing was written")
        assert list(disk.iterdir()) == []
        (disk / "mine").touch()
        with pytest.raises(Missing, match="no room"):
            init(disk, PLAN)
        assert [p.name for p in disk.iterdir()] == ["mine"]
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        init(disk, PLAN)
        assert "checkpoint" in (disk / ".gitignore").read_text()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.symlink_to(p.parent / "nowhere" / "x"), "cannot be written"),
        (lambda p: p.parent.joinpath("file").touch(), "cannot be written"),
    ],
    ids=["a link to nowhere", "a file on the way"],
)
def test_a_folder_that_cannot_be_made(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / "new")
    where = tmp_path / ("file/new" if (tmp_path / "file").exists() else "new")
    with pytest.raises(Missing, match=said):
        init(where, PLAN)


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    """An older version left such files on a full disk."""
    for name in (MANIFEST, "README.md", "priority.jsonl", ".gitignore"):
        (tmp_path / name).touch()
    assert {p.name for p in init(tmp_path, PLAN)} == {MANIFEST, "README.md", "priority.jsonl", ".gitignore"}
    assert "checkpoint" in (tmp_path / ".gitignore").read_text()
    assert (tmp_path / "README.md").read_text()
    assert read_manifest(tmp_path / MANIFEST, move=False).name == "roman"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (replace(PLAN, name="Roman Numbers"), "name 'Roman Numbers': use small letters"),
        (replace(PLAN, name="all"), "nobody can be called 'all'"),
        (replace(PLAN, purpose="  "), "purpose: empty"),
        (replace(PLAN, answer="numbr"), "answer 'numbr': did you mean 'number'?"),  # type: ignore[arg-type]
        (replace(PLAN, licence="Apache2"), "licence 'Apache2' is not known: did you mean 'Apache-2.0'?"),
        (replace(PLAN, model="smollm2"), "unknown model 'smollm2'"),
        (replace(PLAN, model="../base"), "others must be able to fetch the base"),
        (replace(PLAN, tags=("Two Words",)), "tag 'Two Words': use small letters"),
        (replace(PLAN, url="http://127.0.0.1:8000/v1", weights=True), "an endpoint brings no weights"),
        (replace(PLAN, url="http://127.0.0.1:8000/v1", api_key_env="HF_TOKEN"), "name it FOLKMOOT_KEY_ROMAN"),
        (replace(PLAN, name="judge"), "taken by a node of the graph"),
        (replace(PLAN, purpose="Sums " * 100), "'purpose' has 499 characters: say it in at most 400"),
        (replace(PLAN, contributor="Ana\u202e"), "'contributor' holds characters that are not seen"),
        (replace(PLAN, languages=("en", "english")), "'english' is no language: write en, de"),
        (replace(PLAN, model="some/base"), "model 'some/base' may change on the hub: name the commit"),
        (replace(PLAN, model="some/base", revision="../x"), "revision '../x' is none: name a commit"),
        (replace(PLAN, url="not a url"), "url 'not a url' is no web address: write https://host/v1"),
        (replace(PLAN, url="http://169.254.169.254/v1"), "name the endpoint's own address"),
        (replace(PLAN, tags=("a" * 41,)), "labels, tags, languages or stop strings are too long"),
    ],
)
def test_what_cannot_be(tmp_path: Path, plan: Plan, said: str) -> None:
    with pytest.raises(BadInput) as e:
        init(tmp_path / "new", plan)
    assert said in str(e.value)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "new").exists()
