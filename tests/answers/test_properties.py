"""What holds for every answer: a contract that was followed is read back, and being the same is an equivalence."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.answers import AnswerType, equal, extract
from folkmoot.answers.labels import fold

settings.register_profile("answers", deadline=None)  # a busy machine: time is checked below, as processor time
settings.load_profile("answers")

NUMBER = AnswerType("number")
TEXT = AnswerType()
BOOLEAN = AnswerType("boolean")
ANY_LABELS = AnswerType("labels")

words = st.text(st.characters(categories=("Lu", "Ll", "Nd"), max_codepoint=0x24F), min_size=1, max_size=12)
short_answers = st.lists(words, min_size=1, max_size=8).map(" ".join)
option_lists = st.lists(short_answers, min_size=2, max_size=10)
label_lists = st.lists(short_answers, min_size=1, max_size=6, unique_by=fold)
digits = tuple(str(n) for n in range(1, 27))
kinds = st.one_of(
    st.just(NUMBER),
    st.just(TEXT),
    st.just(BOOLEAN),
    st.just(ANY_LABELS),
    option_lists.map(lambda o: AnswerType("choice", tuple(o))),
    option_lists.map(lambda o: AnswerType("choice", tuple(o), digits[: len(o)])),
    label_lists.map(lambda o: AnswerType("labels", tuple(o))),
)
pieces = (
    "Answer: ",
    "the answer is ",
    "\\boxed{",
    "}",
    "A",
    "B",
    "C) ",
    "42",
    "3",
    ".",
    ". ",
    "\n",
    " ",
    "or ",
    "because ",
    "Rome",
    "2) ",
    "not ",
    "true",
    "No, ",
    ", ",
    " and ",
)
replies = st.lists(st.sampled_from(pieces), max_size=12).map("".join)
before = st.sampled_from(
    ["", "Let me think.\n", "3 and 4 are not it.\n\n", "The answer is not obvious.\n", "A) one\nB) two\n"]
)


@given(option_lists, st.booleans(), st.data(), before)
def test_a_key_in_the_form_of_the_contract_is_read_back(
    options: list[str], numbered: bool, data: st.DataObject, said: str
) -> None:
    kind = AnswerType("choice", tuple(options), digits[: len(options)] if numbered else ())
    key = data.draw(st.sampled_from(kind.labels))
    for form in ("Answer: {}", "\\boxed{{{}}}", "The answer is ({})."):
        assert kind.extract(said + form.format(key)) == key
    for form in ("Answer: not {}", "\\boxed{{not {}}}", "The answer is not {}."):
        assert kind.extract(said + form.format(key)) != key or options[kind.labels.index(key)].startswith("not ")


@given(st.sampled_from(["true", "false", "yes", "no", "True", "NO"]), before)
def test_a_truth_value_in_the_form_of_the_contract_is_read_back(gold: str, said: str) -> None:
    for form in ("Answer: {}", "\\boxed{{{}}}", "The answer is {}."):
        assert BOOLEAN.score(BOOLEAN.extract(said + form.format(gold)), [gold]) == 1.0
    for form in ("Answer: not {}", "\\boxed{{not {}}}", "The answer is not {}."):
        assert BOOLEAN.score(BOOLEAN.extract(said + form.format(gold)), [gold]) == 0.0


@given(label_lists, st.data(), before)
def test_labels_in_the_form_of_the_contract_are_read_back(names: list[str], data: st.DataObject, said: str) -> None:
    kind = AnswerType("labels", tuple(names))
    some = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    read = kind.extract(f"{said}Answer: {', '.join(some)}")
    assert kind.score(read, [", ".join(reversed(some))]) == 1.0
    assert kind.score(kind.extract(f"{said}Answer: {', '.join([*some, 'zz-zz'])}"), [", ".join(some)]) == 0.0


@given(st.sampled_from(["choice", "number", "math", "text", "boolean", "labels", "code"]), st.text(max_size=300))
def test_the_public_entry_takes_any_text(kind: Any, reply: str) -> None:
    read = extract(kind, reply)
    assert read is None or (read.strip() and equal(kind, read, read))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9), before)
def test_a_number_in_the_form_of_the_contract_is_read_back(number: object, said: str) -> None:
    for form in (f"{number}", f"{number:,}"):
        read = NUMBER.extract(f"{said}Answer: {form}")
        assert read is not None
        assert NUMBER.score(read, [f"{number}"]) == 1.0


@given(st.integers(), st.integers())
def test_two_integers_are_the_same_only_if_they_are_equal(a: int, b: int) -> None:
    assert NUMBER.same(str(a), f"{b:,}.00") == (a == b)


@given(short_answers, before)
def test_words_in_the_form_of_the_contract_are_read_back(gold: str, said: str) -> None:
    read = TEXT.extract(f"{said}Answer: {gold}")
    assert read is not None
    assert TEXT.score(read, [gold]) == 1.0
    assert TEXT.score(read, [gold], "f1") == 1.0


@given(kinds, st.text())
def test_the_key_of_a_key_is_the_key(kind: AnswerType, answer: str) -> None:
    key = kind.canonical(answer)
    assert kind.canonical(key) == key


@given(kinds, st.text(), st.text(), st.text())
def test_being_the_same_is_an_equivalence(kind: AnswerType, a: str, b: str, c: str) -> None:
    assert kind.same(a, a)
    assert kind.same(a, b) == kind.same(b, a)
    if kind.same(a, b) and kind.same(b, c):
        assert kind.same(a, c)


@given(kinds, st.one_of(st.text(max_size=400), replies))
def test_any_text_is_an_answer_or_an_abstention(kind: AnswerType, reply: str) -> None:
    read = kind.extract(reply)
    if kind.kind == "choice":
        assert read is None or read in kind.labels
    assert read != ""


@given(kinds, replies)
def test_a_cut_reply_is_read_like_the_whole_one_or_not_at_all(kind: AnswerType, reply: str) -> None:
    assert kind.extract(reply, cut=True) in (None, kind.extract(reply))


LOOPS = [
    *("Answer: ", "the answer is ", "\\boxed{", "**", "1 ", "1,", "A) ", "C is the answer ", "\n", " ", "$", "_a"),
    *("is correct ", "Answer: A, ", "A or ", "1. ", "- ", "the statement is ", "that ", "not ", "No, ", "I choose "),
    *("so ", "(", "Rome, ", "Rome and ", '{"answer": ', '"', "A\n", "Rome\n", "the statement that ", "because "),
    *(
        "the answer is",
        "The answer is not ",
        "\t",
        " \n",
        "\r\n",
        "\u00a0",
        "\\]",
        "\\[ ",
        "$$ ",
        "$$",
        "\\text{",
        "\\frac",
        "½ ",
    ),
    *("Question: ", "Q:\n", "the ", ": ", "= ", "- - ", "). ", ".,", "_{", "x^", "\\\\", "( since ", "is ", "answer "),
    *("wait, no ", "<think>", "</think>", "```\n", "Answer - ", "a.", "x" * 50, "Answer:\n- Rome\n", "true or "),
    *(
        "The answer is A.\nBo: ",
        "Bo:\n",
        "<b>",
        "<b>x</b>",
        "</s>",
        "<|x|>",
        "|---|\n",
        "\\boxed{A} or ",
        "if ",
        "Answer: <",
    ),
    *(
        "not but ",
        "changed from ",
        "leaving ",
        "B would be the answer ",
        "no, ",
        "I agree with ",
        "Peer 1: ",
        "Answer: A (",
    ),
]
"""Pieces that a model which loops says over and over."""


TWO = ("Rome", "Paris")
ALL = (
    AnswerType("choice", TWO),
    AnswerType("choice", TWO, ("1", "2")),
    NUMBER,
    TEXT,
    BOOLEAN,
    AnswerType("labels", TWO),
    ANY_LABELS,
    AnswerType("math"),
    AnswerType("code"),
    AnswerType("free"),
)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_model_that_loops_does_not_hold_up_the_others(loop: str) -> None:
    many = loop * (100_000 // len(loop))
    for kind in ALL:
        # processor time: whatever else the machine does
        began = time.process_time()
        kind.extract(many)
        kind.extract(f"{many}\nThe answer is 4.", cut=True)
        kind.canonical(many[:2000])
        assert time.process_time() - began < 1.5, kind.kind  # takes up to 0.3 s; quadratic work takes several


@pytest.mark.parametrize("blanks", ["\n", " ", "\t", "\r\n", "\u00a0"])
@pytest.mark.parametrize("around", ["The answer is 4.{}", "{}The answer is ½", "Answer: 5{}x", "$${}x", "\\[{}x"])
def test_blanks_take_no_time(blanks: str, around: str) -> None:
    reply = around.format(blanks * (100_000 // len(blanks)))
    for kind in ALL:
        began = time.process_time()
        kind.extract(reply)
        assert time.process_time() - began < 1.0, kind.kind  # takes up to 0.05 s
    began = time.process_time()
    NUMBER.canonical(around.format(blanks * 2000))
    assert time.process_time() - began < 1.0
