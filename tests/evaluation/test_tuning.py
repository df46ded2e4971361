"""Options filled in from dev results: what is awaited, what is made of it, and that no test question has a say."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.confidence import EVEN, NEVER, chance, fit
from folkmoot.discussion import Turn
from folkmoot.documents import BadInput
from folkmoot.engines.cache import Completions
from folkmoot.engines.pool import Pool
from folkmoot.evaluation import runner
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.plan import make_plan
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.run import RunOptions, execute
from folkmoot.evaluation.runner import run_one
from folkmoot.evaluation.samples import engines, samples
from folkmoot.evaluation.suite import read_suite
from folkmoot.evaluation.systems import System
from folkmoot.evaluation.tuning import filled, rehearsed, stand_in, tuned, wants
from folkmoot.protocol import Protocol, find
from folkmoot.routing import Similarity

SUITE = """\
name: tiny
tasks: [sums, picks]
limit: 4
dev: {limit: 5}
sampling: {temperature: 0.7, max_tokens: 64}
team:
  - {name: ana, model: a}
  - {name: bo, model: b}
baselines: [vote]
systems:
  - name: surest
    graph: confident_select
    with: {samples: 3, accuracy: dev, calibration: dev}
  - name: weighted
    graph: debate
    with: {decide: weighted, weights: dev}
  - route
