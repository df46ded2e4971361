"""What every speaker cost in every role."""

import pytest

from folkmoot.discussion import Turn
from folkmoot.evaluation.collaboration.costs import Costs, Price, money
from folkmoot.evaluation.collaboration.figures import NodeCost
from folkmoot.evaluation.runner import critical_path


def turn(
    speaker: str, role: str = "answer", at: int = 0, seconds: float = 1.0, prompt: int = 100, reply: int = 10
) -> Turn:
    return Turn(speaker, role, at, service_s=seconds, prompt_tokens=prompt, completion_tokens=reply)


FIRST = [turn("ana", seconds=1), turn("bo", seconds=3), turn("ana", at=1, seconds=2), turn("bo", at=1, seconds=1),
         turn("cy", "judge", 2, seconds=4, prompt=300, reply=1)]  # fmt: skip
SECOND = [turn("ana", seconds=2), turn("bo", seconds=1)]  # they agreed at once


def test_means_per_question_in_the_order_of_speaking() -> None:
    costs = Costs()
    costs.add(FIRST)
    costs.add(SECOND)
    seen = costs.figures({"ana": Price(2.0, 10.0), "cy": Price(1.0, 1.0)})
    assert seen == (
        # The longest calls: bo 3, ana 2 and cy 4 in the first discussion; ana 2 in the second
        NodeCost("ana", "answer", 1.5, 150, 15, 2.5, 2.0, pytest.approx((2 * 150 + 10 * 15) / 1e6)),
        NodeCost("bo", "answer", 1.5, 150, 15, 2.5, 1.5, None),
        NodeCost("cy", "judge", 0.5, 150, 0.5, 2.0, 2.0, pytest.approx(150.5 / 1e6)),
    )


def test_the_nodes_add_up_to_the_critical_path() -> None:
    costs = Costs()
    for turns in (FIRST, SECOND):
        costs.add(turns)
    total = sum(n.critical for n in costs.figures({}))
    assert total == pytest.approx((critical_path(FIRST) + critical_path(SECOND)) / 2)


def test_money_needs_a_price_for_everybody_who_spoke() -> None:
    prices = {"ana": Price(1.0, 2.0)}
    assert money([turn("ana")], prices) == pytest.approx(120 / 1e6)
    assert money([turn("ana"), turn("bo")], prices) is None
    assert Costs().figures(prices) == ()
