"""Options asked token by token: what is asked, and what comes of it."""

import math

import pytest

from folkmoot.engines.vllm_choice import questions, shares


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([[1], [2], [3]], [((), [1, 2, 3])]),  # one token each: one question
        ([[1, 2], [1, 3]], [((), [1]), ((1,), [2, 3])]),  # a common beginning is asked once
        ([[1, 2, 3], [4]], [((), [1, 4]), ((1,), [2]), ((1, 2), [3])]),
        ([[7, 7]], [((), [7]), ((7,), [7])]),
        ([[i] for i in range(130)], [((), list(range(128))), ((), [128, 129])]),  # more than vLLM takes at once
    ],
)
def test_every_token_of_every_option_is_asked_once(
    options: list[list[int]], expected: list[tuple[tuple[int, ...], list[int]]]
) -> None:
    assert list(questions(options)) == expected


@pytest.mark.parametrize(
    ("options", "logprobs", "expected"),
    [
        ([[1], [2]], {((), 1): math.log(0.6), ((), 2): math.log(0.2)}, [0.75, 0.25]),
        ([[1, 2], [3]], {((), 1): -1.0, ((1,), 2): -3.0, ((), 3): -2.0}, [0.5, 0.5]),  # the mean, not the sum
        ([[1], [2]], {((), 1): -1e4, ((), 2): -math.inf}, [1.0, 0.0]),
        ([[1], [2]], {((), 1): -math.inf, ((), 2): -math.inf}, None),
        ([[1]], {((), 1): -5.0}, [1.0]),
    ],
)
def test_means_per_token_become_shares(
    options: list[list[int]], logprobs: dict[tuple[tuple[int, ...], int], float], expected: list[float] | None
) -> None:
    found = shares(options, logprobs)
    assert found == (None if expected is None else pytest.approx(expected))
