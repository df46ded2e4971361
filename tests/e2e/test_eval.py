"""Whole commands: `folkmoot eval`, as a user types them."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SUITE = """\
name: tiny
tasks: [sums, picks]
limit: 4
sampling: {temperature: 0.7, max_tokens: 64}
team:
  - {name: ana, model: a}
  - {name: bo, model: b}
monoliths: [{name: big, model: c}]
systems: [debate, critique_refine, judge_select]
"""


def folkmoot(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "folkmoot.cli", *words],
        cwd=cwd,
        env={**os.environ, "FOLKMOOT_CACHE": str(cwd / "cache"), **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def rows(folder: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(folder / "results.sqlite") as db:
        return db.execute("SELECT key, body FROM results ORDER BY key").fetchall()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def test_a_run_prints_the_table_and_writes_everything(suite, tmp_path):
    done = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for system in ("ana", "bo", "vote", "vote x4", "debate", "critique_refine", "judge_select", "big", "oracle"):
        assert system in done.stdout
    assert "report.html" in done.stdout
    assert "samples" in done.stderr  # the progress line
    found = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"results.sqlite", "manifest.json", "table.json", "table.md", "report.html"} <= found
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    systems, dev = len(manifest["kinds"]), 2 * sum(manifest["dev"].values())
    assert len(rows(tmp_path / "out")) == 8 * systems + dev
    best = manifest["best"]["name"]
    assert best in ("ana", "bo")
    (match,) = (m["systems"] for m in manifest["matches"] if m["graph"] == "critique_refine")
    assert match["vote at equal calls"] == "vote x6"
    assert match["self-consistency at equal calls"] == f"{best} x6"
    first = json.loads(rows(tmp_path / "out")[0][1])
    assert {"prompt", "text", "answer", "prompt_tokens", "service_s", "error"} <= set(first["turns"][0])


def test_running_again_computes_nothing(suite, tmp_path):
    first = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    before = rows(tmp_path / "out")
    again = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    assert again.returncode == 0
    assert "0 calls computed" in again.stdout
    assert rows(tmp_path / "out") == before
    assert first.stdout.splitlines()[:12] == again.stdout.splitlines()[:12]


def test_equal_drafts_of_different_systems_are_computed_once(suite, tmp_path):
    done = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    results = [r for _, body in rows(tmp_path / "out") if not (r := json.loads(body))["dev"]]
    drafts = [
        (s, t["text"], t["hit"])
        for r in results
        for s, t in [(r["system"], t) for t in r["turns"]]
        if r["item"] == results[0]["item"]
        and t["speaker"] == "ana"
        and t["role"] == "answer"
        and t["round"] == 0
        and t["draw"] == 0
    ]
    assert done.returncode == 0
    asked = {"ana", "vote", "vote x4", "debate", "critique_refine", "judge_select"}
    assert asked <= {system for system, _, _ in drafts}
    assert len({text for _, text, _ in drafts}) == 1
    assert [hit for _, _, hit in drafts].count(False) == 1


def test_kill_minus_nine_and_run_again(suite, tmp_path):
    suite.write_text(SUITE.replace("limit: 4", "limit: 20\ndraws: 3"), encoding="utf-8")
    command = [sys.executable, "-m", "folkmoot.cli", "eval", "run", "tiny.yaml", "--scripted", "--out", "out"]
    env = {**os.environ, "FOLKMOOT_CACHE": str(tmp_path / "cache")}
    run = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = tmp_path / "out" / "results.sqlite"
    deadline = time.monotonic() + 60
    while run.poll() is None and time.monotonic() < deadline:
        try:
            if file.exists() and len(rows(tmp_path / "out")) >= 10:
                break
        except sqlite3.OperationalError:
            pass  # the table is not there yet
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = dict(rows(tmp_path / "out"))
    assert 10 <= len(kept) < 700, "the run must have been killed in the middle"
    again = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} of " in again.stderr
    after = dict(rows(tmp_path / "out"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    planned = 3 * sum(manifest["planned"].values()) * len(manifest["kinds"]) + 2 * sum(manifest["dev"].values())
    assert len(after) == planned
    assert {k: after[k] for k in kept} == kept


def test_interrupting_keeps_what_is_finished_and_says_how_to_go_on(suite, tmp_path):
    suite.write_text(SUITE.replace("limit: 4", "limit: 20\ndraws: 3"), encoding="utf-8")
    command = [sys.executable, "-m", "folkmoot.cli", "eval", "run", "tiny.yaml", "--scripted", "--out", "out"]
    env = {**os.environ, "FOLKMOOT_CACHE": str(tmp_path / "cache")}
    run = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    file = tmp_path / "out" / "results.sqlite"
    while run.poll() is None:
        with contextlib.suppress(sqlite3.OperationalError):  # the table is not there yet
            if file.exists() and rows(tmp_path / "out"):
                break
        time.sleep(0.005)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "same command again" in err
    assert "Traceback" not in err


def test_two_runs_cannot_write_one_folder(suite, tmp_path):
    from folkmoot.evaluation.store import RunStore

    with RunStore(tmp_path / "out"):
        second = folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    assert second.returncode == 2
    assert "another process" in second.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("eval", "run", "quikstart"), 2, "did you mean 'quickstart'"),
        (("eval", "run", "nowhere.yaml"), 2, "no such suite file"),
        (("eval", "run", "tiny.yaml", "--engine", "vlm"), 2, "did you mean 'vllm'"),
        (("eval", "show", "nowhere"), 2, "no such folder"),
        (("graph", "show", "debat"), 2, "did you mean 'debate'"),
        (("graph", "draw", "debate", "--members", "a,a"), 2, "two members are called 'a'"),
        (("graph", "draw", "debate", "--members", "floor,b"), 2, "'floor'"),
        (("ask", "  ", "--scripted"), 2, "the question is empty"),
        (("ask", "Hi?", "--scripted", "--graph", "debat"), 2, "did you mean 'debate'"),
        (("ask", "Hi?", "--scripted", "--set", "rounds"), 2, "name=value"),
        (("ask", "Hi?", "--scripted", "--set", "rounds=no"), 2, "rounds"),
        (("ask", "Hi?", "--scripted", "--set", "rounds=[1"), 2, "cannot be read"),
        (("ask", "Hi?", "--scripted", "--set", "rounds=1.5"), 2, "rounds=1.5"),
        (("ask", "Hi?", "--scripted", "--set", "rounds=1", "--set", "rounds=2"), 2, "given twice"),
        (("ask", "Hi?", "--scripted", "--member", ""), 2, "name a model"),
        (("ask", "Hi?", "--scripted", "--prompts", "nowhere"), 2, "no such folder"),
        (("eval", "run", "tiny.yaml", "--scripted", "--out", ""), 2, "name a folder"),
        (("eval", "plan", "tiny.yaml"), 2, "unknown model 'a'"),
        (("ask", "Hi?", "--scripted", "--option", "one"), 2, "2 to 26 options"),
        (("model", "pull", "smolm2-135m-instruct"), 2, "did you mean 'smollm2-135m-instruct'"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit_code(suite, tmp_path, words, code, says):
    done = folkmoot(*words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == (3 if "unknown model" in says else 1)


REMOTE = """
name: tiny
tasks: [sums]
limit: 1
baselines: []
team: [{name: ana, model: m, engine: openai, url: 'http://127.0.0.1:PORT/v1'}]
systems: [{graph: majority_vote}]
"""


class NoGood(BaseHTTPRequestHandler):
    """Lists its models and refuses every request."""

    def do_GET(self):
        self.answer(200, {"data": [{"id": "m"}]})

    def do_POST(self):
        self.answer(400, {"error": {"message": "not today"}})

    def answer(self, status, data):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_failed_samples_give_exit_code_3_and_the_reason(suite, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), NoGood) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        suite.write_text(REMOTE.replace("PORT", str(server.server_port)), encoding="utf-8")
        done = folkmoot("eval", "run", "tiny.yaml", "--out", "out", cwd=tmp_path)
        server.shutdown()
    assert done.returncode == 3, done.stderr
    assert "HTTP 400 for model 'm': not today" in done.stderr
    assert folkmoot("eval", "show", "out", cwd=tmp_path).returncode == 0


def test_a_run_without_the_cache_has_one_of_its_own_that_outlives_it(suite, tmp_path):
    """Members, votes and graphs share their first drafts, also when the run was interrupted between them."""
    suite.write_text(SIMULATED + "draws: 2\n", encoding="utf-8")
    folkmoot("eval", "run", "tiny.yaml", "--no-cache", "--out", "out", cwd=tmp_path)
    with sqlite3.connect(tmp_path / "out" / "results.sqlite") as db:
        db.execute("DELETE FROM results WHERE system = 'majority_vote'")
    again = folkmoot("eval", "resume", "out", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "0 calls computed" in again.stdout
    assert not (tmp_path / "cache" / "completions.sqlite").exists()


def test_an_endpoint_that_is_not_there_is_found_before_any_work(suite, tmp_path):
    suite.write_text(REMOTE.replace("PORT", "9"), encoding="utf-8")
    done = folkmoot("eval", "run", "tiny.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "http://127.0.0.1:9/v1: nothing answers" in done.stderr


def test_a_run_can_be_resumed_by_its_folder_from_anywhere(suite, tmp_path):
    def table():
        systems = json.loads((tmp_path / "out" / "table.json").read_text())["systems"]
        return [(s["system"], s["n"], s["accuracy"], s["completion_tokens"]) for s in systems]

    folkmoot("eval", "run", "tiny.yaml", "--scripted", "--limit", "2", "--out", "out", cwd=tmp_path)
    whole = table()
    before = rows(tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / "results.sqlite") as db:
        db.execute("DELETE FROM results WHERE rowid % 3 = 0")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = folkmoot("eval", "resume", str(tmp_path / "out"), cwd=elsewhere)
    assert again.returncode == 0, again.stderr
    assert [k for k, _ in rows(tmp_path / "out")] == [k for k, _ in before]
    assert table() == whole


def test_scoring_again_changes_nothing_and_says_so(suite, tmp_path):
    folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    before = rows(tmp_path / "out")
    again = folkmoot("eval", "score", "out", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "samples scored again, 0 changed" in again.stdout
    assert rows(tmp_path / "out") == before


def test_show_prints_table_json_and_transcripts(suite, tmp_path):
    folkmoot("eval", "run", "tiny.yaml", "--scripted", "--out", "out", cwd=tmp_path)
    table = folkmoot("eval", "show", "out", cwd=tmp_path)
    assert "judge_select" in table.stdout
    assert json.loads(folkmoot("eval", "show", "out", "--json", cwd=tmp_path).stdout)
    item = next(r["item"] for _, body in rows(tmp_path / "out") if not (r := json.loads(body))["dev"])
    talk = folkmoot("eval", "show", "out", "--item", item, cwd=tmp_path).stdout
    assert "I thought about it." in talk
    assert "gold:" in talk


def test_ask_streams_speaker_by_speaker(tmp_path):
    done = folkmoot("ask", "What is 2 + 2?", "--scripted", "--answer", "number", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    qwen, smol, end = (done.stdout.index(w) for w in ("qwen2.5 (answer", "smollm2 (answer", "(vote:"))
    assert qwen < smol < end


@pytest.mark.parametrize("model", ["org/name@rev", "ü", ".", "./floor-1", "a b/c!d"])
def test_any_model_can_be_a_member(tmp_path, model):
    done = folkmoot("ask", "Hi?", "--scripted", "--member", model, "--member", "org2/name.x", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_graph_list_is_for_programs_too(tmp_path):
    listed = json.loads(folkmoot("graph", "list", "--json", cwd=tmp_path).stdout)
    assert {g["name"] for g in listed} >= {"debate", "critique_refine", "judge_select", "majority_vote"}
    assert all(g["papers"] and g["summary"] for g in listed)


def test_graph_draw_is_mermaid_with_every_member(tmp_path):
    drawn = folkmoot("graph", "draw", "debate", "--members", "ana,bo", cwd=tmp_path).stdout
    assert "graph TD" in drawn
    assert "ana" in drawn
    assert "bo" in drawn


SIMULATED = """
name: tiny
tasks: [sums]
limit: 2
baselines: []
engine: simulated
team: [{name: ana, model: h100-8b}, {name: bo, model: h100-8b}]
systems: [majority_vote]
"""


def test_a_simulated_suite_runs_and_is_called_a_rehearsal(suite, tmp_path):
    suite.write_text(SIMULATED, encoding="utf-8")
    done = folkmoot("eval", "run", "tiny.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "A rehearsal: the replies are made up" in done.stdout
    assert "rehearsal" in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            SIMULATED.replace("h100-8b}]", "h100-70b}]"),
            "tiny.yaml:7: simulated engine: no profile 'h100-70b'; did you mean",
        ),
        (
            SIMULATED + "sampling: {max_tokens: 100000000}\n",
            "ana: replies of 100000000 tokens leave no room for a prompt",
        ),
    ],
)
def test_what_no_sample_could_survive_is_found_before_any_work(suite, tmp_path, text, says):
    suite.write_text(text, encoding="utf-8")
    done = folkmoot("eval", "run", "tiny.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
