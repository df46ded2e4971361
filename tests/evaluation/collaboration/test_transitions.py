"""Round by round: who kept a right answer, lost it, won one, kept a wrong one."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration.figures import Transition
from folkmoot.evaluation.collaboration.said import Said
from folkmoot.evaluation.collaboration.transitions import WHOLE, moves, transitions

Answers = Callable[[str], list[Said]]


def table(turns: list[Said], *speakers: str) -> dict[tuple[str | None, int], Transition]:
    return {(t.speaker, t.start): t for t in transitions(Counter(moves(turns)), speakers)}


def test_a_table_by_round_and_by_speaker(answers: Answers) -> None:
    # 4 is right
    seen = table(
        answers("""
            ana 4 4 5
            bo  5 4 4
            cy  5 6 6
        """),
        "ana", "bo", "cy",
    )  # fmt: skip
    #                                     kept right, lost, won, kept wrong, changed
    assert seen[None, 0] == Transition(None, 0, 1, 0, 1, 1, 2)
    assert seen[None, 1] == Transition(None, 1, 1, 1, 0, 1, 1)
    assert seen[None, WHOLE] == Transition(None, WHOLE, 0, 1, 1, 1, 3)
    assert seen["ana", 0] == Transition("ana", 0, 1, 0, 0, 0, 0)
    assert seen["ana", 1] == Transition("ana", 1, 0, 1, 0, 0, 1)
    assert seen["bo", WHOLE] == Transition("bo", WHOLE, 0, 0, 1, 0, 1)
    assert seen["cy", 0] == Transition("cy", 0, 0, 0, 0, 1, 1)
    assert list(seen) == [(who, start) for who in (None, "ana", "bo", "cy") for start in (0, 1, WHOLE)]


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("ana 4 4.0", {"kept_right": 1, "changed": 0}),  # the same number in another form
        ("ana 5 6", {"kept_wrong": 1, "changed": 1}),
        ("ana - 4", {"won": 1, "changed": 1}),  # an abstention is not right
        ("ana 4 -", {"lost": 1, "changed": 1}),
        ("ana - -", {"kept_wrong": 1, "changed": 0}),
    ],
)
def test_one_step(answers: Answers, line: str, counted: dict[str, int]) -> None:
    seen = table(answers(line), "ana")["ana", 0]
    cells = {name: getattr(seen, name) for name in ("kept_right", "lost", "won", "kept_wrong")}
    assert cells == dict.fromkeys(cells, 0) | {k: v for k, v in counted.items() if k != "changed"}
    assert seen.changed == counted["changed"]


@pytest.mark.parametrize("line", ["ana 4", "ana 4 !", "ana ! 4", "ana ! !", "ana 4 . !"])
def test_who_speaks_once_or_fails_makes_no_move(answers: Answers, line: str) -> None:
    assert table(answers(line), "ana") == {}


def test_a_gap_is_no_step_but_first_and_last_count(answers: Answers) -> None:
    assert table(answers("ana 5 ! 4"), "ana").keys() == {(None, WHOLE), ("ana", WHOLE)}
    # Speakers that take turns: no two successive rounds, yet a first and a last answer
    assert table(answers("ana 5 . 4 / bo . 5 ."), "ana", "bo")["ana", WHOLE].won == 1


def test_draws_of_a_speaker_are_paired_by_their_number(answers: Answers) -> None:
    seen = table(answers("ana#0 4 4 / ana#1 5 5"), "ana")["ana", 0]
    assert (seen.kept_right, seen.kept_wrong, seen.lost, seen.won) == (1, 1, 0, 0)


cells = st.sampled_from("456-!.")
tables = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=4).map(
    lambda rows: "/".join(f"m{i} {' '.join(row)}" for i, row in enumerate(rows))
)


@given(tables)
def test_moves_add_up_to_the_pairs_of_answers(answers: Answers, text: str) -> None:
    rows = [line.split()[1:] for line in text.split("/")]
    seen = table(answers(text), *(f"m{i}" for i in range(len(rows))))
    for start in (0, 1):
        pairs = sum(row[start] not in "!." and row[start + 1] not in "!." for row in rows)
        t = seen.get((None, start), Transition(None, start, 0, 0, 0, 0, 0))
        assert t.kept_right + t.lost + t.won + t.kept_wrong == pairs
        assert t.lost + t.won <= t.changed <= pairs
        for name in ("kept_right", "lost", "won", "kept_wrong", "changed"):
            each = [getattr(s, name) for (who, at), s in seen.items() if who is not None and at == start]
            assert sum(each) == getattr(t, name)
