"""How far a run is, and folders that are none."""

import json
import sqlite3

import pytest

from folkmoot.documents import BadInput
from folkmoot.evaluation.folder import opened
from folkmoot.evaluation.status import status, status_json, status_text
from folkmoot.evaluation.store import RunStore


def test_what_is_there_what_failed_and_what_to_do(made):
    s = status(made())
    assert (s.state, s.finished, s.planned, s.failed) == ("stopped", 15, 16, 1)
    assert s.stage == "monoliths"
    assert s.failure == "debate, sums, ../x: nobody answered"
    assert s.next == f"folkmoot eval resume {s.folder}"
    assert s.calls == 11 + 3 * 3 + 2
    missing = [(p.system, p.task, p.finished, p.planned) for p in s.parts if p.finished < p.planned]
    assert missing == [("big", "sums", 2, 3)]
    text = status_text(s)
    assert "15 of 16 samples (94 %)" in text
    assert "2/3 !1" not in text
    assert "3/3 !1" in text
    assert json.loads(json.dumps(status_json(s)))["parts"][0]["system"] == "ana"


def test_a_run_that_never_came_to_its_end_is_not_finished(made):
    folder = made()
    meta = json.loads((folder / "manifest.json").read_text()) | {"planned": {"picks": 1}}
    (folder / "manifest.json").write_text(json.dumps(meta))  # nothing is missing of what was known when it was killed
    assert (status(folder).state, status(folder).stage) == ("stopped", "baselines, smaller teams, judges and report")
    (folder / "manifest.json").write_text(json.dumps(meta | {"partial": False}))
    assert (status(folder).state, status(folder).stage) == ("failed", None)


def test_a_process_that_writes_is_seen_and_not_disturbed(made):
    folder = made()
    with RunStore(folder) as store:
        s = status(folder)
        assert s.state == "running"
        assert s.next == f"folkmoot eval status {folder}"
        assert "running: a process is writing it" in status_text(s)
        store.plan([])  # it still can
    assert status(folder).state != "running"


def test_looking_does_not_keep_a_writer_out(made):
    folder = made()
    with opened(folder), RunStore(folder):
        pass


@pytest.mark.parametrize("width", [40, 80, 200])
def test_many_tasks_fit_any_terminal(made, width):
    folder = made()
    meta = json.loads((folder / "manifest.json").read_text())
    meta["planned"] |= {f"a task with a long name {i}": 5 for i in range(20)}
    meta["kinds"] |= {f"system {i} with quite a name of its own": "baseline" for i in range(5)}
    (folder / "manifest.json").write_text(json.dumps(meta))
    text = status_text(status(folder), width)
    table = text.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]
    assert max(map(len, table.splitlines())) <= width
    assert "0/5" in table


def no_folder(folder):
    return folder.parent / "nothing"


def empty(folder):
    (new := folder.parent / "empty").mkdir()
    return new


def a_file(folder):
    return folder / "manifest.json"


def no_manifest(folder):
    (folder / "manifest.json").unlink()
    return folder


def bad_manifest(folder):
    (folder / "manifest.json").write_text('["not", "ours"]')
    return folder


def no_database(folder):
    (folder / "results.sqlite").write_bytes(b"not a database at all" * 100)
    return folder


def other_columns(folder):
    with sqlite3.connect(folder / "results.sqlite") as db:
        db.execute("ALTER TABLE results DROP COLUMN seconds")
    return folder


def other_bodies(folder):
    with sqlite3.connect(folder / "results.sqlite") as db:
        db.execute("UPDATE results SET body = '{\"new\": 1}'")
    return folder


def other_tables(folder):
    (folder / "results.sqlite").unlink()
    with sqlite3.connect(folder / "results.sqlite") as db:
        db.execute("CREATE TABLE samples (x)")
    return folder


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_folder, "no such folder"),
        (empty, "no run here"),
        (a_file, "a file; give the folder of a run; did you mean"),
        (no_manifest, "not a run that this version"),
        (bad_manifest, "not a run that this version"),
        (no_database, "not a run that"),
        (other_columns, "not a run that this version"),
        (other_bodies, "not a run that this version"),
        (other_tables, "not a run that"),
    ],
)
def test_folders_that_cannot_be_read_are_refused_in_one_line(made, spoil, says):
    folder = spoil(made())
    with pytest.raises(BadInput, match=says) as e:
        status(folder)
    assert str(folder) in str(e.value)
    assert "\n" not in str(e.value)


def test_a_run_has_a_name_under_runs(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made("runs/small")
    assert status(made("runs/other").relative_to(tmp_path / "runs")).folder == "runs/other"
    with pytest.raises(BadInput, match="did you mean 'runs/small'"):
        status(tmp_path.relative_to(tmp_path) / "runs" / "smal")
