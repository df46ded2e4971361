"""Which coalitions are played, and as which systems."""

from collections.abc import Mapping
from typing import Any

import pytest

from folkmoot import Participant
from folkmoot.documents import BadInput
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.worth.coalitions import Coalitions, coalitions
from folkmoot.protocol import find

NAMES = ("ana", "bo", "cy", "di", "ed", "flo", "gus", "hal", "big")
PEOPLE = {n: Participant(n, rehearsal(n)) for n in NAMES}


def made(graph: str, n: int = 3, options: Mapping[str, Any] = {}, **more: Any) -> Coalitions:
    system = System(graph, "graph", find(graph), NAMES[:n], dict(options))
    return coalitions(system, PEOPLE, None, NAMES, **more)


def played(c: Coalitions, *members: str) -> System:
    return next(s for s in c.extra if s.name == c.systems[members])


def test_all_coalitions_of_a_small_team_are_played() -> None:
    found = made("debate")
    assert dict(found.systems) == {
        ("ana",): "ana",
        ("bo",): "bo",
        ("cy",): "cy",
        ("ana", "bo"): "debate of ana, bo",
        ("ana", "cy"): "debate of ana, cy",
        ("bo", "cy"): "debate of bo, cy",
        ("ana", "bo", "cy"): "debate",
    }
    assert [(s.name, s.kind, s.team, s.protocol.name) for s in found.extra] == [
        (f"debate of {a}, {b}", "coalition", (a, b), "debate") for a, b in (("ana", "bo"), ("ana", "cy"), ("bo", "cy"))
    ]
    assert found.orders == ()
    assert len(made("debate", 6).systems) == 2**6 - 1


def test_of_a_large_team_sampled_orders_are_played_and_everybody_is_left_out_once() -> None:
    found = made("debate", 8, permutations=10, seed=3)
    assert len(found.orders) == 10
    assert all(order == found.orders[i - 1][::-1] for i, order in enumerate(found.orders) if i % 2)
    team = NAMES[:8]
    for order in found.orders:
        for k in range(1, 9):
            assert tuple(team[i] for i in sorted(order[:k])) in found.systems
    assert all(tuple(n for n in team if n != out) in found.systems for out in team)
    assert len(found.systems) < 2**8 - 1
    assert found == made("debate", 8, permutations=10, seed=3)
    assert found.orders != made("debate", 8, permutations=10, seed=4).orders


def test_a_coalition_that_is_too_small_for_the_graph_votes() -> None:
    found = made("critique_refine", 4, {"critics": 2})
    assert {len(c) for c in found.votes} == {2}
    pair, three = played(found, "ana", "bo"), played(found, "ana", "bo", "cy")
    assert (pair.protocol.name, dict(pair.options)) == ("majority_vote", {"samples": 1})
    assert (three.protocol.name, dict(three.options)) == ("critique_refine", {"critics": 2})


@pytest.mark.parametrize(
    ("graph", "options", "itself"),
    [
        ("confident_select", {"samples": 3}, True),
        ("majority_vote", {"samples": 2}, True),
        ("critique_refine", {"critics": "self"}, True),
        ("confident_select", {"samples": 1, "confidence": "likelihood"}, False),  # no rivals: one call
        ("route", {"k": 2}, False),
        ("debate", {}, False),  # needs two
        ("critique_refine", {}, False),  # one member has no peer
    ],
)
def test_one_member_plays_the_graph_where_that_asks_it_more_than_once(
    graph: str, options: dict[str, Any], itself: bool
) -> None:
    found = made(graph, options=options)
    assert found.systems["bo",] == (f"{graph} of bo" if itself else "bo")
    assert not found.votes
    if itself:
        alone = played(found, "bo")
        assert (alone.protocol.name, alone.team, dict(alone.options)) == (graph, ("bo",), options)
        assert len(found.extra) == 3 + 3


def test_what_is_known_of_a_member_goes_with_it() -> None:
    curves = dict.fromkeys(("ana", "bo", "cy"), (1.0, 0.5))
    found = made("confident_select", options={"samples": 2, "calibration": curves})
    assert played(found, "cy").options["calibration"] == {"cy": (1.0, 0.5)}


def test_a_member_who_is_no_system_of_the_run_is_played_alone() -> None:
    system = System("debate", "graph", find("debate"), ("ana", "bo"))
    found = coalitions(system, PEOPLE, None, ["ana"])
    assert found.systems["bo",] == "debate of bo"
    assert played(found, "bo").team == ("bo",)


def test_weights_are_those_of_the_members_who_are_there() -> None:
    weights = {"ana": 2.0, "bo": 1.0, "cy": 1.0}
    found = made("debate", options={"decide": "weighted", "weights": weights})
    assert played(found, "ana", "bo").options["weights"] == {"ana": 2.0, "bo": 1.0}


@pytest.mark.parametrize(("judge", "guests"), [("big", ()), ("ana", ("ana",))])
def test_a_judge_stays_whoever_is_left_out(judge: str, guests: tuple[str, ...]) -> None:
    found = made("judge_select", options={"judge": judge})
    assert played(found, "bo", "cy").options["judge"] == judge
    assert found.guests == guests


def test_an_option_that_means_nothing_without_a_member_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"^worth: 'critique_refine' has finish='bo', which means nothing .* without 'bo'; leave"
    ):
        made("critique_refine", options={"finish": "bo"})


def test_one_member_shares_nothing() -> None:
    with pytest.raises(BadInput, match="a team of one"):
        made("majority_vote", 1)
