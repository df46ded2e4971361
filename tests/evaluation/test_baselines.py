"""Baselines get what each graph really took: as many calls, or as many tokens."""

from pathlib import Path

import pytest

from folkmoot import Participant, Sampling, Scripted
from folkmoot.evaluation.baselines import MOST_SAMPLES, Match, choose, family, matched
from folkmoot.evaluation.plan import Plan, make_plan
from folkmoot.evaluation.result import Figures
from folkmoot.evaluation.suite import read_suite

SUITE = """\
name: mine
tasks: [sums]
limit: 2
team:
  - {name: ana, model: small-a}
  - {name: bo, model: small-b}
monoliths:
  - {name: big, model: large}
systems:
  - debate
  - judge_select
"""


def plan_of(tmp_path: Path, text: str = SUITE) -> Plan:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    suite, lines = read_suite(path)
    return make_plan(suite, lines, path)


def people(temperature: float = 0.7) -> dict[str, Participant]:
    engine = Scripted(lambda m: "Answer: 4")
    return {n: Participant(n, engine, sampling=Sampling(temperature)) for n in ("ana", "bo", "big")}


def took(system: str, calls: int, tokens: int, item: int = 0, score: float = 1.0, *, dev: bool = False) -> Figures:
    return Figures(system, "sums", str(item), 0, "scored", True, score, calls, tokens - 10, 0, 10, 1.0, 0, 0, 0, dev)


def test_the_best_member_is_chosen_on_questions_that_all_have_finished() -> None:
    on_dev = [took("ana", 1, 20, i, float(i < 3)) for i in range(8)] + [took("bo", 1, 20, i, 1.0) for i in range(4)]
    best = choose(["ana", "bo"], on_dev)
    assert best is not None
    assert (best.name, best.n, best.scores) == ("bo", 4, {"ana": 0.75, "bo": 1.0})
    assert choose(["ana", "bo"], on_dev[:8]) is None


def test_of_members_that_are_level_the_first_of_the_team_is_best() -> None:
    best = choose(["bo", "ana"], [took(n, 1, 20, 0, 0.5) for n in ("ana", "bo")])
    assert best is not None
    assert best.name == "bo"


def test_calls_and_tokens_are_those_that_the_graph_took(tmp_path: Path) -> None:
    figures = [
        *(
            took("debate", calls, 600, i) for i, calls in enumerate((2, 4, 4, 4))
        ),  # mean 3.5: two of four agreed at once
        *(took("judge_select", 4, 200, i) for i in range(4)),
        *(took(name, 1, 50, i) for name in ("ana", "bo") for i in range(4)),
    ]
    systems, (debate, judged) = matched(plan_of(tmp_path), people(), "ana", figures)
    assert (debate.calls, debate.tokens) == (3.5, 600)
    assert debate.systems == {
        "best": "ana",
        "vote": "vote",
        "control": "vote x4",
        "vote at equal calls": "vote x4",
        "self-consistency at equal calls": "ana x4",
        "self-consistency at equal tokens": "ana x12",
        "vote at equal tokens": "vote x12",
        "self-refine at equal calls": "ana self-refine x2",
    }
    assert judged.systems["self-consistency at equal tokens"] == "ana x4"
    made = {s.name: (s.team, s.protocol.most_calls(len(s.team), s.options)) for s in systems}
    assert made == {
        "vote": (("ana", "bo"), 2),
        "vote x4": (("ana", "bo"), 4),
        "vote x12": (("ana", "bo"), 12),
        "ana x4": (("ana",), 4),
        "ana x12": (("ana",), 12),
        "ana self-refine x2": (("ana",), 5),
    }, "each is run once, whoever it is compared with"


