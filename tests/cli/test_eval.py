"""The verbs of `folkmoot eval`, as a user types them: what they print, where, and their exit codes."""

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from folkmoot.cli import main


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory) -> Path:
    """A finished run without models."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    words = ["eval", "run", "quickstart", "--scripted", "--limit", "2", "--out", str(folder), "--json"]
    done = subprocess.run([sys.executable, "-m", "folkmoot.cli", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["partial"] is False
    return folder


def systems(folder: Path) -> int:
    return len(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["kinds"])


@pytest.fixture
def folkmoot(monkeypatch, capfd):
    """Runs a command in this process; gives exit code, standard output and standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["folkmoot", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        sys.stdout.flush()
        return code, *capfd.readouterr()

    yield call
    signal.signal(signal.SIGTERM, before)


def test_plan(folkmoot, rehearsal):
    code, out, _ = folkmoot("eval", "plan", "quickstart", "--scripted")
    assert code == 0
    assert "debate" in out
    code, out, _ = folkmoot("eval", "plan", "quickstart", "--scripted", "--json", "--earlier", rehearsal)
    assert code == 0
    assert json.loads(out)["suite"] == "quickstart"


def test_a_folder_of_data_that_is_not_there_is_said_once(folkmoot, tmp_path):
    code, out, err = folkmoot("eval", "plan", "participation", "--data", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"folkmoot: {tmp_path / 'none'}: no such folder (named by --data)"]


def test_a_wrong_entry_is_complained_of_and_not_the_list_that_it_leaves_empty(folkmoot, tmp_path):
    suite = tmp_path / "s.yaml"
    suite.write_text("name: s\ntasks: [{nam: sums}]\nteam: [{name: a, model: m}]\n")
    code, _, err = folkmoot("eval", "plan", suite)
    assert code == 2
    assert err.splitlines() == [
        f"folkmoot: {suite}:2: 'tasks.0.name' is missing",
        f"{suite}:2: unknown key 'nam'; did you mean 'name'?",
    ]


def test_a_team_that_has_changed_is_said_before_its_tables_are(folkmoot, tmp_path):
    suite, run = tmp_path / "s.yaml", tmp_path / "run"
    ana, bo = ("{name: ana, model: smollm2-135m-instruct}", "{name: bo, model: smollm2-135m-instruct}")
    words = ("eval", "run", suite, "--scripted", "--limit", "1", "--out", run)

    def ran(*team: str) -> str:
        suite.write_text(f"name: s\ntasks: [sums]\nteam: [{', '.join(team)}]\nsystems: [debate]\n")
        code, _, err = folkmoot(*words)
        assert code == 0
        return err

    assert "changed" not in ran(ana, bo)
    assert "changed" not in ran(ana, bo)
    other = ran("{name: ana, model: smollm2-135m-instruct, system: Be brief.}", bo.replace("bo", "cy"))
    assert "changed  without bo; with cy; other models, adapters or texts for ana: tables and page" in other


def test_status(folkmoot, rehearsal):
    code, out, _ = folkmoot("eval", "status", rehearsal)
    assert code == 0
    assert out.startswith("quickstart: finished")
    assert out.rstrip().endswith(f"Next: folkmoot eval show {rehearsal}")
    code, out, _ = folkmoot("eval", "status", rehearsal, "--json")
    s = json.loads(out)
    assert (code, s["state"], s["failed"]) == (0, "finished", 0)
    assert s["finished"] == s["planned"] == sum(p["finished"] for p in s["parts"])


def test_status_while_it_is_written(folkmoot, rehearsal):
    from folkmoot.evaluation.store import RunStore

    with RunStore(rehearsal):
        code, out, _ = folkmoot("eval", "status", rehearsal, "--json")
        assert (code, json.loads(out)["state"]) == (0, "running")
        for verb in (("resume",), ("score",), ("report",)):
            code, out, err = folkmoot("eval", *verb, rehearsal)
            assert (code, out) == (2, ""), verb
            assert "another process is writing this run" in err
        for verb in (("show",), ("show", "--list"), ("compare", "debate", "qwen")):
            assert folkmoot("eval", verb[0], rehearsal, *verb[1:])[0] == 0, verb


def test_show(folkmoot, rehearsal):
    code, out, _ = folkmoot("eval", "show", rehearsal)
    assert code == 0
    assert "critique_refine" in out
    code, out, _ = folkmoot("eval", "show", rehearsal, "--json")
    assert code == 0
    assert isinstance(json.loads(out)["systems"], list)
    assert folkmoot("eval", "show", rehearsal, "--markdown")[1].startswith("|")
    code, out, _ = folkmoot("eval", "show", rehearsal, "--list", "--json")
    questions = json.loads(out)
    assert len(questions) == 6
    assert set(questions[0]) == {"task", "item", "question", "gold", "systems"}


def test_show_a_question(folkmoot, rehearsal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    code, out, _ = folkmoot("eval", "show", rehearsal, "--item", "pick-01", "--system", "debate", "--system", "qwen")
    assert code == 0
    head = next(line for line in out.splitlines() if "debate (graph)" in line)
    assert head.index("debate") < head.index("qwen (member)")
    assert "\x1b" not in out
    code, out, _ = folkmoot("eval", "show", rehearsal, "--item", "pick-01", "--prompts", "--json")
    (question,) = json.loads(out)
    assert question["task"] == "picks"
    assert all(t["prompt"] for s in question["samples"] for t in s["turns"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--item", "pick-1"), "did you mean 'pick-01'?"),
        (("--item", "pick-01", "--task", "sums"), "no question of task 'sums' called 'pick-01'"),
        (("--task", "pics"), "did you mean 'picks'?"),
        (("--system", "debat"), "did you mean 'debate'?"),
        (("--only-right", "jugde_select"), "did you mean 'judge_select'?"),
        (("--collapsed", "x"), "no system 'x'; known: "),
        (("--only", "rigth"), "did you mean 'right'?"),
        (("--list", "--draw", "7"), "no draw 7"),
    ],
)
def test_show_refuses_unknown_names(folkmoot, rehearsal, words, says):
    code, out, err = folkmoot("eval", "show", rehearsal, *words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_compare(folkmoot, rehearsal):
    code, out, _ = folkmoot("eval", "compare", rehearsal, "debate", "qwen")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "on the same 6 questions" in out
    code, out, _ = folkmoot(
        "eval", "compare", rehearsal, "debate", "qwen", "--task", "sums", "--margin", "10", "--json"
    )
    found = json.loads(out)
    assert (code, found["n"], found["margin"], found["task"]) == (0, 2, 0.1, "sums")
    code, out, _ = folkmoot("eval", "compare", rehearsal, "debate", "debate", "--with", rehearsal, "--json")
    assert json.loads(out)["difference"]["mean"] == 0


NOTE = "(one comparison, corrected for nothing)"


def test_compare_corrects_a_declared_pair_as_the_report_does(folkmoot, rehearsal):
    family = json.loads((rehearsal / "manifest.json").read_text(encoding="utf-8"))["family"]
    system, reference = family[0]
    code, out, _ = folkmoot("eval", "compare", rehearsal, system, reference, "--json")
    found = json.loads(out)
    table = json.loads((rehearsal / "table.json").read_text(encoding="utf-8"))
    (told,) = (c for c in table["contrasts"] if (c["system"], c["reference"]) == (system, reference))
    assert (code, found["family"], found["planned"]) == (0, len(family), 6)
    assert {k: found[k] for k in ("p", "adjusted", "verdict", "n")} == {
        k: told[k] for k in ("p", "adjusted", "verdict", "n")
    }
    assert f"Holm-corrected for {len(family)} comparisons" in found["sentence"]
    assert NOTE not in found["sentence"]
    back = json.loads(folkmoot("eval", "compare", rehearsal, reference, system, "--json")[1])
    assert (back["system"], back["adjusted"], back["family"]) == (reference, found["adjusted"], len(family))
    assert back["difference"]["mean"] == -found["difference"]["mean"]


def test_compare_says_where_it_corrects_for_nothing(folkmoot, rehearsal):
    system, reference = json.loads((rehearsal / "manifest.json").read_text(encoding="utf-8"))["family"][0]
    for words in (
        ("debate", "critique_refine"),
        (system, reference, "--task", "sums"),
        (system, reference, "--partial"),
        (system, reference, "--with", rehearsal),
    ):
        code, out, _ = folkmoot("eval", "compare", rehearsal, *words)
        assert (code, out.rstrip()[-len(NOTE) - 1 :]) == (0, f"{NOTE}."), words
        assert "Holm" not in out


def test_compare_with_several_draws(folkmoot, tmp_path):
    from folkmoot.evaluation.suite import find_suite

    text = find_suite("quickstart").read_text(encoding="utf-8")
    suite = tmp_path / "twice.yaml"
    suite.write_text(text.replace("\nseed: 7\n", "\nseed: 7\ndraws: 2\n"), encoding="utf-8")
    folder = tmp_path / "run"
    assert folkmoot("eval", "run", suite, "--scripted", "--limit", "1", "--out", folder)[0] == 0
    code, out, err = folkmoot("eval", "compare", folder, "debate", "qwen", "--json")
    assert code == 0, err
    assert (json.loads(out)["n"], json.loads(out)["draws"]) == (3, 2)
    code, out, err = folkmoot("eval", "compare", folder, "debate", "debate", "--with", folder, "--json")
    assert code == 0, err
    with sqlite3.connect(folder / "results.sqlite") as db:  # as if it had been killed before the second draw
        db.execute("DELETE FROM results WHERE draw = 1")
    db.close()
    code, _, err = folkmoot("eval", "compare", folder, "debate", "qwen")
    assert code == 2
    assert "only 50.0 % of its planned samples" in err


def test_compare_leaves_out_questions_whose_calls_failed(folkmoot, rehearsal, tmp_path):
    folder = shutil.copytree(rehearsal, tmp_path / "run")
    with sqlite3.connect(folder / "results.sqlite") as db:
        db.execute("UPDATE results SET outcome = 'error', score = 0 WHERE system = 'debate' AND item = 'pick-01'")
    db.close()
    assert folkmoot("eval", "compare", folder, "debate", "qwen")[0] == 2
    code, out, _ = folkmoot("eval", "compare", folder, "debate", "qwen", "--partial")
    assert code == 0
    assert "on the same 5 questions" in out
    assert "1 question is left out, calls failed there" in out


def test_compare_with_another_run_leaves_out_questions_that_differ(folkmoot, rehearsal, tmp_path):
    other = shutil.copytree(rehearsal, tmp_path / "other")
    changed = "UPDATE items SET body = json_set(body, '$.gold', json('[\"no\"]')) WHERE dev = 0"
    with sqlite3.connect(other / "results.sqlite") as db:
        db.execute(f"{changed} AND item = 'pick-01'")
    db.close()
    words = ("eval", "compare", rehearsal, "debate", "debate", "--with", other)
    code, out, err = folkmoot(*words)
    assert code == 0, err
    assert "on the same 5 questions" in out
    assert f"{other}: 1 of 6 questions of the same name differ" in err
    assert folkmoot(*words, "--task", "sums")[2] == ""
    with sqlite3.connect(other / "results.sqlite") as db:
        db.execute(changed)
    db.close()
    code, out, err = folkmoot(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "none of the 6 questions of the same name is the same there" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("debat", "qwen"), "did you mean 'debate'"),
        (("debate", "qwen", "--task", "sum"), "did you mean 'sums'"),
        (("debate", "qwen", "--margin", "-1"), "margin"),
        (("debate", "qwen", "--with", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_compare_refuses(folkmoot, rehearsal, words, says):
    code, out, err = folkmoot("eval", "compare", rehearsal, *words)
    assert (code, out) == (2, "")
    assert says in err


def test_resume_and_score_change_nothing_where_nothing_is_missing(folkmoot, rehearsal):
    before = folkmoot("eval", "show", rehearsal, "--list", "--json")[1]
    code, out, _ = folkmoot("eval", "resume", rehearsal, "--json")
    assert code == 0
    assert json.loads(out)["partial"] is False
    code, out, _ = folkmoot("eval", "score", rehearsal, "--json")
    assert code == 0
    assert json.loads(out)["changed"] == []
    assert folkmoot("eval", "show", rehearsal, "--list", "--json")[1] == before


def test_report(folkmoot, rehearsal, tmp_path):
    code, out, _ = folkmoot("eval", "report", rehearsal)
    assert (code, out.strip()) == (0, str(rehearsal / "report.html"))
    code, out, _ = folkmoot("eval", "report", rehearsal, "--out", tmp_path / "page.html", "--json")
    assert (code, json.loads(out)["files"]) == (0, [str(tmp_path / "page.html")])
    assert (tmp_path / "page.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    code, _, err = folkmoot("eval", "report", rehearsal, "--out", tmp_path / "no" / "page.html")
    assert code == 4
    assert "cannot be written" in err


@pytest.mark.parametrize(("form", "name"), [("csv", "x.csv"), ("parquet", "x.parquet"), ("json", "x.jsonl")])
def test_export(folkmoot, rehearsal, tmp_path, form, name):
    code, out, err = folkmoot("eval", "export", rehearsal, "--to", form, "--out", tmp_path / name, "--json")
    assert code == 0, err
    done = json.loads(out)
    assert done["files"] == [str(tmp_path / name)]
    assert done["rows"] == done["samples"] == systems(rehearsal) * 6
    assert "export" in err  # progress
    code, out, err = folkmoot("eval", "export", rehearsal, "--to", form, "--out", tmp_path / name)
    assert (code, out) == (2, "")
    assert "--force" in err


def test_export_to_standard_output(folkmoot, rehearsal):
    code, out, err = folkmoot("eval", "export", rehearsal, "--to", "csv", "--out", "-")
    assert (code, err) == (0, "")
    assert out.startswith("task,item,cluster,system")
    assert folkmoot("eval", "export", rehearsal, "--to", "csv", "--out", "-", "--json")[0] == 2


def test_export_for_inspect(folkmoot, rehearsal, tmp_path):
    code, out, _ = folkmoot("eval", "export", rehearsal, "--to", "inspect", "--out", tmp_path / "logs")
    assert code == 0
    logs = len(list((tmp_path / "logs").glob("*.eval")))
    assert logs == systems(rehearsal) * 3
    assert out.startswith(f"{logs} logs in {tmp_path / 'logs'}")


def test_parquet_without_pyarrow_says_what_to_install(folkmoot, rehearsal, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = folkmoot("eval", "export", rehearsal, "--to", "parquet", "--out", tmp_path / "x.parquet")
    assert code == 4
    assert "pip install 'folkmoot[parquet]'" in err
    assert list(tmp_path.iterdir()) == []


def test_list(folkmoot):
    code, out, _ = folkmoot("eval", "list")
    assert code == 0
    assert "quickstart" in out
    code, out, _ = folkmoot("eval", "list", "--json")
    found = json.loads(out)
    assert "quickstart" in [s["name"] for s in found["suites"]]
    assert "sums" in [t["name"] for t in found["tasks"]]


def test_check_lists_what_is_wrong_with_the_data_of_a_task(folkmoot, tmp_path):
    rows = [
        {"id": "a", "question": "Is it?", "answer": "yes"},
        {"id": "b", "question": "is  IT?", "answer": "yes"},
        {"id": "c", "question": "Was it?", "answer": "maybe"},
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    task = tmp_path / "own.yaml"
    task.write_text("name: own\ndescription: d\nanswer: boolean\ndata: {file: own.jsonl}\n", encoding="utf-8")
    code, out, _ = folkmoot("eval", "check", str(task), "--json")
    assert (code, [(f["item"], f["kind"], f["excluded"]) for f in json.loads(out)]) == (
        0,
        [("b", "duplicate", True), ("c", "gold", True)],
    )
    code, out, _ = folkmoot("eval", "check", str(task))
    assert "own test b: duplicate: the same question as item a (left out)" in out
    assert "| own | test | 3 | 2 |" in out


def test_the_examples_of_the_documentation_work(folkmoot, tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines]
    examples = [words[1:] for words in commands if words and words[0] == "folkmoot"]
    assert len(examples) > 20
    monkeypatch.chdir(tmp_path)
    for words in examples:
        code, _, err = folkmoot(*words)
        assert code == 0, (words, err)


READERS = [
    ("status",),
    ("resume",),
    ("score",),
    ("report",),
    ("show",),
    ("show", "--list"),
    ("show", "--item", "1"),
    ("compare", "a", "b"),
    ("export", "--to", "csv"),
]


@pytest.mark.parametrize("verb", READERS, ids=" ".join)
def test_what_is_no_run_is_refused_in_one_line(folkmoot, rehearsal, tmp_path, verb):
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "results.sqlite").write_bytes(b"x" * 5000)
    for folder in (tmp_path / "nothing", tmp_path / "empty", tmp_path / "odd", rehearsal / "manifest.json"):
        code, out, err = folkmoot("eval", verb[0], folder, *verb[1:])
        assert (code, out) == (2, ""), (folder, err)
        assert len(err.splitlines()) == 1, err
        assert str(folder) in err
        assert not (tmp_path / "nothing").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_run_that_was_stopped_is_read_and_gone_on_with(folkmoot, tmp_path):
    folder = tmp_path / "run"
    words = ["eval", "run", "quickstart", "--scripted", "--limit", "2", "--out", str(folder)]
    assert folkmoot(*words)[0] == 0
    with sqlite3.connect(folder / "results.sqlite") as db:  # as if it had been killed before the last samples
        db.execute("DELETE FROM results WHERE system IN ('debate', 'qwen-1.5b')")
    db.close()
    code, out, _ = folkmoot("eval", "status", folder, "--json")
    s = json.loads(out)
    assert (code, s["state"], s["stage"], s["planned"] - s["finished"]) == (0, "stopped", "members and graphs", 12)
    assert s["next"] == f"folkmoot eval resume {folder}"
    assert folkmoot("eval", "show", folder)[0] == 0
    assert folkmoot("eval", "compare", folder, "debate", "qwen")[0] == 2
    assert folkmoot("eval", "export", folder, "--to", "csv")[0] == 0
    code, _, err = folkmoot("eval", "resume", folder)
    assert code == 0, err
    assert json.loads(folkmoot("eval", "status", folder, "--json")[1])["state"] == "finished"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("eval", "show"), 2, "Missing argument"),
        (("eval", "shwo", "x"), 2, "No such command"),
        (("eval", "run", "quikstart", "--scripted"), 2, "did you mean 'quickstart'"),
        (("eval", "plan", "quikstart"), 2, "did you mean 'quickstart'"),
        (("eval", "export", "x", "--to", "cvs"), 2, "did you mean 'csv'"),
    ],
)
def test_usage_errors_are_2(folkmoot, words, code, says):
    got, out, err = folkmoot(*words)
    assert (got, out) == (code, "")
    assert says in err


def test_a_reader_that_has_had_enough_ends_the_writer_quietly(rehearsal):
    done = subprocess.run(
        f"{sys.executable} -m folkmoot.cli eval export {rehearsal} --to json --out - | head -c 100",
        shell=True,
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=60,
    )
    assert len(done.stdout) == 100
    assert done.stderr == ""
