"""The table on terminals of any width, in Markdown, and as data."""

import json
from collections.abc import Sequence

import pytest
from rich.console import Console

from folkmoot import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.collaboration import collaboration
from folkmoot.evaluation.compare import declared
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.summary import Summary, summarise
from folkmoot.evaluation.table import render, render_markdown, render_table, render_text
from folkmoot.evaluation.table_json import to_json
from folkmoot.evaluation.words import accuracy, amount, chance, share

KINDS = {
    "debate": "graph",
    "critique_refine": "graph",
    "self-consistency coder-half x6": "baseline",
    "smol": "member",
    "coder-half": "member",
    "coder-one-and-a-half": "monolith",
}


def a_run(tasks: Sequence[str] = ("sums",), n: int = 100, finished: int | None = None) -> Analysis:
    """Every system is right on its own share of the questions."""
    results = [
        Result(
            key=f"{task}{system}{i}", system=system, task=task, item=str(i), draw=0, question="?", gold=("2",),
            outcome="scored" if i % 50 else "truncated", answer="2" if i % 50 else None, score=float(i % (k + 2) == 0),
            turns=(Turn("smol", prompt_tokens=1234, completion_tokens=210),) * (k + 1), decision=None, seconds=1.25,
            marks=(None,) * (k + 1),
        )
        for task in tasks
        for i in range(n)
        for k, system in enumerate(reversed(KINDS))
    ][:finished]  # fmt: skip
    figures = [r.figures for r in results]
    summary = summarise(figures, list(KINDS), kinds=KINDS, planned=dict.fromkeys(tasks, n))
    contrasts = declared(figures, [(g, r) for g in ("debate", "critique_refine") for r in list(KINDS)[2:]])
    members, did, points = collaboration(
        results,
        items={(r.task, r.item): Item(r.item, "?", AnswerType("number"), ("2",), r.task) for r in results},
        systems=list(KINDS),
        graphs=["debate", "critique_refine"],
        members=["smol", "coder-half"],
        best="coder-half",
    )
    return Analysis(summary, tuple(contrasts), (), members, did, points, ())


def bare(summary: Summary) -> Analysis:
    return Analysis(summary, (), (), None, (), (), ())


@pytest.mark.parametrize("width", [60, 80, 96, 100, 140])
@pytest.mark.parametrize("tasks", [("sums",), ("sums", "dates", "units", "roman numerals and more", "village")])
def test_no_line_is_longer_than_the_terminal(width: int, tasks: tuple[str, ...]) -> None:
    lines = render_text(a_run(tasks, 30), width).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("finished", [None, 500])
def test_no_figure_is_cut(width: int, finished: int | None) -> None:
    assert "…" not in render_text(a_run(finished=finished), width)


def test_the_wide_table_shows_every_figure() -> None:
    text = render_text(a_run(), 100)
    head, _, body = text.partition("─")
    for word in ("system", "n", "accuracy [95 %]", "parsed", "calls", "prompt", "compl.", "tokens", "seconds"):
        assert word in head
    (line,) = [x for x in body.splitlines() if x.startswith(" coder-half ") and "98 %" in x]
    assert " ".join(line.split()) == "coder-half 100 33.0 % [24.6, 42.7] 98 % 2 2,468 420 1.2"
    assert "Monolith" in body
    assert "Members alone" in body
    assert "coder-half: 2 truncated of 100 samples, counted as 0." in " ".join(body.split())
    assert "Best member, chosen on questions of the dev split: coder-half." in " ".join(body.split())


def test_the_narrow_table_rounds() -> None:
    assert "33 % [25, 43]" in render_text(a_run(), 80)


def test_every_graph_stands_against_every_reference() -> None:
    analysis = a_run()
    lines = render_text(analysis, 120).splitlines()
    c = analysis.contrasts[0]
    (line,) = [x for x in lines if x.startswith("debate ") and "[-" in x]
    assert line.split()[-7:] == [
        "100",
        str(c.only_system),
        str(c.only_reference),
        chance(c.adjusted),
        *c.verdict.split(),
    ]
    assert sum("[-" in x or "[+" in x for x in lines) == len(analysis.contrasts) == 8
    assert "Holm-corrected for the 8 declared comparisons" in " ".join(" ".join(lines).split())


