"""Contributions sent to a model hub and fetched from it: the hub's own client talks to a server on this machine."""

import importlib.util
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from folkmoot.cli import main
from folkmoot.contribute import keep, publish
from folkmoot.contribute.findings import Admission
from folkmoot.models.folder import sha256
from folkmoot.registry import Registry


def beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


hubs, contribution = beside("hub"), beside("contribution")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub() -> Iterator[Any]:
    with hubs.running() as served:
        yield served


@pytest.fixture
def folkmoot(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """The program, in a folder of its own, with this hub and a gate that lets everybody in."""
    client = pytest.importorskip("huggingface_hub")
    constants = importlib.import_module("huggingface_hub.constants")
    for module in (keep, publish):
        monkeypatch.setattr(module, "check", lambda folder, **_: judged(folder))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("FOLKMOOT_NO_HUB", raising=False)
    monkeypatch.setenv("HF_TOKEN", hubs.TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    client.close_session()
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> tuple[int, str, str]:
        where = () if "--endpoint" in words else ("--endpoint", hub.url)
        monkeypatch.setattr(sys, "argv", ["folkmoot", "contribute", *map(str, words), *where])
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        return code, *capsys.readouterr()

    yield run
    client.close_session()
    signal.signal(signal.SIGTERM, before)


def judged(folder: Path) -> Admission:
    """Admitted, as it lies there."""
    files = {p.relative_to(folder).as_posix(): sha256(p) for p in folder.rglob("*") if p.is_file()}
    return Admission((), files=files)


@pytest.fixture
def roman(tmp_path: Path) -> Path:
    folder = contribution.make(tmp_path / "roman")
    (folder / "train.jsonl").write_text('{"question": "XI?", "answer": "11"}\n')
    (folder / "secret.txt").write_text("nobody's business")
    return folder


def test_there_and_back(hub: Any, folkmoot: Run, roman: Path, tmp_path: Path) -> None:
    code, out, err = folkmoot("publish", roman, "--to", "ana/roman", "--private", "--json")
    assert code == 0, err
    told = json.loads(out)
    held = {k: v for k, v in hub.head("ana/roman").items() if k != ".gitattributes"}
    assert (
        sorted(held)
        == told["files"]
        == [
            "README.md",
            "adapter/adapter_config.json",
            "adapter/adapter_model.safetensors",
            "participant.yaml",
            "priority.jsonl",
        ]
    )
    assert held == {f: (roman / f).read_bytes() for f in held}
    assert held["README.md"].startswith(b"---\n# Written by folkmoot")
    assert (hub.private, list(hub.large)) == (
        {"ana/roman"},
        [sha256(roman / "adapter" / "adapter_model.safetensors")],
    )
    assert len(hub.messages) == 2, "everything came in one commit"

    hub.put(
        "ana/roman", {**hub.head("ana/roman"), "adapter/adapter_model.safetensors": b"another", "x.py": b"import os"}
    )
    code, out, err = folkmoot("add", f"ana/roman@{told['commit']}", "--registry", "moot", "--json")
    assert code == 0, err
    entry = Registry.read(tmp_path / "moot").entries["roman"]
    assert (entry.origin, entry.revision, entry.copied) == ("ana/roman", told["commit"], True)
    assert {f: (tmp_path / "moot" / "roman" / f).read_bytes() for f in entry.files} == held
    asked = [a for a in hub.asked if "x.py" in a]
    assert not asked, "nothing is fetched that is not part of a contribution"


def test_the_newest_commit_is_pinned(hub: Any, folkmoot: Run, roman: Path, tmp_path: Path) -> None:
    files = {p.relative_to(roman).as_posix(): p.read_bytes() for p in roman.rglob("*") if p.is_file()}
    hub.put("ana/roman", files)
    newest = hub.put("ana/roman", {**files, "participant.yaml": files["participant.yaml"] + b"# newer\n"})
    code, _, err = folkmoot("add", "ana/roman", "--registry", "moot")
    assert code == 0, err
    assert Registry.read(tmp_path / "moot").entries["roman"].revision == newest


def test_again_sends_what_changed_and_takes_away_what_is_gone(hub: Any, folkmoot: Run, roman: Path) -> None:
    assert folkmoot("publish", roman, "--to", "ana/roman", "--rows")[0] == 0
    hub.put("ana/roman", {**hub.head("ana/roman"), "photo.png": b"by hand", "LICENSE": b"MIT"})
    assert "train.jsonl" in hub.head("ana/roman")
    code, out, err = folkmoot("publish", roman, "--to", "ana/roman", "--message", "second")
    assert code == 0, err
    assert "train.jsonl" not in hub.head("ana/roman"), "the rows stay at home unless somebody says otherwise"
    assert "photo.png" in hub.head("ana/roman"), "what is not part of a contribution is none of its business"
    assert "LICENSE" in hub.head("ana/roman"), "nobody's terms are taken away"
    commit, message = list(hub.messages.items())[-1]
    assert message == "second"
    assert f"folkmoot contribute add ana/roman@{commit}" in out


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ({"POST /api/repos/create": 401}, "HTTP 401): set HF_TOKEN"),
        ({"POST /api/repos/create": 403}, "HTTP 403): take a token that may write there"),
        ({"POST /api/models/ana/roman/commit": 409}, "HTTP 409): run it again"),
        ({"POST /api/models/ana/roman/commit": 500}, "the hub failed (HTTP 500"),
        ({"PUT /upload": 403}, "HTTP 403"),
    ],
)
def test_what_the_hub_refuses(hub: Any, folkmoot: Run, roman: Path, refuse: dict[str, int], said: str) -> None:
    hub.refuse.update(refuse)
    code, out, err = folkmoot("publish", roman, "--to", "ana/roman")
    last = err.strip().splitlines()[-1]
    assert (code, out) == (4, "")
    assert last.startswith("folkmoot: ana/roman: ")
    assert said in last
    assert "Traceback" not in err
    assert not any(set(files) > {".gitattributes"} for files in hub.repos.get("ana/roman", {}).values())


