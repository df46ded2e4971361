"""Contributions put into a registry and taken out: what is recorded, what is refused, what a kill or a full disk leaves."""

import contextlib
import ctypes
import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from folkmoot.contribute import keep
from folkmoot.contribute.findings import Admission, Finding, NotAdmitted, Score
from folkmoot.contribute.init import Plan, init
from folkmoot.contribute.keep import add, listing, recorded, remove
from folkmoot.contribute.store import alone
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models import resolve
from folkmoot.models.folder import sha256
from folkmoot.progress import silent
from folkmoot.registry import LOCK, Registry
from folkmoot.team import read_team

_spec = importlib.util.spec_from_file_location("contribution", Path(__file__).with_name("contribution.py"))
assert _spec is not None
assert _spec.loader is not None
contribution = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contribution)
make = contribution.make


@pytest.fixture
def admits(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The gate lets everybody in; it is tested elsewhere. Holds the folders that it was asked about."""
    asked: list[Path] = []

    def check(folder: Path, **_: object) -> Admission:
        asked.append(folder)
        return judged(folder)

    monkeypatch.setattr(keep, "check", check)
    return asked


def judged(folder: Path, scores: Mapping[str, Score] | None = None) -> Admission:
    """Admitted, as it lies there."""
    files = {p.relative_to(folder).as_posix(): sha256(p) for p in folder.rglob("*") if p.is_file()}
    return Admission((), scores or {}, files)


@pytest.fixture
def roman(tmp_path: Path) -> Path:
    return make(tmp_path / "roman")


@pytest.fixture
def moot(tmp_path: Path) -> Path:
    return tmp_path / "moot"


def tree(folder: Path) -> dict[str, str]:
    """Every file of a registry with its hash, less what only a change in progress needs."""
    paths = (p for p in folder.rglob("*") if p.is_file() and p.parent != folder / ".partial")
    return {p.relative_to(folder).as_posix(): sha256(p) for p in paths}


# What is recorded


def test_a_folder_is_copied_and_recorded(roman: Path, moot: Path, admits: list[Path]) -> None:
    (roman / "training").mkdir()
    (roman / "training" / "log.jsonl").write_text("{}\n")
    (roman / "training" / "earlier").mkdir()
    (roman / "training" / "earlier" / "state.safetensors").write_bytes(b"large")
    done = add(str(roman), moot)
    assert (done.changed, done.folder, done.entry.copied) == (True, moot / "roman", True)
    assert (done.entry.base, done.entry.tags) == ("smollm2-135m-instruct", ("sums",))
    held = ["README.md", "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "participant.yaml"]
    assert sorted(done.entry.files) == [*held, "priority.jsonl", "training/log.jsonl"]
    assert set(tree(moot)) == {LOCK, *(f"roman/{f}" for f in done.entry.files)}, "and nothing else was copied"
    assert Registry.read(moot).differences("roman") == []
    assert [m.name for m in read_team(moot)] == ["roman"]
    assert (moot / ".partial" / ".gitignore").read_text() == "*\n", "git sees nothing of it"


def test_a_folder_in_the_registry_is_recorded_where_it_lies(moot: Path, admits: list[Path]) -> None:
    make(moot / "people" / "roman")
    before = {p.name for p in moot.rglob("*")}
    done = add(str(moot / "people" / "roman"), moot)
    assert (done.entry.source, done.entry.copied) == ("people/roman", False)
    assert {p.name for p in moot.rglob("*")} - before == {LOCK, ".partial", "lock"}
    remove(moot, "roman")
    assert (moot / "people" / "roman" / "participant.yaml").is_file(), "it is its contributor's own"
    assert not Registry.read(moot).entries


def test_the_same_again_changes_nothing(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    before, admits[:] = tree(moot), []
    assert not add(str(roman), moot).changed
    assert (tree(moot), admits) == (before, []), "and nothing had to be checked again"


@pytest.mark.parametrize("inner", [False, True])
def test_training_rows_stay_out_unless_asked_for(moot: Path, monkeypatch: pytest.MonkeyPatch, inner: bool) -> None:
    seen: list[bool] = []

    def check(place: Path, **_: object) -> Admission:
        seen.append((place / "train.jsonl").is_file())
        return judged(place)

    monkeypatch.setattr(keep, "check", check)
    folder = make(moot / "roman" if inner else moot.parent / "roman")
    (folder / "train.jsonl").write_text('{"question": "XI?", "answer": 11}\n')
    done = add(str(folder), moot)
    assert "train.jsonl" not in done.entry.files
    assert (done.folder / "train.jsonl").is_file() is inner, "in place it may lie there"
    (folder / "train.jsonl").write_text('{"question": "XII?", "answer": 12}\n')
    assert not add(str(folder), moot).changed
    assert "train.jsonl" in add(str(folder), moot, rows=True, replace=True).entry.files
    assert seen == [True, True], "the gate looks at them in any case"
    assert Registry.read(moot).differences("roman") == []


def test_another_with_its_name_needs_to_be_told_so(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    before = tree(moot)
    contribution.adapter(roman / "adapter", seed=1)
    with pytest.raises(BadInput, match=r"'roman' is there already and differs \(.*adapter_model.*--replace"):
        add(str(roman), moot)
    assert tree(moot) == before
    done = add(str(roman), moot, replace=True)
    assert Registry.read(moot).differences("roman") == []
    assert {p.name for p in moot.iterdir()} == {LOCK, ".partial", done.entry.source}, "the old one is gone"


def test_a_copy_that_somebody_changed_is_put_right(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    (moot / "roman" / "priority.jsonl").write_text("{}\n")
    assert recorded(Registry.read(moot), "roman")["state"] == "changed"
    with pytest.raises(BadInput, match="its files or its base are not as recorded"):
        add(str(roman), moot)
    add(str(roman), moot, replace=True)
    assert recorded(Registry.read(moot), "roman")["state"] == "ok"


def test_from_copied_to_its_own_folder_and_back(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    shutil.copytree(roman, moot / "mine")
    assert add(str(moot / "mine"), moot, replace=True).entry.source == "mine"
    assert not (moot / "roman").exists()
    with pytest.raises(BadInput, match="it lay there, and now is copied"):
        add(str(roman), moot)
    add(str(roman), moot, replace=True)
    assert (moot / "mine").is_dir()
    assert [m.name for m in read_team(moot)] == ["roman"]


def test_a_folder_of_the_same_name_that_nobody_added_is_left_alone(roman: Path, moot: Path, admits: list[Path]) -> None:
    (moot / "roman").mkdir(parents=True)
    (moot / "roman" / "draft.txt").write_text("mine")
    done = add(str(roman), moot)
    assert done.entry.source.startswith("roman.")
    assert (moot / "roman" / "draft.txt").read_text() == "mine"


def test_remove_takes_the_copy_too(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    add(str(make(moot.parent / "dates")), moot)
    remove(moot, "roman")
    assert {p.name for p in moot.iterdir()} == {LOCK, ".partial", "dates"}
    with pytest.raises(BadInput, match=r"nobody is called 'roman'"):
        remove(moot, "roman")
    with pytest.raises(BadInput, match="no registry"):
        remove(moot.parent / "elsewhere", "roman")
    assert not (moot.parent / "elsewhere").exists()


def test_listing(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    add(str(make(moot.parent / "dates", tags=("when",), purpose="Dates.")), moot)
    (moot / "roman" / "README.md").unlink()
    rows = {r["name"]: r for r in listing(moot)}
    assert [(r["purpose"], r["tags"], r["state"]) for r in rows.values()] == [
        ("Dates.", ["when"], "ok"),
        ("Sums.", ["sums"], "changed"),
    ]
    assert "1 file (README.md) missing" in rows["roman"]["differences"][0]
    assert [r["name"] for r in listing(moot, "when")] == ["dates"]
    (moot / "dates" / "participant.yaml").write_text("[")
    assert {r["name"]: r["state"] for r in listing(moot)} == {"dates": "changed", "roman": "changed"}


def test_one_that_cannot_be_read_holds_up_nobody_else(
    roman: Path, moot: Path, admits: list[Path], powerless: None
) -> None:
    add(str(roman), moot)
    add(str(make(moot.parent / "dates")), moot)
    for shut in (moot / "roman", moot / "roman" / "adapter", moot / "roman" / "adapter" / "adapter_config.json"):
        mode = shut.stat().st_mode
        shut.chmod(0)
        rows = {r["name"]: r for r in listing(moot)}
        assert {name: r["state"] for name, r in rows.items()} == {"dates": "ok", "roman": "changed"}
        (line,) = rows["roman"]["differences"]
        assert line.startswith(f"roman: {moot / 'roman'}")
        assert "cannot be read (Permission denied): mend its permissions" in line
        with pytest.raises(BadInput, match=r"roman: .*mend its permissions"):
            read_team(moot)
        shut.chmod(mode)
    (moot / "roman" / "train.jsonl").write_text("{}\n")
    (moot / "roman" / "train.jsonl").chmod(0)
    assert "train.jsonl cannot be read" in listing(moot)[1]["differences"][0]


def test_a_folder_that_cannot_be_deleted_is_named(roman: Path, moot: Path, admits: list[Path], powerless: None) -> None:
    add(str(roman), moot)
    (moot / "roman" / "adapter").chmod(0)
    with pytest.raises(
        Missing, match=r"moot/roman: the registry is changed, but this folder.* could not be deleted"
    ) as e:
        remove(moot, "roman")
    assert "\n" not in str(e.value)
    assert not Registry.read(moot).entries
    done = add(str(roman), moot)
    (done.folder / "adapter").chmod(0)
    with pytest.raises(Missing, match=rf"{done.folder}: .* could not be deleted"):
        add(str(roman), moot, replace=True)
    assert [r["state"] for r in listing(moot)] == ["ok"]
    for shut in moot.glob("*/adapter"):
        shut.chmod(0o755)


# What is refused


def broken(folder: Path) -> None:
    (folder / "participant.yaml").write_text("name: [\n")


def no_manifest(folder: Path) -> None:
    (folder / "participant.yaml").unlink()


def misnamed(folder: Path) -> None:
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("name: roman", "name: Roman Numbers"))


def called_all(folder: Path) -> None:
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("name: roman", "name: all"))


def pickled(folder: Path) -> None:
    (folder / "adapter" / "adapter_model.bin").write_bytes(b"\x80\x04.")


def linked(folder: Path) -> None:
    (folder / "notes.md").symlink_to("/etc/hostname")


def piped(folder: Path) -> None:
    os.mkfifo(folder / "notes.md")


def spaced(folder: Path) -> None:
    (folder / "my notes.md").write_text("mine")


def unknown_key(folder: Path) -> None:
    with (folder / "participant.yaml").open("a") as f:
        f.write("sauce: hot\n")


def shut_folder(folder: Path) -> None:
    (folder / "adapter").chmod(0)


def shut_file(folder: Path) -> None:
    (folder / "adapter" / "adapter_config.json").chmod(0)


@pytest.fixture
def powerless() -> Iterator[None]:
    """Permissions count, for root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() != 0:
        yield
        return
    if libc.capget(header, held):
        pytest.skip("what root may do cannot be taken away here")
    fewer = (ctypes.c_uint32 * 6)(held[0] & ~0b110, *held[1:])  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, fewer) == 0
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0


