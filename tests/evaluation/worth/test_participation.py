"""From the samples of a run to what is said of its contributors."""

from collections.abc import Iterator
from typing import Any

import pytest

from folkmoot import AnswerType, Participant
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.worth.coalitions import coalitions
from folkmoot.evaluation.worth.participation import Participation, participation, wanted
from folkmoot.protocol import find

QUESTIONS = 12


def played(
    n: int, left_out: frozenset[tuple[str, int]] = frozenset()
) -> tuple[dict[str, Any], list[Figures], list[Figures]]:
    """A team in which member i knows question q if q is a multiple of i + 1, and one who knows is enough."""
    team = tuple("abcdefgh"[:n])
    people = {name: Participant(name, rehearsal(name)) for name in team}
    made = coalitions(System("debate", "graph", find("debate"), team), people, None, team, permutations=30, seed=1)
    meta = {
        "kinds": dict.fromkeys(team, "member") | {"debate": "graph"},
        "planned": {"sums": QUESTIONS, "essays": 1},
        "seed": 0,
        "worth": [made.plain() | {"samples": 0}],
    }
    extra = {s.name for s in made.extra}

    def figures() -> Iterator[Figures]:
        for members, system in made.systems.items():
            for q in range(QUESTIONS):
                right = any(q % (team.index(m) + 1) == 0 for m in members)
                outcome = "error" if (system, q) in left_out else "scored"
                yield Figures(system, "sums", str(q), 0, outcome, True, float(right), 1, 1, 0, 1, 0.1, 0, 0, 0)  # type: ignore[arg-type]

    every = list(figures())
    return meta, [f for f in every if f.system not in extra], [f for f in every if f.system in extra]


def items() -> dict[tuple[str, str], Item]:
    found = {("sums", str(q)): Item(str(q), "?", AnswerType("number"), ("1",), "sums") for q in range(QUESTIONS)}
    return found | {("essays", "0"): Item("0", "?", AnswerType("free"), (), "essays", metric="judge")}


def told(n: int, **more: Any) -> Participation:
    meta, figures, smaller = played(n, **more)
    return participation(meta, figures, smaller, {}, (), items())


def test_a_member_who_knows_everything_takes_most_and_is_not_needed_where_others_know_it_too() -> None:
    (value,) = told(3).values
    by = {e.contributor: e.value.mean for e in value.shapley}
    # of 12 questions 4 are known to a alone, 4 to a and b (2, 4, 8, 10), 2 to a and c (3, 9), 2 to all (0, 6)
    assert by == {
        "a": pytest.approx((4 + 4 / 2 + 2 / 2 + 2 / 3) / 12),
        "b": pytest.approx((4 / 2 + 2 / 3) / 12),
        "c": pytest.approx((2 / 2 + 2 / 3) / 12),
    }
    assert {e.contributor: e.value.mean for e in value.leave_one_out} == {"a": pytest.approx(4 / 12), "b": 0, "c": 0}
    assert (value.n, value.of, value.coalitions, value.permutations, value.score) == (12, 12, 7, 0, 1.0)


def test_sampled_orders_are_read_as_they_were_played() -> None:
    (value,) = told(8).values
    assert value.permutations == 30
    assert sum(e.value.mean for e in value.shapley) == pytest.approx(value.score)
    assert all(e.sampling > 0 for e in value.shapley if e.contributor in "ab")
    assert {e.contributor: e.value.mean for e in value.leave_one_out}["a"] == pytest.approx(2 / 12), (
        "only a knows 1 and 11"
    )
    assert {e.sampling for e in value.leave_one_out} == {0.0}


def test_a_question_on_which_some_team_failed_is_left_out_for_all() -> None:
    (value,) = told(3, left_out=frozenset({("debate of a, c", 5), ("b", 5), ("debate", 7)})).values
    assert (value.n, value.of) == (10, 12)


def test_before_the_smaller_teams_have_run_there_are_no_values() -> None:
    meta, figures, _ = played(3)
    (value,) = participation(meta, figures, [], {}, (), items()).values
    assert (value.n, value.shapley, value.leave_one_out) == (0, (), ())


def test_the_section_is_there_for_test_sets_of_members_or_for_worth() -> None:
    meta = {"kinds": {"ana": "member", "big": "monolith"}, "planned": {"sums": 3}}
    assert not wanted(meta)
    assert not wanted(meta | {"planned": {"priority-big": 3}})
    assert wanted(meta | {"planned": {"priority-ana": 3}})
    assert wanted(meta | {"worth": [{}]})