@pytest.mark.parametrize(
    ("words", "settings", "code", "said"),
    [
        (("publish", "roman", "--to", "ana/roman"), {"HF_TOKEN": ""}, 4, "set HF_TOKEN"),
        (("publish", "roman", "--to", "ana/roman"), {"HF_TOKEN": "hf_wrong"}, 4, "HTTP 401): set HF_TOKEN"),
        (("publish", "roman", "--to", "a/b/c"), {}, 4, "no name of a repository"),
        (("publish", "roman", "--to", "ana/roman", "--endpoint", "http://127.0.0.1:9"), {}, 4, "cannot be reached"),
        (("add", "ana/nobody"), {}, 4, "the hub has no such public repository"),
        (("add", "ana/other@nowhere"), {}, 4, "the hub has no such revision of it"),
        (("add", "ana/other"), {}, 2, "ana/other: no contribution: it has no participant.yaml"),
        (("add", "ana/large"), {}, 2, "participant.yaml is larger than 65536 bytes"),
        (("add", "ana/huge"), {}, 2, "ana/huge: its priority.jsonl is larger than 5242880 bytes"),
        (("add", "ana/odd"), {}, 2, "'priority.exe' is no file that a contribution has"),
        (("add", "ana/roman"), {"FOLKMOOT_NO_HUB": "1"}, 4, "switched off by FOLKMOOT_NO_HUB"),
        (("add", "ana/broken"), {}, 2, "not valid YAML"),
    ],
)
def test_what_cannot_be_sent_or_fetched(
    hub: Any,
    folkmoot: Run,
    roman: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    settings: dict[str, str],
    code: int,
    said: str,
) -> None:
    hub.put("ana/other", {"README.md": b"a cat"})
    hub.put("ana/large", {"participant.yaml": b"#" * 70_000})
    hub.put("ana/broken", {"participant.yaml": b"name: ["})
    told = (roman / "participant.yaml").read_bytes()
    hub.put("ana/huge", {"participant.yaml": told, "priority.jsonl": bytes(6 * 2**20)})
    odd = told.replace(b"priority.jsonl", b"priority.exe")
    hub.put("ana/odd", {"participant.yaml": odd, "priority.exe": b"MZ"})
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    got, out, err = folkmoot(*words)
    last = err.strip().splitlines()[-1]
    assert (got, out) == (code, ""), err
    assert said in last
    assert hubs.TOKEN not in err
    assert not (tmp_path / "moot" / "registry.lock").exists()