"""
ITEMS = {("sums", i): Item(i, f"{i}?", AnswerType("number"), ("4",), "sums") for i in ("1", "2", "3", "4")}


def system(**options: Any) -> System:
    return System("surest", "graph", find("confident_select"), ("ana", "bo"), options)


def dev(name: str, item: str, *turns: Turn, outcome: Any = "scored") -> Result:
    marks = tuple(None if t.answer is None else float(t.answer == "4") for t in turns)
    score = max([m for m in marks if m is not None], default=0.0)
    return Result(f"{name} {item}", name, "sums", item, 0, "", ("4",), outcome, "4", score, turns, None, 0.0, marks=marks, dev=True)  # fmt: skip


def said(**words: str) -> list[Turn]:
    return [
        Turn(n, answer=None if w == "?" else w, draw=i) for n, ws in words.items() for i, w in enumerate(ws.split())
    ]


def tune(s: System, *results: Result) -> System | None:
    return tuned(s, [r.figures for r in results], lambda: iter(results), ITEMS)


ALONE = [
    dev(n, i, *said(**{n: "4" if i in right else "5"})) for n, right in (("ana", "1"), ("bo", "123")) for i in "1234"
]


# What is awaited.


@pytest.mark.parametrize(
    ("options", "wanted", "first"),
    [
        ({}, (), None),
        ({"samples": 3, "accuracy": {"ana": 0.5}}, (), None),
        ({"accuracy": "dev"}, ("accuracy",), None),
        ({"samples": 3, "accuracy": "dev", "calibration": "dev"}, ("accuracy", "calibration"), {"samples": 3}),
        ({"prompts": "dev"}, (), None),  # no such option is tuned
    ],
)
def test_what_a_system_waits_for(options: dict[str, Any], wanted: tuple[str, ...], first: Any) -> None:
    s = system(**options)
    assert wants(s) == wanted
    before = rehearsed(s)
    assert (before.options if before else None) == first
    assert wants(stand_in(s)) == ()


def test_a_stand_in_can_be_built(tmp_path: Path) -> None:
    from folkmoot.engines.rehearsal import rehearsal
    from folkmoot.participant import Participant

    people = {n: Participant(n, rehearsal(n)) for n in ("ana", "bo")}
    stand_in(system(accuracy="dev", calibration="dev")).build(people, None)
    stand_in(System("d", "graph", find("debate"), ("ana", "bo"), {"decide": "weighted", "weights": "dev"})).build(people, None)  # fmt: skip


# What is made of it.


def test_accuracies_and_weights_are_the_scores_of_the_members_alone() -> None:
    s = tune(system(accuracy="dev"), *ALONE)
    assert s is not None
    assert s.options == {"accuracy": {"ana": 0.25, "bo": 0.75}}


def test_only_questions_that_all_members_finished_count() -> None:
    failed = [replace(r, outcome="error") if r.key == "bo 1" else r for r in ALONE]
    s = tune(system(accuracy="dev"), *failed)
    assert s is not None
    assert s.options == {"accuracy": {"ana": 0.0, "bo": pytest.approx(2 / 3)}}, (
        "ana's only win was on a question that bo missed"
    )


def test_weights_are_drawn_in_so_that_no_vote_is_worth_nothing() -> None:
    debate = System("d", "graph", find("debate"), ("ana", "bo"), {"decide": "weighted", "weights": "dev"})
    s = tune(debate, *ALONE)
    assert s is not None
    assert s.options["weights"] == {"ana": pytest.approx(2 / 6), "bo": pytest.approx(4 / 6)}
    lost = tune(debate, *(replace(r, score=0.0) for r in ALONE))
    assert lost is not None
    assert lost.options["weights"] == dict.fromkeys(("ana", "bo"), pytest.approx(1 / 6))


def test_it_waits_until_everybody_has_answered_every_dev_question() -> None:
    assert tune(system(accuracy="dev"), *ALONE[:-1]) is None
    assert tune(system(calibration="dev"), *ALONE) is None, "not these, but its own discussions"
    assert tune(system(accuracy="dev"), *ALONE[:-1], replace(ALONE[-1], outcome="error")) is not None, (
        "failed ones were asked"
    )


def test_curves_are_fitted_to_what_each_member_said_itself() -> None:
    rounds = [
        dev("surest", "1", *said(ana="4 4", bo="5 5")),
        dev("surest", "2", *said(ana="4 5", bo="? ?")),
        dev("surest", "3", *said(ana="5 ?", bo="? ?")),
        dev("surest", "4", *said(ana="4 4", bo="? ?"), outcome="error"),  # left out
    ]
    s = tune(system(calibration="dev"), *rounds)
    assert s is not None
    curves = s.options["calibration"]
    assert curves == {"ana": fit([1.0, 0.5, 0.5], [True, True, False]), "bo": fit([1.0], [False])}
    silent = tune(system(calibration="dev"), *(dev("surest", i, *said(ana="4 4", bo="? ?")) for i in "1234"))
    assert silent is not None
    assert silent.options["calibration"]["bo"] == NEVER
    assert chance(1.0, silent.options["calibration"]["ana"]) > 0.8


def test_curves_of_likelihoods() -> None:
    weighed = [
        Turn("ana", "confidence", text="0.900000 of ...", answer="4"),
        Turn("bo", "confidence", text="0.200000 of ...", answer="5"),
    ]
    rounds = [dev("surest", i, *said(ana="4", bo="5"), *weighed) for i in "1234"]
    s = tune(system(confidence="likelihood", calibration="dev"), *rounds)
    assert s is not None
    assert s.options["calibration"] == {"ana": fit([0.9] * 4, [True] * 4), "bo": fit([0.2] * 4, [False] * 4)}


def weighed(item: str, *turns: Turn, **words: str) -> Result:
    return dev("surest", item, *said(**words), *turns)


def test_made_up_confidences_are_no_evidence() -> None:
    """By likelihood, who has no rival is put at 1, and whose call failed as a blind pick: neither says anything of a curve."""
    sure, unsure = (
        Turn(n, "confidence", text=f"{p:.6f} of ...", answer=a) for n, p, a in (("ana", 0.7, "4"), ("bo", 0.3, "5"))
    )
    rounds = [
        weighed("1", ana="5", bo="5"),
        weighed("2", ana="5", bo="5"),
        weighed("3", sure, unsure, ana="4", bo="5"),
        weighed("4", Turn("ana", "confidence", error="gone"), unsure, ana="4", bo="5"),
    ]
    s = tune(system(confidence="likelihood", calibration="dev"), *rounds)
    assert s is not None
    assert s.options["calibration"] == {"ana": fit([0.7], [True]), "bo": fit([0.3] * 2, [False] * 2)}


def test_who_never_had_a_rival_has_a_flat_curve() -> None:
    s = tune(system(confidence="likelihood", calibration="dev"), *(weighed(i, ana="4", bo="4") for i in "1234"))
    assert s is not None
    (slope, _), curve = s.options["calibration"]["ana"], s.options["calibration"]["bo"]
    assert slope == 0
    assert chance(0.5, curve) == pytest.approx(5 / 6, abs=1e-3)


def test_of_whom_nothing_could_be_marked_nothing_is_known() -> None:
    rounds = [dev("surest", i, *said(ana="4 4", bo="? ?")) for i in "1234"]
    s = tune(system(calibration="dev"), *(replace(r, marks=(None,) * len(r.turns)) for r in rounds))
    assert s is not None
    assert s.options["calibration"] == {"ana": EVEN, "bo": NEVER}
    assert chance(1.0, EVEN) == 0.5


def test_a_graph_without_an_option_for_confidence_is_calibrated_by_agreement() -> None:
    def mine(team: Any, calibration: Any = None) -> Any: ...

    own = Protocol("mine", mine, (), (), 1, lambda n: n)
    rounds = [dev("surest", i, *said(ana="4 5", bo="5 5")) for i in "1234"]
    s = tune(System("surest", "graph", own, ("ana", "bo"), {"calibration": "dev"}), *rounds)
    assert s is not None
    assert s.options["calibration"]["ana"] == fit([0.5] * 4, [True] * 4)


# In a suite.


def plan_of(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    suite, lines = read_suite(path)
    return make_plan(suite, lines, path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dev: {limit: 5}", "dev: {limit: 0}", "'surest': accuracy: dev asks for dev questions, and there are none"),
        ("  - {name: bo, model: b}\n", "", "'surest': accuracy: dev asks for dev questions, and there are none"),
        ("    with: {samples: 3,", "    team: [ana, cy]\n    with: {samples: 3,", "'surest': accuracy: dev: 'cy' is not in the suite's team"),
        ("accuracy: dev,", "accuracy: test,", "graph 'confident_select': accuracy='test': "),
        ("samples: 3", "samples: dev", "graph 'confident_select': samples='dev': "),
    ],
)  # fmt: skip
def test_a_suite_that_cannot_be_tuned_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (SUITE + "guests: [{name: cy, model: c}]\n").replace(old, new)
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, text)
    lines = [line for line in str(e.value).splitlines() if said in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path / 'tiny.yaml'}:")


def test_programs_calibrate_nobody(tmp_path: Path) -> None:
    """They are tested for the whole team alone: no member's draft is marked."""
    tests = "def check(candidate):\n    assert candidate() == 1"
    rows = [{"id": f"{split}{i}", "split": split} for split in ("dev", "test") for i in range(3)]
    lines = [json.dumps(r | {"question": f"Write {r['id']}.", "tests": tests, "entry": "f"}) for r in rows]
    (tmp_path / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "programs.yaml").write_text(
        "name: programs\ndescription: d\nsource: s\nlicence: MIT\nanswer: code\ndata: {file: q.jsonl}", encoding="utf-8"
    )
    programs = SUITE.replace("tasks: [sums, picks]", "tasks: [programs.yaml]")
    with pytest.raises(BadInput, match="'surest': calibration: dev: no dev question says which member is right"):
        plan_of(tmp_path, programs)
    assert plan_of(tmp_path, programs.replace(", calibration: dev", "")), "scores of members alone are there"
    assert plan_of(tmp_path, SUITE.replace("picks]", "programs.yaml]")), "sums mark every draft"


