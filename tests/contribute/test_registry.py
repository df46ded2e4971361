"""A registry's lock file: what it says holds, and what is wrong with it is said in one line."""

import shutil
from pathlib import Path

import pytest
import yaml

from folkmoot.documents import BadInput
from folkmoot.models.folder import sha256
from folkmoot.registry import LOCK, Entry, Registry

ENTRY = {"source": "ana", "base": "small", "files": {"participant.yaml": "0" * 64}}


def record(folder: Path, name: str, tags: tuple[str, ...] = (), model: str = "small") -> Entry:
    """A contribution in a registry's folder, as an entry of the lock."""
    home = folder / name
    home.mkdir(parents=True)
    (home / "participant.yaml").write_text(f"name: {name}\nmodel: {model}\ntags: [{', '.join(tags)}]\n")
    (home / "priority.jsonl").write_text('{"question": "?", "answer": "!"}\n')
    files = {f: sha256(home / f) for f in ("participant.yaml", "priority.jsonl")}
    return Entry(source=name, base=model, tags=tags, files=files)


@pytest.fixture
def moot(tmp_path: Path) -> Registry:
    folder = tmp_path / "moot"
    entries = {n: record(folder, n, t) for n, t in (("bo", ("dates", "da")), ("ana", ("sums",)), ("cy", ("dates",)))}
    made = Registry(folder, entries)
    made.write()
    return made


def test_what_is_written_is_read(moot: Registry) -> None:
    again = Registry.read(moot.folder)
    assert dict(again.entries) == dict(moot.entries)
    assert list(again.entries) == ["ana", "bo", "cy"], "in the order of their names, whoever was added first"
    again.write()
    assert Registry.read(moot.folder) == again
    assert (moot.folder / LOCK).read_text().startswith("#"), "it says what it is to whoever opens it"


def test_adding_somebody_changes_only_his_own_lines(moot: Registry) -> None:
    """Two people who add one each on two branches merge without a conflict, if others stand between them."""
    before = (moot.folder / LOCK).read_text().splitlines()
    Registry(moot.folder, {**moot.entries, "bea": record(moot.folder, "bea")}).write()
    after = (moot.folder / LOCK).read_text().splitlines()
    at = after.index("  bea:")
    size = len(after) - len(before)
    assert after[:at] + after[at + size :] == before


@pytest.mark.parametrize(
    ("name", "tag", "who"),
    [("all", None, ["ana", "bo", "cy"]), ("bo", None, ["bo"]), ("all", "dates", ["bo", "cy"]), ("all", "da", ["bo"])],
)
def test_picks(moot: Registry, name: str, tag: str | None, who: list[str]) -> None:
    assert [m.name for m in moot.members(name, tag)] == who or sorted(m.name for m in moot.members(name, tag)) == who


def test_paths_are_relative_to_whoever_asks(moot: Registry) -> None:
    text = "name: ana\nmodel: small\nadapter: adapter\npriority: {answer: text}\n"
    (moot.folder / "ana" / "participant.yaml").write_text(text)
    ana = moot.entries["ana"].model_copy(
        update={"files": {f: sha256(moot.folder / "ana" / f) for f in ("participant.yaml", "priority.jsonl")}}
    )
    now = Registry(moot.folder, {"ana": ana})
    member = now.members("ana", home=moot.folder.parent)[0]
    assert (member.adapter, member.priority and member.priority.file) == ("moot/ana/adapter", "moot/ana/priority.jsonl")
    assert now.members("ana")[0].adapter == str(moot.folder / "ana" / "adapter")


def test_nobody_of_that_name(moot: Registry) -> None:
    with pytest.raises(BadInput, match=r"nobody is called 'anna'; did you mean 'ana'\?"):
        moot.members("anna")
    with pytest.raises(BadInput, match=r"nobody has the tag 'date'; did you mean 'dates'\?"):
        moot.members(tag="date")


def test_no_registry_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'folkmoot contribute add' makes one"):
        Registry.read(tmp_path)
    Registry(tmp_path, {}).write()
    with pytest.raises(BadInput, match="the registry is empty"):
        Registry.read(tmp_path).members()


def changed(folder: Path) -> None:
    (folder / "ana" / "priority.jsonl").write_text("{}\n")


def missing(folder: Path) -> None:
    (folder / "ana" / "priority.jsonl").unlink()


