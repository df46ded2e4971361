"""A vote over the samples that are fresh."""

from collections.abc import Callable

import pytest

from folkmoot.evaluation.collaboration.luck import again
from folkmoot.evaluation.collaboration.said import Said


@pytest.mark.parametrize(
    ("table", "expected"),  # is the vote right, is any sample right
    [
        ("ana#0 5 / ana#1 4 / bo#0 5 / bo#1 4", (True, True)),  # with the first answers it would be a tie
        ("ana#0 4 / ana#1 5 / bo#0 4 / bo#1 5", (False, False)),
        ("ana#1 5 / ana#2 4 / bo#1 4.0 / bo#2 6", (True, True)),
        ("ana#1 5 / ana#2 4", (False, True)),  # a tie: the answer given first
        ("ana#1 4 / ana#2 5", (True, True)),
        ("ana#1 4 / ana#2 - / bo#1 - / bo#2 !", (True, True)),  # abstentions do not vote
        ("ana#1 - / bo#1 -", (False, False)),
        ("ana#0 4 / bo#0 4", None),  # nothing fresh
        ("ana#1 ! / bo#1 !", None),
    ],
)
def test_the_first_sample_of_everybody_is_what_it_said_alone(
    answers: Callable[[str], list[Said]], table: str, expected: tuple[bool, bool] | None
) -> None:
    assert again(answers(table)) == expected


def test_unscored_answers_say_nothing() -> None:
    assert again([Said("ana", 1, 0, "4", None), Said("bo", 1, 0, None, False)]) is None
