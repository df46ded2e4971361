"""Each failure that was measured in a published toolkit's scorer, measured on ours over the evaluation sets.

The published figures are those of MoCo (arXiv 2601.21257), measured with its own functions on its own data: S in its
repository of June 2026, R in its release 1.1.2, S+R in both. The table of docs/answers.md is what this module computes:
``pytest -rP -k table tests/answers/test_failure_patterns.py`` prints it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from folkmoot import decide
from folkmoot.answers import AnswerType, equal, extract
from folkmoot.discussion import Turn
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.programs import passes
from folkmoot.sandbox import entry_of, isolation

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the evaluation sets are not beside this checkout")

CHOICES = ("agieval_tiny", "arc_challenge", "blend", "medqa", "mmlu_redux", "tablemwp_multiple_choice", "truthfulqa")
NUMBERS = ("gsm8k", "tablemwp_free_text", "theoremqa", "math")
LOOKALIKES = ("is correct.", "a", "A")
"""Options of two items, whose listing says what a conclusion would say."""


def items(name: str) -> Iterator[dict[str, Any]]:
    data = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    yield from data["dev"] + data["test"]


def questions() -> Iterator[tuple[dict[str, str], str]]:
    """All multiple-choice items: options by key, and the right key."""
    for name in CHOICES:
        yield from (
            (i["choices"], i["answer"]) for i in items(name) if not set(LOOKALIKES) & set(i["choices"].values())
        )


def listing(options: dict[str, str]) -> str:
    return "\n".join(f"{k}) {' '.join(t.split())}" for k, t in options.items()) + "\n\n"


def golds(*names: str) -> list[str]:
    return [i["output"] for n in names for i in items(n) if i["output"]]


def share(right: Iterable[bool]) -> tuple[float, int]:
    found = list(right)
    assert found
    return sum(found) / len(found), len(found)


def read(*forms: str, listed: bool = False) -> tuple[float, int]:
    """Share of replies with the right key in one of the forms that are read right."""
    return share(
        extract("choice", (listing(o) if listed else "") + f.format(k), o) == k for o, k in questions() for f in forms
    )


def says(value: float, n: int, what: str = "read right") -> str:
    return f"{value:.1%} of {n:,} {what}" if n >= 100 else f"{round(value * n)} of {n} {what}"


def usual_forms() -> str:
    value, n = read("Answer: {}", "**{}**", "\\boxed{{{}}}", "option {}")
    assert value == 1
    return says(value, n)


def listed_then_concluded() -> str:
    value, n = read("The answer is {}.", listed=True)
    assert value == 1
    return says(value, n)


def no_letter() -> str:
    value, n = share(extract("choice", "This depends on the data.", o) is not None for o, _ in questions())
    assert value == 0
    return says(value, n, "read as an answer")


def bold_after_the_phrase() -> str:
    value, n = read("The answer is **{}**.", "\\boxed{{{}}}")
    assert value == 1
    return says(value, n)


def bold_after_a_listing() -> str:
    value, n = read("The answer is **{}**.", "\\boxed{{{}}}", listed=True)
    assert value == 1
    return says(value, n)


def article() -> str:
    value, n = read("The answer is a matter of definition. So the answer is {}.")
    assert value == 1
    return says(value, n)


def other_keys() -> str:
    odd = [(o, k) for o, k in questions() if not all(len(key) == 1 and key.isalpha() for key in o)]
    value, n = share(extract("choice", f"Answer: {k}", o) == k for o, k in odd)
    assert value == 1
    return says(value, n, "items with such keys read right")


def nested_braces() -> str:
    value, n = share(equal("math", extract("math", f"So it is $\\boxed{{{g}}}$."), g) for g in golds("math"))
    assert value == 1
    return f"{1 - value:.1%} of {n:,} scored wrong"


def numbers(*names: str) -> dict[str, float]:
    """Gold answers that are plain decimal numbers, with their values."""
    return {
        g: float(g.replace(",", ""))
        for g in golds(*names)
        if re.fullmatch(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?", g)
    }


def negated(name: str, kind: Any) -> str:
    known = numbers(name)
    found = [g for g in golds(name) if known.get(g)]
    value, n = share(equal(kind, extract(kind, f"Answer: {g[1:] if g[0] == '-' else '-' + g}"), g) for g in found)
    assert value == 0
    return says(value, n, "accepted")


def points() -> str:
    found = numbers(*NUMBERS)
    broken = [g for g, v in found.items() if "." in g and v]
    lost, n = share(equal("number", extract("number", f"Answer: {g.replace('.', '')}"), g) for g in broken)
    whole = [g for g in found if "." not in g]
    kept, m = share(equal("number", extract("number", f"Answer: {g}.0"), g) for g in whole)
    assert (lost, kept) == (0, 1)
    return f"{says(lost, n, 'accepted without their point')}; {says(kept, m, 'accepted with .0')}"


def last_phrase() -> str:
    number = "The answer is 7 at first sight. But there are more. The answer is {}."
    values = [equal("number", extract("number", number.format(g)), g) for g in golds("gsm8k")]
    choice = [
        extract("choice", f"The answer is {next(x for x in o if x != k)}. No: the answer is {k}.", o) == k
        for o, k in questions()
    ]
    value, n = share([*values, *choice])
    assert value == 1
    return says(value, n)


def nearly_right() -> str:
    found = numbers(*NUMBERS)
    near = [(f"{v * 1.009:.12f}", g) for g, v in found.items() if v and v != int(v)]
    value, n = share(equal("number", a, g) for a, g in near)
    assert value == 0
    allowed, _ = share(AnswerType("number", tolerance=0.01).score(a, [g]) == 1 for a, g in near)
    assert allowed == 1
    return says(value, n, "accepted, unless the task names a tolerance")


def commas_in_names() -> str:
    text = AnswerType("text")
    names = [[a for a in json.loads(i["output"]) if "," in a] for i in items("popqa")]
    value, n = share(text.score(text.extract(f"Answer: {a}"), [a]) == 1 for aliases in names for a in aliases)
    assert value == 1
    return says(value, n, "names with a comma accepted whole")


def programs(name: str) -> list[Item]:
    return [Item(i["id"], i["input"], AnswerType("code"), (), metric="tests", tests=i["test"]) for i in items(name)]


def early_exit() -> str:
    if not isolation().ok:
        pytest.skip("no isolation works here")
    some = [item for name in ("humaneval", "mbpp") for item in islice(programs(name), 3)]
    exits = (
        "import sys\nsys.exit(0)\ndef {0}(*a): return None",
        "import os\ndef {0}(*a): os._exit(0)",
        "def {0}(*a): raise SystemExit(0)",
    )
    value, n = share(passes(item, e.format(entry_of(item.question, item.tests))).passed for item in some for e in exits)
    assert value == 0
    return says(value, n, "passed")


def helper_first() -> str:
    firsts = [(i, re.findall(r"^def (\w+)", i.question, re.M)) for i in programs("humaneval")]
    several = [(i, defs) for i, defs in firsts if len(defs) > 1]
    value, n = share(entry_of(i.question, i.tests) == defs[-1] for i, defs in several)
    assert value == 1
    return says(value, n, "such prompts: the right function is tested")


def blocks() -> str:
    solution, example = "def f(x):\n    return x + 1", "print(f(1))"
    fenced = [f"```python\n{code}\n```" for code in (solution, example)]
    value, n = share(
        extract("code", "First:\n" + "\nThen:\n".join(order)) == solution for order in (fenced, fenced[::-1])
    )
    assert value == 1
    return says(value, n, "orders of solution and example read right")


def unread_votes() -> str:
    kind = AnswerType("number")
    said = ["Answer: 42", "I cannot tell.", "No idea, sorry.", "Answer: 42.0", "Answer: 7"]
    d = decide.plurality([Turn(str(i), "answer", 0, text=s, answer=kind.extract(s)) for i, s in enumerate(said)], kind)
    assert d.tally == (("42", 2.0), ("7", 1.0))
    assert d.answer == "42"
    return "no votes for 2 unread replies; 42 and 42.0 are 1 answer with 2 votes"


def preferences() -> str:
    pair = ("one reply", "another reply")
    cases = {
        "Candidate B": "B",
        "Answer B is better.": "B",
        "The better one is A": "A",
        "A better answer exists.": None,
    }
    value, n = share(extract("choice", reply, pair) == letter for reply, letter in cases.items())
    assert value == 1
    return says(value, n)


ROWS: dict[str, tuple[str, str, Callable[[], str]]] = {
    'letter as "Answer: C", bold, boxed, "option C"': ("0.0 to 0.1 % of 10,364 items read", "S", usual_forms),
    "options listed, then concluded": ("31.7 % read right: the first listed", "S", listed_then_concluded),
    'no letter, but a word that ends in "a."': ("all of 10,386 read as A", "S", no_letter),
    'bold letter after "The answer is", boxed letter': ("0.1 % read right", "R", bold_after_the_phrase),
    "the same after a listing": ("24.4 % read right: the last listed", "R", bold_after_a_listing),
    '"The answer is a ..." and a letter later': ("31.7 % read right: the article", "R", article),
    "option keys other than letters": ("no such item can be scored right (22 ARC, 15 TableMWP)", "S+R", other_keys),
    "MATH gold answers in a box": ("11.2 % scored wrong: cut at the first brace", "S", nested_braces),
    "negated gold, GSM8K": ("999 of 999 accepted", "S", lambda: negated("gsm8k", "number")),
    "negated gold, MATH": ("811 of 914 accepted", "S", lambda: negated("math", "math")),
    "decimal points": ("1.5 equals 15, 18.0 differs from 18", "S", points),
    "two answers, one after the other": ("the first one wins (by its code)", "S+R", last_phrase),
    "0.9 % off": ("within 1 % is right where the gold is no integer (by its code)", "R", nearly_right),
    "accepted names that hold a comma": ("split at the comma (72 PopQA items)", "S+R", commas_in_names),
    "program that exits early": ("scores 1.0", "S+R", early_exit),
    "helper function before the solution": ("the first function is tested (4 HumanEval items)", "S+R", helper_first),
    "several code blocks": ("the last (S) or the first (R) is taken", "S+R", blocks),
    "unread replies in a vote": ("they vote as a bloc; 42 and 42.0 are 2 answers", "S+R", unread_votes),
    "which of two is better": ('first A or B anywhere: "Candidate B" is A', "S+R", preferences),
}


@cache
def line(pattern: str) -> str:
    theirs, where, ours = ROWS[pattern]
    return f"| {pattern} | {theirs} ({where}) | {ours()} |"


@pytest.mark.parametrize("pattern", ROWS)
def test_the_failure_does_not_occur(pattern: str) -> None:
    line(pattern)


def test_the_table_in_the_documentation_is_what_is_measured() -> None:
    lines = [line(pattern) for pattern in ROWS]
    print("\n".join(lines))
    written = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
    assert [said for said in lines if said not in written] == []
