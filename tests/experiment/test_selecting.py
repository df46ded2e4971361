"""Who is proposed, and why."""

import math

import numpy as np
import pytest

from folkmoot.answers import AnswerType
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.experiment.choosing import propose, say
from folkmoot.experiment.crossed import Questions
from folkmoot.experiment.gain import gain
from folkmoot.experiment.outcomes import Outcomes, outcomes
from folkmoot.experiment.selecting import Budget, _upper, floor, looks_best, select, worth

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


def test_nobody_is_the_best_on_a_task_where_nobody_got_anything():
    first = lambda q: q < 20 and q % 10 > 0  # noqa: E731
    told = propose(made([first, lambda q: first(q) and q != 3]), Budget(members=1), "routed", 1)
    assert told.members == ("a",)
    assert told.reasons["a"].endswith("best of them on t0")


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


@pytest.mark.parametrize(
    ("kind", "chance"),
    [
        (AnswerType("choice", ("a", "b", "c", "d")), 0.25),
        (AnswerType("labels", ("red", "blue", "green", "grey", "black")), 0.2),
        (AnswerType("boolean"), 0.5),
        (AnswerType("text"), 0.0),
    ],
)
def test_what_guessing_gets(kind, chance):
    item = Item("1", "Which?", kind, ("a",), "t", "exact")
    replies = [Result(f"k{m}", m, "t", "1", 0, "", ("a",), "scored", "a", 1.0, (), None, 0.0) for m in ("ana", "bo")]
    assert outcomes(replies, {("t", "1"): item}, ["ana", "bo"]).chance.tolist() == [chance]


def test_a_team_that_is_no_better_than_one_who_was_left_out_is_said():
    guesser, weak = (lambda q: q % 2 == 0), (lambda q: q < 20 and q % 4 == 0)
    o = made([guesser, weak], base={"a": np.array([float(guesser(q)) for q in range(40)])})
    told = propose(o, Budget(members=2), "routed", 1)
    assert told.members == ("b",)
    assert "No team is better on the dev questions than a alone, who is left out by the floor." in told.notes


@pytest.mark.parametrize(
    ("budget", "notes", "out"),
    [
        (Budget(members=1), ["No team within the budget is better on the dev questions than a alone."], "b"),
        (Budget(tokens=25), ["No team within the budget is better on the dev questions than a alone."], "b"),
        (Budget(members=2), [], ""),
    ],
)
def test_what_the_budget_keeps_out_is_laid_to_the_budget(budget, notes, out):
    o = made([GENERALIST, lambda q: q >= 20 and q % 10 > 0, lambda q: q % 5 == 0 and q < 20], tokens=[20, 10, 10])
    told = propose(o, budget, "routed", 1)
    assert [n for n in told.notes if n.startswith("No team")] == notes
    room = "the budget leaves no room for it"
    assert told.out == ({"b": room} if out else {}) | {"c": "adds less than those chosen"}


def test_without_better_teams_the_budget_is_not_to_blame():
    told = propose(made([GENERALIST, LIKE_IT]), Budget(members=1), "routed", 1)
    assert [n for n in told.notes if n.startswith("No team")] == [
        "No team is better on the dev questions than a alone."
    ]
    assert told.out == {"b": "adds less than those chosen"}


def test_who_is_better_alone_than_all_that_can_be_paid_is_kept_out_by_the_budget():
    told = propose(made([LIKE_IT, GENERALIST], tokens=[10, 50]), Budget(tokens=12), "vote", 1)
    assert told.members == ("a",)
    assert told.out == {"b": "the budget leaves no room for it"}


def test_a_proposal_of_everybody_is_not_compared_with_everybody(capsys):
    o = made([FIRST, SECOND, NOBODY])
    for rows, whole in (([FIRST, SECOND], True), ([FIRST, SECOND, NOBODY], False)):
        o = made(rows)
        say(propose(o, Budget(members=3), "routed", 1), {"scripted": False}, as_json=False)
        text = capsys.readouterr().out
        assert ("  this is the whole team\n" in text) is whole
        assert ("over the whole team" in text) is not whole


def test_the_floor_leaves_out_who_is_no_better_than_its_base():
    base = np.array([float(GENERALIST(q)) for q in range(40)])
    o = made([GENERALIST, lambda q: q < 20], base={"a": base, "b": base})
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


def guessers(tasks, per_task, members, seed):
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(tasks), per_task)
    scores = (rng.random((members, len(of))) < 0.25).astype(float)
    return Outcomes(
        tuple(f"m{i}" for i in range(members)),
        scores,
        scores.astype(int),
        of,
        tuple(f"t{i}" for i in range(tasks)),
        Questions([""] * len(of), [f"t{i}" for i in of]),
        np.ones(members),
        np.full(len(of), 0.25),
        {},
    )


@pytest.mark.parametrize("tasks", [1, 5, 15])
def test_who_only_guesses_passes_the_floor_in_one_case_of_ten_however_many_tasks_there_are(tasks):
    passed = [s.passes for s in floor(guessers(tasks, 32, 400, tasks))]
    assert np.mean(passed) <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 400)
    assert np.mean(passed) > 0.005, "a floor that nobody passes by luck is not one of 10 %"


@pytest.mark.parametrize(("tasks", "passes"), [(2, True), (20, False)])
def test_all_tasks_count_when_a_base_is_to_be_beaten(tasks, passes):
    """Ahead on two of two questions, p = 1/4, or on twenty: luck on one of many tasks is no better than its base."""
    mine = lambda q: q >= 40 - 40 // tasks  # noqa: E731
    (standing,) = floor(made([mine], base={"a": np.zeros(40)}, tasks=tasks))
    assert standing.passes is passes


@pytest.mark.parametrize(
    ("right", "n", "chance", "p"),
    [
        (3, 5, 0.5, 0.5),
        (1, 4, 0.25, 1 - 0.75**4),
        (1251, 2501, 0.5, 0.5),  # by symmetry
        (900, 2500, 0.25, 0.0),
        (1, 2500, 0.25, 1.0),
        (5, 5, 1.0, 1.0),
        (0, 5, 0.25, 1.0),
        (1, 5000, 0.0, 0.0),
    ],
)
def test_guessing_is_reckoned_for_thousands_of_questions(right, n, chance, p):
    assert _upper(right, n, chance) == pytest.approx(p, abs=1e-9)


def test_the_member_to_be_beaten_is_within_the_budget():
    o = made([GENERALIST, FIRST, NOBODY], tokens=[50, 10, 10])
    assert [looks_best(o, Budget(tokens=t), ALL) for t in (50, 12, 5)] == [0, 1, 0]
    found = gain(o, "routed", Budget(tokens=12), seed=1, partitions=2, resamples=10)
    assert found.single == pytest.approx(o.scores[1].mean())
    assert found.over_single.mean == 0, "the cheap one is all that can be chosen"


def test_of_fewer_questions_than_folds_the_choices_made_are_counted():
    o = made([GENERALIST, NOBODY], tasks=1)
    few = Outcomes(
        o.members,
        o.scores[:, :5],
        o.forms[:, :5],
        o.tasks[:5],
        o.names,
        Questions([""] * 5, ["t0"] * 5),
        o.tokens,
        o.chance[:5],
        {},
    )
    assert gain(few, "coverage", Budget(members=1), seed=0, partitions=2, resamples=5).times == (1, 0)
