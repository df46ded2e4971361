"""A whole run in one pass."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Turn
from folkmoot.evaluation.collaboration import Price, collaboration
from folkmoot.evaluation.collaboration.figures import Collaboration, Members, Point
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result

MEMBERS = ("ana", "bo", "cy")
#           item: what each says alone, the debate, its answer, and the samples and answer of the control
RUN = {
    "a": ("4 4 4", "ana 4 / bo 4 / cy 4", "4", "ana#0 4 / ana#1 4 / bo#0 4", "4"),  # agreed at once
    "b": ("4 5 5", "ana 4 5 / bo 5 5 / cy 5 5", "5", "ana#0 4 / ana#1 5 / bo#0 5", "5"),  # collapsed: the majority won
    "c": ("5 4 4", "ana 5 4 / bo 4 4 / cy 4 4", "4", "ana#0 5 / ana#1 4 / bo#0 4", "4"),  # the majority was right
    "d": ("5 6 7", "ana 5 4 / bo 6 4 / cy 7 7", "4", "ana#0 5 / ana#1 4 / bo#1 5 / cy#1 5", "5"),  # emergence
    "e": ("5 5 -", "ana 5 5 / bo 5 4 / cy - !", "5", "ana#0 5 / ana#1 5 / bo#0 5", "5"),  # the vote did not see it
}
ANSWER = Turn("x", prompt_tokens=100, completion_tokens=20, service_s=1.0)


@pytest.fixture
def run(discussion: Callable[..., Result]) -> list[Result]:
    results = []
    for item, (alone, debate, decided, control, voted) in RUN.items():
        for name, answer in zip(MEMBERS, alone.split(), strict=True):
            results.append(
                discussion(f"{name} {answer}", system=name, item=item, answer=None if answer == "-" else answer)
            )
        results.append(discussion(debate, system="debate", item=item, answer=decided))
        results.append(discussion(control, system="vote x6", item=item, answer=voted))
    return [replace(r, turns=tuple(replace(t, **COST) for t in r.turns)) for r in results]


COST: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 20, "service_s": 0.5}


@pytest.fixture
def items(item: Callable[..., Item]) -> dict[tuple[str, str], Item]:
    return {("sums", name): item(name) for name in RUN}


@pytest.fixture
def look(items: dict[tuple[str, str], Item]) -> Callable[..., tuple[Members | None, Collaboration, tuple[Point, ...]]]:
    def look(results: list[Result], **known: Any) -> tuple[Members | None, Collaboration, tuple[Point, ...]]:
        options: dict[str, Any] = {
            "items": items, "systems": [*MEMBERS, "debate", "vote x6"], "graphs": ["debate"], "members": MEMBERS,
            "controls": {"debate": "vote x6"}, "best": "bo",
        }  # fmt: skip
        members, (debate,), points = collaboration(iter(results), **(options | known))
        return members, debate, points

    return look


def test_a_run_that_can_be_checked_by_eye(run: list[Result], look: Callable[..., Any]) -> None:
    members, debate, points = look(run)

    # ana is right on a, b; bo on a, c; cy on a, c
    assert members.names == MEMBERS
    assert (members.n, members.best) == (5, "bo")
    assert members.correlation[1][2] == pytest.approx(1)
    assert members.correlation[0][1] == pytest.approx((2 / 5 - 9 / 25) / (6 / 25))
    assert members.distinct == pytest.approx((1 + 2 + 2 + 3 + 1) / 5)
    # bo and cy are both wrong with an answer on b (both 5) and d (6, 7)
    assert members.same_wrong[1][2] == pytest.approx(1 / 2)

    both = debate.transitions[0]
    # b: ana lost, two kept wrong; c: ana won, two kept right; d: two won, cy kept wrong; e: ana kept wrong, bo won, cy failed
    assert (both.speaker, both.start) == (None, 0)
    assert (both.kept_right, both.lost, both.won, both.kept_wrong) == (2, 1, 4, 4)
    assert both.changed == 5

    assert (debate.conformity.to_wrong.count, debate.conformity.to_wrong.of) == (1, 1)  # b: ana
    assert (debate.conformity.to_right.count, debate.conformity.to_right.of) == (1, 1)  # c: ana
    assert (debate.conformity.held_right.count, debate.conformity.held_right.of) == (0, 1)  # b: ana

    # All members are wrong on d and e: the debate gets d, the control none, though a sample of it was right on d
    assert (debate.emergence.rate.count, debate.emergence.rate.of) == (1, 2)
    assert (debate.emergence.control.count, debate.emergence.control.of) == (0, 2)
    assert (debate.emergence.any_sample.count, debate.emergence.any_sample.of) == (1, 2)
    assert (debate.emergence.excess.mean, debate.emergence.by) == (0.5, "vote x6")
    # Somebody is right on a, b, c, most of them on a, c: lost on b
    assert (debate.collapse.count, debate.collapse.of) == (1, 3)
    assert (debate.collapse_majority.count, debate.collapse_majority.of) == (0, 2)
    # One item holds the oracle's lead over bo (b): too few to say more
    assert debate.headroom is None
    # A right answer in the last round of a, c, d, e: not picked on e
    assert (debate.picked_right.count, debate.picked_right.of) == (3, 4)

    assert [(n.speaker, n.role, n.calls) for n in debate.nodes] == [(m, "answer", 9 / 5) for m in MEMBERS]
    assert sum(n.critical for n in debate.nodes) == pytest.approx((0.5 + 4 * 1.0) / 5)

    assert [(p.system, p.accuracy, p.tokens) for p in points] == [
        ("ana", 0.4, 120), ("bo", 0.4, 120), ("cy", 0.4, 120),
        ("debate", 0.6, pytest.approx(120 * 27 / 5)), ("vote x6", 0.4, 384),
    ]  # fmt: skip
    assert [p.on_front for p in points] == [True, True, True, True, False]


def test_the_order_of_results_does_not_matter(run: list[Result], look: Callable[..., Any]) -> None:
    seen = look(run)
    for seed in range(5):
        assert look(random.Random(seed).sample(run, len(run))) == seen


def test_results_are_read_once_and_texts_are_let_go(run: list[Result], look: Callable[..., Any]) -> None:
    passed: list[Result] = []

    def stream() -> Iterator[Result]:
        for r in run:
            passed.append(r)
            yield r

    look(stream())  # type: ignore[arg-type]
    assert passed == run


def test_draws_of_one_item_are_one_item(run: list[Result], look: Callable[..., Any]) -> None:
    # The same results twice, as two draws, change no rate: they are no more evidence
    once, twice = look(run)[1], look([*run, *(replace(r, draw=1) for r in run)])[1]
    assert twice.transitions[0].lost == 2 * once.transitions[0].lost  # answers, not items
    same = ("conformity", "emergence", "collapse", "collapse_majority", "picked_right", "nodes")
    assert [getattr(twice, name) for name in same] == [getattr(once, name) for name in same]


def test_without_members_or_control_less_can_be_said(run: list[Result], look: Callable[..., Any]) -> None:
    members, debate, _ = look(run, members=[], controls={}, best=None)
    assert members is None
    assert (debate.emergence, debate.collapse, debate.headroom) == (None, None, None)
    assert debate.conformity is not None
    begun = look([r for r in run if r.system != "cy"])  # a member that has not begun
    assert begun[0].names == ("ana", "bo")
    assert begun[1].emergence is None
    assert look(run, controls={})[1].emergence.control is None


def test_a_graph_of_part_of_the_team_is_held_against_its_own_members(
    run: list[Result], look: Callable[..., Any]
) -> None:
    assert look(run, teams={"debate": ["bo", "cy"]})[1].emergence.rate.of == 3  # b, d, e


def test_one_round_has_no_transitions(run: list[Result], look: Callable[..., Any]) -> None:
    _, vote, _ = look(run, graphs=["vote x6"])
    assert (vote.transitions, vote.conformity) == ((), None)
    # A right answer among the samples of a, b, c, d: picked on a and c
    assert (vote.picked_right.count, vote.picked_right.of) == (2, 4)


def test_money_where_everybody_has_a_price(run: list[Result], look: Callable[..., Any]) -> None:
    prices = {name: Price(1.0, 10.0) for name in ("ana", "bo")}
    _, debate, points = look(run, prices=prices)
    assert [n.money is None for n in debate.nodes] == [False, False, True]
    assert {p.system: p.money and round(p.money * 1e6) for p in points} == {
        "ana": 300, "bo": 300, "cy": None, "debate": None, "vote x6": None,
    }  # fmt: skip


@pytest.mark.parametrize("metric", ["tests", "judge"])
def test_where_single_answers_are_not_scored_only_decisions_count(
    run: list[Result], look: Callable[..., Any], item: Callable[..., Item], metric: str
) -> None:
    unscored = [replace(r, marks=(None,) * len(r.turns)) for r in run]
    items = {("sums", name): item(name, metric=metric, gold=(), answer_type=AnswerType("text")) for name in RUN}
    _, debate, _ = look(unscored, items=items)
    assert (debate.transitions, debate.conformity, debate.picked_right) == ((), None, None)
    assert (debate.emergence.control, debate.emergence.any_sample) == (None, None)
    assert (debate.emergence.rate.count, debate.emergence.rate.of) == (1, 2)


def test_what_cannot_be_is_refused(run: list[Result], look: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="ana has two results for sums/a draw 0; select"):
        look([*run, run[0]])
    with pytest.raises(ValueError, match="ana has a result for sums/z, which is no item of this run"):
        look([replace(run[0], item="z")])


def test_other_systems_are_passed_over(run: list[Result], look: Callable[..., Any]) -> None:
    assert look([*run, replace(run[0], system="stranger")]) == look(run)