def test_what_collaboration_did_is_told_of_every_graph() -> None:
    analysis = a_run()
    text = render_text(analysis, 100)
    assert "emergence" in text
    collapse = analysis.collaboration[0].collapse
    assert collapse is not None
    assert f"{collapse.count:.0f} of {collapse.of}" in text


def test_a_partial_run_says_so_first() -> None:
    text = render_text(a_run(finished=300), 100)
    assert text.startswith("Partial: 300 of 600 samples are finished; the rest is not counted.\n")
    assert "50 of 100" in text
    assert "50/100" in render_text(a_run(finished=300), 80)


def test_tasks_follow_only_if_there_are_several() -> None:
    assert "accuracy by task" not in render_text(a_run(), 100)
    text = render_text(a_run(("sums", "dates")), 100)
    assert "accuracy by task, %" in text
    assert "n = 100" in text


def test_nothing_finished_shows_dashes() -> None:
    text = render_text(bare(summarise([], ["debate", "big"], kinds={"debate": "graph", "big": "monolith"})), 100)
    (line,) = [x for x in text.splitlines() if x.startswith(" debate")]
    assert set(line.split()[1:]) == {"0", "-"}


def test_names_are_text_and_never_markup_or_escapes() -> None:
    names = {"[red]x[/red]": "graph", "a\x1b[31mb": "member", "big|pipe": "monolith"}
    s = bare(summarise([], list(names), kinds=names))
    text = render_text(s, 100)
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
    assert "a⟨ESC⟩[31mb" in text
    assert "big\\|pipe" in render_markdown(s)


def test_the_table_can_be_printed_in_colour() -> None:
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(render(a_run(), 100))
        console.print(render_table(a_run().summary, 100))
    assert "\x1b[" in captured.get()


def test_markdown_tables_are_whole() -> None:
    text = render_markdown(a_run(("sums", "dates"), finished=900))
    assert text.startswith("**Partial: 900 of 1200 samples are finished; the rest is not counted.**\n")
    assert "- debate scored " in text
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1
    assert sum(line.startswith("| ---") for line in text.splitlines()) == 4


def test_the_analysis_as_data() -> None:
    a = a_run(("sums", "dates"))
    data = json.loads(json.dumps(to_json(a), allow_nan=False))
    assert (data["reference"], data["partial"], data["planned"]) == ("coder-one-and-a-half", False, 1200)
    first, row = data["systems"][0], a.summary.overall[0]
    assert first["accuracy"] == row.accuracy
    assert first["interval"] == {"low": row.interval.low, "high": row.interval.high}
    assert set(data["contrasts"][0]["difference"]) == {"mean", "low", "high"}
    assert [row["task"] for row in data["tasks"]["dates"]] == ["dates"] * (len(KINDS) + 2)
    assert data["verdicts"][0].startswith("debate scored ")
    assert [c["system"] for c in data["collaboration"]] == ["debate", "critique_refine"]
    assert data["members"]["best"] == "coder-half"


def test_data_without_samples_is_null_not_zero() -> None:
    data = to_json(bare(summarise([], ["debate"], planned={"sums": 3})))
    assert data["systems"][0]["accuracy"] is None
    assert data["systems"][0]["of"] == 3
    assert data["contrasts"] == []


@pytest.mark.parametrize(
    ("x", "said"), [(0, "0"), (6.0, "6"), (4.27, "4.3"), (0.271, "0.27"), (99.96, "100.0"), (1234.5, "1,234")]
)
def test_amounts_have_few_digits(x: float, said: str) -> None:
    assert amount(x) == said


def test_other_figures() -> None:
    assert share(0.4167) == "41.7 %"
    assert [chance(p) for p in (None, 1.0, 0.03125, 1e-9)] == ["-", "1.000", "0.031", "<0.001"]
    assert accuracy(a_run().summary.overall[-3]) == "48.0 % [38.5, 57.7]"
