"""``folkmoot contribute``: what people type, and what they see."""

import importlib
import importlib.util
import io
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from folkmoot.cli import main
from folkmoot.contribute import keep
from folkmoot.contribute.findings import Admission, Score
from folkmoot.models.folder import sha256

_spec = importlib.util.spec_from_file_location(
    "contribution", Path(__file__).parents[1] / "contribute" / "contribution.py"
)
assert _spec is not None
assert _spec.loader is not None
contribution = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contribution)

Run = Callable[..., tuple[int, str, str]]
SAID = ("--contributor", "Ana", "--purpose", "Sums.", "--licence", "MIT", "--model", "smollm2-135m-instruct")


@pytest.fixture
def folkmoot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The program in a folder of its own; the gate does all but run the model."""
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["folkmoot", "contribute", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        return code, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGTERM, before)


def test_from_nothing_to_a_member_of_a_team(folkmoot: Run, tmp_path: Path) -> None:
    code, out, _ = folkmoot("init", "ana", *SAID, "--answer", "number", "--tag", "sums")
    assert code == 0
    assert "folkmoot contribute check ana" in out
    contribution.adapter(tmp_path / "ana" / "adapter")
    (tmp_path / "ana" / "priority.jsonl").write_text(contribution.rows("ana"))
    code, out, err = folkmoot("add", "ana")
    assert (code, out) == (0, "ana: added to moot, 5 files in moot/ana\n"), err
    assert folkmoot("add", "ana")[1] == "ana: in moot already, unchanged\n"
    code, out, _ = folkmoot("list")
    assert code == 0
    assert "Sums." in out
    assert "smollm2-135m-instruct" in out
    row = json.loads(folkmoot("list", "--tag", "sums", "--json")[1])[0]
    assert (row["name"], row["purpose"], row["licence"], row["state"]) == ("ana", "Sums.", "MIT", "ok")
    shown = folkmoot("show", "ana")[1]
    assert "priority.jsonl" in shown
    assert json.loads(folkmoot("show", "ana", "--json")[1])["folder"] == "moot/ana"
    assert json.loads(folkmoot("show", "./ana", "--json")[1])["folder"] == "ana"
    (tmp_path / "moot" / "ana" / "priority.jsonl").write_text("{}\n")
    code, out, err = folkmoot("list")
    assert "changed" in out
    assert err == ("ana: in moot/ana 1 file (priority.jsonl) changed since it was added: restore, or add 'ana' again\n")
    shutil.rmtree(tmp_path / "moot" / "ana")
    code, out, err = folkmoot("list")
    assert (code, "missing" in out, err) == (0, True, "")
    assert folkmoot("remove", "ana")[2] == "folkmoot: remove ana: there is no terminal to ask at; give --yes\n"
    assert folkmoot("remove", "ana", "--yes")[:2] == (0, "ana: removed from moot\n")
    assert json.loads(folkmoot("list", "--json")[1]) == []


def test_scores_are_shown(folkmoot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that `add` measured, and, as a claim, those of the manifest."""
    gate = keep.check
    scores = {"contribution": Score(0.5, 24, 0), "base": Score(0.125, 24, 0)}
    monkeypatch.setattr(keep, "check", lambda *a, **k: replace(gate(*a, **k), scores=scores))
    folder = contribution.make(tmp_path / "ana")
    path = folder / "participant.yaml"
    score = {
        "before": {"score": 0.1, "low": 0.0, "high": 0.3, "items": 6},
        "after": {"score": 0.75, "low": 0.3, "high": 1.0, "items": 6},
    }
    path.write_text(path.read_text() + json.dumps({"trained": {"score": score}})[1:-1] + "\n")
    assert folkmoot("add", "ana")[0] == 0
    out = folkmoot("list")[1]
    head, row = out.splitlines()[:2]
    shown = {title: row[head.index(title) :].split("  ")[0] for title in ("Measured", "Base alone", "Claimed")}
    assert shown == {"Measured": "50.0 %", "Base alone": "12.5 %", "Claimed": "75.0 %"}
    out = folkmoot("show", "ana")[1]
    assert "before 10.0 %, after 75.0 %" in out
    assert "50.0 % of 24 questions, its base alone 12.5 %" in out


