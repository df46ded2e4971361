"""From samples to figures: what counts, what is compared, and what may be said."""

import random
from dataclasses import replace
from typing import Any

import pytest

from folkmoot.discussion import Turn
from folkmoot.evaluation import summary
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.evaluation.statistics import wilson
from folkmoot.evaluation.summary import Summary
from folkmoot.evaluation.words import notes


def sample(system: str, item: int | str, score: float = 1.0, **more: object) -> Result:
    turn = Turn("ana", prompt_tokens=100, completion_tokens=20, finish="stop")
    plain = Result(
        key=f"{system}/{item}", system=system, task="sums", item=str(item), draw=0, question="1 + 1?", gold=("2",),
        outcome="scored", answer="2", score=score, turns=(turn,), decision=None, seconds=1.0,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def samples(system: str, *scores: float) -> list[Result]:
    return [sample(system, i, s) for i, s in enumerate(scores)]


def summarise(results: list[Result], *more: Any, **options: Any) -> Summary:
    return summary.summarise([r.figures for r in results], *more, **options)


KINDS = {"debate": "graph", "ana": "member", "bo": "member", "big": "monolith"}


def test_a_row_holds_the_figures_of_one_system() -> None:
    cut = Turn("ana", finish="length", prompt_tokens=200, completion_tokens=40, hit=True)
    done = Turn("bo", finish="stop", prompt_tokens=100, completion_tokens=10)
    results = [
        sample("debate", 0, turns=(done, done), seconds=1.0),
        sample("debate", 1, 0.0, turns=(done, cut), seconds=2.0),
        sample("debate", 2, 0.0, outcome="truncated", answer=None, turns=(cut, cut), seconds=9.0),
    ]
    (row,) = summarise(results, ["debate"], kinds=KINDS).overall
    assert (row.system, row.kind, row.task, row.n, row.of, row.samples) == ("debate", "graph", None, 3, 3, 3)
    assert row.accuracy == pytest.approx(1 / 3)
    assert row.interval == wilson(1, 3)
    assert row.parse_rate == pytest.approx(2 / 3)
    assert row.outcomes == {o: {"scored": 2, "truncated": 1}.get(o, 0) for o in OUTCOMES}
    assert (row.calls, row.prompt_tokens, row.completion_tokens) == (2, pytest.approx(900 / 3), pytest.approx(150 / 3))
    assert row.seconds == 2.0
    assert (row.truncated, row.cached) == (0.5, 0.5)


@pytest.mark.parametrize("outcome", ["unparsed", "truncated", "refused", "limit"])
def test_what_is_not_scored_counts_as_0_whatever_its_score_says(outcome: str) -> None:
    (row,) = summarise([sample("debate", 0, 1.0, outcome=outcome)], ["debate"]).overall
    assert (row.n, row.accuracy) == (1, 0)


def test_samples_whose_calls_failed_say_nothing_about_the_system() -> None:
    results = [sample("debate", i) for i in range(8)] + [
        sample("big", i, outcome="error" if i < 2 else "scored") for i in range(8)
    ]
    debate, big = summarise(results, ["debate", "big"], kinds=KINDS).overall
    assert (big.n, big.of, big.accuracy, big.outcomes["error"]) == (6, 8, 1.0, 2)
    assert debate.against is not None
    assert (debate.against.n, debate.against.difference.mean) == (6, 0.0)


def test_rows_come_in_the_order_given_and_others_are_left_out() -> None:
    s = summarise([*samples("ana", 1), *samples("bo", 1), *samples("stranger", 1)], ["bo", "ana"])
    assert [r.system for r in s.overall] == ["bo", "ana"]
    assert s.finished == 2


def test_draws_of_a_question_are_averaged_first_so_that_n_counts_questions() -> None:
    results = [sample("ana", i, float(d == 0), draw=d) for i in range(3) for d in range(2)]
    s = summarise(results, ["ana"])
    (row,) = s.overall
    assert (s.draws, row.n, row.samples, row.accuracy) == (2, 3, 6, 0.5)
    assert row.interval == wilson(1.5, 3)


def test_tasks_have_rows_of_their_own() -> None:
    results = [sample("ana", 0, 1.0), sample("ana", 0, 0.0, task="dates"), sample("ana", 1, 0.0, task="dates")]
    s = summarise(results, ["ana"])
    assert list(s.by_task) == ["sums", "dates"]
    assert [(r.task, r.n, r.accuracy) for rows in s.by_task.values() for r in rows] == [("sums", 1, 1), ("dates", 2, 0)]
    assert s.overall[0].n == 3  # same item id in two tasks: two questions


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ([1] * 20, [0] * 15 + [1] * 5, "better"),
        ([0] * 15 + [1] * 5, [1] * 20, "worse"),
        ([1] * 10 + [0] * 10, [0] * 8 + [1] * 12, "no difference shown"),
        ([1] * 5, [0] * 5, "no difference shown"),
    ],
)
def test_every_system_is_contrasted_with_the_reference(ours: list[int], theirs: list[int], verdict: str) -> None:
    s = summarise([*samples("debate", *ours), *samples("big", *theirs)], ["debate", "big"], kinds=KINDS)
    c = s.overall[0].against
    assert c is not None
    assert (c.verdict, c.system, c.reference, c.n) == (verdict, "debate", "big", len(ours))
    assert s.overall[1].against is None


