"""Who is proposed, and why."""

import numpy as np
import pytest

from folkmoot.experiment.crossed import Questions
from folkmoot.experiment.gain import gain
from folkmoot.experiment.outcomes import Outcomes
from folkmoot.experiment.selecting import Budget, floor, select, worth

ALL = np.arange(40)


def made(rows, forms=None, chance=0.0, base=None, tokens=None, tasks=2):
    """Outcomes on 40 questions of two tasks; a row says on which questions a member is right."""
    scores = np.array([[float(right(q)) for q in range(40)] for right in rows])
    answers = np.where(scores > 0, 0, np.arange(len(rows))[:, None] + 1) if forms is None else forms
    of = np.arange(40) * tasks // 40
    return Outcomes(
        tuple("abcdefgh"[: len(rows)]),
        scores,
        answers,
        of,
        tuple(f"t{i}" for i in range(tasks)),
        Questions([""] * 40, [f"t{i}" for i in of]),
        np.array(tokens or [10.0] * len(rows)),
        np.full(40, chance),
        base or {},
    )


GENERALIST = lambda q: q % 5 < 3  # noqa: E731 - 60 % everywhere
LIKE_IT = lambda q: q % 5 < 3 and q != 0  # noqa: E731
FIRST, SECOND = (lambda q: q < 20 and q % 10 > 0), (lambda q: q >= 20 and q % 10 > 0)
NOBODY = lambda q: False  # noqa: E731


@pytest.mark.parametrize(
    ("by", "budget", "team"),
    [
        ("routed", Budget(members=2), (2, 3)),  # two specialists, although both look worse than the generalists
        ("routed", Budget(members=1), (0,)),
        ("routed", Budget(members=5), (2, 3)),  # who adds nothing stays out
        ("coverage", Budget(members=2), (2, 3)),
        ("coverage", Budget(members=3), (0, 2, 3)),
        ("routed", Budget(tokens=25), (2, 3)),
        ("routed", Budget(tokens=12), (0,)),
    ],
)
def test_complementary_members_are_chosen(by, budget, team):
    assert select(made([GENERALIST, LIKE_IT, FIRST, SECOND, NOBODY]), by, budget) == team


def test_a_vote_needs_agreement():
    o = made([GENERALIST, LIKE_IT, FIRST, SECOND])
    assert set(select(o, "vote", Budget(members=1))) == {0}
    wrong_alike = made(
        [GENERALIST, NOBODY, NOBODY],
        forms=np.vstack([np.where([GENERALIST(q) for q in ALL], 0, 5), np.full((2, 40), 9)]),
    )
    assert worth(wrong_alike, "vote", (0, 1, 2), ALL, ALL).sum() == 0
    silent = made([NOBODY, GENERALIST], forms=np.vstack([np.full(40, -1), np.zeros(40, int)]))
    assert (worth(silent, "vote", (0, 1), ALL, ALL) == silent.scores[1]).all(), "who abstains has no vote"


def test_the_floor_leaves_out_who_only_guesses():
    o = made([lambda q: q % 4 == 0, GENERALIST, NOBODY], chance=0.25)
    assert [s.passes for s in floor(o)] == [False, True, False]
    assert select(o, "coverage", Budget(members=3)) == (1,)


def test_the_floor_leaves_out_who_is_no_better_than_its_base():
    base = np.array([float(GENERALIST(q)) for q in range(40)])
    o = made([GENERALIST, FIRST], base={"a": base, "b": base})
    assert [(s.passes, s.why.split(" on ")[0]) for s in floor(o)] == [
        (False, "not better than its base model alone"),
        (True, "better than its base alone"),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_greedy_finds_what_looking_at_all_teams_finds_where_members_have_fields(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    luck = rng.uniform(size=(8, 40))
    rows = [(lambda q, i=i: luck[i, q] < (0.9 if q % 8 == i else 0.1)) for i in range(8)]
    o = made(rows)
    exact = [select(o, "coverage", Budget(members=k)) for k in (1, 3, 8)]
    monkeypatch.setattr("folkmoot.experiment.selecting._EXACT", 0)
    greedy = [select(o, "coverage", Budget(members=k)) for k in (1, 3, 8)]
    for a, b in zip(exact, greedy, strict=True):
        best, found = (worth(o, "coverage", t, ALL, ALL).mean() for t in (a, b))
        assert found >= (1 - 1 / np.e) * best  # Nemhauser, Wolsey and Fisher 1978


def test_a_real_gain_is_shown_and_the_same_every_time():
    o = made([GENERALIST, LIKE_IT, FIRST, SECOND])
    found = gain(o, "routed", Budget(members=2), seed=1, partitions=2, resamples=30)
    assert found == gain(o, "routed", Budget(members=2), seed=1, partitions=2, resamples=30)
    assert found.over_single.low > 0
    assert found.over_single.mean <= found.apparent + 1e-9
    assert found.times == (0, 0, 1, 1)
