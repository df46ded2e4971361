"""Emergence beside its control and the monoliths: which questions count, and where there is nothing to tell."""

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.suite import Suite
from folkmoot.experiment.design import Design, Part
from folkmoot.experiment.emergent import emergent, picked
from folkmoot.experiment.picture import picture
from folkmoot.experiment.table import text

MEMBERS = ("a", "b", "c")
FIRST = (Turn("a"), Turn("b"))
AGAIN = (*FIRST, Turn("a", round=1), Turn("b", round=1))


def people(*names):
    return [{"name": n, "model": "smollm2-135m-instruct", "system": n} for n in names]


def found(right, graphs=("debate",), turns=()):
    """Emergence of teams of two out of three; `right` says who is right on which of ten questions."""
    teams = {"1": ("a", "b"), "2": ("a", "c"), "3": ("b", "c")}
    parts = [Part(f"{g} 2.{i}", g, 2, who, 3) for g in graphs for i, who in teams.items()]
    suite = Suite.model_validate(
        {
            "name": "s",
            "tasks": ["sums"],
            "team": people(*MEMBERS),
            "monoliths": [{"name": "large", "model": "qwen2.5-coder-0.5b-instruct"}],
        }
    )
    keys = [("sums", str(i)) for i in range(10)]
    items = {k: Item(k[1], k[1], AnswerType("number"), ("1",), k[0]) for k in keys}
    results = [
        Result(
            "",
            system,
            *k,
            0,
            "",
            (),
            "scored",
            "1",
            float(int(k[1]) in right.get(system.split(" ")[0], ())),
            turns,
            None,
            0.0,
        )
        for system in (*MEMBERS, "large", *(p.system for p in parts))
        for k in keys
    ]
    meta = {"matches": [{"graph": p.system, "systems": {}} for p in parts], "planned": {"sums": 10}}
    return emergent(Design(suite, tuple(parts), (), ()), meta, results, items)


FIELDS = {"a": range(5), "b": range(5, 10), "large": (0, 1, 5)}


def test_the_monolith_stands_at_the_questions_that_each_team_fails():
    """Nothing is left to the team of a and b; a and c fail on 5 to 9, b and c on 0 to 4."""
    made = found(FIELDS | {"debate": (5,)}, turns=AGAIN)
    graph, large = made.lines
    assert (large.name, large.beside, large.parameters) == ("large", "monolith", 494_032_768)
    assert [(s.x, s.estimate.mean, s.n) for s in large.stops] == [(2, pytest.approx(3 / 10), 10)]
    assert large.stops[0].estimate.low < 0.2 < 0.4 < large.stops[0].estimate.high
    assert graph.stops[0].estimate.mean == pytest.approx(1 / 10)
    assert "large (monolith)" in text(made)
    assert "494 M" in text(made)


def test_no_dot_where_a_team_has_no_share_and_no_stop_where_none_has():
    made = found(FIELDS, turns=AGAIN)
    assert [d.value for d in made.lines[0].stops[0].dots] == [None, 0, 0]
    assert picture(made, "").count('class="dot"') == 2
    assert "3 of 3" in text(made), "it was tried all the same"
    none = found({"a": range(10), "b": range(10), "c": range(10)}, turns=AGAIN)
    assert not any(line.stops for line in none.lines)
    assert any("No question was failed by all members of a team of 2" in n for n in none.notes)
    assert "nothing to draw" in picture(none, "")


@pytest.mark.parametrize(
    ("turns", "only"),
    [
        (FIRST, True),
        ((Turn("router", "route"), Turn("a"), Turn("b", round=1)), True),
        ((*FIRST, Turn("judge", "judge"), Turn("a", "confidence")), True),
        (AGAIN, False),
        ((*FIRST, Turn("a", draw=1)), False),
        ((*FIRST, Turn("a", "finish")), False),
        ((*FIRST, Turn("stranger")), False),
    ],
)
def test_who_only_picks_among_first_drafts_cannot_be_right_where_all_are_wrong(turns, only):
    assert picked(turns, ("a", "b")) is only


def test_such_a_graph_is_named_and_others_are_not():
    assert any(n.startswith("route: every answer is the first draft") for n in found(FIELDS, ("route",), ()).notes)
    assert not any("0 by construction" in n for n in found(FIELDS, turns=AGAIN).notes)