@pytest.mark.parametrize("inner", [False, True], ids=["beside", "inside"])
@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (broken, r"participant\.yaml:2?.*not valid YAML"),
        (no_manifest, r"there is no participant\.yaml"),
        (misnamed, r"name 'Roman Numbers': use small letters"),
        (called_all, r"name 'all': use small letters"),
        (unknown_key, r"participant\.yaml:\d+: unknown key 'sauce'"),
        (pickled, r"adapter_model\.bin: pickled weights"),
        (linked, r"notes\.md: a symbolic link"),
        (piped, r"notes\.md: no regular file"),
        (spaced, r"my notes\.md: its name has characters"),
        (shut_folder, r"adapter: it cannot be opened: Permission denied"),
        (shut_file, r"adapter_config\.json: it .*Permission denied"),
    ],
)
def test_what_cannot_be_added_is_judged_as_check_does(
    moot: Path,
    powerless: None,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Path], None],
    said: str,
    inner: bool,
) -> None:
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    folder = make((moot if inner else moot.parent) / "roman")
    happens(folder)
    before = {p.name for p in moot.iterdir()} if inner else set()
    with pytest.raises(NotAdmitted, match=said) as e:
        add(str(folder), moot)
    assert e.value.admission.findings == keep.check(folder).findings
    (folder / "adapter").chmod(0o755)
    assert ({p.name for p in moot.iterdir()} if inner else set()) == before
    assert inner or not moot.exists()