@pytest.mark.parametrize(
    "score", ["1" + "0" * 400, "0x" + "f" * 9000, "-1", "1.01", ".nan", ".inf", "true", "[]", "{}"]
)
def test_a_score_that_can_be_none_is_not_shown(
    folkmoot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    """The gate refuses it; a registry from elsewhere may hold it all the same."""

    def admits(folder: Path, **_: object) -> Admission:
        files = {p.relative_to(folder).as_posix(): sha256(p) for p in folder.rglob("*") if p.is_file()}
        return Admission((), files=files)

    monkeypatch.setattr(keep, "check", admits)
    folder = contribution.make(tmp_path / "ana")
    path = folder / "participant.yaml"
    path.write_text(f"{path.read_text()}trained: {{score: {{after: {{score: {score}}}}}, steps: {score}}}\n")
    assert folkmoot("add", "ana")[0] == 0
    for words in (("list",), ("show", "ana")):
        code, out, err = folkmoot(*words)
        assert (code, err) == (0, "")
        assert json.loads(folkmoot(*words, "--json")[1])
        assert "%" not in out


def test_who_is_not_admitted_sees_what_check_says(folkmoot: Run, tmp_path: Path) -> None:
    folder = contribution.make(tmp_path / "ana")
    (folder / "adapter" / "adapter_model.safetensors").unlink()
    code, out, _ = folkmoot("add", "ana")
    assert code == 3
    assert "not admitted" in out
    assert "adapter_model.safetensors" in out
    code, out, _ = folkmoot("add", "ana", "--json")
    assert (code, json.loads(out)["admitted"]) == (3, False)
    assert not (tmp_path / "moot" / "registry.lock").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_init_asks_for_what_is_not_said(folkmoot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = "\nAna Lee\nKnows the tides.\n\n\n\n"  # name, licence, base and kind of answer as they are offered
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    code, out, err = folkmoot("init", "tides")
    assert code == 0, err
    text = (tmp_path / "tides" / "participant.yaml").read_text()
    for line in (
        "name: tides",
        "contributor: Ana Lee",
        "purpose: Knows the tides.",
        "licence: Apache-2.0",
        "model: smollm2-135m-instruct",
        "priority: {file: priority.jsonl, answer: text}",
    ):
        assert line in text
    assert "What it is good for" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("init", "x", "--purpose", "P."),
            2,
            "init: --contributor, --licence, --model missing, and there is no terminal",
        ),
        (("init", "x", *SAID, "--answer", "numbr"), 2, "answer 'numbr': did you mean 'number'?"),
        (("init", "here", *SAID), 2, "a contribution is here already"),
        (("init", "afile", *SAID), 2, "folkmoot: afile: a file is there already; name a folder"),
        (("add", "nowhere"), 2, "nowhere: no such folder"),
        (("list",), 2, "moot: no registry"),
        (("show", "ana"), 2, "moot: no registry"),
        (("remove", "ana", "--yes"), 2, "moot: no registry"),
        (("publish", "here", "--to", "org/name"), 4, "set HF_TOKEN"),
    ],
)
def test_one_clear_line(
    folkmoot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    contribution.make(tmp_path / "here")
    (tmp_path / "afile").write_text("")
    got, out, err = folkmoot(*words)
    assert (got, out) == (code, "")
    assert said in err.strip().splitlines()[-1]


def test_hostile_text_does_nothing_on_the_terminal(folkmoot: Run, tmp_path: Path) -> None:
    folder = contribution.make(tmp_path / "ana")
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("purpose: Sums.", 'purpose: "[red]a[/red] \\e[31m b"'))
    out = folkmoot("show", "ana")[1]
    assert "[red]a[/red] ⟨ESC⟩[31m b" in out


def test_add_tells_what_somebody_should_look_at(folkmoot: Run, tmp_path: Path) -> None:
    folder = contribution.make(tmp_path / "ana")
    (folder / "participant.yaml").write_text((folder / "participant.yaml").read_text().split("hashes:")[0])
    code, out, err = folkmoot("add", "ana")
    assert code == 0
    assert out.startswith("ana: added to moot")
    assert "warning: " in err
    warned = json.loads(folkmoot("add", "ana", "--replace", "--json")[1])["warnings"]
    assert [f"warning: {line}" for line in warned] == [line for line in err.splitlines() if line.startswith("warning")]


def test_remove_asks_first(folkmoot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contribution.make(tmp_path / "ana")
    assert folkmoot("add", "ana")[0] == 0
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, out, _ = folkmoot("remove", "ana")
    assert code == 130
    assert "Remove ana from moot, with its folder moot/ana?" in out
    assert (tmp_path / "moot" / "ana").is_dir()
