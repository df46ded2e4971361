"""Right solutions of many shapes pass, and all items' tests work through the pipe."""

import ast
import json
import textwrap
from pathlib import Path

import pytest

from folkmoot.answers import AnswerType
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.programs import passes
from folkmoot.sandbox import Isolation, Limits, entry_of, trial
from folkmoot.sandbox.check import check

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the evaluation data is not beside the checkout")


def items(name: str) -> dict[str, Item]:
    told = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return {
        str(x["id"]): Item(str(x["id"]), x["input"], AnswerType("code"), (), name, "tests", tests=x["test"])
        for x in told["dev"] + told["test"]
    }


SOLUTIONS = {
    # only the body, as a reply to the head of a function
    "HumanEval/53": "    return x + y",
    # a helper before the solution
    "HumanEval/33": """
        def merged(firsts, rest):
            return [firsts.pop(0) if i % 3 == 0 else v for i, v in enumerate(rest)]

        def sort_third(l: list):
            return merged(sorted(l[::3]), l)
        """,
    # the helper is the question's own
    "HumanEval/10": """
        def make_palindrome(string):
            start = next(i for i in range(len(string) + 1) if is_palindrome(string[i:]))
            return string + string[:start][::-1]
        """,
    # a helper after it, a constant, a generator expression
    "HumanEval/64": """
        VOWELS = frozenset("aeiouAEIOU")

        def vowels_count(s):
            return sum(c in VOWELS for c in s) + last(s)

        def last(s):
            return s[-1:] in ("y", "Y")
        """,
    # types that the question imports
    "HumanEval/20": """
        def find_closest_elements(numbers: List[float]) -> Tuple[float, float]:
            ordered = sorted(numbers)
            return min(zip(ordered, ordered[1:]), key=lambda pair: pair[1] - pair[0])
        """,
    # annotations evaluated late, a data class, a generic type variable
    "HumanEval/12": """
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import TypeVar
        T = TypeVar("T")

        @dataclass
        class Best:
            text: str | None = None

        def longest(strings: list[str]) -> str | None:
            best = Best()
            for s in strings:
                if best.text is None or len(s) > len(best.text):
                    best.text = s
            return best.text
        """,
    # floats within a tolerance
    "HumanEval/4": """
        import statistics

        def mean_absolute_deviation(numbers):
            return statistics.fmean(abs(n - statistics.fmean(numbers)) for n in numbers)
        """,
    "HumanEval/2": "import math\ndef truncate_number(number): return math.modf(number)[0]",
    # its truth is asked for
    "HumanEval/61": """
        import re

        def correct_bracketing(brackets):
            while "()" in brackets:
                brackets = brackets.replace("()", "")
            return re.fullmatch("", brackets)
        """,
    # recursion
    "HumanEval/44": "def change_base(x, base):\n    return str(x) if x < base else change_base(x // base, base) + str(x % base)",
    # types are looked at
    "HumanEval/151": "def double_the_difference(lst):\n    return sum(x * x for x in lst if type(x) is int and x > 0 and x % 2)",
    "HumanEval/95": """
        def check_dict_case(d):
            strings = bool(d) and all(isinstance(k, str) for k in d)
            return strings and (all(map(str.islower, d)) or all(map(str.isupper, d)))
        """,
    # an extension module
    "HumanEval/162": "import hashlib\ndef string_to_md5(text): return hashlib.md5(text.encode()).hexdigest() if text else None",
    "HumanEval/148": """
        PLANETS = "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split()

        def bf(planet1, planet2):
            if {planet1, planet2} - set(PLANETS):
                return ()
            a, b = sorted(map(PLANETS.index, (planet1, planet2)))
            return tuple(PLANETS[a + 1 : b])
        """,
    # a named tuple is a tuple
    "HumanEval/87": """
        from collections import namedtuple
        Place = namedtuple("Place", "row column")

        def get_row(lst, x):
            found = [Place(i, j) for i, row in enumerate(lst) for j, v in enumerate(row) if v == x]
            return sorted(found, key=lambda p: (p.row, -p.column))
        """,
    "HumanEval/1": """
        def separate_paren_groups(paren_string):
            found, depth = [""], 0
            for c in paren_string.replace(" ", ""):
                depth += 1 if c == "(" else -1
                found[-1] += c
                if not depth:
                    found.append("")
            return found[:-1]
        """,
    # a set of tuples
    "473": """
        def tuple_intersection(a, b):
            return frozenset(map(tuple, map(sorted, a))) & set(map(tuple, map(sorted, b)))
        """,
    # floats to the last digit
    "783": """
        import colorsys
        def rgb_to_hsv(r, g, b):
            r, g, b = r / 255.0, g / 255.0, b / 255.0
            high, low = max(r, g, b), min(r, g, b)
            spread = high - low
            if not spread: h = 0
            elif high == r: h = (60 * ((g - b) / spread) + 360) % 360
            elif high == g: h = (60 * ((b - r) / spread) + 120) % 360
            else: h = (60 * ((r - g) / spread) + 240) % 360
            return h, (spread / high) * 100 if high else 0, high * 100
        """,
    "725": "import re\ndef extract_quotation(text): return re.findall('\"(.*?)\"', text)",
    # nested tuples
    "580": """
        def extract_even(t):
            inner = (extract_even(x) if isinstance(x, tuple) else x for x in t)
            return tuple(x for x in inner if isinstance(x, tuple) or x % 2 == 0)
        """,
    # a counter is a dictionary
    "88": "from collections import Counter\ndef freq_count(items): return Counter(items)",
    "946": "import collections as c\ndef most_common_elem(text, n): return c.Counter(text).most_common(n)",
    "821": "from collections import ChainMap\ndef merge_dictionaries(a, b): return dict(ChainMap({}, a, b))",
    # it changes its argument
    "854": "from heapq import heapify\ndef raw_heap(items):\n    heapify(items)\n    return items",
    "585": "import heapq, operator\ndef expensive_items(items, n): return heapq.nlargest(n, items, key=operator.itemgetter('price'))",
    "922": """
        from itertools import combinations
        def max_product(numbers):
            return max(combinations(numbers, 2), key=lambda pair: pair[0] * pair[1])
        """,
    # the tests make objects of the program's own class
    "601": """
        class Pair(object):
            def __init__(self, a, b):
                self.a, self.b = a, b

        def max_chain_length(pairs, n):
            best = [1] * n
            for i in range(1, n):
                for j in range(i):
                    if pairs[i].a > pairs[j].b and best[i] < best[j] + 1:
                        best[i] = best[j] + 1
            return max(best)
        """,
    # prints and a main part: neither matters
    "835": """
        print("loading", flush=True)
        def slope(x1, y1, x2, y2):
            print("called")
            return (y2 - y1) / (x2 - x1)
        if __name__ == "__main__":
            print(slope(*map(int, input().split())))
        """,
    # asynchronous inside
    "538": """
        import asyncio
        async def letters(text):
            await asyncio.sleep(0)
            return tuple(c for c in text if c != " ")
        def string_list_to_tuple(text):
            return asyncio.run(letters(text))
        """,
}


