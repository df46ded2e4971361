"""Logs for inspect_ai, read by inspect_ai itself."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="the reader of what is written here")

from folkmoot.documents import BadInput
from folkmoot.evaluation.export import export


@pytest.fixture
def logs(made):
    """The logs of a run by task and system."""
    from inspect_ai.log import read_eval_log

    read = (read_eval_log(str(p)) for p in export(made(draws=2), "inspect").files)
    return {(log.eval.task, log.eval.model): log for log in read}


def test_one_log_per_task_and_system_that_says_what_was_run(logs):
    assert set(logs) == {(t, f"folkmoot/{s}") for t in ("picks", "sums") for s in ("ana", "bo", "debate", "big")}
    log = logs["sums", "folkmoot/debate"]
    assert log.version == 2
    assert log.status == "success"
    assert log.eval.config.epochs == 2
    assert log.eval.dataset.samples == 3
    assert log.eval.tags == ["graph"]
    assert log.eval.metadata["suite"] == "small"
    assert log.plan.config.temperature == 0.5
    assert log.results.total_samples == 6
    assert log.results.completed_samples == 4  # a call failed in one question of each draw
    assert logs["sums", "folkmoot/big"].status == "cancelled"  # a question is missing


def test_the_figures_are_ours(logs):
    metrics = {key: log.results.scores[0].metrics for key, log in logs.items()}
    assert metrics["picks", "folkmoot/debate"]["accuracy"].value == 1
    assert metrics["sums", "folkmoot/debate"]["accuracy"].value == pytest.approx(1 / 3)
    assert metrics["sums", "folkmoot/debate"]["stderr"].value == pytest.approx(1 / 3)  # of 0, 1, 0
    reduced = {s.sample_id: s.value for s in logs["sums", "folkmoot/debate"].reductions[0].samples}
    assert reduced == {"1": 0, "=2+3": 1, "%2E%2E%2Fx": 0}


def test_inspect_scores_the_samples_alike(logs):
    """Its own metrics, over the scores that the samples hold."""
    from inspect_ai.scorer import value_to_float

    for log in logs.values():
        number = value_to_float()
        by_item = {}
        for sample in log.samples:
            by_item.setdefault(sample.id, []).append(number(sample.scores["folkmoot"].value))
        mean = sum(sum(v) / len(v) for v in by_item.values()) / len(by_item)
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(mean)


def test_samples_hold_the_discussion(logs):
    sample = next(s for s in logs["picks", "folkmoot/debate"].samples if s.epoch == 2)
    assert (sample.id, sample.input, sample.target, sample.choices) == ("1", "Which? A) a B) b", "A", ["a", "b"])
    assert [m.role for m in sample.messages] == ["user", "assistant", "assistant", "assistant"]
    assert [m.metadata["speaker"] for m in sample.messages[1:]] == ["ana", "bo", "ana"]
    assert [m.metadata["score"] for m in sample.messages[1:]] == [0, 1, 1]
    assert "⟨" not in sample.messages[1].text  # the words as they came
    assert "\x1b[31m" in sample.messages[1].text
    assert sample.output.completion == "A"
    score = sample.scores["folkmoot"]
    assert (score.value, score.answer, score.explanation) == ("C", "A", "vote: 1 of 1")
    assert sample.model_usage["ana"].total_tokens == 30
    assert sample.model_usage["ana"].input_tokens_cache_read == 8
    assert sample.role_usage["answer"].total_tokens == 45
    assert [(n["speaker"], n["calls"]) for n in sample.metadata["nodes"]] == [("ana", 2), ("bo", 1)]
    assert sample.total_time == 1.5


def test_every_turn_is_a_call_with_its_prompt(logs):
    sample = logs["picks", "folkmoot/debate"].samples[0]
    assert [e.event for e in sample.events] == ["span_begin", "model", "span_end"] * 3 + ["score"]
    calls = [e for e in sample.events if e.event == "model"]
    assert [c.model for c in calls] == ["ana", "bo", "ana"]
    assert calls[0].input[0].role == "system"
    assert calls[0].input[0].text == "Be brief."
    assert calls[0].timestamp == calls[1].timestamp < calls[2].timestamp  # the first two ran side by side


def test_what_could_not_be_scored_says_why(logs):
    unparsed = next(s for s in logs["sums", "folkmoot/bo"].samples if s.id == "=2+3")
    assert unparsed.scores["folkmoot"].value == "N"
    assert unparsed.scores["folkmoot"].reason == "invalid_response_format"
    failed = next(s for s in logs["sums", "folkmoot/debate"].samples if s.metadata["item"] == "../x")
    assert failed.error.message == "nobody answered"
    assert "connection refused" in failed.messages[1].text


def test_names_in_the_archive_stay_inside_it(made):
    for path in export(made(), "inspect").files:
        for name in zipfile.ZipFile(path).namelist():
            assert ".." not in name
            assert name.count("/") <= 1 or name.startswith("_journal/")


def test_the_files_are_found_and_read_one_by_one(made):
    from inspect_ai.log import list_eval_logs, read_eval_log_sample, read_eval_log_sample_summaries

    folder = made()
    files = export(folder, "inspect").files
    assert {Path(i.name.removeprefix("file://")).name for i in list_eval_logs(str(folder / "inspect"))} == {
        p.name for p in files
    }
    for path in files:
        summaries = read_eval_log_sample_summaries(str(path))
        for s in summaries:
            assert read_eval_log_sample(str(path), id=s.id, epoch=s.epoch).input == s.input
            assert s.completed
            assert s.scores["folkmoot"].value in ("C", "I", "N")


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_data_frames(made):
    pytest.importorskip("pandas")
    from inspect_ai.analysis import samples_df

    folder = made()
    export(folder, "inspect")
    frame = samples_df(str(folder / "inspect"), quiet=True)
    assert len(frame) == 15
    assert set(frame["metadata_system"]) == {"ana", "bo", "debate", "big"}
    assert sorted(frame["score_folkmoot"]) == sorted("C" * 7 + "I" * 6 + "N" * 2)


def test_the_command_of_inspect_reads_it(made):
    path = export(made(), "inspect").files[0]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from inspect_ai._cli.main import main; main()",
            "log",
            "dump",
            "--header-only",
            str(path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["eval"]["model"].startswith("folkmoot/")


def test_exporting_again_replaces_the_logs_of_this_run_only(made):
    folder = made()
    before = export(folder, "inspect").files
    with pytest.raises(BadInput, match="there are logs already"):
        export(folder, "inspect")
    other = folder / "inspect" / "2020-01-01T00-00-00-00-00_other_0000000000000000000000.eval"
    other.write_bytes(b"")
    meta = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(meta | {"date": "2026-11-23T10:00:00+00:00"}))
    after = export(folder, "inspect", force=True).files
    assert set(before).isdisjoint(after)
    assert set((folder / "inspect").iterdir()) == {*after, other}


def test_more_logs_than_are_open_at_once(made, monkeypatch):
    from inspect_ai.log import read_eval_log

    monkeypatch.setattr("folkmoot.evaluation.export_inspect.AT_ONCE", 3)
    files = export(made(), "inspect").files
    assert len(files) == 8
    assert sum(len(read_eval_log(str(p)).samples) for p in files) == 15
