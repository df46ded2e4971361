"""What protocols declare, how they are found, built from files, and that their figures are true."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.errors import GraphRecursionError

from folkmoot.answers import AnswerType
from folkmoot.discussion import called
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.graphs import debate
from folkmoot.nodes import Panel
from folkmoot.participant import Participant
from folkmoot.protocol import Protocol, catalogue, find, protocol

NUMBER = AnswerType("number")


def stubborn(i: int) -> Participant:
    """Never agrees, and as a judge always picks the first candidate: the most calls that can be needed."""
    return Participant(
        f"m{i}",
        Scripted(lambda _: f"Answer: {i}", name=f"m{i}", choices=lambda _, options: options[0]),
        sampling=Sampling(temperature=1.0, max_tokens=20),
    )


def team(n: int) -> list[Participant]:
    return [stubborn(i) for i in range(n)]


def calls(team: Sequence[Participant]) -> int:
    engines: list[Any] = [p.engine for p in team]
    return sum(len(e.calls) + len(e.choose_calls) for e in engines)


WORST = [
    *[("debate", n, {"rounds": r, "sees": s}) for n, r, s in itertools.product((2, 3, 5), (1, 2, 3, 4), ("all", "neighbours"))],
    *[("debate", n, {"rounds": r, "decide": "judge", "judge": "m0"}) for n, r in itertools.product((2, 3), (1, 3))],
    *[
        ("critique_refine", n, {"rounds": r, "critics": c, "finish": f})
        for n, r, c, f in itertools.product((1, 2, 4), (1, 2, 3), (1, 2, 3, "self"), ("vote", "m0"))
        if c == "self" or int(c) < n
    ],
    *[("judge_select", n, {"orders": o}) for n, o in itertools.product((2, 3, 5), ("both", "shuffled"))],
    *[("majority_vote", n, {"samples": s}) for n, s in itertools.product((1, 2, 5), (1, 4))],
    *[("confident_select", n, {"samples": s, "confidence": c}) for n, s, c in itertools.product((1, 2, 5), (1, 4), ("agreement", "likelihood"))],
    # A router that always picks the first member that it is shown is unsure, so that all are asked.
    *[(name, n, {"route": 2, "router": "m0"}) for name, n in itertools.product(("debate", "critique_refine", "judge_select"), (2, 3, 5))],
]  # fmt: skip


@pytest.mark.parametrize(("name", "n", "options"), WORST, ids=str)
async def test_the_worst_case_takes_exactly_the_declared_calls_and_steps(
    name: str, n: int, options: dict[str, Any]
) -> None:
    found, people = find(name), team(n)
    panel = found.panel(people, options, {p.name: p for p in people})
    result = await panel.compile().ainvoke({"question": "q", "answer_type": NUMBER})
    assert result["answer"] is not None
    assert calls(people) == sum(map(called, result["turns"])) == found.most_calls(n, options)
    with pytest.raises(GraphRecursionError):
        await panel.compile().ainvoke({"question": "q"}, {"recursion_limit": panel.steps - 1})


def test_the_catalogue() -> None:
    assert list(catalogue()) == [
        "confident_select",
        "critique_refine",
        "debate",
        "judge_select",
        "majority_vote",
        "route",
    ]
    for name, p in catalogue().items():
        assert (p.name, find(name)) == (name, p)
        assert p.summary.endswith("."), "one sentence"
        assert p.papers
        assert all(len(paper) == 10 for paper in p.papers)
        assert all(f"{paper}" in (p.build.__doc__ or "") for paper in p.papers), "the docstring names its papers"
        assert "```mermaid" in (p.build.__doc__ or "")
        assert "Cost:" in (p.build.__doc__ or "")


def test_what_can_be_set() -> None:
    options = find("debate").options
    assert list(options) == ["rounds", "sees", "decide", "weights", "judge", "route", "router", "prompts"]
    assert (options["rounds"].default, find("debate").roles, find("majority_vote").roles) == (
        2,
        {"judge", "router"},
        frozenset(),
    )
    assert (find("debate").routers, find("route").routers) == ({"router"}, {"by"})
    assert find("debate").most_calls(3, {}) == 6
    assert find("judge_select").least == 2


def test_the_function_stays_a_function() -> None:
    assert debate.__name__ == "debate"
    assert isinstance(debate(team(2), 1, "neighbours"), Panel)
    assert isinstance(debate(team=team(2), rounds=1), Panel)


# Built from a file, where people are given by name.


def test_people_are_given_by_name() -> None:
    people = {p.name: p for p in team(3)}
    panel = find("judge_select").panel(list(people.values())[:2], {"judge": "m2"}, people)
    assert isinstance(panel, Panel)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("debate", {"round": 2}, "graph 'debate' has no option 'round'; did you mean 'rounds'"),
        ("debate", {"team": []}, "graph 'debate' has no option 'team'"),
        ("debate", {"decide": "judge", "judge": "mo"}, "graph 'debate': judge: nobody is called 'mo'"),
        ("debate", {"rounds": "two"}, "graph 'debate': rounds='two': input should be a valid integer"),
        ("debate", {"rounds": 0}, "rounds=0"),
        ("debate", {"sees": 3}, "graph 'debate': sees=3: "),
        ("critique_refine", {"critics": "two"}, "critics='two' in a team of 2"),
        ("majority_vote", {"samples": "many"}, "graph 'majority_vote': samples='many': "),
        ("majority_vote", {"weights": {"m0": "two"}}, "weights={'m0': 'two'}: "),
        ("route", {"by": "embeddings"}, "graph 'route': by: nobody is called 'embeddings'; did you mean 'embedding'"),
        ("debate", {"judge": "embedding"}, "graph 'debate': judge: nobody is called 'embedding'"),
        ("debate", {"route": 1}, "debate: route=1: at least 2 must be picked for this discussion"),
        (
            "confident_select",
            {"calibration": {"m0": [1]}},
            "calibration: give 'm0' a slope of 0 or more and an intercept",
        ),
    ],
)
def test_options_that_cannot_be(name: str, options: dict[str, Any], said: str) -> None:
    people = team(2)
    with pytest.raises(BadInput) as e:
        find(name).panel(people, options, {p.name: p for p in people})
    assert said in str(e.value)
    assert "\n" not in str(e.value)


async def test_a_prompts_folder_of_the_suite_holds_unless_the_options_name_one(tmp_path: Any) -> None:
    for name in ("suite", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "answer.md").write_text(f"{name}: {{{{ question }}}}")
    suite, own = str(tmp_path / "suite"), str(tmp_path / "own")
    for options, said in [({}, "suite: q"), ({"prompts": own}, "own: q")]:
        result = await find("majority_vote").panel(team(1), options, {}, suite).compile().ainvoke({"question": "q"})
        assert result["turns"][0].prompt[0].content == said


async def test_the_router_of_a_run_stands_in_for_the_one_of_the_catalogue() -> None:
    class Always:
        identity = "always m1"

        async def start(self) -> None: ...

        async def scores(self, question: str, team: Sequence[Participant]) -> list[float]:
            return [float(p.name == "m1") for p in team]

    people = {p.name: p for p in team(3)}
    for options in ({}, {"by": "embedding"}, {"by": "embedding", "k": 1}):
        panel = find("route").panel(list(people.values()), options, people, router=Always())
        assert [needed.identity for needed in panel.needs] == ["always m1"]
        assert (await panel.compile().ainvoke({"question": "q", "answer_type": NUMBER}))["answer"] == "1"
    assert find("debate").panel(list(people.values()), {}, people, router=Always()).needs == [], "nobody routes"


# Finding.


def test_unknown_graphs_are_refused() -> None:
    with pytest.raises(BadInput, match="no graph 'debat'; did you mean 'debate'"):
        find("debat")


OWN = """\
from folkmoot.graphs import majority_vote
from folkmoot.nodes import Panel
from folkmoot.protocol import protocol