@needs_data
@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_right_solution_passes(name, kind, monkeypatch):
    monkeypatch.setattr(trial, "_found", lambda: (kind, Isolation(kind.name, kind.layers, True, "")))
    item = (items("humaneval") if name.startswith("HumanEval") else items("mbpp"))[name]
    program = (
        SOLUTIONS[name] if SOLUTIONS[name].startswith("    return") else textwrap.dedent(SOLUTIONS[name]).strip("\n")
    )
    verdict = passes(item, program, limits=Limits(seconds=60))
    assert (verdict.passed, verdict.why) == (True, "")


def plain(tests: str) -> list[tuple[str, str]]:
    """The assertions that name nothing but the candidate: arguments and expected value, as source."""
    found = []
    for node in ast.walk(ast.parse(tests)):
        match node:
            case ast.Assert(
                test=ast.Compare(left=ast.Call() as call, ops=[ast.Eq() | ast.Is()], comparators=[expected])
            ):
                names = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
                if names == {"candidate"} and ast.unparse(call.func) == "candidate":
                    found.append((", ".join(map(ast.unparse, call.args)), ast.unparse(expected)))
    return found


@needs_data
@pytest.mark.parametrize(("name", "least"), [("humaneval", 680), ("mbpp", 900)])
def test_the_values_of_every_item_cross_unchanged(name, least):
    """One program knows all expected values by heart and answers with them: every assertion of every item must hold."""
    kind, _ = trial._found()
    program = ["TABLE = {}", "def f(item, *args): return next(v for a, v in TABLE[item] if repr(a) == repr([*args]))"]
    tests, total = ["def check(candidate):"], 0
    for i, item in enumerate(items(name).values()):
        known = plain(item.tests)
        program.append(f"TABLE[{i}] = [{', '.join(f'([{a}], {v})' for a, v in known)}]")
        tests += [f"    assert candidate({i}, {a}) == {v}" for a, v in known]
        total += len(known)
    verdict = check(kind, "\n".join(program), "\n".join(tests), "f", limits=Limits(seconds=60, cpu_seconds=60))
    assert (verdict.passed, verdict.why) == (True, "")
    assert total >= least
    wrong = "\n".join([*tests, "    assert candidate(0, 'unknown') == 1"])
    verdict = check(kind, "\n".join(program), wrong, "f", limits=Limits(seconds=60, cpu_seconds=60))
    assert not verdict.passed
    assert "StopIteration" in verdict.why


