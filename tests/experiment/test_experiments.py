"""Every command from end to end, on made-up replies."""

import contextlib
import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from folkmoot.cli.app import app
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.experiment.teamfile import write_team
from folkmoot.manifest import Manifest

TEAM = "members:\n" + "".join(
    f"  - {{name: {n}, model: smollm2-135m-instruct, system: Be {n}, priority: {{file: {n}.jsonl, answer: number}}}}\n"
    for n in ("ana", "bo", "cy")
)
SUITE = """
name: small
seed: 3
limit: 4
sampling: {temperature: 0.7, max_tokens: 32}
tasks: [priorities, picks]
dev: {limit: 12}
registry: ./nowhere
team: [all]
monoliths:
  - {name: large, model: qwen2.5-coder-0.5b-instruct}
systems: [majority_vote, debate]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    for name in ("ana", "bo", "cy"):
        rows = [
            {"id": f"{split}{i}", "split": split, "question": f"{name} {split} {i}?", "answer": str(i % 7)}
            for split, n in (("dev", 24), ("test", 12))
            for i in range(n)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "team.yaml").write_text(TEAM)
    (folder / "suite.yaml").write_text(SUITE)
    return folder


def folkmoot(home, *words, code=0):
    """A command, in this process."""
    with contextlib.chdir(home):
        done = CliRunner().invoke(app, list(words), env={"FOLKMOOT_CACHE": str(home / "cache")})
    said = str(done.exception) if isinstance(done.exception, BadInput) else done.stderr
    status = 2 if isinstance(done.exception, BadInput) else done.exit_code
    assert status == code, said + "".join(traceback.format_exception(done.exception))
    return SimpleNamespace(stdout=done.stdout, stderr=said)


def experiment(home, name, *more, code=0):
    return folkmoot(home, "experiment", name, "team.yaml", "suite.yaml", "--scripted", *more, code=code)


@pytest.mark.parametrize("name", ["scaling", "diversity", "priorities", "emergence"])
def test_each_writes_a_table_figures_a_picture_and_a_page_beside_its_command(home, name):
    done = experiment(home, name, *(["--draws", "2"] if name != "priorities" else []))
    out = home / "runs" / f"small-{name}-scripted"
    table, page = (out / "table.md").read_text(), (out / f"{name}.html").read_text()
    told = json.loads((out / f"{name}.json").read_text())
    command = f"folkmoot experiment {name} team.yaml suite.yaml"
    assert all(command in text for text in (table, page, told["command"], (out / f"{name}.svg").read_text()))
    assert "A rehearsal" in done.stdout
    assert "A rehearsal" in (out / f"{name}.svg").read_text()
    assert "A rehearsal" in told["warning"]
    assert "A rehearsal" in table
    assert "A rehearsal" in page
    assert str(out.relative_to(home)) in done.stdout
    assert ET.fromstring((out / f"{name}.svg").read_text()).tag.endswith("svg")
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import|<script", page), "nothing is fetched or run"
    assert told["questions"] == told["planned"] > 0
    for line in told["lines"]:
        for stop in line["stops"]:
            e = stop["estimate"]
            assert 0 <= e["low"] <= e["mean"] <= e["high"] <= 1
            assert len(stop["dots"]) <= stop["possible"]
    if name == "scaling":
        sizes = {line["name"]: [s["x"] for s in line["stops"]] for line in told["lines"]}
        assert sizes == {"majority_vote": [1, 2, 3], "debate": [1, 2, 3]}
        assert {c["reference"] for c in told["contrasts"]} >= {"large"}
        assert told["bands"][0]["parameters"] > told["together"] == 134_515_008
    if name == "emergence":
        assert [(line["name"], line["control"], line["beside"]) for line in told["lines"]] == [
            ("majority_vote", False, ""),
            ("debate", False, ""),
            ("debate", True, ""),
            ("large", False, "monolith"),
        ]
        assert any(n.startswith("majority_vote: every answer is the first draft") for n in told["notes"])
        assert {e["what"].split(",")[0] for e in told["effects"]} == {"debate"}, "a vote has nothing beyond a control"
        assert any("Larger than all of them together: large" in n for n in told["notes"])
        assert "large (monolith)" in table
    if name == "diversity":
        counted = {line["name"]: [s["calls"] for s in line["stops"]] for line in told["lines"]}
        assert counted["majority_vote"] == [3, 3]
        assert any("the same for every k: majority_vote 3" in n for n in told["notes"])
        assert "calls per question" in table
    if name == "priorities":
        assert [o["name"] for o in told["own"]] == ["ana", "bo", "cy"]
        assert {c["task"] for c in told["contrasts"]} == {"priority-ana", "priority-bo", "priority-cy"}
        assert {c["family"] for c in told["contrasts"]} == {len(told["contrasts"])} == {12}


def test_all_members_against_large_is_what_compare_says(home):
    experiment(home, "scaling", "--graph", "majority_vote", "--out", "whole", "--json")
    told = json.loads((home / "whole" / "scaling.json").read_text())
    mine = next(c for c in told["contrasts"] if c["reference"] == "large")
    other = folkmoot(home, "eval", "compare", "whole", "majority_vote 3", "large", "--json")
    theirs = json.loads(other.stdout)
    assert theirs["difference"]["mean"] == pytest.approx(mine["difference"]["mean"])
    assert theirs["p"] == pytest.approx(mine["p"])


def test_a_dry_run_spends_nothing(home):
    told = json.loads(experiment(home, "scaling", "--out", "dry", "--dry-run", "--json").stdout)
    assert told["samples"] > 0
    assert not (home / "dry").exists()


def test_a_dry_run_is_a_small_table_and_says_how_to_make_it_smaller(home):
    told = experiment(home, "scaling", "--dry-run").stdout
    rows = {cells[0]: cells[1:] for line in told.splitlines() if (cells := re.split(r"\s{2,}", line))}
    # sixteen questions; three teams of two and one of three
    assert rows["majority_vote"] == ["2, 3", "4", "64", "144"]
    assert max(map(len, told.splitlines())) < 160
    assert "That is a lot" not in told
    (home / "large.yaml").write_text(SUITE.replace("[majority_vote, debate]", "[{graph: debate, with: {rounds: 400}}]"))
    much = folkmoot(home, "experiment", "scaling", "team.yaml", "large.yaml", "--dry-run", "--scripted").stdout
    assert all(flag in much for flag in ("--graph", "--limit", "--draws"))


def test_what_is_left_out_is_said_before_anything_is_asked(home):
    named = SUITE.replace("[majority_vote, debate]", "[majority_vote, {graph: judge_select, with: {judge: qwen}}]")
    (home / "named.yaml").write_text(named.replace("name: small", "name: named"))
    done = folkmoot(home, "experiment", "scaling", "team.yaml", "named.yaml", "--scripted", "--limit", "2", "--json")
    assert "judge_select (judge: qwen)" in done.stderr
    assert any("judge_select (judge: qwen)" in n for n in json.loads(done.stdout)["notes"])


def test_kill_minus_nine_and_the_same_command_again(home):
    command = [
        "experiment",
        "scaling",
        "team.yaml",
        "suite.yaml",
        "--scripted",
        "--graph",
        "majority_vote",
        "--limit",
        "12",
    ]
    command += ["--out", "killed"]
    env = {**os.environ, "FOLKMOOT_CACHE": str(home / "cache")}
    run = subprocess.Popen(
        [sys.executable, "-m", "folkmoot.cli", *command],
        cwd=home,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while run.poll() is None and time.monotonic() < deadline and len(kept(home / "killed")) < 10:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = kept(home / "killed")
    assert before
    again = folkmoot(home, *command)
    # a commit that the kill met on its way to the disk is found by the next writer, not by a reader
    assert int(re.search(r"(\d+) of \d+ samples are there", again.stderr)[1]) >= len(before)
    after = kept(home / "killed")
    assert {k: after[k] for k in before} == before
    folkmoot(home, *command[:-1], "fresh")
    first, other = (json.loads((home / f / "scaling.json").read_text()) for f in ("killed", "fresh"))
    assert first["lines"] == other["lines"]
    stopped = folkmoot(home, "eval", "resume", "killed", code=2)
    assert "run its command again: folkmoot experiment scaling" in stopped.stderr


def kept(folder):
    try:
        with sqlite3.connect(f"file:{folder / 'results.sqlite'}?mode=ro", uri=True) as db:
            return dict(db.execute("SELECT key, body FROM results"))
    except sqlite3.Error:
        return {}


def test_a_team_is_proposed_from_a_run_and_written(home):
    experiment(home, "priorities", "--out", "ran")
    done = folkmoot(home, "team", "select", "ran", "--members", "2", "--json", "--write", "picked.yaml")
    told = json.loads(done.stdout)
    picked = yaml.safe_load((home / "picked.yaml").read_text())
    assert [m["name"] for m in picked["members"]] == told["members"]
    assert 1 <= len(told["members"]) <= 2
    again = ("team", "select", "ran", "--members", "1", "--write", "picked.yaml")
    refused = folkmoot(home, *again, code=2)
    assert "--force" in refused.stderr
    assert yaml.safe_load((home / "picked.yaml").read_text()) == picked
    folkmoot(home, *again, "--force")
    assert len(yaml.safe_load((home / "picked.yaml").read_text())["members"]) == 1
    assert told["expected"]["over_single"]["low"] <= told["expected"]["over_single"]["high"]


def test_a_team_is_proposed_from_a_team_and_a_suite_and_says_why(home):
    done = folkmoot(home, "team", "select", "team.yaml", "suite.yaml", "--tokens", "70", "--scripted")
    assert "A rehearsal" in done.stdout
    assert "cross-fitted" in done.stdout
    assert all(name in done.stdout for name in ("ana", "bo", "cy"))


def test_a_proposed_team_can_be_written_from_another_folder(home, tmp_path):
    """Paths of a run are relative to where it was begun."""
    experiment(home, "priorities", "--out", "ran")
    folkmoot(tmp_path, "team", "select", str(home / "ran"), "--members", "2", "--write", "sub.yaml")
    for m in yaml.safe_load((tmp_path / "sub.yaml").read_text())["members"]:
        assert (tmp_path / m["priority"]["file"]).resolve() == (home / f"{m['name']}.jsonl").resolve()


def test_every_path_of_a_written_member_leads_to_its_file(tmp_path):
    home = tmp_path / "begun"
    for folder in ("models/own", "adapters/a"):
        (home / folder).mkdir(parents=True)
    who = [
        Manifest(name="a", model="models/own", adapter="adapters/a", priority={"file": "a.jsonl"}),
        Manifest(name="b", model="org/name", adapter=str(home / "adapters/a")),
    ]
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "team.yaml"
    write_team(file, who, None, home)
    a, b = yaml.safe_load(file.read_text())["members"]
    found = {k: (file.parent / v).resolve() for k, v in {**a, "file": a["priority"]["file"]}.items() if k != "priority"}
    assert [found[k] for k in ("model", "adapter", "file")] == [
        home / "models/own",
        home / "adapters/a",
        home / "a.jsonl",
    ]
    assert b["model"] == "org/name"
    assert (file.parent / b["adapter"]).resolve() == home / "adapters/a"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.ENOSPC, r"^--write \S*team\.yaml: no room on its disk; free some, or name a file on another disk$"),
        (
            errno.EACCES,
            r"^--write \S*team\.yaml: cannot be written \(Permission denied\); name a file where you may write$",
        ),
    ],
)
def test_a_team_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch, error, said):
    def full(path, text, **_):
        with path.open("w") as f:
            f.write(text[:5])
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Missing, match=said):
        write_team(tmp_path / "team.yaml", [Manifest(name="a", model="org/name")], None, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_team_file_in_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in ("nowhere", "file"):
        with pytest.raises(Missing, match=r"cannot be written \(\w.*\); name a file where you may write"):
            write_team(tmp_path / folder / "team.yaml", [Manifest(name="a", model="org/name")], None, tmp_path)


def test_tasks_that_judges_score_are_left_out_of_a_proposal(home):
    judged = SUITE.replace("[priorities, picks]", "[priorities, requests]").replace(
        "systems:", "judges: [large]\nsystems:"
    )
    (home / "judged.yaml").write_text(judged)
    done = folkmoot(home, "team", "select", "team.yaml", "judged.yaml", "--members", "2", "--scripted")
    assert "Left out, since judges score it: requests." in done.stdout


def test_the_command_of_a_proposal_is_recorded_with_its_options(home):
    words = (
        "--members",
        "2",
        "--tokens",
        "90",
        "--by",
        "coverage",
        "--write",
        "p.yaml",
        "--limit",
        "5",
        "--out",
        "sel",
    )
    folkmoot(home, "team", "select", "team.yaml", "suite.yaml", *words, "--scripted")
    command = json.loads((home / "sel" / "manifest.json").read_text())["command"]
    assert command == f"folkmoot team select team.yaml suite.yaml {' '.join(words)} --scripted"


def test_a_dry_run_counts_what_is_rehearsed_on_dev(home):
    words = (
        "--graph",
        "confident_select",
        "--with",
        "samples=2",
        "--with",
        "calibration=dev",
        "--limit",
        "4",
        "--out",
        "calibrated",
    )
    told = json.loads(experiment(home, "scaling", *words, "--dry-run", "--json").stdout)
    experiment(home, "scaling", *words)
    assert told["samples"] == len(kept(home / "calibrated"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("team", "select", "team.yaml", "suite.yaml"), "--members K"),
        (("team", "select", "nowhere", "--members", "2"), "nowhere"),
        (("team", "select", "team.yaml", "suite.yaml", "--members", "2", "--by", "votes"), "did you mean 'vote'"),
        (("experiment", "scaling", "team.yaml", "suite.yaml", "--graph", "debat", "--scripted"), "debat"),
        (("experiment", "scaling", "nobody.yaml", "suite.yaml"), "nobody.yaml: no such file"),
        (("experiment", "scaling", "team.yaml", "suite.yaml", "--graph", "debate", "--with", "x"), "--with x"),
        (("experiment", "diversity", "team.yaml", "suite.yaml", "--slots", "7", "--scripted"), "7 slots"),
        (("experiment", "diversity", "team.yaml", "suite.yaml", "--graph", "route", "--scripted"), "majority_vote"),
    ],
)
def test_wrong_words_are_answered_in_one_line(home, words, complaint):
    done = folkmoot(home, *words, code=2)
    assert complaint in done.stderr
    assert "\n" not in done.stderr
