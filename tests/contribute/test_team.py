"""Team files and suites that pick their members from a registry."""

import json
import os
from pathlib import Path

import pytest

from folkmoot.documents import BadInput
from folkmoot.evaluation.run import RunOptions, execute
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import read_suite
from folkmoot.models import check_source
from folkmoot.models.folder import sha256
from folkmoot.registry import LOCK, Entry, Registry
from folkmoot.team import read_team

WHO = {"ana": ("sums",), "bo": ("dates",), "cy": ("dates", "sums")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a registry of three in it, each with a test set of its own."""
    entries = {}
    for who, tags in WHO.items():
        folder = tmp_path / "moot" / who
        folder.mkdir(parents=True)
        (folder / "participant.yaml").write_text(
            f"name: {who}\nmodel: small-{who}\npurpose: What {who} knows.\ntags: [{', '.join(tags)}]\n"
            "priority: {answer: number}\n"
        )
        rows = [
            {"id": f"{split}-{i}", "split": split, "question": f"{who} {split}: {i} + 1?", "answer": i + 1}
            for split in ("dev", "test")
            for i in range(4)
        ]
        (folder / "priority.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        files = {f: sha256(folder / f) for f in ("participant.yaml", "priority.jsonl")}
        entries[who] = Entry(source=who, base=f"small-{who}", tags=tags, files=files)
    Registry(tmp_path / "moot", entries).write()
    return tmp_path


def team(home: Path, members: str) -> Path:
    path = home / "team.yaml"
    path.write_text(f"registry: ./moot\nmembers: {members}\n")
    return path


@pytest.mark.parametrize(
    ("members", "who"),
    [
        ("[all]", ["ana", "bo", "cy"]),
        ("[cy, ana]", ["cy", "ana"]),
        ("[{tag: dates}]", ["bo", "cy"]),
        ("[{tag: dates}, {tag: sums}]", ["bo", "cy", "ana"]),
        ("[bo, all]", ["bo", "ana", "cy"]),
        ("[{name: eve, model: other}, {tag: sums}, bo]", ["eve", "ana", "cy", "bo"]),
    ],
)
def test_who_is_in(home: Path, members: str, who: list[str]) -> None:
    assert [m.name for m in read_team(team(home, members))] == who


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ("\n  - ana\n  - ana", r"team\.yaml:4: two members are called 'ana'"),
        ("\n  - all\n  - bo", r"team\.yaml:4: two members are called 'bo'"),
        ("\n  - {name: bo, model: x}\n  - {tag: dates}", r"team\.yaml:4: two members are called 'bo'"),
        ("\n  - bo\n  - {name: bo, model: x}", r"team\.yaml:4: two members are called 'bo'"),
        ("[cyy]", r"team\.yaml:2: .*nobody is called 'cyy'; did you mean 'cy'\?"),
        ("[{tag: sum}]", r"team\.yaml:2: .*nobody has the tag 'sum'; did you mean 'sums'\?"),
        ("[]", r"team\.yaml:2: members: nobody is in it"),
        ("all", r"team\.yaml:2: members: write a list: \[all\]$"),
        ("{tag: dates}", r"team\.yaml:2: members: write a list, such as \[all\]$"),
        ("[{tag: [dates, sums]}]", r"team\.yaml:2: members\.0\.tag: a pick by tag is \{tag: word\}: one word"),
        ("[{tag: dates, name: bo}]", r"team\.yaml:2: members\.0\.tag: a pick by tag is \{tag: word\}.* no other key"),
    ],
)
def test_who_cannot_be_in(home: Path, members: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as e:
        read_team(team(home, members))
    assert "\n" not in str(e.value)


def test_a_changed_member_is_named_once_and_with_the_line_that_picks_it(home: Path) -> None:
    (home / "moot" / "bo" / "priority.jsonl").write_text("{}\n")
    with pytest.raises(BadInput) as e:
        read_team(team(home, "[{tag: dates}, all]"))
    assert str(e.value).count("bo: in ") == 1
    assert str(e.value).startswith(f"{home / 'team.yaml'}:2: ")


@pytest.fixture
def whole(home: Path) -> Path:
    """As `home`; Ana brings weights of her own."""
    folder = home / "moot" / "ana"
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("model: small-ana", "model: ./model"))
    now = Registry.read(home / "moot")
    files = {f: sha256(folder / f) for f in ("participant.yaml", "priority.jsonl", "model/config.json")}
    Registry(now.folder, {**now.entries, "ana": now.entries["ana"].model_copy(update={"files": files})}).write()
    return home


@pytest.mark.parametrize("kind", ["team", "suite"])
@pytest.mark.parametrize(("at", "registry"), [("moot", "."), (".", "./moot"), (".", "moot"), ("teams", "../moot")])
def test_weights_of_its_own_are_found_from_anywhere(
    whole: Path, monkeypatch: pytest.MonkeyPatch, kind: str, at: str, registry: str
) -> None:
    """Never as ``ana/model``: that is how models of the hub are called."""
    (whole / at).mkdir(exist_ok=True)
    document = whole / at / "it.yaml"
    suite = SUITE.format(team="[ana]", tasks="[sums]").replace("registry: ./moot", f"registry: {registry}")
    document.write_text(suite if kind == "suite" else f"registry: {registry}\nmembers: [ana]\n")
    (whole / "elsewhere").mkdir()
    for working in ("elsewhere", ".", "moot", at):
        monkeypatch.chdir(whole / working)
        for path in (document, Path(os.path.relpath(document))):
            (ana,) = read_suite(path)[0].team if kind == "suite" else read_team(path)
            assert ana.model.startswith(("/", "./", "../")), ana.model
            assert (Path(ana.model) / "config.json").is_file()
            assert ana.priority
            assert Path(ana.priority.file).is_file()
            check_source(ana.model)


def test_a_contribution_with_weights_of_its_own_from_its_registrys_folder(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(whole / "moot")
    for path in ("ana", "ana/participant.yaml"):
        assert read_team(Path(path))[0].model == "./ana/model"


def test_picks_need_a_registry(home: Path) -> None:
    path = home / "team.yaml"
    path.write_text("members: [ana, {tag: dates}]\n")
    with pytest.raises(BadInput, match="'ana' is a pick from a registry; name its folder") as e:
        read_team(path)
    assert "tag 'dates' is a pick" in str(e.value)
    path.write_text("registry: ./elsewhere\nmembers: [all]\n")
    with pytest.raises(BadInput, match="elsewhere: no registry"):
        read_team(path)


def test_a_folder_is_a_contribution_or_a_registry(home: Path) -> None:
    assert [m.name for m in read_team(home / "moot")] == ["ana", "bo", "cy"]
    assert [m.name for m in read_team(home / "moot" / "bo")] == ["bo"]
    with pytest.raises(BadInput, match=r"neither a contribution .* nor a registry"):
        read_team(home)


def test_routers_see_questions_of_each(home: Path) -> None:
    for m in read_team(team(home, "[all]")):
        assert m.examples() == tuple(f"{m.name} dev: {i} + 1?" for i in range(4)), "of dev, never of test"


SUITE = """\
name: mine
registry: ./moot
team: {team}
tasks: {tasks}
sampling: {{temperature: 0, max_tokens: 16}}
engine: scripted
systems: [majority_vote]
baselines: []
dev: {{limit: 2}}
"""


def test_a_suite_over_a_registry_asks_everybody_everybodys_own_questions(home: Path) -> None:
    path = home / "mine.yaml"
    path.write_text(SUITE.format(team="[all]", tasks="[{name: priorities, limit: 2}]"))
    assert execute(str(path), RunOptions(out=home / "run", scripted=True, cache=False)) == 0
    with RunStore(home / "run", write=False) as store:
        results = list(store.results())
    asked = {f"priority-{who}" for who in WHO}
    assert {(r.system, r.task) for r in results} >= {(s, t) for s in (*WHO, "majority_vote") for t in asked}
    assert {r.question.partition(" test:")[0] for r in results} == set(WHO), "the questions of test, none of dev"
    assert len({(r.task, r.item) for r in results}) == 6


@pytest.mark.parametrize(
    ("who", "tasks", "asked"),
    [
        ("[{tag: dates}]", "[priorities]", ["priority-bo", "priority-cy"]),
        ("[ana, {name: eve, model: x}]", "[sums, priorities]", ["sums", "priority-ana"]),
        ("[bo]", "[{name: priorities, split: dev}]", ["priority-bo"]),
    ],
)
def test_priorities_of_those_who_are_there(home: Path, who: str, tasks: str, asked: list[str]) -> None:
    path = home / "mine.yaml"
    path.write_text(SUITE.format(team=who, tasks=tasks))
    assert [t.name for t in read_suite(path)[0].tasks] == asked


def test_a_suite_over_a_registry_that_is_broken(home: Path) -> None:
    path = home / "mine.yaml"
    path.write_text(SUITE.format(team="[all]", tasks="[sums]"))
    (home / "moot" / LOCK).write_text("version: 7\nparticipants: {}\n")
    with pytest.raises(BadInput, match=r"mine\.yaml:3: .*reads version 1, the file has 7"):
        read_suite(path)
