"""One engine for every different model."""

from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.contract import Message, Request
from folkmoot.engines.pool import EngineSpec, Pool, rehearsal
from folkmoot.engines.scripted import Scripted


def ask(text: str) -> Request:
    return Request((Message("user", text),))


def inside(engine: Any) -> Any:
    assert isinstance(engine, Cached)
    return engine.engine


def test_equal_specs_share_an_engine() -> None:
    pool = Pool(Completions(None), scripted=True)
    one = pool.engine(EngineSpec("transformers", "x"))
    assert pool.engine(EngineSpec("transformers", "x")) is one
    different = [
        EngineSpec("transformers", "y"),
        EngineSpec("transformers", "x", "v2"),
        EngineSpec("vllm", "x"),
        EngineSpec("openai", "x", url="http://a/v1"),
        EngineSpec("openai", "x", url="http://b/v1"),
        EngineSpec("openai", "x", url="http://b/v1", api_key_env="KEY"),
    ]
    assert len({id(pool.engine(s)) for s in different} | {id(one)}) == 7


def test_an_endpoint_is_built_without_a_connection() -> None:
    engine = Pool(Completions(None)).engine(EngineSpec("openai", "x", url="http://127.0.0.1:9/v1"))
    assert (type(inside(engine)).__name__, "x" in engine.identity) == ("OpenAIEngine", True)


async def test_all_engines_of_a_pool_share_cache_and_meter() -> None:
    pool = Pool(Completions(None), scripted=True)
    a, b = pool.engine(EngineSpec("vllm", "x")), pool.engine(EngineSpec("vllm", "y"))
    for engine in (a, a, b):
        await engine.complete(ask("q"))
    assert (pool.meter.calls, pool.meter.hits) == (2, 1)


async def test_a_closed_pool_builds_anew() -> None:
    pool = Pool(Completions(None), scripted=True)
    before = pool.engine(EngineSpec("vllm", "x"))
    await pool.close()
    await pool.close()
    assert pool.engine(EngineSpec("vllm", "x")) is not before


def test_a_scripted_member_needs_no_rehearsal() -> None:
    assert isinstance(inside(Pool(Completions(None)).engine(EngineSpec("scripted", "x"))), Scripted)


# Rehearsals: the right form, and never the same for everybody.


@pytest.mark.parametrize(
    "kind",
    [
        AnswerType("number"),
        AnswerType("text"),
        AnswerType("choice", ("red", "green")),
        AnswerType("choice", tuple("abcdefghij")),
    ],
    ids=lambda k: f"{k.kind} {len(k.options)}",
)
async def test_a_rehearsal_answers_in_the_form_asked_for(kind: AnswerType) -> None:
    engine = rehearsal("x")
    replies = [await engine.complete(ask(f"Question {i}?\n\n{kind.instruction()}")) for i in range(40)]
    answers = [kind.extract(r.text) for r in replies]
    assert None not in answers
    assert len(set(answers)) > 1
    assert set(answers) <= set(kind.labels) or kind.kind != "choice"


async def test_models_rehearse_differently_and_repeatably() -> None:
    said = [[(await rehearsal(m).complete(ask(f"q{i}"))).text for i in range(10)] for m in ("x", "x", "y")]
    assert said[0] == said[1] != said[2]


async def test_a_rehearsal_can_judge() -> None:
    odds = [(await rehearsal("x").choose(ask(f"{i}: A or B?"), ["A", "B"])).probabilities for i in range(9)]
    assert all(sum(o) == pytest.approx(1) for o in odds)
    assert len({o[0] > o[1] for o in odds}) == 2, "it does not always take the first"
