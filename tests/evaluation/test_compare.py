"""``folkmoot eval compare``: two systems of one run or of two, and when it refuses."""

from collections.abc import Sequence

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.evaluation.compare import alike, compare, completion, declared, finished_enough, pairs, scores
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Outcome


def sample(
    system: str, item: int, score: float, *, task: str = "t", draw: int = 0, outcome: Outcome = "scored"
) -> Figures:
    return Figures(system, task, f"{item:03}", draw, outcome, outcome == "scored", score, 1, 10, 0, 5, 0.1, 0, 0, 0)


def finished(system: str, right: Sequence[float], **options: object) -> list[Figures]:
    return [sample(system, i, s, **options) for i, s in enumerate(right)]  # type: ignore[arg-type]


RUN = [*finished("debate", [1] * 30 + [0] * 10), *finished("vote", [1] * 18 + [0] * 22), *finished("qwen", [1] * 10)]


def test_two_systems_of_a_run() -> None:
    c = compare(RUN, "debate", "vote", margin=0.05)
    assert (c.system, c.reference, c.n, c.difference.mean, c.verdict) == ("debate", "vote", 40, 0.3, "better")
    assert c.margin == 0.05


@pytest.mark.parametrize(
    ("a", "b", "task", "says"),
    [
        ("debat", "vote", None, r"^debat: no such system in the run; did you mean 'debate'\?$"),
        ("debate", "zzz", None, "zzz: no such system in the run; known: debate, qwen, vote"),
        ("debate", "vote", "tt", r"tt: no such task in the run; did you mean 't'\?"),
        ("debate", "debate", None, "with itself"),
    ],
)
def test_a_misspelt_name_gets_a_hint(a: str, b: str, task: str | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        compare(RUN, a, b, task=task)


def test_too_much_missing_is_refused_unless_told() -> None:
    with pytest.raises(
        BadInput, match=r"qwen: only 25.0 % of its planned samples in the run .* needs 95 %; .*--partial"
    ):
        compare(RUN, "debate", "qwen")
    assert compare(RUN, "debate", "qwen", partial=True).n == 10


def test_samples_whose_calls_failed_are_not_complete_and_left_out_when_told() -> None:
    run = [*finished("a", [1] * 20), *finished("b", [1] * 18), *(sample("b", i, 0, outcome="error") for i in (18, 19))]
    with pytest.raises(BadInput, match=r"b: only 90.0 %"):
        compare(run, "a", "b")
    c = compare(run, "a", "b", partial=True)
    assert (c.n, c.failed, c.difference.mean) == (18, 2, 0)


def test_failed_questions_are_those_that_both_tried_and_one_has_no_draw_of() -> None:
    run = [
        *finished("a", [1, 1, 1]),
        sample("a", 3, 0, outcome="error"),
        sample("a", 4, 0, outcome="error"),
        sample("a", 5, 0, outcome="error"),  # which b has not tried
        *finished("b", [1]),
        sample("b", 1, 0, outcome="error"),
        sample("b", 1, 1, draw=1),  # another draw is there
        sample("b", 2, 0, outcome="error"),
        sample("b", 3, 1),
        sample("b", 4, 0, outcome="error"),
    ]
    c = compare(run, "a", "b", partial=True)
    assert (c.n, c.failed) == (2, 3)
    assert compare([*run, *finished("a", [1], task="u"), *finished("b", [0], task="u")], "a", "b", task="u").failed == 0


def test_unparsed_answers_are_complete() -> None:
    run = [*finished("a", [1] * 20), *finished("b", [0] * 20, outcome="unparsed")]
    assert compare(run, "a", "b").n == 20


def test_the_plan_says_how_much_is_missing() -> None:
    two = [*finished("a", [1] * 20), *finished("b", [0] * 20)]
    assert compare(two, "a", "b", planned={"t": 21}).n == 20
    with pytest.raises(BadInput, match=r"a: only 50.0 %"):
        compare(two, "a", "b", planned={"t": 40})
    assert compare(two, "a", "b", task="t", planned={"t": 20, "u": 400}).n == 20
    assert completion(two, "a", planned={"t": 40}) == 0.5
    assert completion(two, "a", planned={"t": 20}, draws=2) == 0.5
    with pytest.raises(BadInput, match=r"a: only 50.0 %"):
        compare(two, "a", "b", planned={"t": 20}, draws=2)


def test_every_draw_of_every_planned_question_is_complete() -> None:
    two = [s for name in ("a", "b") for draw in (0, 1) for s in finished(name, [1] * 20, draw=draw)]
    assert compare(two, "a", "b", planned={"t": 20}, draws=2).n == 20


def test_missing_draws_are_missing_samples() -> None:
    run = [*finished("a", [1] * 20), *finished("a", [1] * 20, draw=1), *finished("b", [1] * 20)]
    assert completion(run, "b") == 0.5


def test_scores_are_in_the_order_of_draws_and_what_was_not_scored_is_0() -> None:
    wrong: list[Outcome] = ["unparsed", "truncated", "refused", "limit"]
    run = [
        sample("a", 0, 0.5, draw=1),
        sample("a", 0, 1, draw=0),
        *(sample("a", 1, 1, outcome=o, draw=i) for i, o in enumerate(wrong)),
        *RUN,
    ]
    assert scores(run, "a") == {("t", "000"): (1, 0.5), ("t", "001"): (0.0,) * 4}
    assert scores(run, "a", "u") == {}
    with pytest.raises(ValueError, match="two results for t/000 draw 1"):
        scores([*run, *run], "a")


def test_draws_whose_calls_failed_have_no_score() -> None:
    run = [sample("a", 0, 1), sample("a", 0, 0, draw=1, outcome="error"), sample("a", 1, 0, outcome="error")]
    assert scores(run, "a") == {("t", "000"): (1,)}


# --- The declared family

FAMILY = [("debate", "vote"), ("debate", "qwen"), ("debate", "gone")]


def test_a_family_holds_every_declared_pair_and_is_corrected_for_all() -> None:
    family = declared(RUN, FAMILY, margin=0.05)
    assert [(c.system, c.reference, c.n, c.family) for c in family] == [
        (*p, n, 3) for p, n in zip(FAMILY, (40, 10, 0), strict=True)
    ]
    alone = compare(RUN, "debate", "vote", margin=0.05)
    assert (family[0].p, family[0].difference) == (alone.p, alone.difference)
    assert family[0].adjusted == pytest.approx(3 * alone.p)


def test_a_pair_of_the_family_is_compared_as_in_the_report() -> None:
    c = compare(RUN, "debate", "vote", margin=0.05, seed=3, family=FAMILY, planned={"t": 40})
    assert c == declared(RUN, FAMILY, margin=0.05, seed=3, planned=40)[0]
    assert c.verdict == "better"
    weak = [*finished("x", [1] * 7 + [0] * 13), *finished("y", [0] * 20)]
    assert compare(weak, "x", "y").verdict == "better"
    many = compare(weak, "x", "y", family=[("x", "y"), *[("x", f"{i}") for i in range(9)]])
    assert (many.verdict, many.adjusted) == ("no difference shown", pytest.approx(10 * many.p))


def test_pairs_with_too_few_of_the_planned_questions_are_unfinished() -> None:
    family = declared(RUN, FAMILY, planned=40)
    assert [(c.verdict, c.planned) for c in family] == [("better", 40), ("unfinished", 40), ("unfinished", 40)]
    assert declared(RUN, FAMILY, planned=43)[0].verdict == "unfinished"
    assert family[0].p == declared(RUN, FAMILY)[0].p


def test_calls_that_failed_count_against_the_plan() -> None:
    run = [*finished("a", [1] * 20), *finished("b", [0] * 18), *(sample("b", i, 0, outcome="error") for i in (18, 19))]
    (c,) = declared(run, [("a", "b")], planned=20)
    assert (c.n, c.failed, c.verdict) == (18, 2, "unfinished")


def test_pairs_of_one_task_are_not_corrected() -> None:
    run = [*RUN, *finished("debate", [1] * 9, task="u"), *finished("vote", [0] * 9, task="u")]
    c = pairs(run, FAMILY, task="u", planned=9)[0]
    assert (c.task, c.n, c.family, c.adjusted, c.verdict) == ("u", 9, 1, c.p, "better")


@pytest.mark.parametrize(
    ("n", "planned", "enough"), [(95, 100, True), (94, 100, False), (19, 20, True), (0, 1, False), (57, 60, True)]
)
def test_95_percent_of_the_plan_are_enough(n: int, planned: int, enough: bool) -> None:
    assert finished_enough(n, planned) is enough


# --- Two runs


def item(name: str, question: str = "What is 1 + 1?", gold: tuple[str, ...] = ("2",), tests: str = "") -> Item:
    return Item(name, question, AnswerType("number"), gold, task="t", tests=tests)


def test_items_are_the_same_if_they_ask_and_accept_the_same() -> None:
    ours = [item("1"), item("2"), item("3"), item("4", tests="def check(f): assert f()"), item("5")]
    theirs = [item("1"), item("2", "What is 1 + 2?"), item("3", gold=("2", "two")), item("4"), item("6")]
    equal, differing = alike(*({("t", i.id): i for i in items} for items in (ours, theirs)))
    assert (equal, differing) == ({("t", "1")}, {("t", "2"), ("t", "3"), ("t", "4")})


def test_only_items_that_are_the_same_are_compared_though_the_plan_is_that_of_the_run() -> None:
    other = finished("debate", [0] * 40)
    c = compare(RUN, "debate", "debate", others=other, only={("t", "000"), ("t", "001")}, planned={"t": 40})
    assert (c.n, c.only_system) == (2, 2)


def test_two_runs_are_compared_on_the_questions_in_common() -> None:
    other = finished("debate", [0] * 30)
    c = compare(RUN, "debate", "debate", others=other, others_name="runs/old")
    assert (c.reference, c.n, c.only_system) == ("debate (runs/old)", 30, 30)
    with pytest.raises(BadInput, match="vote: no such system in runs/old"):
        compare(RUN, "debate", "vote", others=other, others_name="runs/old")
    with pytest.raises(BadInput, match="no finished question in common"):
        compare(RUN, "debate", "debate", others=finished("debate", [1, 0], task="u"))
    with pytest.raises(BadInput, match=r"debate: only 75.0 % of its planned samples in the other run"):
        compare(RUN, "debate", "debate", others=other, others_planned={"t": 40})


def test_clusters_and_task_are_passed_on() -> None:
    run = [*RUN, *finished("debate", [1] * 5, task="u"), *finished("vote", [0] * 5, task="u")]
    assert compare(run, "debate", "vote", task="u").n == 5
    assert compare(run, "debate", "vote", partial=True, clusters={("u", f"{i:03}"): "c" for i in range(5)}).units == 41


@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_a_margin_is_given_in_points(margin: float) -> None:
    with pytest.raises(BadInput, match="in points"):
        compare(RUN, "debate", "vote", margin=margin)
