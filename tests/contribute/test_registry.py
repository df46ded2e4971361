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
        update={"files": {"participant.yaml": sha256(moot.folder / "ana/participant.yaml")}}
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
        (changed, r"ana/priority\.jsonl: changed since 'ana' was added: restore it, or add 'ana' again"),
        (missing, r"ana/priority\.jsonl: missing; .*registry\.lock lists it"),
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
        (entry(files={"x": "12"}), r"files\.x"),
        (entry(files={}), r"files"),
        (entry(sauce=1), r"unknown key 'sauce'"),
        (yaml.safe_dump({"participants": {"Ana Lee": ENTRY}}), r"Ana Lee"),
        (yaml.safe_dump({"participants": {"all": ENTRY}}), r"nobody can be called 'all'"),
        ("participants:\n  ana: {}\n  ana: {}\n", r":3: 'ana' stands here twice"),
        ("participants: [", r"not valid YAML"),
        ("", r"the file is empty"),
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


def test_files_that_the_lock_does_not_name_do_not_matter(moot: Registry) -> None:
    (moot.folder / "ana" / "notes.txt").write_text("mine")
    shutil.copytree(moot.folder / "ana", moot.folder / "draft")
    assert len(moot.members()) == 3