def test_a_folder_that_is_not_there_and_one_around_the_registry(roman: Path, admits: list[Path]) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        add("./nowhere", roman.parent / "moot")
    with pytest.raises(BadInput, match="the registry lies inside the contribution"):
        add(str(roman), roman / "moot")
    with pytest.raises(BadInput, match="this is the registry's own folder"):
        add(str(roman), roman)


def test_one_folder_cannot_be_two(moot: Path, admits: list[Path]) -> None:
    folder = make(moot / "roman")
    add(str(folder), moot)
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("name: roman", "name: numerals"))
    with pytest.raises(BadInput, match="it is recorded as 'roman'; remove that first"):
        add(str(folder), moot)


def test_whoever_is_not_admitted_is_not_recorded(roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no = Admission((Finding("refuse", "licence", "it has none", "participant.yaml", "name one"),))
    monkeypatch.setattr(keep, "check", lambda *_, **__: no)
    with pytest.raises(NotAdmitted, match=r"not admitted:\n  participant\.yaml: it has none: name one"):
        add(str(roman), moot)
    assert not moot.exists()


def test_a_refused_add_leaves_nothing_that_it_made(
    roman: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = Admission((Finding("refuse", "licence", "it has none"),))
    monkeypatch.setattr(keep, "check", lambda *_, **__: no)
    (tmp_path / "project").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    for registry in ("project/teams/moot", "notes", "project"):
        with pytest.raises(NotAdmitted):
            add(str(roman), tmp_path / registry)
    assert not [*(tmp_path / "project").iterdir()]
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["mine.txt"]

    def elsewhere(*_: object, **__: object) -> Admission:
        (tmp_path / "new" / "mine.txt").write_text("mine")
        return no

    monkeypatch.setattr(keep, "check", elsewhere)
    with pytest.raises(NotAdmitted):
        add(str(roman), tmp_path / "new")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["mine.txt"], "somebody else put it there"


@pytest.mark.parametrize(
    "seeds", [(0, 0, 1), (0, 1, 1), (1, 0, 1)], ids=["after", "before", "only good when looked at"]
)
def test_what_changes_while_it_is_checked_is_not_recorded(
    moot: Path, monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, int, int]
) -> None:
    """Only what the gate itself has seen is recorded, however its folder changes before, while and after it looks."""
    folder = make(moot / "roman")
    contribution.adapter(folder / "adapter", seeds[0])

    def check(place: Path, **_: object) -> Admission:
        contribution.adapter(place / "adapter", seeds[1])
        found = judged(place)
        contribution.adapter(place / "adapter", seeds[2])
        return found

    monkeypatch.setattr(keep, "check", check)
    with pytest.raises(BadInput, match="it changed while it was checked"):
        add(str(folder), moot)
    assert not (moot / LOCK).exists()


def test_a_card_tells_nothing_of_other_folders(moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest whose test set lies elsewhere is not admitted, and no card has quoted from it before that was known."""
    folder = make(moot / "roman")
    (moot.parent / "secret.jsonl").write_text(contribution.rows("secret"))
    path = folder / "participant.yaml"
    path.write_text(path.read_text().replace("file: priority.jsonl", "file: ../../secret.jsonl"))
    assert "secret.jsonl" in path.read_text()
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    before = (folder / "README.md").read_text()
    with pytest.raises(NotAdmitted, match="leads out of the folder"):
        add(str(folder), moot)
    assert (folder / "README.md").read_text() == before


def test_what_would_be_loaded_and_is_no_part_of_it_is_named(moot: Path, admits: list[Path]) -> None:
    folder = make(moot / "roman")
    (folder / "adapter" / "adapter_model.bin").write_bytes(b"\x80\x04.")
    monkey = moot / "roman" / "adapter" / "adapter_model.bin"
    with pytest.raises(BadInput, match=r"adapter_model\.bin: "):
        add(str(folder), moot)
    monkey.unlink()
    assert add(str(folder), moot).changed


def test_what_the_gate_measured_is_recorded(roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = roman / "participant.yaml"
    path.write_text(path.read_text() + "trained: {score: {after: {score: 0.99}}}\n")
    scores = {"contribution": Score(2 / 3, 24, 1), "base": Score(0.125, 24, 0)}
    monkeypatch.setattr(keep, "check", lambda place, **_: judged(place, scores))
    add(str(roman), moot)
    row = listing(moot)[0]
    assert row["measured"] == {"score": 0.6667, "base": 0.125, "questions": 24}
    assert row["claimed"] == {"after": {"score": 0.99}}
    assert not add(str(roman), moot).changed
    monkeypatch.setattr(keep, "check", lambda place, **_: judged(place))
    assert add(str(roman), moot, replace=True).entry.measured is None, "it was asked for anew"
    assert listing(moot)[0]["measured"] is None


def test_which_base_it_was_is_recorded(roman: Path, moot: Path, admits: list[Path]) -> None:
    entry = add(str(roman), moot).entry
    assert entry.base_identity == resolve("smollm2-135m-instruct").identity
    other = entry.model_copy(update={"base_identity": f"gguf:{'0' * 64}:conversion-1"})
    Registry(moot, {"roman": other}).write()
    with pytest.raises(BadInput, match="smollm2-135m-instruct: another base than the registry says") as e:
        read_team(moot)
    assert "\n" not in str(e.value)
    elsewhere = entry.model_copy(update={"base_identity": f"HuggingFaceTB/SmolLM2-135M-Instruct@{'a' * 40}"})
    Registry(moot, {"roman": elsewhere}).write()
    assert read_team(moot), "the same model that came another way cannot be compared"


@pytest.mark.parametrize("name", ["registry.lock", "team.yaml"])
def test_names_of_the_registrys_own_files(roman: Path, moot: Path, admits: list[Path], name: str) -> None:
    path = roman / "participant.yaml"
    path.write_text(path.read_text().replace("name: roman", f"name: {name}"))
    with pytest.raises(BadInput, match=r"a name cannot end in \.lock or \.yaml"):
        add(str(roman), moot)
    assert tree(moot) == {}


def test_suites_and_data_reach_the_gate(roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def check(place: Path, **given: object) -> Admission:
        told.update(given)
        return judged(place)

    monkeypatch.setattr(keep, "check", check)
    add(str(roman), moot, suites=("sums",), data=moot.parent)
    assert (told["suites"], told["data"]) == (("sums",), moot.parent)
    assert told["called"] == str(roman), "its user knows nothing of the copy"


def test_what_the_gate_sees_is_what_is_recorded(roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contributor's folder may change under it: the gate looks at the copy."""

    def check(place: Path, **_: object) -> Admission:
        contribution.adapter(roman / "adapter", seed=9)
        return judged(place)

    monkeypatch.setattr(keep, "check", check)
    before = sha256(roman / "adapter" / "adapter_model.safetensors")
    assert add(str(roman), moot).entry.files["adapter/adapter_model.safetensors"] == before


def test_the_gate_itself(roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one, without running the model: a sound adapter, and one whose questions are somebody else's."""
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    add(str(roman), moot)
    thief = make(moot.parent / "thief")
    (thief / "priority.jsonl").write_text(contribution.rows("roman"))
    with pytest.raises(NotAdmitted):
        add(str(thief), moot)
    (roman / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(NotAdmitted, match="adapter_model"):
        add(str(roman), moot, replace=True)
    assert [r["name"] for r in listing(moot)] == ["roman"]
    assert Registry.read(moot).differences("roman") == []


def test_two_that_changed_do_not_hold_up_each_other(moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def check(place: Path, **how: object) -> Admission:
        done = gate(place, **how, run=False)
        compared.extend(f.what for f in done.findings if f.check == "data")
        return done

    gate = keep.check
    monkeypatch.setattr(keep, "check", check)
    for name in ("ana", "bo"):
        add(str(make(moot / name)), moot)
    for name in ("ana", "bo"):
        with (moot / name / "priority.jsonl").open("a") as f:
            f.write("\n")
    for name in ("ana", "bo"):
        add(str(moot / name), moot, replace=True)
    assert [not Registry.read(moot).differences(name) for name in ("ana", "bo")] == [True, True]
    *_, first, second = compared
    assert first.endswith("; not as recorded or unreadable, and not compared: bo")
    assert "and 1 contribution;" in second


# A registry that somebody else made


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of the user's that has nothing to do with any registry."""
    folder = tmp_path / "home" / "Documents"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    return folder


def note(*lines: str, which: str = " 1 2") -> Callable[[Path, Path], None]:
    def write(moot: Path, precious: Path) -> None:
        (moot / ".partial").mkdir(exist_ok=True)
        (moot / ".partial" / "passing").write_text("".join(f"{line.format(precious)}{which}\n" for line in lines))

    return write


def links(at: str, to: str = "{}") -> Callable[[Path, Path], None]:
    def write(moot: Path, precious: Path) -> None:
        path = moot / at
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(to.format(precious))

    return write


@pytest.mark.parametrize(
    ("hostile", "refused"),
    [
        (note("{}"), "is nothing that 'add' notes"),
        (note("../home/Documents"), "is nothing that 'add' notes"),
        (note("roman", "x/../../home"), "is nothing that 'add' notes"),
        (note(".git"), "is nothing that 'add' notes"),
        (note(".."), "is nothing that 'add' notes"),
        (note("roman", which=""), "is nothing that 'add' notes"),
        (note("roman\x1b[31m", which=""), r"'roman\\x1b\[31m' is nothing that 'add' notes"),
        (note(*(["roman"] * 3)), "is nothing that 'add' notes"),
        (note("roman", which=" 1 " + "2" * 5000), "is nothing that 'add' notes"),
        (note("roman"), ""),
        (links(".partial"), r"\.partial: a link, or no folder at all"),
        (links(".partial", "nowhere"), r"\.partial: a link, or no folder at all"),
        (links(".partial/passing", "{}/thesis.txt"), "passing: a link, or no file at all"),
        (links(".partial/lock", "{}/thesis.txt"), "lock: a link, or no file at all"),
        (links(".partial/new"), ""),
        (links(".registry.lock.1", "{}/thesis.txt"), ""),
        (lambda moot, precious: (links("x")(moot, precious), note("x")(moot, precious)), ""),
        (links("roman"), ""),
    ],
)
def test_a_cloned_registry_takes_nothing_away_from_anybody(
    roman: Path,
    moot: Path,
    precious: Path,
    admits: list[Path],
    hostile: Callable[[Path, Path], object],
    refused: str,
) -> None:
    add(str(roman), moot)
    hostile(moot, precious)
    for change in (partial(remove, moot, "roman"), partial(add, str(roman), moot)):
        with pytest.raises(BadInput, match=refused) if refused else contextlib.nullcontext():
            change()
    assert {p.name: p.read_text() for p in precious.rglob("*")} == {"thesis.txt": "years of work"}
    assert not [*moot.glob(".registry.lock.*")]


def test_a_copy_in_the_lock_file_is_where_a_copy_would_be(roman: Path, moot: Path, precious: Path, admits) -> None:
    """`remove` deletes copies: an entry cannot call a folder behind a link, or another one's, a copy."""
    add(str(roman), moot)
    lock = moot / LOCK
    right = lock.read_text()
    (moot / "x").symlink_to(precious.parent)
    for source in ("x/Documents", "x", "people", ".git", "roman.d", "roman/adapter"):
        lock.write_text(right.replace("source: roman", f"source: {source}"))
        with pytest.raises(BadInput, match=f"'add' makes no copy at '{source}'"):
            remove(moot, "roman")
    lock.write_text(right)
    shutil.rmtree(moot / "roman")
    (moot / "roman").symlink_to(precious)
    remove(moot, "roman")
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_a_note_takes_no_folder_that_holds_a_contribution(moot: Path, admits: list[Path]) -> None:
    add(str(make(moot / "people" / "roman")), moot)
    found = (moot / "people").stat()
    note("people", which=f" {found.st_dev} {found.st_ino}")(moot, moot)
    add(str(make(moot.parent / "dates")), moot)
    assert [m.name for m in read_team(moot)] == ["dates", "roman"]


def test_a_note_that_came_by_git_takes_no_folder_of_the_users(roman: Path, moot: Path, admits: list[Path]) -> None:
    """A registry is often a folder of a larger project: `src` in it may be anybody's."""
    (moot / "src").mkdir(parents=True)
    (moot / "src" / "main.py").write_text("years of work")
    found = (moot / "src").stat()
    for which in (" 1 2", f" {found.st_dev} {found.st_ino + 1}", f" {found.st_dev + 1} {found.st_ino}"):
        note("src", which=which)(moot, moot)
        add(str(roman), moot, replace=True)
        assert (moot / "src" / "main.py").read_text() == "years of work"
        assert not (moot / ".partial" / "passing").exists()


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("https://169.254.169.254/v1", "", "is where a machine asks for its own keys"),
        ("https://example.org/v1", "AWS_SECRET_ACCESS_KEY", "your variable 'AWS_SECRET_ACCESS_KEY' holds"),
        ("file:///etc/passwd", "", "is no web address"),
    ],
)
def test_a_lock_that_came_by_git_admits_no_endpoint_that_the_gate_refuses(
    moot: Path, monkeypatch: pytest.MonkeyPatch, url: str, key: str, said: str
) -> None:
    home = moot / "gem"
    init(home, Plan("gem", "Ana", "Gems.", "MIT", "gem-2b", answer="number", url="https://example.org/v1"))
    (home / "priority.jsonl").write_text(contribution.rows("gem"))
    monkeypatch.setattr(keep, "check", lambda place, **_: judged(place))
    entry = add(str(home), moot).entry
    assert [m.name for m in read_team(moot)] == ["gem"]
    path = home / "participant.yaml"
    told = path.read_text().replace("https://example.org/v1", url)
    path.write_text(f"{told}api_key_env: {key}\n" if key else told)
    files = {**entry.files, "participant.yaml": sha256(path)}
    Registry(moot, {"gem": entry.model_copy(update={"files": files})}).write()
    with pytest.raises(BadInput, match=rf"gem/participant\.yaml: .*{said}.*contribute remove gem") as e:
        read_team(moot)
    assert "\n" not in str(e.value)
    assert listing(moot)[0]["state"] == "changed"
    remove(moot, "gem")


def test_a_folder_whose_name_nobody_can_write_down(moot: Path, admits: list[Path]) -> None:
    for name in ("a\nb", "a\x1b[31m", "a\\b"):
        folder = make(moot / name / "roman", "roman")
        with pytest.raises(BadInput, match="rename the folder") as e:
            add(str(folder), moot)
        assert "\n" not in str(e.value)
        assert "\x1b" not in str(e.value)
    assert not (moot / LOCK).exists()


def nothing(_: Path) -> None:
    pass


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as f:
        f.truncate(51 * 2**20)


def written(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


STOLEN = '{"question": "thief: what is 0 + 0 + 701?", "answer": 701}\n'


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (nothing, "1 contribution"),
        (written(b'{"question": "XI?", "answer": 11}\n'), "1 contribution"),
        (pipe, "not as recorded or unreadable, and not compared: roman"),
        (device, "not as recorded or unreadable, and not compared: roman"),
        (huge, "not as recorded or unreadable, and not compared: roman"),
        (Path.mkdir, "not as recorded or unreadable, and not compared: roman"),
        (written(b"no rows\n"), "not as recorded or unreadable, and not compared: roman"),
        (written(b"\xff\n"), "not as recorded or unreadable, and not compared: roman"),
        (written(b"[" * 100_000), "not as recorded or unreadable, and not compared: roman"),
        (written(b'{"messages": 3}'), "not as recorded or unreadable, and not compared: roman"),
    ],
)
def test_rows_of_another_hold_nobody_up(
    moot: Path, monkeypatch: pytest.MonkeyPatch, rows: Callable[[Path], object], told: str
) -> None:
    """They lie beside a contribution and the lock does not name them: nobody has looked at them."""
    said: list[str] = []

    def check(place: Path, **how: object) -> Admission:
        done = gate(place, **how, run=False)
        said.extend(f.what for f in done.findings if f.check == "data")
        return done

    gate = keep.check
    monkeypatch.setattr(keep, "check", check)
    add(str(make(moot / "roman")), moot)
    rows(moot / "roman" / "train.jsonl")
    add(str(make(moot.parent / "dates")), moot)
    assert told in said[-1]


def test_rows_of_another_count_though_the_lock_does_not_name_them(moot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    add(str(make(moot / "roman")), moot)
    (moot / "roman" / "train.jsonl").write_text(STOLEN)
    with pytest.raises(NotAdmitted, match="the training rows of contribution roman"):
        add(str(make(moot.parent / "thief")), moot)


@pytest.mark.parametrize("data", [b"no rows\n", b"\xff\n", b"[" * 100_000, b"{}\n" * 2 * 2**20, b'"text"\n', b""])
def test_a_test_set_of_another_holds_nobody_up(moot: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """A registry may come with a lock of its own, which records whatever is there."""
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    entry = add(str(make(moot / "roman")), moot).entry
    (moot / "roman" / "priority.jsonl").write_bytes(data)
    files = {**entry.files, "priority.jsonl": sha256(moot / "roman" / "priority.jsonl")}
    Registry(moot, {"roman": entry.model_copy(update={"files": files})}).write()
    assert add(str(make(moot.parent / "dates")), moot).changed
    del files["priority.jsonl"]
    (moot / "roman" / "priority.jsonl").unlink()
    Registry(moot, {"roman": entry.model_copy(update={"files": files})}).write()
    assert add(str(make(moot.parent / "times")), moot).changed


# What happens in between

FORK = multiprocessing.get_context("fork")


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def written_then_die(self: Registry) -> None:
    write(self)
    die()


write = Registry.write
STEPS: dict[str, tuple[object, str, object]] = {
    "the copy begins": (keep, "copy", die),
    "it is admitted": (keep, "write_card", die),
    "it has its card": (keep, "announce", die),
    "the copy is not yet in its place": (Path, "rename", die),
    "the lock is not yet written": (Registry, "write", die),
    "the lock is written": (Registry, "write", written_then_die),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_the_old_or_the_new(
    roman: Path, moot: Path, admits: list[Path], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    add(str(roman), moot)
    old = tree(moot)
    contribution.adapter(roman / "adapter", seed=1)
    with monkeypatch.context() as trap:
        trap.setattr(*STEPS[step])
        killed = FORK.Process(target=add, args=(str(roman), moot), kwargs={"replace": True})
        killed.start()
        killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    new = step == "the lock is written"
    hashes = set(Registry.read(moot).entries["roman"].files.values())
    assert (sha256(roman / "adapter" / "adapter_model.safetensors") in hashes) is new
    assert [m.name for m in read_team(moot)] == ["roman"], "whichever it is, it can be used at once"
    add(str(make(moot.parent / "dates")), moot)
    left = {f: h for f, h in tree(moot).items() if not f.startswith("dates/") and f != LOCK}
    assert (left == {f: h for f, h in old.items() if f != LOCK}) is not new
    assert len(left) == 5, "the next change has cleared what was left behind"


def test_several_at_once_are_all_recorded(moot: Path, admits: list[Path], tmp_path: Path) -> None:
    names = ["ana", "bo", "cy", "dee", "eve", "flo"]
    folders = [make(tmp_path / name) for name in names]
    at_once = [FORK.Process(target=add, args=(str(f), moot)) for f in folders]
    for p in at_once:
        p.start()
    for p in at_once:
        p.join(120)
    assert [p.exitcode for p in at_once] == [0] * 6
    assert [m.name for m in read_team(moot)] == names


def test_whoever_waits_for_one_that_is_refused_is_recorded(
    roman: Path, moot: Path, admits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is refused takes the folder away that it made, and with it the file for which the others wait."""
    begun, waits = FORK.Event(), FORK.Event()

    def refuse(*_: object, **__: object) -> Admission:
        begun.set()
        assert waits.wait(60)
        return Admission((Finding("refuse", "licence", "it has none"),))

    def refused() -> None:
        keep.check = refuse
        with contextlib.suppress(NotAdmitted):
            add(str(make(moot.parent / "dates")), moot)

    first = FORK.Process(target=refused)
    first.start()
    assert begun.wait(60)
    add(str(roman), moot, progress=lambda *_, **__: waits.set())
    first.join(60)
    assert first.exitcode == 0
    assert [m.name for m in read_team(moot)] == ["roman"]


def test_whoever_waits_says_so(roman: Path, moot: Path, admits: list[Path]) -> None:
    held = FORK.Event()

    def hold() -> None:
        with alone(moot, silent):
            held.set()
            time.sleep(60)

    holder = FORK.Process(target=hold)
    holder.start()
    assert held.wait(60)
    said: list[str] = []

    def progress(stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
        said.append(f"{stage} {note}")
        holder.kill()

    assert add(str(roman), moot, progress=progress).changed, "the lock of one that is dead is free"
    assert f"wait for {moot} another process changes it" in said[0]
    holder.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_leaves_the_old(roman: Path, moot: Path, admits: list[Path]) -> None:
    moot.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(moot)], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (moot / "filler").write_bytes(bytes(400 * 1024))
        with pytest.raises(Missing, match="no room") as e:
            add(str(roman), moot)
        assert "\n" not in str(e.value)
        assert {p.name for p in moot.rglob("*")} == {"filler"}
        (moot / "filler").unlink()
    finally:
        subprocess.run(["umount", str(moot)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may not write, and one who may")
def test_a_registry_that_may_not_be_written(roman: Path, moot: Path, admits: list[Path]) -> None:
    add(str(roman), moot)
    before = tree(moot)
    if subprocess.run(["mount", "--bind", "-o", "ro", str(moot), str(moot)], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        if os.access(moot, os.W_OK):
            pytest.skip("the mount can be written all the same")
        with pytest.raises(Missing, match=r"cannot be written .*name a folder that you may write"):
            add(str(make(moot.parent / "dates")), moot)
        assert [m.name for m in read_team(moot)] == ["roman"], "reading is no problem"
    finally:
        subprocess.run(["umount", str(moot)], check=True)
    assert tree(moot) == before


def test_a_registry_where_a_file_is(roman: Path, tmp_path: Path) -> None:
    (tmp_path / "moot").write_text("not a folder")
    with pytest.raises(Missing, match="cannot be written"):
        add(str(roman), tmp_path / "moot")


# Served by an endpoint


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An address, and the models that a server there says it has; what a test puts into the list is listed."""
    models: list[dict[str, str]] = []

    class Asked(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = json.dumps({"object": "list", "data": models}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", models
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_endpoint_must_serve_what_it_says(tmp_path: Path, moot: Path, endpoint) -> None:
    """The gate asks it: no weights are there to look at."""
    url, models = endpoint
    models.append({"id": "gem-7b"})
    init(tmp_path / "gem", Plan("gem", "Ana", "Gems.", "MIT", "gem-2b", answer="number", url=url))
    (tmp_path / "gem" / "priority.jsonl").write_text(contribution.rows("gem"))
    with pytest.raises(
        NotAdmitted, match=r"it has no model 'gem-2b': name one that it serves; did you mean 'gem-7b'\?"
    ) as e:
        add(str(tmp_path / "gem"), moot)
    assert len(e.value.admission.refusals) == 1
    assert tree(moot) == {}


@pytest.mark.parametrize("rows", [False, True])
def test_rows_that_lie_elsewhere_go_with_rows_only(
    roman: Path, moot: Path, monkeypatch: pytest.MonkeyPatch, rows: bool
) -> None:
    monkeypatch.setattr(keep, "check", partial(keep.check, run=False))
    manifest = roman / "participant.yaml"
    manifest.write_text(manifest.read_text() + "trained: {data: {file: training/mine.jsonl}}\n")
    (roman / "training").mkdir(exist_ok=True)
    (roman / "training" / "mine.jsonl").write_text('{"question": "What is one and one?", "answer": 2}\n')
    done = add(str(roman), moot, rows=rows)
    assert ("training/mine.jsonl" in done.entry.files) == rows
    assert (done.folder / "training" / "mine.jsonl").exists() == rows
    assert "`training/mine.jsonl`" not in (done.folder / "README.md").read_text()
    leak = json.loads((roman / "priority.jsonl").read_text().splitlines()[0])["question"]
    (roman / "training" / "mine.jsonl").write_text(json.dumps({"question": leak, "answer": 2}) + "\n")
    with pytest.raises(NotAdmitted, match="hold questions of its own test set"):
        add(str(roman), moot, rows=rows, replace=True)