@needs_data
def test_every_item_tells_which_function_it_is_about():
    for item in [*items("humaneval").values(), *items("mbpp").values()]:
        entry = entry_of(item.question, item.tests)
        assert entry
        assert f"def {entry}(" in item.question or f"{entry}(" in item.question.split("assert", 1)[1]


SHAPES = {
    "nothing": ("None", "is None"),
    "a bool is no number": ("True", "is True"),
    "a big number": ("-(3 ** 5000)", "== -(3 ** 5000)"),
    "not a number": ("float('nan')", "!= candidate()"),
    "infinity": ("[float('inf'), -0.0]", "== [float('inf'), 0.0]"),
    "0.1 + 0.2": ("0.1 + 0.2", "== 0.30000000000000004"),
    "complex": ("complex(-0.0, 1e300)", "== 1e300j"),
    "text beyond the plane": ("'\\U0001F600 \\ud800 \\x00'", "== '\\U0001F600 \\ud800 \\x00'"),
    "bytes": ("bytes(range(256))", "== bytes(range(256))"),
    "a byte array": ("bytearray(b'ab')", "== b'ab'"),
    "lists are no tuples": ("[(1, [2])]", "== [(1, [2])]"),
    "a tuple is no list": ("(1, 2)", "!= [1, 2]"),
    "sets": ("{frozenset({1}), (2, 3)}", "== {(2, 3), frozenset({1})}"),
    "keys that are no text": ("{(1, 2): {None: 0}, 3.5: b''}", "== {(1, 2): {None: 0}, 3.5: b''}"),
    "order of a dictionary": ("dict(b=1, a=2)", ".popitem() == ('a', 2)"),
    "an ordered dictionary": ("__import__('collections').OrderedDict(b=1, a=2)", "!= __import__('collections').OrderedDict(a=2, b=1)"),
    "a default dictionary": ("__import__('collections').defaultdict(list, a=[1])", "== {'a': [1]}"),
    "a counter": ("__import__('collections').Counter('aab')", "['missing'] == 0"),
    "a deque": ("__import__('collections').deque([1, 2], 2)", ".maxlen == 2"),
    "a named tuple": ("__import__('collections').namedtuple('P', 'x y')(1, 2)", ".y == 2"),
    "a range": ("range(5, 0, -2)", "== range(5, 0, -2)"),
    "a generator": ("(i * i for i in range(3))", ".__next__() == 0"),
    "a map is no list": ("map(int, '123')", "!= [1, 2, 3]"),
    "the start of an endless iterator": ("__import__('itertools').count(5)", ".__next__() == 5"),
    "keys": ("{1: 2}.keys()", "== {1}"),
    "items": ("{1: 2}.items()", "== {(1, 2)}"),
    "a decimal": ("__import__('decimal').Decimal('1.10')", "== __import__('decimal').Decimal('1.1')"),
    "a fraction": ("__import__('fractions').Fraction(2, 6)", "== __import__('fractions').Fraction(1, 3)"),
    "an enumeration that is a number": ("__import__('signal').SIGTERM", "== 15"),
    "a match": ("__import__('re').match('a', 'ab')", "and True"),
    "an object": ("object()", "is not None"),
    "a function": ("(lambda x: x + 1)", "(2) == 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    value, test = SHAPES[name]
    kind, _ = trial._found()
    tests = f"def check(candidate):\n    assert candidate() {test}"
    assert check(kind, f"def f(): return {value}", tests, "f", limits=Limits()).why == ""


BEHAVIOUR = {
    "an exception that the tests expect": (
        "def f(x):\n    if x < 0: raise ValueError('negative')\n    return x",
        "def check(candidate):\n    try:\n        candidate(-1)\n    except ValueError as e:\n        assert str(e) == 'negative'\n    else:\n        assert False",
    ),
    "an exception of its own, by its base": (
        "class Bad(KeyError): pass\ndef f(x): raise Bad(x)",
        "def check(candidate):\n    try:\n        candidate(1)\n        assert False\n    except LookupError:\n        pass",
    ),
    "an argument that is changed": (
        "def f(rows):\n    rows.append([3])\n    rows[0].clear()",
        "def check(candidate):\n    inner = [1, 2]\n    rows = [inner]\n    assert candidate(rows) is None\n    assert rows == [[], [3]] and inner == []",
    ),
    "a dictionary that is changed": (
        "def f(d, s, q): d.pop(1); d[2] = 3; s.add(9); q.popleft()",
        "from collections import deque\ndef check(candidate):\n    d, s, q = {1: 1}, {1}, deque([1, 2])\n    candidate(d, s, q)\n    assert (d, s, q) == ({2: 3}, {1, 9}, deque([2]))",
    ),
    "names for arguments": (
        "def f(a, *, b=2): return a - b",
        "def check(candidate):\n    assert candidate(a=5) == 3 and candidate(5, b=1) == 4",
    ),
    "state between calls": (
        "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)",
        "def check(candidate):\n    assert [candidate(0) for _ in range(300)] == list(range(1, 301))",
    ),
    "assertions without check": ("def f(x): return x", "assert f(1) == 1\nassert candidate(2) == 2"),
    "check called by the tests": ("def f(x): return x", "def check(g):\n    assert g(1) == 1\ncheck(f)"),
    "a file of its own": (
        "import tempfile\ndef f(x):\n    with tempfile.TemporaryFile('w+') as file:\n        file.write(x)\n        file.seek(0)\n        return file.read()",
        "def check(candidate):\n    assert candidate('text') == 'text'",
    ),
}


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_behaviour(name):
    program, tests = BEHAVIOUR[name]
    kind, _ = trial._found()
    assert check(kind, program, tests, "f", limits=Limits(seconds=60)).why == ""


def test_the_tests_use_the_helpers_of_the_question_and_not_those_of_the_answer():
    question = "import math\n\ndef poly(xs, x):\n    return sum(c * math.pow(x, i) for i, c in enumerate(xs))\n\n\ndef find_zero(xs):\n    '''A zero.'''\n"
    tests = "def check(candidate):\n    assert math.fabs(poly([1, 2], candidate([1, 2]))) < 1e-4"
    item = Item("38", question, AnswerType("code"), (), metric="tests", tests=tests)
    assert passes(item, "def find_zero(xs):\n    return -xs[0] / xs[1]").passed
    assert not passes(item, "def poly(xs, x): return 0\ndef find_zero(xs):\n    return 7").passed


@pytest.mark.parametrize(
    ("question", "tests", "entry"),
    [
        ("def helper(x):\n    return x\n\ndef solve(x):\n    '''Solve.'''", "def check(candidate): ...", "solve"),
        ("Your code should pass: assert area(3)==9", "def check(candidate):\n    assert candidate(3) == 9", "area"),
        ("assert set(common([1], [1])) == set([1])", "def check(candidate):\n    assert candidate", "common"),
        ("Write a function.", "assert abs(root(2) - 1.41) < 0.1", "root"),
        ("def a(): ...", "def check(candidate):\n    assert candidate()\n\ncheck(b)", "b"),
        ("async def fetch(x):\n    ...", "def check(candidate): ...", "fetch"),
        ("class A:\n    def inside(self): ...\n\ndef outside(): ...", "def check(candidate): ...", "outside"),
        ("What is 2 + 2?", "def check(candidate): ...", ""),
    ],
)
def test_entry(question, tests, entry):
    assert entry_of(question, tests) == entry


def test_an_item_that_does_not_tell_its_function_fails_with_the_reason():
    item = Item("x", "Do something.", AnswerType("code"), (), metric="tests", tests="def check(candidate): ...")
    assert "does not tell which function" in passes(item, "def f(): ...").why
