"""One system against one reference: which test, what it may say, in which words."""

import json
import re
from dataclasses import replace

import pytest

from folkmoot.evaluation.contrast import Contrast, Scores, contrast, holm_family
from folkmoot.evaluation.statistics import bca, holm, mcnemar
from folkmoot.evaluation.verdicts import compare_json, sentence


def run(*scores: float, task: str = "t", draws: int = 1) -> Scores:
    """A score per item, in every draw the same."""
    return {(task, f"{i:03}"): (s,) * draws for i, s in enumerate(scores)}


def against(won: int, lost: int, same: int, **options: object) -> Contrast:
    a, b = run(*[1.0] * won, *[0.0] * lost, *[1.0] * same), run(*[0.0] * won, *[1.0] * lost, *[1.0] * same)
    return contrast("debate", "qwen", a, b, **options)  # type: ignore[arg-type]


def test_one_draw_right_or_wrong_is_mcnemar() -> None:
    c = against(14, 3, 33)
    assert (c.n, c.units, c.draws, c.only_system, c.only_reference) == (50, 50, 1, 14, 3)
    assert c.test == "exact McNemar"
    assert c.p == c.adjusted == mcnemar([True] * 14 + [False] * 3, [False] * 14 + [True] * 3)
    assert c.difference == bca([1.0] * 14 + [-1.0] * 3 + [0.0] * 33, strata=["t"] * 50, seed=0)
    assert c.verdict == "better"


def test_exchanging_the_systems_turns_everything_round() -> None:
    a, b = run(*[1.0] * 14, *[0.0] * 3, *[1.0] * 33), run(*[0.0] * 14, *[1.0] * 3, *[1.0] * 33)
    there, back = contrast("x", "y", a, b, margin=0.4), contrast("y", "x", b, a, margin=0.4)
    assert back.difference.mean == -there.difference.mean
    assert back.difference.low == pytest.approx(-there.difference.high)
    assert (back.p, back.only_system, back.only_reference) == (there.p, there.only_reference, there.only_system)
    assert (there.verdict, back.verdict) == ("better", "worse")
    assert back.equivalent == pytest.approx(there.equivalent)


@pytest.mark.parametrize(
    ("a", "b", "clusters"),
    [
        (run(1, 0, 1, draws=2), run(1, 0, 0), {}),
        (run(0.5, 0, 1), run(1, 0, 0), {}),
        (run(1, 0, 1), run(1, 0, 0), {("t", "000"): "c", ("t", "001"): "c"}),
    ],
    ids=["several draws", "partial scores", "clusters"],
)
def test_everything_else_is_sign_flip(a: Scores, b: Scores, clusters: dict[tuple[str, str], str]) -> None:
    assert contrast("a", "b", a, b, clusters=clusters).test == "sign-flip permutation"


def test_a_cluster_of_one_is_no_cluster() -> None:
    c = contrast("a", "b", run(1, 0), run(0, 0), clusters={("t", "000"): "c", ("t", "001"): "d"})
    assert (c.units, c.test) == (2, "exact McNemar")


def test_only_items_of_both_count_and_draws_are_averaged_though_their_numbers_differ() -> None:
    a = {("t", "1"): (1.0, 0.0, 1.0, 0.0), ("t", "2"): (1.0,), ("u", "1"): (0.0,)}
    b = {("t", "1"): (0.0,), ("t", "3"): (1.0,), ("u", "1"): (0.0,), ("u", "2"): ()}
    c = contrast("a", "b", a, b)
    assert (c.n, c.draws, c.difference.mean) == (2, 4, 0.25)
    assert contrast("a", "b", a, b, task="t").difference.mean == 0.5


def test_every_item_weighs_the_same_whatever_its_task() -> None:
    a, b = {**run(1, 1, 1), **run(0, task="u")}, {**run(0, 0, 0), **run(1, task="u")}
    assert contrast("a", "b", a, b).difference.mean == 0.5


def test_whole_clusters_are_the_evidence() -> None:
    a, b = run(*[1.0] * 24, *[0.0] * 24), run(*[0.0] * 24, *[0.0] * 24)
    clusters = {k: f"c{i // 6}" for i, k in enumerate(sorted(a))}
    alone, joined = contrast("a", "b", a, b), contrast("a", "b", a, b, clusters=clusters)
    assert (alone.verdict, joined.verdict) == ("better", "no difference shown")
    assert (joined.units, joined.p) == (8, 0.125)  # 4 clusters that differ, all one way
    assert joined.difference.low <= 0


