"""Emergence, what luck alone would give, and collapse."""

import random
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration.emergence import collapse, emergence
from folkmoot.evaluation.collaboration.figures import Emergence
from folkmoot.evaluation.collaboration.luck import Again, again
from folkmoot.evaluation.collaboration.said import Said
from folkmoot.evaluation.collaboration.tally import ByDraw
from folkmoot.evaluation.contrast import Key
from folkmoot.evaluation.statistics import wilson


def scores(line: str, draws: int = 1) -> ByDraw:
    """``"1 0 . 1"``: an item each, in the order of the items; . is not finished."""
    cells = line.split()
    return {
        ("sums", f"{at // draws:03}"): {
            d: float(cells[at + d]) for d in range(draws) if cells[at + d] != "."
        }
        for at in range(0, len(cells), draws)
        if any(c != "." for c in cells[at : at + draws])
    }  # fmt: skip


ANA = scores("1 1 0 0 0 0 .")
BO = scores("1 0 0 0 0 0 0")
SYSTEM = scores("1 0 1 1 0 0 1")
# Fresh samples of the members: is their vote right, is any of them right? Item 5 is not finished.
LUCK = {
    item: {0: Again(vote, some)}
    for item, (vote, some) in zip(
        sorted(BO), [(True, True), (True, True), (True, True), (False, True), (False, False)], strict=False
    )
}


def test_emergence_on_the_items_that_all_members_got_wrong() -> None:
    # Both are wrong on items 2, 3, 4, 5; of those the system gets 2 and 3
    seen = emergence(SYSTEM, [ANA, BO])
    assert (seen.rate.count, seen.rate.of, seen.rate.share) == (2, 4, 0.5)
    assert seen.rate.interval == wilson(2, 4)
    assert (seen.control, seen.excess, seen.any_sample, seen.by) == (None, None, None, "")


def test_the_control_is_taken_on_the_same_items() -> None:
    # Fresh samples are there for items 2, 3, 4 of those four; their vote gets item 2, and some sample item 3, too
    seen = emergence(SYSTEM, [ANA, BO], LUCK, by="vote x4")
    assert seen.by == "vote x4"
    assert seen.control is not None
    assert seen.excess is not None
    assert seen.any_sample is not None
    assert (seen.rate.count, seen.rate.of) == (2, 4)
    assert (seen.control.count, seen.control.of) == (1, 3)
    assert seen.excess.mean == pytest.approx(1 / 3)  # (2 - 1) / 3
    assert seen.excess.low <= 0 < seen.excess.high  # one item that differs shows nothing
    assert (seen.any_sample.count, seen.any_sample.of) == (2, 3)


def test_draws_are_looked_at_one_by_one_and_averaged_within_the_item() -> None:
    #         item 0   item 1   item 2
    ana = scores("0 0   0 1   1 1", draws=2)
    bo = scores(" 0 0   0 0   0 0", draws=2)
    ours = scores("1 0   1 1   1 1", draws=2)
    # All wrong: both draws of item 0 (right in half), the first draw of item 1 (right); never on item 2
    assert (emergence(ours, [ana, bo]).rate.count, emergence(ours, [ana, bo]).rate.of) == (1.5, 2)
    # Somebody right: the second draw of item 1, both of item 2; never wrong there
    assert (collapse(ours, [ana, bo]).count, collapse(ours, [ana, bo]).of) == (0, 2)


def test_partial_scores_are_right_above_a_half() -> None:
    assert emergence(scores("0.6 0.5"), [scores("0.5 0.4")]).rate.count == 1
    assert collapse(scores("0.5 0.6"), [scores("0.6 0.6")]).count == 1


def test_collapse_where_some_member_and_where_most_members_were_right() -> None:
    ana, bo, cy = scores("1 1 1 0"), scores("0 1 1 0"), scores("0 0 1 0")
    ours = scores("0 0 1 0")
    assert (collapse(ours, [ana, bo, cy]).count, collapse(ours, [ana, bo, cy]).of) == (2, 3)
    assert (collapse(ours, [ana, bo, cy], most=True).count, collapse(ours, [ana, bo, cy], most=True).of) == (1, 2)
    # Half is not most
    assert collapse(ours, [ana, bo], most=True).of == 2


def test_clusters_make_intervals_wider() -> None:
    n = 160
    members = [scores("0 " * n)]
    ours = scores("1 1 1 1 0 0 0 0 " * 20)
    luck = {item: {0: Again(False, False)} for item in ours}
    passages = {item: f"passage {i // 4}" for i, item in enumerate(ours)}
    plain = emergence(ours, members, luck, by="vote")
    clustered = emergence(ours, members, luck, by="vote", clusters=passages)
    assert plain.excess is not None
    assert clustered.excess is not None
    for narrow, wide in ((plain.rate.interval, clustered.rate.interval), (plain.excess[1:], clustered.excess[1:])):
        assert 1.5 < (wide[1] - wide[0]) / (narrow[1] - narrow[0]) < 2.5  # sqrt(4) = 2


