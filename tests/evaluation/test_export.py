"""Runs in the formats of other programs."""

import csv
import json
import resource
import subprocess
import sys

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.export import export
from folkmoot.evaluation.export_rows import SAMPLE, TURN, guarded

HOSTILE = '=HYPERLINK("http://x")\x1b[31m red \u202egnp.exe [bold]no[/bold] </script>,"quoted"\nnext\x00 line ?'


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("", ""),
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-2+3", "'-2+3"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("-3", "-3"),
        ("-3.5e-7", "-3.5e-7"),
        ("+.5", "+.5"),
        ("-3\n=1", "'-3\n=1"),
        ("'quoted'", "''quoted'"),
        ("1=1", "1=1"),
    ],
)
def test_no_cell_is_a_formula_and_every_text_can_be_had_back(text, cell):
    assert guarded(text) == cell
    assert cell.removeprefix("'") == text


def test_csv_has_a_row_per_sample(made):
    done = export(made(), "csv")
    (path,) = done.files
    rows = rows_of(path)
    assert path.name == "samples.csv"
    assert done.rows == done.samples == len(rows) == 15
    assert list(rows[0]) == list(SAMPLE)
    debate = rows[2]
    assert (debate["task"], debate["item"], debate["system"], debate["kind"]) == ("picks", "1", "debate", "graph")
    assert (debate["answer"], debate["score"], debate["gold"], debate["cluster"]) == ("A", "1.0", "A", "page 1")
    assert (debate["calls"], debate["prompt_tokens"], debate["completion_tokens"]) == ("3", "30", "15")
    minus = next(r for r in rows if r["item"] == "'=2+3")
    assert (minus["answer"], minus["gold"], minus["accepted"]) == ("-3", "-3", '["-3", "-3.0"]')
    assert next(r for r in rows if r["item"] == "../x")["question"] == "'@SUM(1)"
    failed = next(r for r in rows if r["outcome"] == "error")
    assert (failed["answered"], failed["answer"], failed["error"]) == ("false", "", "nobody answered")


def test_csv_has_a_row_per_turn(made):
    done = export(made(), "csv", turns=True)
    rows = rows_of(done.files[0])
    assert done.files[0].name == "turns.csv"
    assert list(rows[0]) == list(TURN)
    assert len(rows) == done.rows == 11 + 3 * 3 + 2
    assert rows[0]["text"] == f"'{HOSTILE}\nAnswer: B"
    assert (rows[0]["speaker"], rows[0]["answer"], rows[0]["mark"]) == ("ana", "B", "0.0")
    assert json.loads(rows[0]["prompt"])[0] == {"role": "system", "content": "Be brief."}
    assert [r["turn"] for r in rows if r["system"] == "debate" and r["task"] == "picks"] == ["0", "1", "2"]


def test_parquet_holds_what_csv_holds(made):
    import pyarrow.parquet as pq

    folder = made(draws=2)
    samples = pq.read_table(export(folder, "parquet").files[0])
    assert samples.column_names == list(SAMPLE)
    assert samples.num_rows == 30
    assert str(samples.schema.field("score").type) == "double"
    rows = samples.to_pylist()
    for parquet, line in zip(rows, rows_of(export(folder, "csv").files[0]), strict=True):
        assert (parquet["item"], parquet["key"]) == (line["item"].removeprefix("'"), line["key"])
        assert f"{parquet['score']}" == line["score"]
    minus = next(r for r in rows if r["item"] == "=2+3")
    assert minus["accepted"] == ["-3", "-3.0"]
    turns = pq.read_table(export(folder, "parquet", turns=True).files[0])
    assert turns.column_names == list(TURN)
    assert turns["text"][0].as_py() == f"{HOSTILE}\nAnswer: B"


def test_json_holds_everything(made):
    folder = made()
    document = json.loads(export(folder, "json").files[0].read_bytes())
    assert document["run"]["title"] == "small"
    assert {(i["task"], i["id"]) for i in document["items"]} >= {("picks", "1"), ("sums", "../x")}
    assert len(document["samples"]) == 15
    first = document["samples"][2]["turns"][0]
    assert first["text"].encode("utf-8", "replace").decode() == f"{HOSTILE}\nAnswer: B"
    assert "\ud800" in first["text"]  # JSON can hold what UTF-8 cannot
    lines = export(folder, "json", out=folder / "all.jsonl").files[0].read_text().splitlines()
    assert len(lines) == 15
    assert json.loads(lines[0])["gold"] == ["A"]


def test_what_is_there_is_not_replaced_unasked(made, tmp_path):
    out = tmp_path / "mine.csv"
    out.write_text("precious")
    folder = made()
    with pytest.raises(BadInput, match=r"mine\.csv is there already; --force"):
        export(folder, "csv", out=out)
    assert out.read_text() == "precious"
    export(folder, "csv", out=out, force=True)
    assert len(rows_of(out)) == 15


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "cvs"}, "did you mean 'csv'"),
        ({"form": "json", "turns": True}, "--turns is for csv and parquet"),
        ({"form": "inspect", "out": "-"}, "name a folder"),
        ({"form": "csv", "out": "."}, "a folder; name a file"),
    ],
)
def test_what_makes_no_sense_is_refused(made, options, says):
    from pathlib import Path

    if "out" in options:
        options["out"] = Path(options["out"])
    with pytest.raises(BadInput, match=says):
        export(made(), **options)


def test_a_failure_in_the_middle_leaves_nothing(made, monkeypatch):
    from folkmoot.evaluation.store import RunStore

    folder = made()
    results = RunStore.results

    def fails(self, **options):
        for i, r in enumerate(results(self, **options)):
            if i == 3:
                raise OSError(28, "No space left on device")
            yield r

    monkeypatch.setattr(RunStore, "results", fails)
    before = {p.name for p in folder.iterdir()}
    for form in ("csv", "parquet", "json"):
        with pytest.raises(Missing, match="No space left on device"):
            export(folder, form)
    with pytest.raises(Missing, match="No space left on device"):
        export(folder, "inspect")
    left = {p.name for p in folder.iterdir() if "sqlite" not in p.name} - before
    assert left == {"inspect"}
    assert list((folder / "inspect").iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "parquet", "json", "inspect"])
def test_a_full_disk_is_told_in_one_line(made, form):
    folder = made()

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = subprocess.run(
        [sys.executable, "-m", "folkmoot.cli", "eval", "export", str(folder), "--to", form],
        preexec_fn=little,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"folkmoot: {folder}")
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("samples*")) + list(folder.glob("run.*")) + list(folder.glob("inspect/*"))


def test_a_device_is_written_to_and_never_replaced(made):
    from pathlib import Path

    with pytest.raises(Missing, match="No space left"):
        export(made(), "csv", out=Path("/dev/full"))
    assert Path("/dev/full").is_char_device()


def test_memory_does_not_grow_with_the_run(made):
    import tracemalloc

    def peak(draws: int) -> int:
        folder = made(f"run{draws}", draws=draws, times=100)  # some 18 kB of words in a sample
        tracemalloc.start()
        export(folder, "csv", turns=True)
        export(folder, "inspect")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(2), peak(32)
    assert many - few < 30 * 15 * 3000  # figures are kept, half a kB for each sample; words are not