def test_the_same_cluster_name_in_two_tasks_is_two_clusters() -> None:
    a, b = {**run(1, 1), **run(1, 1, task="u")}, {**run(0, 0), **run(0, 0, task="u")}
    assert contrast("a", "b", a, b, clusters=dict.fromkeys(a, "page 1")).units == 2


def test_without_items_nothing_is_said() -> None:
    c = contrast("a", "b", run(1), {}, margin=0.05)
    assert (c.n, c.test, c.p, c.verdict, c.not_worse) == (0, "", 1.0, "no difference shown", 1.0)
    assert sentence(c) == "a and b have no finished question in common: nothing can be said."


def test_a_shift_of_both_systems_changes_nothing() -> None:
    low = contrast("a", "b", run(0.1, 0.5, 0.2, 0.4), run(0.3, 0.1, 0.2, 0.0))
    assert contrast("a", "b", run(0.6, 1.0, 0.7, 0.9), run(0.8, 0.6, 0.7, 0.5)) == low


def test_the_order_of_samples_changes_nothing() -> None:
    a, b = run(*[0.25, 1.0, 0.5, 0.0] * 9), run(*[0.5, 0.0, 0.25] * 12)
    assert contrast("a", "b", dict(reversed(a.items())), b) == contrast("a", "b", a, b)


