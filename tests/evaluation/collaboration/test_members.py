"""How alike members are, by tables that can be checked by eye."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration.figures import Members
from folkmoot.evaluation.collaboration.members import alike


def look(*lines: str, draws: int = 1) -> Members | None:
    """A line for each member, an item each: 1 is the right answer, other numbers are wrong ones, - none, . unfinished."""
    scores, forms = [], []
    for line in lines:
        cells = line.split()
        at = {("sums", f"{i // draws:03}"): {} for i in range(len(cells))}
        s, f = {k: dict(v) for k, v in at.items()}, {k: dict(v) for k, v in at.items()}
        for i, c in enumerate(cells):
            if c != ".":
                key = ("sums", f"{i // draws:03}")
                s[key][i % draws], f[key][i % draws] = float(c == "1"), None if c == "-" else int(c)
        scores.append({k: v for k, v in s.items() if v})
        forms.append(f)
    return alike([f"m{i}" for i in range(len(lines))], scores, forms, "m0")


@pytest.mark.parametrize(
    ("a", "b", "phi"),
    [
        ("1 1 2 2", "1 1 2 2", 1.0),  # they fail together
        ("1 1 2 2", "2 2 1 1", -1.0),  # each where the other does not
        ("1 1 2 2", "1 2 1 2", 0.0),  # one says nothing of the other
        ("1 1 1 2", "1 1 2 2", 1 / math.sqrt(3)),  # (1/4 - 1/4 * 1/2) / sqrt(3/16 * 1/4)
        ("1 1 1 1", "1 1 2 2", None),  # always right: there is nothing to correlate
        ("2 2 3 -", "1 1 2 2", None),  # always wrong
    ],
)
def test_correlation_of_being_wrong(a: str, b: str, phi: float | None) -> None:
    seen = look(a, b)
    assert seen is not None
    assert seen.correlation[0][1] == (phi if phi is None else pytest.approx(phi))
    assert seen.correlation[0][1] == seen.correlation[1][0]


def test_the_same_wrong_answer() -> None:
    # Both wrong with an answer on items 1, 2, 3: the same on 1 and 2. On item 4 one of them abstains.
    seen = look("1 2 3 4 -", "1 2 3 5 6")
    assert seen is not None
    assert seen.same_wrong[0][1] == pytest.approx(2 / 3)
    assert seen.same_wrong[0][0] == 1
    assert seen.same_wrong[1][1] == 1
    never = look("1 2", "2 1")
    assert never is not None
    assert never.same_wrong[0][1] is None


def test_different_answers_per_item() -> None:
    #               3, 2, 1, 1 and 0 different answers
    seen = look("1 1 1 1 -", "2 1 1 - -", "3 2 1 - -")
    assert seen is not None
    assert seen.distinct == pytest.approx(7 / 5)


def test_draws_are_averaged_within_the_item() -> None:
    # Item 0 has one draw that both finished, item 1 has two: item 0 still weighs as much
    seen = look("2 . 1 2", "2 2 1 3", draws=2)
    assert seen is not None
    assert seen.n == 2
    assert seen.distinct == pytest.approx((1 + (1 + 2) / 2) / 2)
    assert seen.same_wrong[0][1] == pytest.approx((1 + 0) / 2)


def test_items_that_one_has_not_finished_are_left_out() -> None:
    seen = look("1 2 1 2 1", "1 2 1 2 .")
    assert seen is not None
    assert (seen.n, seen.names, seen.best) == (4, ("m0", "m1"), "m0")
    assert look("1 1 . .", ". . 1 1") is None
    assert look("1 1") is None


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(st.sampled_from("123-"), min_size=n, max_size=n), min_size=2, max_size=5)
    )
)
def test_ranges(rows: list[list[str]]) -> None:
    seen = look(*(" ".join(row) for row in rows))
    assert seen is not None
    assert 0 <= seen.distinct <= len(rows)
    for i, (phis, shares) in enumerate(zip(seen.correlation, seen.same_wrong, strict=True)):
        assert all(p is None or -1 <= p <= 1 for p in phis)
        assert all(s is None or 0 <= s <= 1 for s in shares)
        assert phis[i] is None or phis[i] == pytest.approx(1)
        assert [c[i] for c in seen.correlation] == list(phis)
        assert [c[i] for c in seen.same_wrong] == list(shares)
