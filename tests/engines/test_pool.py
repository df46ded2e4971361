"""One engine for every different model."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from folkmoot.answers import AnswerType
from folkmoot.documents import BadInput
from folkmoot.engines.cache import Cached, Completions
from folkmoot.engines.contract import Message, Missing, Request
from folkmoot.engines.placement.bases import Base
from folkmoot.engines.placement.hardware import Gpu, Hardware
from folkmoot.engines.placement.needs import GIB, Needs
from folkmoot.engines.placement.plan import place
from folkmoot.engines.pool import EngineSpec, Pool, seated
from folkmoot.engines.rehearsal import rehearsal
from folkmoot.engines.scripted import Scripted
from folkmoot.engines.vllm import VllmEngine


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


def test_an_endpoint_without_address_is_bad_input() -> None:
    with pytest.raises(BadInput, match="model 'x': engine 'openai' needs a 'url'"):
        Pool(Completions(None)).engine(EngineSpec("openai", "x"))


def test_a_simulated_member_needs_no_model() -> None:
    engine = Pool(Completions(None)).engine(EngineSpec("simulated", "h100-0.5b"))
    assert type(inside(engine)).__name__ == "SimulatedEngine"


def gpu(*sizes: float) -> Hardware:
    cards = (Gpu(i, "card", int(s * GIB), int(s * GIB)) for i, s in enumerate(sizes))
    return Hardware(tuple(cards), 64 * GIB, 64 * GIB, "gpu", "gpu")


CPU = Hardware((), 16 * GIB, 16 * GIB, "cpu", "cpu")


def needs(name: str, gib: float, device: Any = "gpu", kind: Any = "vllm", **more: Any) -> Needs:
    return Needs(name, kind, device, int(gib * GIB), 2**17, in_flight=8, heads=32, kv_heads=8, **more)


@pytest.mark.parametrize(
    ("n", "here", "rests", "told"),
    [
        (needs("a", 4, "cpu"), CPU, False, {"kv_cache_gib": 2.0}),
        (needs("a", 4, "cpu", "transformers"), CPU, False, {}),
        (needs("a", 4), gpu(24), False, {"gpu_memory": 0.979}),
        (needs("a", 4), gpu(24), True, {"gpu_memory": 0.979, "sleep": True}),
        (needs("a", 30), gpu(24, 24), False, {"gpu_memory": 0.979, "tensor_parallel": 2, "gpus": (0, 1)}),
        (needs("a", 4, kind="transformers"), gpu(24, 24), False, {"device": "cuda:0"}),
        (needs("a", 4, kind="transformers"), gpu(24), False, {}),
        (
            needs("a", 4, folders=3, slots=3, rank=32),
            gpu(24),
            False,
            {"gpu_memory": 0.979, "max_loras": 3, "max_lora_rank": 32},
        ),
        (
            needs("a", 4, folders=40, slots=8, rank=256),
            gpu(24),
            False,
            {"gpu_memory": 0.979, "max_loras": 8, "max_lora_rank": 256, "adapters": 40},
        ),
    ],
)
def test_a_seat_is_told_to_the_engine(n: Needs, here: Hardware, rests: bool, told: dict[str, Any]) -> None:
    [seat] = place([n], here).seats
    assert seated(n, seat, rests=rests, several=len(here.gpus) > 1) == told


@pytest.mark.parametrize(
    "name", ["max_loras", "max_lora_rank", "adapters", "sleep", "kv_cache_gib", "tensor_parallel", "gpu_memory"]
)
def test_the_engine_takes_what_it_is_told(name: str) -> None:
    assert name in inspect.signature(VllmEngine).parameters


def test_without_a_seat_an_engine_takes_what_memory_it_wants() -> None:
    assert seated(needs("a", 4), None, rests=False, several=True) == {}
    adapted = needs("a", 4, folders=2, slots=2, rank=8)
    assert seated(adapted, None, rests=False, several=True) == {"max_loras": 2, "max_lora_rank": 8}


def write_model(folder: Path, numbers: int = 1000) -> str:
    """A model without sense, of 2 bytes a number; its weights are a hole in the file."""
    folder.mkdir()
    config = {"num_hidden_layers": 1, "num_attention_heads": 4, "hidden_size": 64}
    (folder / "config.json").write_text(json.dumps(config))
    told = {"x.weight": {"dtype": "BF16", "shape": [numbers // 100, 100], "data_offsets": [0, 2 * numbers]}}
    header = json.dumps(told).encode()
    with (folder / "model.safetensors").open("wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + 2 * numbers)
    return str(folder)


def test_the_pool_builds_engines_as_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, dict[str, Any]]] = []

    def engine(model: str, **told: Any) -> Scripted:
        built.append((Path(model).name, {k: told[k] for k in told if k not in ("progress", "revision")}))
        return Scripted(lambda m: "x")

    monkeypatch.setattr("folkmoot.engines.vllm.VllmEngine", engine)
    small, large = (write_model(tmp_path / name, size) for name, size in (("small", 10**9), ("large", 9 * 10**9)))
    pool = Pool(Completions(None), hardware=lambda: gpu(24))
    specs = [EngineSpec("vllm", small), EngineSpec("vllm", large)]
    pool.seat([Base(s) for s in specs])
    engines = [inside(pool.engine(s)) for s in specs]
    assert [type(e).__name__ for e in engines] == ["InShift", "InShift"], "they share a GPU"
    assert {e.shift for e in engines} == {0}
    shares = {name: told["gpu_memory"] for name, told in built}
    assert shares["large"] - shares["small"] == pytest.approx(16e9 / (24 * GIB), abs=0.01)
    assert sum(shares.values()) <= 1
    assert not any("sleep" in told for _, told in built), "they fit together"


async def test_models_that_do_not_fit_together_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    class Told(Scripted):
        def __init__(self, model: str, **told: Any) -> None:
            super().__init__(lambda m: "x", name=Path(model).name)
            assert told["sleep"] is True

        async def start(self) -> None:
            happened.append(f"start {self.identity}")

        async def rest(self) -> None:
            happened.append(f"rest {self.identity}")

    monkeypatch.setattr("folkmoot.engines.vllm.VllmEngine", Told)
    specs = [EngineSpec("vllm", write_model(tmp_path / name, 8 * 10**9)) for name in "ab"]
    pool = Pool(Completions(None), hardware=lambda: gpu(24))
    pool.seat([Base(s) for s in specs])
    a, b = (pool.engine(s) for s in specs)
    await a.complete(ask("1"))
    await b.complete(ask("2"))
    await b.complete(ask("3"))
    await a.complete(ask("4"))
    names = [inside(e).identity for e in (a, b)]
    assert happened == [
        f"start {names[0]}", f"rest {names[0]}", f"start {names[1]}", f"rest {names[1]}", f"start {names[0]}",
    ]  # fmt: skip


def test_weights_larger_than_the_memory_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    spec = EngineSpec("vllm", write_model(tmp_path / "huge", 10**11))
    said: list[str] = []
    pool = Pool(Completions(None), hardware=lambda: gpu(24), progress=lambda what, *_, note="": said.append(note))
    with pytest.raises(Missing, match=r"huge does not fit into any GPU here: .* too little\. What would help"):
        pool.seat([Base(spec)])
    tight = EngineSpec("vllm", write_model(tmp_path / "tight", 12 * 10**9))
    pool.seat([Base(tight)])
    assert "tight does not fit" in said[-1], "an estimate is no reason to refuse"


def test_models_are_fetched_if_their_size_must_be_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path))
    fetched: list[str] = []
    monkeypatch.setattr("folkmoot.engines.pool.resolve", lambda model, **_: fetched.append(model))
    here = EngineSpec("vllm", write_model(tmp_path / "here"))
    plain, adapted = EngineSpec("vllm", "org/plain"), EngineSpec("vllm", "org/adapted")
    asked = [Base(here), Base(plain), Base(adapted, ("lora",)), Base(EngineSpec("openai", "x", url="http://a/v1"))]
    assert Pool(Completions(None), hardware=lambda: CPU).fetch(asked)
    assert fetched == ["org/adapted"]
    assert Pool(Completions(None), hardware=lambda: gpu(24)).fetch(asked)
    assert fetched == ["org/adapted", "org/plain", "org/adapted"], "two share a GPU"
    assert not Pool(Completions(None), hardware=lambda: gpu(24)).fetch([Base(plain)]), "alone it may have all"


def test_without_local_models_hardware_is_not_looked_at() -> None:
    pool = Pool(Completions(None), hardware=lambda: pytest.fail("looked at"))
    asked = [Base(EngineSpec("openai", "x", url="http://a/v1")), Base(EngineSpec("simulated", "x"))]
    assert not pool.fetch(asked)
    pool.seat(asked)


async def test_rest_keeps_what_an_engine_can_keep() -> None:
    class Sleeper(Scripted):
        rested = closed = 0

        async def rest(self) -> None:
            self.rested += 1

        async def close(self) -> None:
            self.closed += 1

    pool = Pool(Completions(None), scripted=True)
    sleeper = Sleeper(lambda m: "x")
    engine = pool.engine(EngineSpec("vllm", "x"))
    assert isinstance(engine, Cached)
    engine.engine = sleeper
    await pool.rest()
    assert (sleeper.rested, sleeper.closed) == (1, 0)
    await pool.close()
    assert (sleeper.rested, sleeper.closed) == (1, 1)


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