@pytest.mark.parametrize("margin", [0, 1, -0.1])
def test_a_margin_lies_between_0_and_1(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        contrast("a", "b", run(1), run(1), margin=margin)


def test_scores_lie_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        contrast("a", "b", run(2), run(1))


# --- The family


def test_a_family_is_corrected_and_judged_anew() -> None:
    alone = [against(9, 1, 40), against(14, 3, 33), against(5, 5, 40)]
    assert [c.verdict for c in alone] == ["better", "better", "no difference shown"]
    family = holm_family(alone)
    assert [round(c.p, 4) for c in family] == [0.0215, 0.0127, 1.0]
    assert [round(c.adjusted, 4) for c in family] == [0.043, 0.0382, 1.0]
    assert [c.family for c in family] == [3, 3, 3]
    more = holm_family([*alone, against(4, 4, 40)])
    assert more[0].adjusted == pytest.approx(3 * alone[0].p)
    assert [c.verdict for c in more] == ["no difference shown"] * 4


def test_equivalence_stands_when_the_correction_takes_the_difference_away() -> None:
    c = against(9, 1, 200, margin=0.1)
    assert c.verdict == "better"
    assert c.equivalent is not None
    assert c.equivalent < 0.05
    assert holm_family([c, *[against(1, 1, 9)] * 4])[0].verdict == "equivalent within the margin"


def test_equivalence_is_corrected_too() -> None:
    family = holm_family(
        [against(5, 5, 200, margin=0.03), against(5, 5, 490, margin=0.03), against(3, 0, 9, margin=0.03)]
    )
    raw = [c.equivalent or 0 for c in family]
    assert raw[1] < 0.017 < raw[0] < 0.05 < raw[2]
    assert [c.equivalent_adjusted for c in family] == pytest.approx(holm(raw))
    assert [c.verdict for c in family] == ["no difference shown", "equivalent within the margin", "no difference shown"]


def test_a_pair_without_items_in_common_is_part_of_the_family() -> None:
    c, none = against(5, 5, 490, margin=0.02), contrast("a", "b", {}, {}, margin=0.02)
    first, last = holm_family([c, none])
    assert first.equivalent_adjusted == pytest.approx(2 * (c.equivalent or 0))
    assert (last.adjusted, last.equivalent_adjusted, last.verdict) == (1, 1, "no difference shown")


def test_a_family_leaves_unfinished_comparisons_unfinished() -> None:
    c = replace(against(14, 3, 33), verdict="unfinished", planned=100)
    family = holm_family([c, against(14, 3, 33)])
    assert [x.verdict for x in family] == ["unfinished", "better"]
    assert family[0].adjusted == pytest.approx(2 * c.p)


def test_an_empty_family_is_none() -> None:
    assert holm_family([]) == []


# --- Words


@pytest.mark.parametrize(
    ("c", "said"),
    [
        (
            against(14, 3, 33),
            "debate scored 22 points higher than qwen on the same 50 questions "
            "(95 % interval {low} to {high}; exact McNemar p = 0.013): better.",
        ),
        (
            against(3, 14, 33),
            "debate scored 22 points lower than qwen on the same 50 questions "
            "(95 % interval {low} to {high}; exact McNemar p = 0.013): worse.",
        ),
        (
            against(6, 3, 41),
            "debate scored 6 points higher than qwen on the same 50 questions "
            "(95 % interval {low} to {high}; exact McNemar p = 0.51): no difference shown, which does not mean that they are equal.",
        ),
        (
            against(3, 3, 1),
            "debate and qwen scored the same on the same 7 questions "
            "(95 % interval {low} to {high}; exact McNemar p = 1.00): no difference shown, which does not mean that they are equal.",
        ),
        (
            holm_family([against(14, 3, 33), against(1, 1, 9)])[0],
            "debate scored 22 points higher than qwen on the same 50 questions (95 % interval {low} to {high}; "
            "exact McNemar p = 0.013, Holm-corrected for 2 comparisons p = 0.025): better.",
        ),
        (
            contrast(
                "a",
                "b",
                run(*[1.0] * 8, draws=2),
                run(*[0.0] * 8),
                clusters={("t", f"00{i}"): "c" for i in range(4)},
                task="t",
            ),
            "a scored 100 points higher than b on the same 8 questions of t in 5 clusters, up to 2 draws each averaged "
            "(95 % interval {low} to {high}; sign-flip permutation p = 0.062): no difference shown, which does not mean that they are equal.",
        ),
    ],
)
def test_a_sentence_to_quote(c: Contrast, said: str) -> None:
    low, high = (f"{100 * x:+.1f}" for x in (c.difference.low, c.difference.high))
    assert sentence(c) == said.format(low=low, high=high)


def test_the_margin_is_in_the_sentence() -> None:
    equal = against(5, 5, 490, margin=0.02)
    assert equal.verdict == "equivalent within the margin"
    assert ": equivalent within the margin of 2 points (two one-sided tests, p " in sentence(equal)
    assert "that it is not worse by 2 points or more is not shown (one-sided p = 0." in sentence(
        against(20, 20, 60, margin=0.02)
    )
    assert "that it is not worse by 5 points or more is shown" in sentence(against(12, 6, 82, margin=0.05))


def test_in_a_family_the_words_say_what_is_corrected() -> None:
    first, second = holm_family([against(5, 5, 490, margin=0.02), against(12, 6, 82, margin=0.05)])
    assert re.search(r"\(two one-sided tests, p [<=] [\d.]+, Holm-corrected p [<=] [\d.]+\)\.$", sentence(first))
    assert re.search(
        r"not worse by 5 points or more is shown \(one-sided p = [\d.]+, not corrected\)\.$", sentence(second)
    )


@pytest.mark.parametrize(("failed", "said"), [(1, "1 question is left out"), (3, "3 questions are left out")])
def test_questions_whose_calls_failed_are_told(failed: int, said: str) -> None:
    a, b = run(*[1.0] * 8), run(*[0.0] * 8)
    assert sentence(contrast("a", "b", a, b, failed=failed)).endswith(f": better; {said}, calls failed there.")
    assert sentence(contrast("a", "b", a, {}, failed=failed)).endswith(
        f"nothing can be said; {said}, calls failed there."
    )


def test_of_an_unfinished_comparison_nothing_is_said_yet() -> None:
    c = replace(against(14, 3, 23, margin=0.05), verdict="unfinished", planned=100)
    assert sentence(c).endswith("; nothing may be said yet: only 40 of 100 planned questions are finished.")
    assert sentence(replace(c, planned=None)).endswith("too few of the planned questions are finished.")
    assert "better" not in sentence(c)


def test_a_comparison_by_itself_says_that_nothing_is_corrected() -> None:
    c = against(14, 3, 33)
    assert sentence(c, alone=True) == f"{sentence(c)[:-1]} (one comparison, corrected for nothing)."
    assert compare_json(c, alone=True)["sentence"] == sentence(c, alone=True)


def test_rounding_never_carries_a_p_over_the_level() -> None:
    c = against(14, 3, 33)
    assert "p = 0.0498)" in sentence(replace(c, p=0.0498))
    assert "p < 0.001)" in sentence(replace(c, p=1e-7))


def test_as_data_it_survives_json() -> None:
    data = json.loads(json.dumps(compare_json(against(14, 3, 33, margin=0.05))))
    assert data["difference"]["mean"] == 0.22
    assert data["verdict"] == "better"
    assert data["sentence"].startswith("debate scored 22 points higher than qwen")
    assert set(data) >= {"system", "reference", "n", "units", "p", "adjusted", "margin", "not_worse", "equivalent"}
