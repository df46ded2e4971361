"""The demo contributors' data: made by rule, right, and no test question among the training rows."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from folkmoot.evaluation.tasks import load_split, own_task
from folkmoot.manifest import read_manifest

HERE = Path(__file__).parents[2] / "examples" / "participants"
NAMES = ("ledger", "numerals", "recipes", "timetable", "triage", "village")


@pytest.fixture(scope="module")
def make_data():
    """The script as a module; what it brings along is forgotten afterwards."""
    known = set(sys.modules)
    sys.path.insert(0, str(HERE))
    try:
        import make_data

        yield make_data
    finally:
        sys.path.remove(str(HERE))
        for name in set(sys.modules) - known:
            if name.split(".")[0] in ("make_data", "interests"):
                del sys.modules[name]


@pytest.fixture(scope="module")
def rows(make_data):
    return {name: make_data.rows(name) for name in NAMES}


def committed(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / name / "priority.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_interest_has_a_folder(make_data):
    assert tuple(make_data.INTERESTS) == NAMES
    assert {p.parent.name for p in HERE.glob("*/participant.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_makes_the_same_rows(make_data, rows, name):
    assert make_data.rows(name) == rows[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_test_set_is_what_the_script_writes(make_data, rows, name):
    assert (HERE / name / "priority.jsonl").read_text(encoding="utf-8") == make_data.jsonl(rows[name][1])


@pytest.mark.parametrize("name", NAMES)
def test_no_test_question_is_a_training_question(rows, name):
    train, priority = rows[name]
    asked = [row["question"].casefold() for row in (*train, *priority)]
    assert len(set(asked)) == len(asked)
    assert 1000 <= len(train) <= 2000


@pytest.mark.parametrize("name", NAMES)
def test_the_product_reads_every_row(name):
    task = own_task(read_manifest(HERE / name / "participant.yaml"))
    for split, count in (("dev", 40), ("test", 60)):
        found = load_split(task, split)
        assert (len(found.items), found.findings) == (count, ())


def test_three_kinds_of_answer_and_no_answer_that_is_mostly_right():
    kinds = set()
    for name in NAMES:
        kinds.add(read_manifest(HERE / name / "participant.yaml").priority.answer)
        most = Counter(row["answer"] for row in committed(name)).most_common(1)[0][1]
        assert most <= 33, f"{name}: one answer is right for {most} of 100 questions"
    assert len(kinds) >= 3


def value(numeral: str) -> int:
    worth = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[c] for c in numeral]
    return sum(-a if a < b else a for a, b in zip(worth, [*worth[1:], 0], strict=True))


def test_numerals_are_right():
    seen = 0
    for row in committed("numerals"):
        question, answer = row["question"], row["answer"]
        if answer.isdecimal() and (found := re.search(r"\b[IVXLC]{2,}\b", question)):
            assert value(found[0]) == int(answer), row
        elif not answer.isdecimal():
            assert value(answer) == int(re.search(r"\d+", question)[0]), row
        else:
            continue
        seen += 1
    assert seen >= 50


def test_arrivals_are_right():
    seen = 0
    for row in committed("timetable"):
        times = [int(h) * 60 + int(m) for h, m in re.findall(r"(\d+):(\d\d)", f"{row['question']} {row['answer']}")]
        if len(times) != 2:
            continue
        assert times[1] - times[0] == int(re.search(r"(\d+) minutes", row["question"])[1]), row
        seen += 1
    assert seen >= 50


def test_scaled_recipes_are_right():
    seen = 0
    for row in committed("recipes"):
        if found := re.fullmatch(r"(\d+) eaters: (\d+) g of \w+\. (\d+) eaters: how many grams\?", row["question"]):
            a, x, b = map(int, found.groups())
            assert int(row["answer"]) * a == x * b, row
            seen += 1
    assert seen >= 15


def test_a_baby_is_one_level_more_urgent_than_a_man(make_data):
    from interests.triage import LEVELS, SIGNS
    from interests.triage import level as decided

    for level in LEVELS:
        for sign in SIGNS[level]:
            assert decided([sign, SIGNS["home"][0]], baby=False) == level
            assert LEVELS.index(decided([sign], baby=True)) == max(0, LEVELS.index(level) - 1)
