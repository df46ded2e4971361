"""The oracle and the random member."""

from hypothesis import given
from hypothesis import strategies as st

from folkmoot.evaluation.collaboration import bounds

A, B, C = ("sums", "a"), ("sums", "b"), ("sums", "c")


def test_draw_by_draw() -> None:
    seen = bounds({"ana": {A: (1, 0), B: (0.5,), C: (1,)}, "bo": {B: (0.25,), A: (0, 0)}})
    assert seen == {
        "oracle": {A: (1, 0), B: (0.5,)},
        "random member": {A: (0.5, 0), B: (0.375,)},
    }
    assert bounds({}) == {}


@given(
    st.integers(1, 3).flatmap(
        lambda draws: st.lists(
            st.fixed_dictionaries({k: st.tuples(*[st.floats(0, 1)] * draws) for k in (A, B)}), min_size=1, max_size=4
        )
    )
)
def test_the_oracle_is_at_least_as_good_as_anybody(members: list[dict[tuple[str, str], tuple[float, ...]]]) -> None:
    seen = bounds({f"m{i}": m for i, m in enumerate(members)})
    for key in (A, B):
        for at, best in enumerate(seen["oracle"][key]):
            each = [m[key][at] for m in members]
            assert best == max(each)
            assert min(each) - 1e-12 <= seen["random member"][key][at] <= best + 1e-12
