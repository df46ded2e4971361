"""The share of the oracle's lead over the best member that a system won."""

import pytest

from folkmoot.evaluation.collaboration.headroom import headroom
from folkmoot.evaluation.collaboration.tally import ByDraw


def scores(*values: float) -> ByDraw:
    return {("sums", f"{i:03}"): {0: v} for i, v in enumerate(values)}


#             20 items each: both right, only ana, only bo, neither
ANA = scores(*[1] * 20, *[1] * 20, *[0] * 20, *[0] * 20)
BO = scores(*[1] * 20, *[0] * 20, *[1] * 20, *[0] * 20)


@pytest.mark.parametrize(
    ("system", "share"),
    [
        (ANA, 0.0),  # as good as the best member
        (scores(*[1] * 60, *[0] * 20), 1.0),  # always the right member: 60 of 80
        (scores(*[1] * 40, *[1] * 5, *[0] * 35), 0.25),  # 5 of the 20 that the oracle leads by
        (scores(*[1] * 80), 2.0),  # right where no member is: above 1
        (scores(*[1] * 30, *[0] * 50), -0.5),  # worse than the best member
    ],
)
def test_the_share_of_the_lead_that_was_won(system: ByDraw, share: float) -> None:
    seen = headroom(system, ANA, [ANA, BO])
    assert seen is not None
    assert seen.mean == pytest.approx(share)
    assert seen.low <= seen.mean <= seen.high


def test_the_interval_is_that_of_a_ratio() -> None:
    # 5 won of a lead of 20: near the interval of a share, 5/20 +- 0.19
    seen = headroom(scores(*[1] * 40, *[1] * 5, *[0] * 35), ANA, [ANA, BO])
    assert seen is not None
    assert seen.low == pytest.approx(0.07, abs=0.04)
    assert seen.high == pytest.approx(0.45, abs=0.04)


def test_nothing_is_said_without_a_lead_or_with_one_that_a_resample_may_miss() -> None:
    assert headroom(BO, ANA, [ANA]) is None
    assert headroom(BO, ANA, [ANA, ANA]) is None
    assert headroom({}, ANA, [ANA, BO]) is None
    two = scores(*[0] * 40, *[1] * 2)  # two items hold the lead: 13 % of resamples have neither
    four = scores(*[0] * 40, *[1] * 4)  # four: 2 %
    assert headroom(two, scores(*[0] * 42), [scores(*[0] * 42), two]) is None
    assert headroom(four, scores(*[0] * 44), [scores(*[0] * 44), four]) is not None


def test_equal_seeds_give_equal_intervals_whatever_the_order() -> None:
    system = scores(*[1] * 40, *[1] * 5, *[0] * 35)
    shuffled = dict(reversed(system.items()))
    assert headroom(system, ANA, [ANA, BO], seed=3) == headroom(shuffled, ANA, [ANA, BO], seed=3)
    assert headroom(system, ANA, [ANA, BO], seed=3) != headroom(system, ANA, [ANA, BO], seed=4)
