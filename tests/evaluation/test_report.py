"""A report is written from the run's folder, at any time; a very large run shows the first questions."""

from pathlib import Path

import pytest

from folkmoot import AnswerType, Participant, Scripted
from folkmoot.evaluation import report
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.samples import Sample
from folkmoot.evaluation.store import RunStore
from folkmoot.graphs import debate, majority_vote

META = {
    "title": "t",
    "command": "c",
    "options": {},
    "kinds": {"ana": "member", "debate": "graph"},
    "teams": {"ana": ["ana"], "debate": ["ana", "bo"]},
    "reference": "ana",
    "planned": {"sums": 5},
    "draws": 1,
    "seed": 0,
    "margin": 0.05,
    "family": [["debate", "ana"]],
    "matches": [],
    "best": None,
    "prices": {},
    "findings": [],
    "scripted": False,
}


async def filled(folder: Path, finished: int) -> RunStore:
    """Ana is right in every second question, and bo with her in all of them."""
    team = [Participant(n, Scripted(lambda m, n=n: f"Answer: {len(n)}", name=n)) for n in ("ana", "bo")]
    store, systems = RunStore(folder), {"ana": majority_vote(team[:1]), "debate": debate(team)}
    items = [
        Item(f"q{n}", f"What is {n} + {n}?", AnswerType("number"), ("3" if n % 2 else "4",), "sums") for n in range(5)
    ]
    store.ask(items)
    store.plan(f"{name}{item.id}" for item in items for name in systems)
    for item in items[:finished]:
        state = {"question": item.question, "answer_type": item.answer_type}
        for name, graph in systems.items():
            sample = Sample(f"{name}{item.id}", name, item, 0, state)  # type: ignore[arg-type]
            store.add(await run_one(sample, graph.compile())).result(10)
    return store


async def test_a_small_run_is_shown_whole(tmp_path: Path) -> None:
    with await filled(tmp_path, 5) as store:
        assert len(list(report.shown(store, store.figures(), 0))) == 10


async def test_a_very_large_run_shows_every_disagreement_and_a_sample(tmp_path: Path) -> None:
    with await filled(tmp_path, 5) as store:
        right = await run_one(
            Sample("debateq0", "debate", Item("q0", "?", AnswerType("number"), ("3",), "sums"), 0, {"question": "?"}),
            majority_vote([Participant("ana", Scripted(lambda m: "3"))]).compile(),
        )
        store.add(right).result(10)
        for most, questions in ((2, 1), (5, 2), (9, 4)):
            found = {r.item for r in report.shown(store, store.figures(), 0, most)}
            assert "q0" in found, "the systems differ there"
            assert len(found) == questions


async def test_a_report_is_written_again_from_the_folder(tmp_path: Path) -> None:
    with await filled(tmp_path, 5) as store:
        assert report.write_report(store, dict(META)).summary.finished == 10
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").unlink()
    assert report.rewrite(tmp_path).read_text(encoding="utf-8") == page == report.render(tmp_path)


async def test_a_page_without_texts_can_be_published_where_the_data_may_not(tmp_path: Path) -> None:
    with await filled(tmp_path, 5) as store:
        report.write_report(store, dict(META))
        assert [report.wordless(r).outcome for r in store.results()] == ["scored"] * 10
        said = [str(report.wordless(r)) for r in store.results()]
    assert not any("What is" in r or "Answer:" in r for r in said)
    assert len(report.render(tmp_path, texts=False)) < len(report.render(tmp_path))


async def test_an_unfinished_run_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with await filled(tmp_path, 3) as store:
        store.write_json(report.MANIFEST, META)
        report.show_table(tmp_path, "terminal")  # while it is being written
    said = capsys.readouterr().out
    assert "Partial: 6 of 10 samples are finished" in said
    assert "Report:" not in said, "there is no page yet"