def test_the_first_monolith_is_the_reference_unless_another_is_named() -> None:
    results = [*samples("ana", 1), *samples("big", 1), *samples("debate", 0)]
    systems = ["debate", "ana", "big"]
    assert summarise(results, systems, kinds=KINDS).reference == "big"
    s = summarise(results, systems, "ana", kinds=KINDS)
    assert [r.against.reference if r.against else None for r in s.overall] == ["ana", None, "ana"]
    assert summarise(results, systems).reference is None


def test_only_common_questions_are_compared() -> None:
    results = [sample("debate", i) for i in range(8)] + [sample("big", i, 0.0) for i in range(4, 20)]
    c = summarise(results, ["debate", "big"], kinds=KINDS).overall[0].against
    assert c is not None
    assert (c.n, c.only_system, c.only_reference, c.p) == (4, 4, 0, 0.125)


def test_an_interrupted_run_is_partial_and_says_of_how_many() -> None:
    results = [*samples("debate", 1, 1, 0), *samples("big", 1)]
    s = summarise(results, ["debate", "big"], kinds=KINDS, planned={"sums": 10})
    assert [(r.n, r.of) for r in s.overall] == [(3, 10), (1, 10)]
    assert (s.partial, s.finished, s.planned) == (True, 4, 20)


def test_a_whole_run_is_not_partial_and_a_missing_draw_makes_it_so() -> None:
    results = [sample("ana", i, draw=d) for i in range(2) for d in range(2)]
    assert not summarise(results, ["ana"]).partial
    assert summarise(results[:-1], ["ana"]).partial
    assert summarise(results[::2], ["ana"], draws=2).partial


def test_nothing_finished_is_a_summary_too() -> None:
    s = summarise([], ["debate", "big"], kinds=KINDS, planned={"sums": 5})
    assert [(r.n, r.of, r.accuracy, r.interval) for r in s.overall] == [(0, 5, 0.0, (0.0, 1.0))] * 2
    assert s.overall[0].against is None, "nothing is compared with nothing"


def test_the_oracle_and_a_random_member_are_computed_from_the_members() -> None:
    results = [*samples("ana", 1, 0, 0, 0), *samples("bo", 0, 1, 0, 0), *samples("big", 1, 1, 1, 1)]
    s = summarise(results, ["ana", "bo", "big"], kinds=KINDS)
    bounds = {r.system: r for r in s.overall if r.kind == "bound"}
    assert {name: (r.n, r.accuracy, r.interval) for name, r in bounds.items()} == {
        "oracle": (4, 0.5, wilson(2, 4)),
        "random member": (4, 0.25, wilson(1, 4)),
    }
    assert (bounds["oracle"].calls, bounds["random member"].calls) == (2, 1)
    assert s.finished == 12, "they are no samples"
    assert [r.system for r in summarise(results, ["ana", "big"], kinds=KINDS).overall] == ["ana", "big"]


def test_only_draws_that_all_members_have_are_put_beside_each_other() -> None:
    """Ana was right in draw 0 only, and Bo has draw 1 only: in no draw was anybody right."""
    results = [sample("ana", 0, 1.0), sample("ana", 0, 0.0, draw=1), sample("bo", 0, 0.0, draw=1)]
    rows = {r.system: r for r in summarise(results, ["ana", "bo"], kinds=KINDS).overall}
    assert (rows["oracle"].n, rows["oracle"].accuracy) == (1, 0.0)


def test_items_of_a_cluster_stand_together() -> None:
    results = [*samples("debate", *[1] * 12), *samples("big", *[0] * 12)]
    apart = summarise(results, ["debate", "big"], kinds=KINDS).overall[0].against
    clusters = {("sums", str(i)): str(i // 6) for i in range(12)}
    together = summarise(results, ["debate", "big"], kinds=KINDS, clusters=clusters).overall[0].against
    assert apart is not None
    assert together is not None
    assert (apart.units, apart.verdict) == (12, "better")
    assert (together.units, together.verdict) == (2, "no difference shown")


def test_the_order_of_samples_changes_nothing() -> None:
    results = [sample(s, i, float((i * k) % 3 == 0)) for k, s in enumerate(KINDS, 1) for i in range(30)]
    shuffled = list(results)
    random.Random(1).shuffle(shuffled)
    assert summarise(results, list(KINDS), kinds=KINDS) == summarise(shuffled, list(KINDS), kinds=KINDS)


def test_the_seed_moves_the_bootstrap_and_nothing_else() -> None:
    results = [*samples("debate", *[i / 37 for i in range(37)]), *samples("big", *[0, 0, 1] * 10)]

    def summary(seed: int) -> Summary:
        return summarise(results, ["debate", "big"], kinds=KINDS, seed=seed)

    one, two = summary(1).overall[0].against, summary(2).overall[0].against
    assert one is not None
    assert two is not None
    assert one.difference != two.difference
    assert one.difference.mean == two.difference.mean


@pytest.mark.parametrize(
    ("systems", "reference", "says"),
    [(["ana"], "big", "not among the systems"), (["ana", "ana"], None, "named twice")],
)
def test_contradictions_are_refused(systems: list[str], reference: str | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        summarise(samples("ana", 1), systems, reference)


def test_a_sample_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="ana has two results for sums/0 draw 0"):
        summarise([sample("ana", 0), sample("ana", 0)], ["ana"])


def test_samples_with_an_absent_member_are_counted_though_there_is_an_answer() -> None:
    away = Turn("bo", error="HTTP 401")
    results = [sample("debate", i, turns=(Turn("ana", finish="stop"), *([away] if i < 2 else []))) for i in range(5)]
    s = summarise(results, ["debate"])
    assert s.overall[0].absent == 2
    assert "debate: calls failed in 2 of 5 samples, members were absent there." in notes(s)
