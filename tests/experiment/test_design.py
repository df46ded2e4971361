"""Which systems an experiment is made of."""

import math

import pytest

from folkmoot.documents import BadInput
from folkmoot.evaluation.suite import Suite
from folkmoot.experiment.design import base_models, copied, design
from folkmoot.experiment.sizes import parameters
from folkmoot.experiment.subsets import divisors, subsets
from folkmoot.participant import check_name


def suite(n=6, temperature=0.5, **more):
    team = [{"name": f"m{i}", "model": "smollm2-135m-instruct", "system": str(i)} for i in range(n)]
    given = {
        "name": "s",
        "tasks": ["sums"],
        "team": team,
        "systems": ["majority_vote"],
        "sampling": {"temperature": temperature},
    }
    return Suite.model_validate({**given, **more})


@pytest.mark.parametrize("n", range(1, 8))
def test_subsets_are_different_and_all_of_them_where_there_are_few(n):
    for size in range(1, n + 1):
        found = subsets(n, size, 5, seed=3)
        assert len(found) == len(set(found)) == min(5, math.comb(n, size))
        assert all(len(set(s)) == size and list(s) == sorted(s) and max(s) < n for s in found)
        assert subsets(n, size, 3, seed=3) == found[:3], "fewer draws give the first of the same teams"
    assert subsets(20, 7, 5, 1) != subsets(20, 7, 5, 2)


def test_scaling_has_every_size_from_the_members_alone_to_all_of_them():
    made = design("scaling", suite(), draws=5)
    sizes = [p.x for p in made.parts]
    assert {x: sizes.count(x) for x in set(sizes)} == {1: 6, 2: 5, 3: 5, 4: 5, 5: 5, 6: 1}
    assert made.suite.baselines == ()
    assert {s.name: len(s.team) for s in made.suite.systems}["majority_vote 4.2"] == 4


def test_a_graph_begins_with_the_fewest_members_that_it_can_hold():
    made = design("scaling", suite(3), graph="debate")
    assert sorted({p.x for p in made.parts}) == [1, 2, 3]
    assert all(len(s.team) >= 2 for s in made.suite.systems)


def test_diversity_fills_equal_seats_with_fewer_and_fewer_distinct_members():
    made = design("diversity", suite(), draws=2)
    assert sorted({p.x for p in made.parts}) == divisors(6)
    people = made.suite.people
    for part, system in zip(made.parts, made.suite.systems, strict=True):
        assert len(system.team) == len(set(system.team)) == 6
        models = {people[n].system for n in system.team}
        assert len(models) == part.x == len(part.members)
        assert all(check_name(n) for n in system.team)
    twice = next(s.team for s in made.suite.systems if s.name == "majority_vote 3.1")
    assert [n.partition(" copy")[0] for n in twice[:3]] == [n.partition(" copy")[0] for n in twice[3:]]


def test_priorities_ask_as_many_questions_of_the_split_that_the_suite_says():
    use = {"name": "priorities", "limit": 6, "split": "dev"}
    people = [{"name": n, "model": "m", "priority": {"file": f"{n}.jsonl", "answer": "number"}} for n in ("a", "b")]
    made = design("priorities", suite(team=people, tasks=["sums", use]))
    assert [(t.name, t.whose, t.limit, t.split) for t in made.suite.tasks] == [
        ("priority-a", "a", 6, "dev"),
        ("priority-b", "b", 6, "dev"),
    ]
    rest = design("priorities", suite(team=people))
    assert [(t.limit, t.split) for t in rest.suite.tasks] == [(None, "test")] * 2


def test_diversity_leaves_out_graphs_that_route_and_says_so():
    made = design("diversity", suite(systems=["route", "majority_vote"]))
    assert {p.line for p in made.parts} == {"majority_vote"}
    assert any("Left out" in n and n.endswith("calls: route.") for n in made.notes)
    assert not any("Left out" in n for n in design("scaling", suite(systems=["route", "majority_vote"])).notes)