KINDS_OF_WRONG = 4


def sample(rng: random.Random, chance: float) -> int:
    """One answer of a member: 0 is right, as often as its chance says."""
    return 0 if rng.random() < chance else rng.randint(1, KINDS_OF_WRONG)


def vote(said: Sequence[int]) -> bool:
    return max(said, key=said.count) == 0


# What a system without any collaboration says, from the answers of the members alone and from fresh ones
DEAF: dict[str, Callable[[list[int], Callable[[], list[int]]], list[int]]] = {
    "one more vote over fresh samples": lambda alone, fresh: fresh(),
    # The cache gives it the same first answers as the members alone; then everybody answers anew, and nobody has listened
    "a debate in which nobody listens": lambda alone, fresh: (alone, fresh())[-1],
}


def simulated(system: str, runs: int, control: Callable[[Sequence[Said]], Again | None] = again) -> list[Emergence]:
    """Three members of chance quality per item, 300 items a run; the control has two samples of each, one of them fresh."""
    rng, seen = random.Random(7), []
    for run in range(runs):
        members: list[dict[Key, dict[int, float]]] = [{}, {}, {}]
        ours: dict[Key, dict[int, float]] = {}
        luck: dict[Key, dict[int, Again]] = {}
        for i in range(300):
            item = ("sums", str(i))
            chances = [rng.betavariate(1, 1.5) for _ in members]

            def fresh(chances: Sequence[float] = chances) -> list[int]:
                return [sample(rng, p) for p in chances]

            alone = fresh()
            for m, answer in zip(members, alone, strict=True):
                m[item] = {0: float(answer == 0)}
            ours[item] = {0: float(vote(DEAF[system](alone, fresh)))}
            drawn = [(draw, answer) for draw, said in enumerate((alone, fresh())) for answer in said]
            asked = control([Said("m", draw, 0, str(answer), answer == 0) for draw, answer in drawn])
            assert asked is not None
            luck[item] = {0: asked}
        seen.append(emergence(ours, members, luck, by="vote x6", seed=run))
    return seen


@pytest.mark.parametrize("system", DEAF)
def test_just_asking_again_is_no_emergence_once_the_control_is_subtracted(system: str) -> None:
    seen = simulated(system, 100)
    # Uncorrected it looks like emergence: three of ten questions that "no member can solve"
    assert fmean(e.rate.share for e in seen) > 0.25
    assert fmean(e.any_sample.share for e in seen) > fmean(e.rate.share for e in seen)
    # Corrected it is nothing: 0 on average, within three standard errors (100 runs), and the intervals say so
    excesses = [e.excess.mean for e in seen]
    assert abs(fmean(excesses)) < 3 * stdev(excesses) / 10 < 0.03
    assert sum(e.excess.low <= 0 <= e.excess.high for e in seen) >= 90  # 95 expected


def test_a_control_that_counts_the_answers_known_to_be_wrong_would_see_emergence_where_nobody_listens() -> None:
    def naive(turns: Sequence[Said]) -> Again:
        return Again(vote([int(t.form or 0) for t in turns]), True)

    seen = simulated("a debate in which nobody listens", 20, naive)
    assert fmean(e.excess.mean for e in seen) > 0.2
    assert all(e.excess.low > 0 for e in seen)


def test_what_is_more_than_luck_is_seen() -> None:
    # A graph that solves a third of what all members always get wrong, where no sample is ever right
    rng = random.Random(7)
    never = scores("0 " * 200)
    ours = scores(" ".join(str(int(rng.random() < 1 / 3)) for _ in range(200)))
    seen = emergence(ours, [never, never], {item: {0: Again(False, False)} for item in never}, by="vote x6")
    assert seen.excess is not None
    assert seen.any_sample is not None
    assert seen.excess.low > 0.2
    assert seen.any_sample.share == 0


lines = st.integers(1, 8).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from(["0", "0.5", "1", "."]), min_size=n, max_size=n), min_size=2, max_size=5
    )
)


@given(lines)
def test_every_item_is_either_lost_by_all_or_held_by_some(rows: list[list[str]]) -> None:
    system, *members = [scores(" ".join(row)) for row in rows]
    lost, held = emergence(system, members).rate, collapse(system, members)
    most = collapse(system, members, most=True)
    finished = [item for item in system if all(item in m for m in members)]
    assert lost.of + held.of == len(finished)
    right = sum(system[item][0] > 0.5 for item in finished)
    assert lost.count + (held.of - held.count) == right
    assert most.of <= held.of
    assert most.count <= held.count
    for rate in (lost, held, most):
        assert 0 <= rate.count <= rate.of
        assert 0 <= rate.interval.low <= rate.interval.high <= 1