@protocol(papers=[], templates=["answer"], calls=lambda n, samples: n * samples)
def mine(team, samples: int = 1):
    "Just a vote."
    return majority_vote(team, samples=samples)

def undeclared(team):
    return mine(team)
"""


@pytest.fixture
def modules(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "village_graphs.py").write_text(OWN)
    (tmp_path / "village_torn.py").write_text("def torn(:\n")
    (tmp_path / "village_loud.py").write_text("raise RuntimeError('no licence\\nno graph')\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("modules")
async def test_a_users_own_graph_is_found_by_its_module() -> None:
    found = find("village_graphs:mine")
    assert isinstance(found, Protocol)
    assert (found.summary, list(found.options), found.most_calls(3, {"samples": 2})) == ("Just a vote.", ["samples"], 6)
    result = await found.panel(team(3), {}, {}, prompts="nowhere").compile().ainvoke({"question": "q"})
    assert result["answer"] == "0", "it takes no prompts, so it is not given any"
    with pytest.raises(BadInput, match="mine needs a team of at least 1"):
        found.panel([], {}, {})


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("village_grafs:mine", "cannot be imported: ModuleNotFoundError: No module named 'village_grafs'"),
        ("village_graphs:thine", "cannot be imported: AttributeError: .*'thine'"),
        ("village_graphs:undeclared", r"declare the function with @folkmoot\.protocol\.protocol"),
        ("village_torn:torn", "cannot be imported: SyntaxError"),
        ("village_loud:mine", "cannot be imported: RuntimeError: no licence"),
        (":mine", "cannot be imported"),
        (".village_graphs:mine", "cannot be imported"),
    ],
)
def test_a_users_own_graph_that_cannot_be_used(name: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        find(name)


def test_declaring_a_protocol_checks_the_team_first() -> None:
    @protocol(papers=[], templates=[], calls=lambda n: n, least=3)
    def trio(team: Sequence[Participant]) -> Panel:
        """Three."""
        raise AssertionError("never reached")

    with pytest.raises(BadInput, match="trio needs a team of at least 3, got 2"):
        trio(team(2))


def test_a_participant_that_is_called_like_the_router_is_told_apart() -> None:
    people = {n: Participant(n, Scripted([], name=n)) for n in ("ana", "embedding")}
    team = list(people.values())
    with pytest.raises(
        BadInput, match=r"^graph 'route': by: 'embedding' is the router that .* call that one something else$"
    ):
        find("route").panel(team, {"by": "embedding"}, people)
    assert find("route").panel(team, {"by": "ana"}, people)
    assert find("route").panel(team, {}, people), "without the option there is no doubt"
    assert find("majority_vote").panel(team, {}, people)