def test_the_cost_on_dev_is_told(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SUITE)
    questions = sum(len(t.dev) for t in plan.tasks)
    assert questions == 10
    assert plan.dev_calls() == questions * (2 + 2 * 3), "two members alone, and three samples of each"
    assert plan.most_calls() == plan.dev_calls() + 8 * (2 + 2 * 3 + 4 + 2)


def test_what_is_filled_in_and_the_encoder_are_part_of_the_keys(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SUITE)
    people = engines(plan, Pool(Completions(None), scripted=True))
    (surest, _, routes) = plan.graphs

    def keys(s: System, router: Any = None) -> set[str]:
        return {found.key for found in samples(plan, people, [s], router=router)}

    low, high = (filled(surest, {"accuracy": {"ana": a, "bo": 0.5}, "calibration": None}) for a in (0.1, 0.9))
    assert not keys(low) & keys(high)
    assert keys(low) == keys(replace(low))

    class Encoder:
        def __init__(self, identity: str) -> None:
            self.identity = identity

    one, other = (Similarity(Encoder(i)) for i in ("one", "other"))  # type: ignore[arg-type]
    assert keys(routes, one) == keys(routes, one)
    assert not keys(routes, one) & keys(routes, other)
    assert keys(low, one) == keys(low, other), "it does not route"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SUITE, encoding="utf-8")

    def run(out: str) -> Path:
        assert execute("tiny.yaml", RunOptions(out=Path(out), scripted=True)) == 0
        return tmp_path / out

    return run