def test_diversity_leaves_out_graphs_that_take_values_of_copies_from_dev():
    told = {"graph": "confident_select", "with": {"accuracy": "dev", "calibration": "dev"}}
    made = design("diversity", suite(systems=[told, "majority_vote"]))
    assert {p.line for p in made.parts} == {"majority_vote"}
    assert any("(accuracy: dev, calibration: dev)" in n for n in made.notes)
    assert {p.line for p in design("scaling", suite(systems=[told])).parts} == {"confident_select"}


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        ({"graph": "judge_select", "with": {"judge": "qwen"}}, "judge_select (judge: qwen)"),
        ({"graph": "majority_vote", "name": "w", "with": {"weights": {"m0": 2.0, "qwen": 1.0}}}, "w (weights: qwen)"),
        ({"graph": "route", "with": {"by": "qwen"}}, "route (by: qwen)"),
    ],
)
def test_graphs_whose_options_name_somebody_else_are_left_out(graph, named):
    """The suite was written for another team."""
    made = design("scaling", suite(systems=[graph, "debate"]))
    assert {p.line for p in made.parts} == {"debate"}
    assert any("Left out" in n and n.endswith(f": {named}.") for n in made.notes)
    with pytest.raises(BadInput, match=r"no graph fits.*--graph majority_vote$"):
        design("scaling", suite(systems=[graph]))


def test_who_is_there_can_be_named_by_options():
    judge = {"graph": "judge_select", "with": {"judge": "large"}}
    router = {"graph": "route", "with": {"by": "embedding"}}
    large = {"name": "large", "model": "qwen2.5-coder-0.5b-instruct"}
    made = design("scaling", suite(systems=[judge, router], monoliths=[large]))
    assert {p.line for p in made.parts} == {"judge_select", "route"}


def test_copies_have_names_that_are_allowed_and_free():
    assert len(copied("x" * 64, 12)) == 64
    assert copied("ana", 2, ["ana copy 2"]) == "ana copy 2x"


@pytest.mark.parametrize(
    ("name", "given", "options", "complaint"),
    [
        ("diversity", {"temperature": 0.0}, {}, "temperature 0"),
        ("diversity", {}, {"slots": 7}, "7 slots"),
        (
            "diversity",
            {},
            {"graph": "confident_select", "options": {"accuracy": "dev"}},
            r"confident_select \(accuracy: dev\): copies are not asked on dev.*--graph majority_vote",
        ),
        ("diversity", {}, {"graph": "route"}, "route: a router cannot tell copies apart.*--graph majority_vote"),
        ("diversity", {}, {"graph": "debate", "options": {"route": 2}}, "debate: a router cannot tell copies apart"),
        ("diversity", {"n": 2}, {"slots": 2, "graph": "nobody"}, "no graph 'nobody'"),
        ("scaling", {"n": 1}, {}, "at least two members"),
        ("scaling", {"systems": []}, {}, "--graph"),
        ("scaling", {}, {"options": {"rounds": 1}}, "--graph"),
        ("priorities", {}, {}, "nobody in the team has a priority test set"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(name, given, options, complaint):
    with pytest.raises(BadInput, match=complaint) as e:
        design(name, suite(**given), **options)
    assert "\n" not in str(e.value)


def test_what_options_say_of_members_is_said_of_those_who_are_there_and_of_copies():
    weights = {f"m{i}": 1.0 + i for i in range(6)}
    for made in (
        design(n, suite(), graph="majority_vote", options={"weights": weights}) for n in ("scaling", "diversity")
    ):
        for s in made.suite.systems:
            assert s.options["weights"] == {n: weights[n.partition(" copy")[0]] for n in s.team}


def test_a_judge_from_the_team_is_told_of():
    made = design("scaling", suite(3), graph="judge_select", options={"judge": "m0"})
    assert any("m0 is its judge in every team" in n for n in made.notes)


def with_adapters(monoliths=()):
    team = [{"name": f"m{i}", "model": "smollm2-135m-instruct", "adapter": f"/a{i}"} for i in range(3)]
    return suite(team=team, monoliths=list(monoliths))


def test_the_base_under_adapters_runs_alone_once():
    assert [(m.name, m.model) for m in base_models(with_adapters())] == [("base", "smollm2-135m-instruct")]
    known = {"name": "plain", "model": "smollm2-135m-instruct"}
    assert base_models(with_adapters([known])) == ()
    assert base_models(suite()) == ()


def test_a_shared_base_counts_once(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    team = []
    for i in range(3):
        (tmp_path / f"a{i}").mkdir()
        numpy.save_file({"w": np.zeros((10, 10 + i), np.float32)}, tmp_path / f"a{i}" / "adapter_model.safetensors")
        team.append({"name": f"m{i}", "model": "smollm2-135m-instruct", "adapter": str(tmp_path / f"a{i}")})
    people = suite(team=team).team
    assert parameters(people, "transformers") == 134_515_008 + 100 + 110 + 120
    assert parameters(people[:1], "transformers") == 134_515_008 + 100
    assert parameters(suite(2).team, "openai") is None
