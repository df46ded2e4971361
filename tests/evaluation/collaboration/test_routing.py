"""Was a member chosen that is right, where there is one?"""

from itertools import combinations
from typing import Any

import pytest

from folkmoot.discussion import Decision, Turn
from folkmoot.evaluation.collaboration.figures import Collaboration
from folkmoot.evaluation.collaboration.routing import Choices, by_chance
from folkmoot.evaluation.collaboration_table import heads, legend, lines
from folkmoot.evaluation.result import Result


def result(item: str, turns: list[Turn], decision: Decision | None = None, draw: int = 0) -> Result:
    return Result(
        f"{item} {draw}", "route", "sums", item, draw, "", ("4",), "scored", "4", 1.0, tuple(turns), decision, 0.0
    )


def routed(item: str, names: str | None, draw: int = 0) -> Result:
    asked = Turn("ana", "route", answer="bo", prompt=(), text="one of the rotations")
    return result(item, [asked, Turn("router", "route", answer=names), Turn("ana", answer="4")], draw=draw)


def alone(**right: str) -> dict[str, Any]:
    """Scores of members on items 1 to 4: ``ana="1100"`` is right on the first two."""
    return {n: {("sums", str(i)): {0: float(c)} for i, c in enumerate(r, 1) if c != "-"} for n, r in right.items()}


def figures(*results: Result, members: dict[str, Any]) -> Any:
    made = Choices()
    for r in results:
        made.add(r)
    return made.figures(members)


def test_only_questions_that_some_member_gets_right_alone_count() -> None:
    found = figures(
        routed("1", "ana"),  # right
        routed("2", "ana"),  # bo would have been
        routed("3", "cy"),  # nobody is right
        routed("4", "ana, bo"),  # one of the two is right
        members=alone(ana="1000", bo="1101", cy="0000"),
    )
    assert (found.accuracy.count, found.accuracy.of) == (2, 3)
    assert found.chance.count == pytest.approx(2 / 3 + 1 / 3 + 2 / 3)
    assert found.excess.mean == pytest.approx((2 - 5 / 3) / 3)
    assert (found.whole.count, found.whole.of) == (0, 3)
    assert found.accuracy.interval.low < 2 / 3 < found.accuracy.interval.high


def test_a_team_that_is_asked_whole_always_hits_and_is_counted_apart() -> None:
    found = figures(routed("1", None), routed("2", "ana"), members=alone(ana="0000", bo="1100"))
    assert (found.accuracy.count, found.chance.count, found.whole.count) == (1, 1.5, 1)


def test_the_table_tells_them_apart() -> None:
    routing = figures(routed("1", None), routed("2", "ana"), members=alone(ana="0000", bo="1100"))
    graph = Collaboration("route", (), None, None, None, None, None, None, (), routing)
    ((name, *_, right, chance, whole),) = lines([graph])
    assert heads([graph])[-3:] == ("chose right", "by chance", "asked all")
    assert (name, right, chance, whole) == ("route", "1 of 2", "75 %", "1 of 2")
    assert "Asked all" in legend([graph])


def test_the_surest_member_is_a_choice_too() -> None:
    decided = Decision("4", "confidence", whose="bo")
    found = figures(result("1", [Turn("ana"), Turn("bo")], decided), members=alone(ana="1000", bo="0000", cy="0000"))
    assert (found.accuracy.count, found.accuracy.of, found.chance.share) == (0, 1, pytest.approx(1 / 3))


def test_where_nobody_chooses_there_is_nothing_to_say() -> None:
    assert figures(result("1", [Turn("ana")], Decision("4", "vote")), members=alone(ana="1000")) is None


def test_members_that_were_not_asked_in_the_same_draw_leave_the_question_out() -> None:
    found = figures(
        routed("1", "ana"), routed("2", "ana"), routed("1", "ana", draw=1), members=alone(ana="11", bo="1-")
    )
    assert found.accuracy.of == 1
    nothing = figures(routed("9", "ana"), members=alone(ana="1", bo="1"))
    assert (nothing.accuracy.of, nothing.accuracy.share) == (0, None)


@pytest.mark.parametrize(("n", "able", "k"), [(6, 1, 1), (6, 2, 2), (5, 3, 2), (4, 4, 1), (3, 1, 3), (6, 5, 2)])
def test_chance_is_that_of_a_blind_pick(n: int, able: int, k: int) -> None:
    picks = list(combinations(range(n), k))
    assert by_chance(n, able, k) == pytest.approx(sum(min(p) < able for p in picks) / len(picks))
