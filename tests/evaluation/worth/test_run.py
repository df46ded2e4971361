"""A suite of six members with ``worth``, from the command to the report, and what every verb makes of the run."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from folkmoot.cli.app import app
from folkmoot.documents import BadInput
from folkmoot.evaluation.planning import outline
from folkmoot.evaluation.run import RunOptions, execute, planned
from folkmoot.evaluation.store import RunStore

NAMES = ("ana", "bo", "cy", "di", "ed", "flo")


def a_suite(
    folder: Path, worth: str = "[debate, critique_refine]", questions: int = 1, names: Sequence[str] = NAMES
) -> Path:
    """Each member has a test set of its own; a judge from outside reads the open questions."""
    for k, name in enumerate(names):
        rows = [
            {"id": f"{split}{i}", "split": split, "question": f"{name}: {k} + {i} = ?", "answer": str(k + i)}
            for split in ("dev", "test")
            for i in range(2)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    team = "".join(
        f"  - {{name: {n}, model: smollm2-135m-instruct, priority: {{file: {n}.jsonl, answer: number}}}}\n"
        for n in names
    )
    path = folder / "six.yaml"
    path.write_text(
        f"name: six\nseed: 5\nbaselines: [vote]\nsampling: {{temperature: 0.5, max_tokens: 64}}\ntasks: [sums, priorities]\n"
        f"limit: {questions}\nteam:\n{team}monoliths: [{{name: big, model: qwen2.5-coder-0.5b-instruct}}]\n"
        "systems:\n  - debate\n  - {graph: critique_refine, with: {critics: 2}}\n"
        + (f"worth: {worth}\n" if worth else "")
    )
    return path


def ran(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert result.exit_code == 0, f"{result.output} {result.exception}"
    return result.output


def refused(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert isinstance(result.exception, BadInput)
    return str(result.exception)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("six")
    assert execute(str(a_suite(home)), RunOptions(out=home / "run", scripted=True)) == 0
    return home / "run"


def rows(folder: Path, query: str) -> Sequence[tuple[object, ...]]:
    with sqlite3.connect(folder / "results.sqlite") as db:
        return db.execute(query).fetchall()


def test_coalitions_are_stored_as_figures_apart_from_all_else(run: Path) -> None:
    asked, played = 7, 2 * 56
    assert rows(run, "SELECT count(*), count(DISTINCT system), count(body) FROM coalitions") == [
        (asked * played, played, 0)
    ]
    assert rows(run, "SELECT count(*) FROM results WHERE system LIKE '% of %'") == [(0,)]


def test_the_plan_says_what_it_takes(run: Path) -> None:
    told = outline(str(run.parent / "six.yaml"), RunOptions(scripted=True)).worth
    assert [(w.graph, w.members, w.sampled, w.systems, w.samples) for w in told] == [
        (g, 6, 0, 56, 56 * 7) for g in ("debate", "critique_refine")
    ]
    assert "then debate with 56 smaller teams of its 6 members (all coalitions): 392 samples" in ran(
        "plan", run.parent / "six.yaml"
    )


def test_a_second_run_has_nothing_to_do(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(run, "SELECT rowid, key FROM coalitions")
    assert execute(str(run.parent / "six.yaml"), RunOptions(out=run, scripted=True)) == 0
    assert "This time: 0 calls computed, 0 from the cache" in capsys.readouterr().out
    assert rows(run, "SELECT rowid, key FROM coalitions") == before


def test_the_values_add_up_to_the_score_of_the_team(run: Path) -> None:
    told = json.loads(ran("show", run, "--json"))["participation"]
    scores = {r["system"]: r["accuracy"] for r in json.loads((run / "table.json").read_text())["systems"]}
    assert [(v["graph"], v["n"], v["of"], v["coalitions"]) for v in told["values"]] == [
        (g, 7, 7, 63) for g in ("debate", "critique_refine")
    ]
    for value in told["values"]:
        shares = [e["value"]["mean"] for e in value["shapley"] if e["group"] == "all"]
        assert sum(shares) == pytest.approx(value["score"])
        assert value["score"] == pytest.approx(scores[value["graph"]])
    assert told["own"] == {n: f"priority-{n}" for n in NAMES}
    assert len(told["gains"]) == 6 * 2 * 2
    assert {c["family"] for c in told["gains"]} == {24}
    assert [c["n"] for c in told["pooled"]] == [6] * 4


def test_tables_page_and_document_say_it(run: Path) -> None:
    for text in (ran("show", run), (run / "table.md").read_text()):
        assert "worth in debate, points" in " ".join(text.split())
        assert "Teams of 2 are too small for critique_refine" in " ".join(text.replace("\\", "").split())
    page = (run / "report.html").read_text()
    assert 'id="participation"' in page
    assert page.count('<ul class="panels"') == 1
    assert "What each member is worth in <bdi>debate</bdi>" in page


def test_coalitions_stay_out_of_every_list_of_systems(run: Path, tmp_path: Path) -> None:
    name = "debate of ana, bo"
    status = json.loads(ran("status", run, "--json"))
    assert (status["state"], status["coalitions"]) == ("finished", [2 * 392, 2 * 392])
    assert name not in {p["system"] for p in status["parts"]}
    assert "784 of 784 of smaller teams" in ran("status", run)
    assert name not in ran("show", run, "--list")
    ran("compare", run, "debate", "big")
    refused("compare", run, name, "big")
    for form in ("csv", "json", "inspect"):
        ran("export", run, "--to", form, "--out", tmp_path / form)
    assert name not in (tmp_path / "csv").read_text()
    scored = json.loads(ran("score", run, "--json"))
    assert (scored["changed"], scored["coalitions_dropped"]) == ([], 0)
    assert json.loads(ran("status", run, "--json"))["coalitions"] == [2 * 392, 2 * 392], (
        "nothing changed: nothing is lost"
    )


def test_old_scores_of_smaller_teams_do_not_stay_beside_new_ones(tmp_path: Path) -> None:
    copy = tmp_path / "run"
    assert execute(str(a_suite(tmp_path, "[debate]", names=NAMES[:3])), RunOptions(out=copy, scripted=True)) == 0
    before = json.loads(ran("show", copy, "--json"))["participation"]["values"]
    kept = rows(copy, "SELECT key, score FROM coalitions ORDER BY key")
    with sqlite3.connect(copy / "results.sqlite") as db:  # as an earlier reader may have left it
        key, body = db.execute("SELECT key, body FROM results WHERE system = 'ana' AND dev = 0 LIMIT 1").fetchone()
        wrong = json.loads(body) | {"score": 1 - json.loads(body)["score"]}
        db.execute("UPDATE results SET body = ? WHERE key = ?", (json.dumps(wrong), key))
    said = ran("score", copy)
    assert "1 changed" in said
    assert "12 samples of smaller teams are dropped" in " ".join(said.split())
    assert [v["n"] for v in json.loads(ran("show", copy, "--json"))["participation"]["values"]] == [0]
    assert rows(copy, "SELECT count(*) FROM coalitions") == [(0,)]
    ran("resume", copy)
    assert rows(copy, "SELECT key, score FROM coalitions ORDER BY key") == kept
    assert json.loads(ran("show", copy, "--json"))["participation"]["values"] == before


def test_a_run_from_before_there_were_coalitions_can_be_read(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    with sqlite3.connect(old / "results.sqlite") as db:
        db.execute("DROP TABLE coalitions")
    meta = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps({k: v for k, v in meta.items() if k not in ("worth", "tuned")}))
    assert json.loads(ran("status", old, "--json"))["parts"]
    assert "debate" in ran("show", old)
    assert ran("compare", old, "debate", "big")
    assert rows(old, "SELECT count(*) FROM sqlite_master WHERE name = 'coalitions'") == [(0,)], (
        "reading changes nothing"
    )
    ran("report", old)


@pytest.mark.parametrize(
    ("split", "system", "refused"),
    [
        ("dev", "route", True),
        ("dev", "{graph: debate, with: {route: 2, router: bo}}", True),
        ("dev", "debate", False),
        ("test", "route", False),
    ],
)
def test_routers_are_not_asked_their_own_examples(tmp_path: Path, split: str, system: str, refused: bool) -> None:
    path = a_suite(tmp_path, "", names=NAMES[:3])
    for name in NAMES[:3]:  # a dev question that is a test question too would be left out
        rows = (tmp_path / f"{name}.jsonl").read_text()
        (tmp_path / f"{name}.jsonl").write_text(rows.replace('"dev", "question": "', '"dev", "question": "Say: '))
    text = path.read_text().replace("[sums, priorities]", f"[sums, {{name: priorities, split: {split}}}]")
    path.write_text(f"{text[: text.index('systems:')]}systems: [{system}]\n")
    if not refused:
        assert planned(str(path), RunOptions(scripted=True))
        return
    with pytest.raises(
        BadInput, match=r"six\.yaml:\d+: '(route|debate)' routes by dev questions of the members' own test sets"
    ):
        planned(str(path), RunOptions(scripted=True))


def test_an_experiment_keeps_its_tables(run: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(run, own)
    meta = json.loads((own / "manifest.json").read_text()) | {"command": "folkmoot experiment gain x", "experiment": {}}
    (own / "manifest.json").write_text(json.dumps(meta))
    for verb in ("report", "score", "resume"):
        assert (
            refused(verb, own)
            == f"{own}: an experiment, which writes its own tables; run its command again: folkmoot experiment gain x"
        )
    assert (own / "table.md").read_text() == (run / "table.md").read_text()


def test_a_transcript_says_where_its_answer_came_from(run: Path) -> None:
    item = json.loads(ran("show", run, "--list", "--json"))[0]["item"]
    assert "from: " in ran("show", run, "--item", item, "--task", "sums")
    (shown,) = json.loads(ran("show", run, "--item", item, "--task", "sums", "--json"))
    told = next(s["provenance"] for s in shown["samples"] if s["system"] == "debate")
    assert told["words"].endswith("wins") or "vote" in told["words"]
    assert told["turns"]


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    suite, out = a_suite(tmp_path, "[debate]"), tmp_path / "run"
    command = [sys.executable, "-m", "folkmoot.cli", "eval", "run", str(suite), "--scripted", "--out", str(out)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while _coalitions(out) < 20:
            assert child.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    kept = set(rows(out, "SELECT rowid, key FROM coalitions"))
    assert 20 <= len(kept) < 56 * 7
    assert json.loads(ran("status", out, "--json"))["state"] == "stopped"
    ran("report", out)
    ran("resume", out)
    after = set(rows(out, "SELECT rowid, key FROM coalitions"))
    assert kept <= after, "what was there was not played again"
    assert len(after) == 56 * 7
    assert json.loads(ran("show", out, "--json"))["participation"]["values"][0]["n"] == 7


def _coalitions(folder: Path) -> int:
    try:
        return int(str(rows(folder, "SELECT count(*) FROM coalitions")[0][0]))
    except sqlite3.Error:
        return 0


def test_without_test_sets_and_worth_there_is_no_such_section(run: Path, tmp_path: Path) -> None:
    suite = a_suite(tmp_path, worth="")
    suite.write_text(suite.read_text().replace("tasks: [sums, priorities]", "tasks: [sums]"))
    execute(str(suite), RunOptions(out=tmp_path / "run", scripted=True, limit=1))
    assert json.loads((tmp_path / "run" / "table.json").read_text())["participation"] is None
    assert 'id="participation"' not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        ("[debatte]", r"six.yaml:\d+: no system is called 'debatte'; did you mean 'debate'"),
        ("{systems: [debate], permutations: 11}", "multiple of 2"),
        ("{systems: [debate], permutations: 4}", "greater than or equal to 10"),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(tmp_path: Path, worth: str, said: str) -> None:
    assert re.search(said, refused("plan", a_suite(tmp_path, worth)))


def test_a_finisher_cannot_be_left_out(tmp_path: Path) -> None:
    suite = a_suite(tmp_path, "[critique_refine]")
    suite.write_text(suite.read_text().replace("critics: 2", "critics: 2, finish: ana"))
    assert "worth: 'critique_refine' has finish='ana', which means nothing" in refused("plan", suite)


def test_samples_that_failed_are_counted_and_tried_again(tmp_path: Path) -> None:
    from folkmoot.discussion import Turn
    from folkmoot.evaluation.result import Result

    turn = Turn("ana", error="no reply within 60 s")
    failed = Result("k", "debate of ana, bo", "t", "1", 0, "?", (), "error", None, 0.0, (turn,), None, 0.0)
    with RunStore(tmp_path) as store:
        store.plan(["k"])
        store.add(failed, words=False).result()
        assert store.finished() == set()
        found = store.first_failure()
        assert found is not None
        assert (found[0], found[1].system, found[1].error) == (1, "debate of ana, bo", "no reply within 60 s")
        assert [f.failures for f in store.coalitions()] == [1]
        assert store.figures() == []
        assert list(store.results()) == []