def gone(folder: Path) -> None:
    shutil.rmtree(folder / "ana")


def both(folder: Path) -> None:
    missing(folder)
    (folder / "ana" / "participant.yaml").write_text("name: eve\n")


def linked_file(folder: Path) -> None:
    path = folder / "ana" / "priority.jsonl"
    path.rename(folder / "elsewhere.jsonl")
    path.symlink_to(folder / "elsewhere.jsonl")


def linked_folder(folder: Path) -> None:
    (folder / "ana").rename(folder.parent / "ana")
    (folder / "ana").symlink_to(folder.parent / "ana")


def renamed(folder: Path) -> None:
    path = folder / "ana" / "participant.yaml"
    path.write_text(path.read_text().replace("name: ana", "name: eve"))
    lock = yaml.safe_load((folder / LOCK).read_text())
    lock["participants"]["ana"]["files"]["participant.yaml"] = sha256(path)
    (folder / LOCK).write_text(yaml.safe_dump(lock))


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (
            changed,
            r"ana: in .*moot/ana 1 file \(priority\.jsonl\) changed since it was added: restore, or add 'ana' again",
        ),
        (missing, r"ana: in .*moot/ana 1 file \(priority\.jsonl\) missing since it was added"),
        (gone, r"ana: its folder .*moot/ana is missing; restore it or add it again"),
        (both, r"moot/ana 1 file \(priority\.jsonl\) missing, 1 file \(participant\.yaml\) changed since"),
        (linked_file, r"ana/priority\.jsonl: a link, which could lead anywhere"),
        (linked_folder, r"moot/ana: a link, which could lead anywhere"),
        (renamed, r"ana/participant\.yaml: its name is 'eve', the registry says 'ana'"),
    ],
)
def test_a_contribution_that_is_not_as_it_was(moot: Registry, happens, said: str) -> None:
    happens(moot.folder)
    now = Registry.read(moot.folder)
    with pytest.raises(BadInput, match=said) as e:
        now.members()
    assert "\n" not in str(e.value)
    assert [m.name for m in now.members(tag="dates")] == ["bo", "cy"], "others are none of its business"