def stored(folder: Path, columns: str = "key, system, dev, outcome, score") -> Iterator[tuple[Any, ...]]:
    with sqlite3.connect(folder / "results.sqlite") as db:
        yield from db.execute(f"SELECT {columns} FROM results JOIN planned USING (key) ORDER BY key")


def test_a_run_tunes_then_runs_and_a_run_that_was_cut_off_comes_to_the_same(
    run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first = run("first")
    assert "dev  80 calls at most, to choose a member and to calibrate" in capsys.readouterr().err
    told = json.loads((first / "manifest.json").read_text())["tuned"]
    assert set(told) == {"surest", "weighted"}
    assert set(told["surest"]) == {"accuracy", "calibration"}
    right = told["surest"]["accuracy"]
    assert told["weighted"]["weights"] == {n: pytest.approx((10 * p + 1) / 12) for n, p in right.items()}
    assert {len(curve) for curve in told["surest"]["calibration"].values()} == {2}
    whole = list(stored(first))
    assert {(s, d) for _, s, d, *_ in whole} >= {("surest", 1), ("surest", 0), ("ana", 1), ("route", 0)}
    assert ("weighted", 1) not in {(s, d) for _, s, d, *_ in whole}, "members' own scores are all that it waits for"
    assert run("first"), "once more: nothing is left to do"
    assert list(stored(first)) == whole

    for lost in ("dev = 1 AND system = 'surest'", "dev = 0", "dev = 1 AND system = 'ana' AND item > 's'", "rowid % 2"):
        with sqlite3.connect(first / "results.sqlite") as db:
            db.execute(f"DELETE FROM results WHERE {lost}")
        run("first")
        assert list(stored(first)) == whole
        assert json.loads((first / "manifest.json").read_text())["tuned"] == told


@pytest.mark.parametrize(("times", "code"), [(1, 0), (9, 3)])
def test_dev_samples_that_failed_are_tried_again_before_anything_rests_on_them(
    run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], times: int, code: int
) -> None:  # fmt: skip
    told = json.loads((run("sound") / "manifest.json").read_text())["tuned"]
    tried = Counter[str]()

    async def shaky(sample: Any, panel: Any, **more: Any) -> Result:
        result = await run_one(sample, panel, **more)
        if not sample.dev or sample.system != "ana" or sample.item.id != next(iter(tried), sample.item.id):
            return result
        tried[sample.item.id] += 1
        return replace(result, outcome="error", error="down") if tried[sample.item.id] <= times else result

    monkeypatch.setattr(runner, "run_one", shaky)
    assert execute("tiny.yaml", RunOptions(out=Path("shaky"), scripted=True)) == code
    assert list(tried.values()) == [2]
    now = json.loads((tmp_path / "shaky" / "manifest.json").read_text())["tuned"]
    said = capsys.readouterr().err
    if code == 0:
        assert now == told
        assert "options from dev rest on the others" not in said
    else:
        assert "calls failed in 1 dev samples, twice: options from dev rest on the others" in said


def test_a_rehearsal_routes_without_fetching_anything(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "cache"))
    found = [json.loads(body) for system, body in stored(run("out"), "system, body") if system == "route"]
    assert len(found) == 8
    assert all(r["turns"][0]["role"] == "route" and r["turns"][0]["error"] is None for r in found)
    assert not (tmp_path / "cache" / "models").exists()
    (row,) = [c for c in json.loads((tmp_path / "out" / "table.json").read_text())["collaboration"] if c["system"] == "route"]  # fmt: skip
    assert row["routing"]["accuracy"]["of"] == row["routing"]["chance"]["of"]
    assert "chose right" in (tmp_path / "out" / "table.md").read_text()
    assert "Routing accuracy" in (tmp_path / "out" / "report.html").read_text()