def test_what_a_round_of_self_refine_takes_is_known_when_one_has_run(tmp_path: Path) -> None:
    figures = [took("debate", 4, 900), took("ana", 1, 50), took("ana self-refine x2", 5, 450)]
    systems, (match,) = matched(plan_of(tmp_path), people(), "ana", figures)
    assert match.systems["self-refine at equal calls"] == "ana self-refine x2"
    assert match.systems["self-refine at equal tokens"] == "ana self-refine x5", (
        "50 for the draft, 200 a round, rounded up"
    )
    assert systems[-1].protocol.most_calls(1, systems[-1].options) == 11


@pytest.mark.parametrize(
    ("calls", "tokens", "round_takes", "roles"),
    [
        (1, 900, 100, set()),  # one round takes three calls
        (2.9, 900, 100, set()),
        (3, 900, 100, {"calls", "tokens"}),
        (3, 100, 100, {"calls", "tokens"}),  # 150: half more than the graph
        (3, 99, 100, {"calls"}),
    ],
)
def test_self_refine_is_no_baseline_of_a_graph_that_takes_less_than_one_round(
    tmp_path: Path, calls: float, tokens: int, round_takes: int, roles: set[str]
) -> None:
    each = [took("debate", int(calls) + (i < round(10 * (calls % 1))), tokens, i) for i in range(10)]
    systems, (match,) = matched(
        plan_of(tmp_path), people(), "ana", [*each, took("ana", 1, 50), took("ana self-refine x1", 3, 50 + round_takes)]
    )
    assert {r.rsplit(" ", 1)[1] for r in match.systems if r.startswith("self-refine")} == roles
    assert any("self-refine" in s.name for s in systems) == bool(roles)


def test_a_graph_that_ends_early_has_a_control_all_the_same(tmp_path: Path) -> None:
    _, (match,) = matched(plan_of(tmp_path), people(), "ana", [took("debate", 2, 600), took("ana", 1, 50)])
    assert match.systems["control"] == "vote x4", "fresh samples: the first ones are the members' own answers"
    assert "vote at equal calls" not in match.systems


def test_nothing_is_sampled_again_without_a_temperature(tmp_path: Path) -> None:
    figures = [took("debate", 4, 600), took("ana", 1, 50)]
    systems, _ = matched(plan_of(tmp_path), people(0.0), "ana", figures)
    assert [s.name for s in systems] == ["vote", "ana self-refine x2"]


def test_a_graph_that_took_enormously_much_is_matched_up_to_a_bound(tmp_path: Path) -> None:
    _, (match,) = matched(plan_of(tmp_path), people(), "ana", [took("debate", 900, 90_000), took("ana", 1, 50)])
    assert match.systems["self-consistency at equal calls"] == f"ana x{MOST_SAMPLES}"


def test_graphs_that_have_not_run_have_no_budget_yet(tmp_path: Path) -> None:
    assert matched(plan_of(tmp_path), people(), "ana", [took("ana", 1, 50)]) == ([], [])


def test_a_system_of_the_user_keeps_its_name(tmp_path: Path) -> None:
    text = SUITE.replace("  - judge_select", "  - {name: vote, graph: majority_vote, with: {samples: 3}}")
    systems, matches = matched(plan_of(tmp_path, text), people(), None, [took("debate", 4, 600)])
    assert [s.name for s in systems] == ["vote (baseline)", "vote x4"]
    assert matches[0].systems["vote"] == "vote (baseline)"


MATCH = Match("debate", 4, 600, {"best": "ana", "vote": "vote", "self-consistency at equal calls": "ana x4"})


@pytest.mark.parametrize(
    ("declared", "references"),
    [
        (("monolith", "best", "vote", "self_consistency"), ["big", "ana", "vote", "ana x4"]),
        (("monolith",), ["big"]),
        (("self_refine",), []),
    ],
)
def test_the_family_is_every_graph_with_every_declared_reference(
    declared: tuple[str, ...], references: list[str]
) -> None:
    assert family(declared, [MATCH], ["big"]) == [("debate", r) for r in references]


def test_equal_references_are_compared_once() -> None:
    match = Match("debate", 4, 600, dict.fromkeys(["best", "vote"], "ana"))
    assert family(("best", "vote"), [match], []) == [("debate", "ana")]
