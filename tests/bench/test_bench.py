"""`folkmoot bench`: what is measured is what is said, and the reports are for programs too."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from folkmoot.bench import http, local, simulation, work
from folkmoot.bench.catalogue import BENCHES
from folkmoot.bench.figure import Figure, at_least, at_most, figure, ratios, rounded
from folkmoot.bench.stub import stub
from folkmoot.bench.vllm import ideal
from folkmoot.cli.app import app
from folkmoot.complaint import BadInput
from folkmoot.engines.contract import Message, Request
from folkmoot.engines.openai import OpenAIEngine


def folkmoot(*words: str) -> Any:
    return CliRunner().invoke(app, ["bench", *words])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark that measures nothing."""
    import folkmoot.bench.orchestration

    monkeypatch.setattr(
        folkmoot.bench.orchestration, "help_", lambda times: Figure(0.25, "s", {"values": [0.25] * times})
    )


def test_a_report_for_people_and_one_for_programs(quick: None) -> None:
    text = folkmoot("help", "--times", "2").stdout
    assert text.startswith("help: 0.25 s (goal: at most 0.3; reached)\n")
    assert "values: [0.25, 0.25]" in text
    report = json.loads(folkmoot("help", "--json").stdout)
    assert {"name", "value", "unit", "goal", "reached", "parts", "versions", "load_average", "machine"} <= set(report)
    assert (report["name"], report["value"], report["reached"]) == ("help", 0.25, True)
    assert report["versions"]["folkmoot"]


def test_every_figure_of_the_list_can_be_run() -> None:
    listed = folkmoot("list").stdout
    for name, b in BENCHES.items():
        assert f"{name} " in listed
        assert b.goal.bound in ("at least", "at most")
    assert isinstance(folkmoot("prefx").exception, BadInput)


def test_goals() -> None:
    assert (at_least(0.9).reached(0.9), at_least(0.9).reached(0.89)) == (True, False)
    assert (at_most(0.3).reached(0.3), at_most(0.3).reached(0.31)) == (True, False)


def test_a_figure_is_the_median_and_keeps_its_parts() -> None:
    seen = figure([3.0, 1.0, 2.00004], "s", graph_s=[1.23456789], deep=[{"a": 2 / 3}])
    assert seen == Figure(2.00004, "s", {"values": [3.0, 1.0, 2.0], "graph_s": [1.235], "deep": [{"a": 0.6667}]})
    assert ratios([1.0, 2.0], [2.0, 2.0]) == [0.5, 1.0]
    assert rounded(("x", 1, None)) == ["x", 1, None]


def test_made_up_questions_repeat_and_differ() -> None:
    assert work.question(7) == work.question(7)
    assert len({work.question(n)[0] for n in range(2000)}) > 1900
    text, gold = work.question(3)
    assert text.endswith("now?")
    assert int(gold) > 0


async def test_the_stub_is_an_endpoint() -> None:
    with stub() as url:
        engine = OpenAIEngine(url, "stub")
        await engine.start()
        reply = await engine.complete(Request((Message("user", "What is 2 + 2?"),)))
        await engine.close()
    assert reply.text.endswith("Answer: 4")


def test_cpu_per_call_over_http_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CALLS", 300)
    seen = http.http(1)
    assert 0.01 < seen.value < 20
    assert seen.parts["calls"] == 300


def test_eight_members_are_eight_loads_and_eight_adapters_one() -> None:
    seen = simulation.loads(1)
    assert (seen.value, seen.parts["eight_adapters_of_one_base"]) == (8, [1])


def test_a_debate_on_the_simulated_engine_makes_all_its_calls() -> None:
    """Adapters that the cache took for one another would make one call of three."""
    engine = simulation.SimulatedEngine("h100-0.5b", tokens=(20, 0.5), speed=20)
    spent = simulation._debate(engine, 40, in_flight=40)
    assert 3 * 40 < spent.calls <= 6 * 40
    assert engine.usage().requests == spent.calls


@pytest.mark.parametrize(
    ("prompts", "block", "found"),
    [
        ([], 2, 0),
        ([[1, 2, 3]], 2, 0),
        ([[1, 2, 3], [1, 2, 3]], 2, 2),
        ([[1, 2], [1, 2]], 2, 0),  # the last token is always computed
        ([[1, 2, 3, 4, 5], [1, 2, 9, 9, 9]], 2, 2),
        ([[1, 2, 3, 4, 5], [9, 2, 3, 4, 5]], 2, 0),
        ([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 4]], 2, 6),
    ],
)
def test_the_ideal_cache_is_a_radix_tree_of_whole_blocks(prompts: list[list[int]], block: int, found: int) -> None:
    assert ideal(prompts, block) == found


@pytest.mark.real
def test_made_up_adapters_fit_their_base(smol: Path, tmp_path: Path) -> None:
    folder = Path(local.make_adapter(smol, tmp_path / "a", seed=1))
    assert (folder / "adapter_model.safetensors").stat().st_size > 1_000_000
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == local.RANK
