"""Priority gain, counted by hand; and what is told of it."""

from collections.abc import Mapping

import pytest

from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.worth.priorities import ALONE, gains, own_tasks, pooled

OWN = {"ana": "priority-ana", "bo": "priority-bo"}


def took(system: str, task: str, item: int, score: float, outcome: str = "scored") -> Figures:
    return Figures(system, task, str(item), 0, outcome, True, score, 1, 10, 0, 5, 0.1, 0, 0, 0)  # type: ignore[arg-type]


def a_run(shares: Mapping[str, tuple[float, float]], n: int = 40) -> list[Figures]:
    """Every system is right on so large a part of each of the two test sets, and on none of the general questions."""
    own = [
        took(system, task, i, float(i < share * n))
        for system, parts in shares.items()
        for task, share in zip(OWN.values(), parts, strict=True)
        for i in range(n)
    ]
    return own + [took(system, "sums", i, 0.0) for system in shares for i in range(n)]


RUN = a_run({"ana": (0.5, 0.1), "bo": (0.1, 0.5), "route": (0.9, 0.5), "big": (0.5, 0.5)})


def test_own_test_sets_are_found_by_their_names() -> None:
    assert own_tasks(["sums", "priority-bo", "priority-gone"], ["ana", "bo"]) == {"bo": "priority-bo"}


def test_every_graph_meets_the_contributor_alone_and_the_monoliths_on_its_own_questions() -> None:
    found = gains(RUN, OWN, ["route"], ["big"])
    assert [(c.task, c.reference, round(c.difference.mean, 3), c.verdict) for c in found] == [
        ("priority-ana", "ana", 0.4, "better"),
        ("priority-ana", "big", 0.4, "better"),
        ("priority-bo", "bo", 0.0, "no difference shown"),
        ("priority-bo", "big", 0.0, "no difference shown"),
    ]
    assert {c.family for c in found} == {4}
    assert all(c.adjusted >= c.p for c in found)


def test_together_each_contributor_answers_for_its_own_questions() -> None:
    found = pooled(RUN, OWN, ["route"], ["big"])
    assert [(c.reference, c.n, c.units, round(c.difference.mean, 3)) for c in found] == [
        (ALONE, 80, 80, 0.2),
        ("big", 80, 80, 0.2),
    ]


@pytest.mark.parametrize(
    ("planned", "verdict"), [({"priority-ana": 40}, "better"), ({"priority-ana": 50}, "unfinished")]
)
def test_before_enough_is_there_nothing_is_said(planned: dict[str, int], verdict: str) -> None:
    found = gains(RUN, {"ana": "priority-ana"}, ["route"], [], planned=planned)
    assert [c.verdict for c in found] == [verdict]


@pytest.mark.parametrize(("planned", "verdict"), [(40, "better"), (45, "unfinished")])
def test_nor_of_all_together(planned: int, verdict: str) -> None:
    found = pooled(RUN, OWN, ["route"], ["big"], planned=dict.fromkeys(OWN.values(), planned))
    assert [(c.planned, c.verdict) for c in found] == [(2 * planned, verdict)] * 2


def test_calls_that_failed_are_left_out() -> None:
    broken = [took("route", "priority-ana", i, 0.0, "error") for i in range(40)]
    rest = [f for f in RUN if (f.system, f.task) != ("route", "priority-ana")]
    (found,) = gains([*rest, *broken], {"ana": "priority-ana"}, ["route"], [])
    assert (found.n, found.failed) == (0, 40)