WHOLE = ("participant.yaml", "priority.jsonl", "adapter/adapter_config.json", "model/config.json")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A registry of one with an adapter and a model of its own."""
    home = tmp_path / "moot" / "ana"
    for file in WHOLE:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text("{}\n")
    (home / "participant.yaml").write_text("name: ana\nmodel: ./model\nadapter: adapter\npriority: {answer: text}\n")
    listed(tmp_path / "moot", *WHOLE)
    assert len(Registry.read(tmp_path / "moot").members()) == 1
    return tmp_path / "moot"


def listed(folder: Path, *files: str) -> None:
    """A lock that names these files."""
    home = folder / "ana"
    Registry(folder, {"ana": Entry(source="ana", base="./model", files={f: sha256(home / f) for f in files})}).write()


def written(path: str) -> object:
    def write(folder: Path) -> None:
        (folder / "ana" / path).parent.mkdir(exist_ok=True)
        (folder / "ana" / path).write_text("{}")

    return write


def linked(path: str, to: str) -> object:
    return lambda folder: (folder / "ana" / path).symlink_to(to)


def led(**paths: str) -> object:
    def write(folder: Path) -> None:
        told = {"name": "ana", "model": "./model", "adapter": "adapter"} | paths
        (folder / "ana" / "participant.yaml").write_text(yaml.safe_dump(told))
        listed(folder, *WHOLE)

    return write


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (
            written("model/chat_template.jinja"),
            r"chat_template\.jinja: it would be loaded, and is not in registry\.lock: add 'ana' again, or remove it if",
        ),
        (written("model/adapter_config.json"), r"ana/model/adapter_config\.json: it would be loaded"),
        (
            written("model/adapter_model.bin"),
            r"ana/model/adapter_model\.bin: it would be loaded, and .*lock: remove it$",
        ),
        (written("model/extra/default.jinja"), r"ana/model/extra/default\.jinja: it would be loaded"),
        (written("adapter/tokenizer.json"), r"ana/adapter/tokenizer\.json: it would be loaded"),
        (linked("model/extra", "/etc"), r"ana/model/extra: it would be loaded, and .*lock: remove it$"),
        (lambda folder: listed(folder, *WHOLE[1:]), r"'ana' lists no participant\.yaml"),
        (lambda folder: listed(folder, WHOLE[0], *WHOLE[2:]), r"ana/priority\.jsonl: it would be loaded"),
        (lambda folder: listed(folder, *WHOLE[:2]), r"adapter/adapter_config\.json: it would be loaded"),
        (led(adapter="../bo"), r"participant\.yaml: '\.\./bo' leads out of its folder"),
        (led(adapter="/etc"), r"'/etc' leads out of its folder"),
        (led(adapter="~/adapter"), r"'~/adapter' leads out of its folder"),
        (led(model="../bo"), r"'\.\./bo' leads out of its folder"),
        (led(model="/etc"), r"'/etc' leads out of its folder"),
        (led(priority={"file": "../../x.jsonl"}), r"'\.\./\.\./x\.jsonl' leads out of its folder"),
    ],
)
def test_what_is_loaded_is_what_the_lock_names(whole: Path, happens, said: str) -> None:
    happens(whole)
    with pytest.raises(BadInput, match=said):
        Registry.read(whole).members()


def entry(**changes: object) -> str:
    return yaml.safe_dump({"participants": {"ana": {**ENTRY, **changes}}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "version: 2\nparticipants: {}\n",
            r":1: version: this folkmoot reads version 1, the file has 2; update folkmoot",
        ),
        (entry(source="../ana"), r"source: '\.\./ana' must be a path inside the registry"),
        (entry(source="/etc"), r"source: '/etc' must be a path inside the registry"),
        (entry(source="."), r"source: '\.' must be a path inside the registry"),
        (entry(files={"../x": "0" * 64}), r"'\.\./x' must be a path inside the registry"),
        (entry(source="a\0b"), r"source: 'a\\x00b' holds characters that nobody sees"),
        (entry(source="a\nb"), r"source: 'a\\nb' holds characters that nobody sees"),
        (entry(source="a\u202eb"), r"source: 'a\\u202eb' holds characters that nobody sees"),
        (entry(source="a?").replace("a?", '"a\\uD800"'), r"'a\\ud800' holds characters that nobody sees"),
        (entry(files={"x\0": "0" * 64}), r"'x\\x00' holds characters that nobody sees"),
        (entry(source="a" * 5000), r"source: 'a{40}'\.\.\. is too long"),
        (entry(source="a/" * 600 + "a"), r"is too long"),
        (entry(source="é" * 128), r"is too long"),
        (entry(files={"a" * 5000: "0" * 64}), r"is too long"),
        (entry(files={"x": "12"}), r"files\.x"),
        (entry(files={}), r"files"),
        (entry(sauce=1), r"unknown key 'sauce'"),
        (yaml.safe_dump({"participants": {"Ana Lee": ENTRY}}), r":2: participants\.Ana Lee: use small letters, digits"),
        (yaml.safe_dump({"participants": {"all": ENTRY}}), r"nobody can be called 'all'"),
        (yaml.safe_dump({"participants": {"a.lock": ENTRY}}), r"a name cannot end in \.lock or \.yaml"),
        (entry(copied=True, source="x/ana"), r"ana: 'add' makes no copy at 'x/ana'"),
        (entry(measured={"score": 7, "questions": 1}), r"measured\.score"),
        ("participants:\n  ana: {}\n  ana: {}\n", r":3: 'ana' stands here twice"),
        ("participants: [", r"not valid YAML"),
        ("", r"the file is empty: restore it from git"),
    ],
)
def test_a_lock_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(BadInput, match=said) as e:
        Registry.read(tmp_path)
    assert str(e.value).startswith(str(tmp_path / LOCK))
    assert "\n" not in str(e.value)


def test_an_unfinished_merge_is_named_with_its_line(moot: Registry) -> None:
    path = moot.folder / LOCK
    lines = path.read_text().splitlines()
    at = lines.index("  bo:")
    path.write_text("\n".join([*lines[:at], "<<<<<<< HEAD", *lines[at:], "=======", ">>>>>>> theirs"]) + "\n")
    with pytest.raises(BadInput, match=rf"registry\.lock:{at + 1}: a merge was left unfinished here"):
        Registry.read(moot.folder)


def test_other_files_that_the_lock_does_not_name_do_not_matter(moot: Registry) -> None:
    (moot.folder / "ana" / "notes.txt").write_text("mine")
    shutil.copytree(moot.folder / "ana", moot.folder / "draft")
    assert len(moot.members()) == 3
