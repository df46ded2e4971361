"""What is told of contributors, in tables, notes and drawings."""

from dataclasses import replace

import pytest

from folkmoot.evaluation.collaboration.figures import Rate
from folkmoot.evaluation.contrast import contrast
from folkmoot.evaluation.result import OUTCOMES
from folkmoot.evaluation.statistics import Difference, Interval, wilson
from folkmoot.evaluation.summary import Row
from folkmoot.evaluation.worth import view
from folkmoot.evaluation.worth.participation import Participation, Value
from folkmoot.evaluation.worth.shares import Share
from folkmoot.evaluation.worth.values import Effect

KINDS = {"ana": "member", "bo": "member", "debate": "graph", "big": "monolith"}


def row(system: str, right: int, n: int = 20) -> Row:
    return Row(
        system, KINDS[system], "priority-ana", n, 20, n, 0, right / n if n else 0.0, wilson(right, n), 1.0,
        dict.fromkeys(OUTCOMES, 0), 1, 10, 5, 0.1, 0, 0, 0, None,
    )  # fmt: skip


def an_effect(who: str, group: str, mean: float, adjusted: float) -> Effect:
    return Effect(who, group, 20, 20, Difference(mean, mean - 0.1, mean + 0.1), adjusted, adjusted)  # type: ignore[arg-type]


def a_value(**changes: object) -> Value:
    effects = (
        an_effect("ana", "all", 0.25, 0.01),
        an_effect("ana", "own", 0.4, 0.2),
        an_effect("bo", "all", -0.05, 0.6),
    )
    value = Value("debate", ("ana", "bo"), 19, 20, 0, 3, 0.2, effects, effects, (), ())
    return replace(value, **changes)  # type: ignore[arg-type]


@pytest.fixture
def told() -> Participation:
    half, some = Rate(10, 20, Interval(0.3, 0.7)), Rate(5, 10, Interval(0.2, 0.8))
    gains = contrast(
        "debate", "ana", {("priority-ana", str(i)): (1.0,) for i in range(20)}, {("priority-ana", str(i)): (0.0,) for i in range(20)},
        task="priority-ana",
    )  # fmt: skip
    return Participation(
        contributors=("ana", "bo"),
        own={"ana": "priority-ana"},
        systems=("debate", "big"),
        scores={"ana": {"ana": row("ana", 5), "debate": row("debate", 15), "big": row("big", 0, 0)}},
        gains=(gains,),
        pooled=(replace(gains, task=None, reference="each contributor alone"),),
        values=(a_value(),),
        shares=(Share("ana", "debate", half, half, half, some, some, 0.5, 0.25, 1.0),),
    )


def test_the_tables(told: Participation) -> None:
    scores, together, worth, drafts = view.blocks(told)
    assert scores.heads == ("accuracy on its own questions, %", "n", "alone", "debate", "big")
    assert scores.rows == (("ana", "20", "25 [11, 47]", "75 [53, 89]", "–"),)
    assert together.rows[0][:2] == ("debate", "each contributor alone")
    assert worth.heads[0] == "worth in debate, points"
    assert worth.rows == (
        (
            "ana",
            "+25.0 [+15.0, +35.0]*",
            "+40.0 [+30.0, +50.0]",
            "–",
            "+25.0 [+15.0, +35.0]*",
            "+40.0 [+30.0, +50.0]",
            "–",
        ),
        ("bo", "-5.0 [-15.0, +5.0]", "–", "–", "-5.0 [-15.0, +5.0]", "–", "–"),
    )
    assert drafts.rows == (("ana", "50 %", "50 %", "50 %", "50 %", "50 %", "50 %", "25 %", "100 %"),)
    assert all(len(r) == len(block.heads) for block in (scores, together, worth, drafts) for r in block.rows)


def test_what_is_not_there_is_not_told(told: Participation) -> None:
    assert [b.heads[0] for b in view.blocks(replace(told, own={}, scores={}, gains=(), pooled=()))] == [
        "worth in debate, points",
        "drafts and cost in debate",
    ]
    assert view.notes(replace(told, values=())) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "19 of 20 questions, those that every team has finished; all 3 teams that its members can form."),
        ({"permutations": 20}, "20 sampled permutations, whose error is in the intervals."),
        ({"votes": (2, 3)}, "Teams of 2 and 3 are too small for debate and vote on their first drafts."),
        ({"guests": ("bo",)}, "bo judges or routes in every team, in it or not: that part is in nobody's worth."),
    ],
)
def test_the_notes(told: Participation, changes: dict[str, object], said: str) -> None:
    assert said in view.notes(replace(told, values=(a_value(**changes),)))[-1]


def test_a_panel_shows_every_system_that_has_begun(told: Participation) -> None:
    (panel,) = view.panels(told, KINDS)
    assert (panel.name, panel.n, panel.words) == ("ana", 20, "alone 25 %, debate 75 %")
    assert [(line.label, line.kind) for line in panel.lines] == [("alone", "member"), ("debate", "graph")]
    assert all(view.NAMES <= panel.scale(line.row.accuracy) <= view.WIDTH for line in panel.lines)
    assert all(0 < line.y < panel.height - 16 for line in panel.lines)


def test_a_value_without_questions_can_be_drawn() -> None:
    assert view.effects_scale(a_value(shapley=(), leave_one_out=(), n=0)).end == 1.0


def test_the_difference_of_a_pair_is_found(told: Participation) -> None:
    found = view.gain(told, "ana", "debate", "ana")
    assert found is not None
    assert found.difference.mean == 1
    assert view.gain(told, "ana", "big", "ana") is None
    assert view.gain(told, "bo", "debate", "bo") is None
