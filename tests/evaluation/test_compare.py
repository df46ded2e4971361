"""``folkmoot eval compare``: two systems of one run or of two, and when it refuses."""

from collections.abc import Sequence

import pytest

from folkmoot.documents import BadInput
from folkmoot.evaluation.compare import compare, completion, scores
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


def test_samples_that_ended_in_an_error_are_not_complete_but_count_as_wrong_when_told() -> None:
    run = [*finished("a", [1] * 20), *finished("b", [1] * 18), *(sample("b", i, 0, outcome="error") for i in (18, 19))]
    with pytest.raises(BadInput, match=r"b: only 90.0 %"):
        compare(run, "a", "b")
    assert compare(run, "a", "b", partial=True).difference.mean == pytest.approx(0.1)


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


def test_missing_draws_are_missing_samples() -> None:
    run = [*finished("a", [1] * 20), *finished("a", [1] * 20, draw=1), *finished("b", [1] * 20)]
    assert completion(run, "b") == 0.5


def test_scores_are_in_the_order_of_draws_and_what_was_not_scored_is_0() -> None:
    run = [sample("a", 0, 0.5, draw=1), sample("a", 0, 1, draw=0), sample("a", 1, 1, outcome="truncated"), *RUN]
    assert scores(run, "a") == {("t", "000"): (1, 0.5), ("t", "001"): (0.0,)}
    assert scores(run, "a", "u") == {}
    with pytest.raises(ValueError, match="two results for t/000 draw 1"):
        scores([*run, *run], "a")


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
