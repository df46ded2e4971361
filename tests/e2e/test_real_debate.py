"""A whole debate on real weights, through each engine that runs them."""

from pathlib import Path

import pytest

from folkmoot import AnswerType, OpenAIEngine, Participant, Sampling, TransformersEngine
from folkmoot.engines.contract import Engine
from folkmoot.graphs import critique_refine, debate, judge_select

pytestmark = pytest.mark.real
QUESTION = "What is the capital of France?"


def team(engine: Engine) -> list[Participant]:
    short = Sampling(max_tokens=48)
    return [
        Participant("ana", engine, system="You are careful.", sampling=short),
        Participant("bo", engine, system="You are brief.", sampling=short),
    ]


async def hold(panel, engine: Engine) -> None:
    result = await panel.compile().ainvoke({"question": QUESTION, "answer_type": AnswerType("text"), "seed": 1})
    turns = result["turns"]
    assert {t.speaker for t in turns} == {"ana", "bo"}
    assert [t.error for t in turns] == [None] * len(turns)
    assert all(t.prompt_tokens > 0 for t in turns)
    assert "Paris" in " ".join(t.text for t in turns if t.round == 0)
    if engine.capabilities.choose:
        assert all("(" in t.text for t in turns if t.role == "judge")


@pytest.mark.parametrize("protocol", [debate, critique_refine, judge_select])
async def test_on_transformers(smol: Path, protocol) -> None:
    engine = TransformersEngine(smol)
    try:
        await hold(protocol(team(engine)), engine)
    finally:
        await engine.close()


@pytest.mark.parametrize("protocol", [debate, critique_refine, judge_select])
async def test_on_vllm(vllm_engine, protocol) -> None:
    await hold(protocol(team(vllm_engine)), vllm_engine)


async def test_on_an_openai_compatible_server(vllm_server: str) -> None:
    engine = OpenAIEngine(vllm_server, "smollm2-135m-instruct")
    try:
        await hold(debate(team(engine)), engine)
    finally:
        await engine.close()