@pytest.mark.parametrize(
    ("about", "code", "said"),
    [
        ({"sha": "main"}, 4, "the hub names no commit of it, only 'main'"),
        ({"sha": "../../" + "a" * 34}, 4, "the hub names no commit of it"),
        ({"size": None}, 2, "the hub does not say how large its participant.yaml is"),
        ({"size": -1}, 2, "the hub does not say how large its participant.yaml is"),
    ],
)
def test_what_the_hub_says_of_a_repository_is_looked_at(
    hub: Any, folkmoot: Run, roman: Path, monkeypatch: pytest.MonkeyPatch, about: dict[str, Any], code: int, said: str
) -> None:
    reply = hubs._Asked.reply

    def other(self: Any, status: int, data: Any = None, **more: Any) -> None:
        if isinstance(data, dict) and "siblings" in data:
            data = {**data, **{k: v for k, v in about.items() if k == "sha"}}
            data["siblings"] = [{**s, **{k: v for k, v in about.items() if k == "size"}} for s in data["siblings"]]
        reply(self, status, data, **more)

    monkeypatch.setattr(hubs._Asked, "reply", other)
    hub.put("ana/roman", {p.relative_to(roman).as_posix(): p.read_bytes() for p in roman.rglob("*") if p.is_file()})
    got, _, err = folkmoot("add", "ana/roman")
    assert got == code
    assert said in err.strip().splitlines()[-1]
    assert not [a for a in hub.asked if "/resolve/" in a], "nothing was fetched"


@pytest.mark.parametrize("file", ["participant.yaml", "adapter/adapter_model.safetensors"])
def test_what_changed_while_it_was_checked_is_not_sent(
    hub: Any, folkmoot: Run, roman: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    def check(folder: Path, **_: object) -> Admission:
        found = judged(folder)
        (folder / file).write_bytes((folder / file).read_bytes() + b"\n")
        return found

    monkeypatch.setattr(publish, "check", check)
    code, _, err = folkmoot("publish", roman, "--to", "ana/roman")
    assert code == 2
    assert "it changed while it was checked" in err
    assert not hub.repos


def test_a_card_of_ones_own_is_sent_as_it_was_checked(
    hub: Any, folkmoot: Run, roman: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(folder: Path, **_: object) -> Admission:
        found = judged(folder)
        (folder / "README.md").write_text("# Quite another one\n")
        return found

    (roman / "README.md").write_text("# My own card\n")
    assert folkmoot("publish", roman, "--to", "ana/roman")[0] == 0
    assert hub.head("ana/roman")["README.md"] == b"# My own card\n"
    monkeypatch.setattr(publish, "check", check)
    code, _, err = folkmoot("publish", roman, "--to", "ana/roman")
    assert code == 2
    assert "it changed while it was checked" in err
    assert hub.head("ana/roman")["README.md"] == b"# My own card\n"


def test_suites_and_data_reach_the_gate(folkmoot: Run, roman: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def check(folder: Path, **given: object) -> Admission:
        told.update(given)
        return judged(folder)

    monkeypatch.setattr(publish, "check", check)
    assert folkmoot("publish", roman, "--to", "ana/roman", "--suite", "sums", "--data", "here")[0] == 0
    assert (told["suites"], told["data"]) == (["sums"], Path("here"))


def test_a_base_that_nobody_else_has_is_not_published(folkmoot: Run, roman: Path) -> None:
    path = roman / "participant.yaml"
    path.write_text(path.read_text().replace("model: smollm2-135m-instruct", "model: ../my-base"))
    code, _, err = folkmoot("publish", roman, "--to", "ana/roman")
    assert code == 2
    assert "its base '../my-base' is on this machine only" in err
