"""A report is written from the run's folder, at any time; a very large run shows the first questions."""

from pathlib import Path

import pytest

from folkmoot import AnswerType, Participant, Scripted
from folkmoot.evaluation import report
from folkmoot.evaluation.plan import Sample
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.tasks import Item, find_task
from folkmoot.graphs import debate

META = {
    "title": "t",
    "command": "c",
    "kinds": {"debate": "graph"},
    "reference": None,
    "planned": {"sums": 5},
    "draws": 1,
}
META |= {"seed": 0, "scripted": False}


async def filled(folder: Path, finished: int) -> RunStore:
    team = [Participant(n, Scripted(lambda m, n=n: f"Answer: {len(n)}", name=n)) for n in ("ana", "bo")]
    panel, store = debate(team).compile(), RunStore(folder)
    store.plan(f"k{n}" for n in range(5))
    for n in range(finished):
        item = Item(f"q{n}", f"What is {n} + {n}?", AnswerType("number"), ("3",))
        state = {"question": item.question, "answer_type": item.answer_type}
        sample = Sample(f"k{n}", "debate", find_task("sums"), item, 0, state)  # type: ignore[arg-type]
        store.add(await run_one(sample, panel)).result(10)
    return store


async def test_a_very_large_run_shows_its_first_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE_TURNS", 6)
    with await filled(tmp_path, 5) as store:
        assert report.write_report(store, dict(META)).finished == 5
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The first 2 of 5 questions" in page
    assert "What is 1 + 1?" in page
    assert "What is 2 + 2?" not in page


async def test_an_unfinished_run_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with await filled(tmp_path, 3) as store:
        store.write_json(report.MANIFEST, META)
        report.show_table(tmp_path, "terminal")  # while it is being written
    said = capsys.readouterr().out
    assert "Partial: 3 of 5 samples are finished" in said
    assert "Report:" not in said, "there is no page yet"
