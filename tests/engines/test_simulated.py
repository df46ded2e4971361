"""The engine that takes the time of a GPU: what it says, when it says it, and what it counts."""

import asyncio
import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from folkmoot.answers import AnswerType
from folkmoot.complaint import BadInput
from folkmoot.engines.batch_clock import replay
from folkmoot.engines.contract import EngineError, Message, PromptTooLong, Request, Sampling
from folkmoot.engines.simulated import SimulatedEngine

SLOW = """
overhead_ms: 20
overhead_us_per_sequence: 0
weights_gb: 1
gflop_per_token: 1
kv_kib_per_token: 1
bandwidth_tb_s: 2.7
tflops: 400
max_num_seqs: 2
max_num_batched_tokens: 512
kv_tokens: 4096
context: 4096
reply_median: 10
reply_sigma: 0
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """20 ms per step, two seats, replies of 10 tokens."""
    path = tmp_path / "slow.yaml"
    path.write_text(SLOW, encoding="utf-8")
    return path


def ask(text: str = "Why?", *, depth: int = 0, **sampling: object) -> Request:
    return Request((Message("user", text),), Sampling(**sampling), depth=depth)  # type: ignore[arg-type]


async def test_a_reply_repeats_and_depends_on_all_that_a_request_holds_but_its_depth() -> None:
    engine, twin, other = (SimulatedEngine(name=n, speed=100) for n in ("ana", "ana", "bo"))
    request = ask("How many?", temperature=1.0, max_tokens=400)
    said = (await engine.complete(request)).text
    assert (await engine.complete(replace(request, depth=3))).text == said
    assert (await twin.complete(request)).text == said
    assert (await other.complete(request)).text != said
    changed = [
        replace(request, messages=(Message("system", "Be brief."), *request.messages)),
        replace(request, draw=1),
        *(
            replace(request, sampling=replace(request.sampling, **{name: value}))
            for name, value in {"temperature": 0.5, "top_p": 0.9, "max_tokens": 401, "stop": ("#",), "seed": 1}.items()
        ),
    ]
    texts = [(await engine.complete(r)).text for r in changed]
    assert len({said, *texts}) == 1 + len(changed)
    # this list must grow with the request: a new field that changes replies is not to be forgotten in the hash
    assert set(request.canonical()) == {"messages", "sampling", "adapter", "draw"}
    assert len(request.canonical()["sampling"]) == 5


@pytest.mark.parametrize(
    "kind",
    [
        AnswerType("number"),
        AnswerType("choice", ("Rome", "Paris", "Oslo")),
        AnswerType("choice", tuple(f"city {i}" for i in range(9))),
    ],
)
async def test_answers_come_in_the_form_that_is_asked_for(kind: AnswerType) -> None:
    engine = SimulatedEngine(speed=1000, tokens=(60, 0.3))
    prompts = [f"Question {i}?\n{kind.instruction()}" for i in range(40)]
    replies = await asyncio.gather(*(engine.complete(ask(p)) for p in prompts))
    answers = {kind.extract(r.text) for r in replies}
    assert None not in answers
    assert len(answers) > 2


async def test_lengths_are_log_normal_and_end_at_the_limit() -> None:
    engine = SimulatedEngine(speed=1000, tokens=(100, 0.5))
    replies = await asyncio.gather(*(engine.complete(ask(f"{i}?", max_tokens=2000)) for i in range(500)))
    lengths = sorted(r.completion_tokens for r in replies)
    assert lengths[250] == pytest.approx(100, rel=0.15)
    assert lengths[int(500 * 0.841)] == pytest.approx(100 * math.exp(0.5), rel=0.15)
    assert all(engine.count_tokens(r.text) == r.completion_tokens and r.finish == "stop" for r in replies)
    cut = await engine.complete(ask("0?", max_tokens=7))
    assert (cut.finish, cut.completion_tokens, len(cut.text)) == ("length", 7, 28)
    assert "Answer" not in cut.text
    assert (await engine.complete(ask("Why?", max_tokens=2000, stop=("\n",)))).text.count("\n") == 0


async def test_options_get_probabilities(slow: Path) -> None:
    engine = SimulatedEngine(slow, speed=100)
    choice = await engine.choose(ask(), ["Yes.", "No.", "Perhaps."])
    assert sum(choice.probabilities) == pytest.approx(1)
    assert len(set(choice.probabilities)) == 3
    assert choice == replace(
        await engine.choose(ask(), ["Yes.", "No.", "Perhaps."]), queue_s=0, service_s=choice.service_s
    )
    for bad in ([], ["A", "A"], [""]):
        with pytest.raises(EngineError, match="options must be there"):
            await engine.choose(ask(), bad)


async def test_times_are_those_of_the_simulated_device(slow: Path) -> None:
    engine = SimulatedEngine(slow, speed=10)
    began = time.perf_counter()
    replies = await asyncio.gather(*(engine.complete(ask(f"{i}?")) for i in range(4)))
    took = time.perf_counter() - began
    step = 0.02 + 1e9 / 2.7e12
    assert [r.completion_tokens for r in replies] == [10] * 4
    assert [r.service_s for r in replies] == pytest.approx([10 * step] * 4, rel=0.01)
    assert [r.queue_s for r in replies[:1] + replies[2:]] == pytest.approx([0, 9 * step, 10 * step], abs=2 * step)
    assert 0.04 <= took < 1, "20 steps of 20 ms at ten times the speed"


async def test_a_loop_that_wakes_late_finds_all_that_happened(slow: Path) -> None:
    engine = SimulatedEngine(slow)
    tasks = [asyncio.create_task(engine.complete(ask(f"{i}?"))) for i in range(4)]
    await asyncio.sleep(0)
    time.sleep(0.8)  # noqa: ASYNC251 - the loop is held up on purpose; 20 or 21 steps take less than half a second
    began = time.perf_counter()
    await asyncio.gather(*tasks)
    assert time.perf_counter() - began < 0.2
    assert engine.usage().makespan == pytest.approx(0.42, abs=0.03)


async def test_deeper_requests_are_served_first(slow: Path) -> None:
    for fifo, first in ((False, "deep"), (True, "new")):
        engine, order = SimulatedEngine(slow, speed=20, fifo=fifo), []

        async def one(kind: str, depth: int, engine: SimulatedEngine = engine, order: list[str] = order) -> None:
            await engine.complete(ask(f"{kind}?", depth=depth))
            order.append(kind.partition(" ")[0])

        full = [asyncio.create_task(one(f"full {i}", 9)) for i in range(2)]
        await asyncio.sleep(0)
        rest = [asyncio.create_task(one(f"new {i}", 0)) for i in range(2)]
        await asyncio.sleep(0)
        await asyncio.gather(*full, *rest, *(one(f"deep {i}", 2) for i in range(2)))
        assert order[2] == first


async def test_a_cancelled_request_gives_its_seat_back(slow: Path) -> None:
    engine = SimulatedEngine(slow, tokens=(4000, 0))
    hogs = [asyncio.create_task(engine.complete(ask(f"{i}?", max_tokens=1000))) for i in range(2)]
    waiting = asyncio.create_task(engine.complete(ask("me?", max_tokens=2)))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    hogs[0].cancel()
    reply = await asyncio.wait_for(waiting, 5)
    assert 0.05 < reply.queue_s < 1
    hogs[1].cancel()
    await asyncio.gather(*hogs, return_exceptions=True)
    assert engine.usage().requests == 1


def test_event_loops_in_several_threads_share_one_device(slow: Path) -> None:
    engine = SimulatedEngine(slow, speed=20)
    replies: list[str] = []

    async def some(who: int) -> None:
        done = await asyncio.gather(*(engine.complete(ask(f"{who} {i}?")) for i in range(20)))
        replies.extend(r.text for r in done)

    threads = [threading.Thread(target=lambda who=i: asyncio.run(some(who))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(replies) == 80
    assert engine.usage().requests == 80
    assert engine.usage().peak == 2
    assert engine.loads == 1


def test_a_cancelled_request_gives_its_seat_to_one_of_another_loop(slow: Path) -> None:
    engine, began, waited = SimulatedEngine(slow, tokens=(4000, 0)), threading.Event(), []

    async def hog() -> None:
        hogs = [asyncio.create_task(engine.complete(ask(f"{i}?", max_tokens=1000))) for i in range(2)]
        await asyncio.sleep(0.05)
        began.set()
        await asyncio.sleep(0.2)
        for task in hogs:
            task.cancel()
        await asyncio.gather(*hogs, return_exceptions=True)

    async def wait() -> None:
        waited.append(await asyncio.wait_for(engine.complete(ask("me?", max_tokens=2)), 5))

    thread = threading.Thread(target=lambda: asyncio.run(hog()))
    thread.start()
    assert began.wait(5)
    asyncio.run(wait())
    thread.join()
    assert 0.05 < waited[0].queue_s < 2


async def test_loads_are_counted_and_closing_fails_what_is_in_flight(slow: Path) -> None:
    engine = SimulatedEngine(slow)
    assert engine.loads == 0
    await engine.start()
    await engine.start()
    assert engine.loads == 1
    task = asyncio.create_task(engine.complete(ask(max_tokens=400)))
    await asyncio.sleep(0.01)
    await engine.close()
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await task
    assert (await engine.complete(ask(max_tokens=1))).completion_tokens == 1
    assert engine.loads == 2


async def test_usage_since_a_mark_and_the_flat_batch_of_the_same_requests() -> None:
    engine = SimulatedEngine("h100-8b", speed=50)
    await engine.complete(ask("warm up"))
    engine.mark()
    replies = await asyncio.gather(*(engine.complete(ask(f"{i}?")) for i in range(64)))
    usage, served = engine.usage(), engine.served()
    assert usage.requests == len(served) == 64
    assert sorted(s.reply_tokens for s in served) == sorted(r.completion_tokens for r in replies)
    assert usage.peak == 64
    # all came at once, so the flat batch is no faster: the graph of no graph is saturated
    assert 0.9 < replay(engine.profile, served) / usage.makespan <= 1.001


def test_the_identity_tells_apart_what_replies_or_times_depend_on(slow: Path) -> None:
    engines = [
        SimulatedEngine(),
        SimulatedEngine("h100-8b"),
        SimulatedEngine(name="ana"),
        SimulatedEngine(tokens=(50, 0.1)),
        SimulatedEngine(fifo=True),
        SimulatedEngine(slow),
    ]
    assert len({e.identity for e in engines}) == len(engines)
    assert SimulatedEngine(speed=2).identity == engines[0].identity
    assert SimulatedEngine(name="ana").identity.startswith("simulated:h100-0.5b:ana:")


async def test_what_cannot_work_is_said(slow: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no profile 'h100-05b'; did you mean 'h100-0\.5b'"):
        SimulatedEngine("h100-05b")
    with pytest.raises(BadInput, match="no such file"):
        SimulatedEngine("mine.yaml")
    for was, becomes, complaint in (
        ("max_num_seqs: 2", "max_num_seqs: 600", "max_num_batched_tokens must be at least max_num_seqs"),
        ("kv_tokens: 4096", "kv_tokens: 100", "kv_tokens must be at least context"),
        ("tflops: 400", "tflops: 0", r"slow\.yaml:8: tflops"),
    ):
        slow.write_text(SLOW.replace(was, becomes), encoding="utf-8")  # noqa: ASYNC240 - a few lines
        with pytest.raises(BadInput, match=complaint):
            SimulatedEngine(slow)
    for wrong in ({"speed": 0}, {"speed": math.inf}, {"tokens": (0, 1.0)}, {"tokens": (10, -1.0)}):
        with pytest.raises(ValueError, match=r"speed|tokens"):
            SimulatedEngine(**wrong)  # type: ignore[arg-type]
    engine = SimulatedEngine()
    with pytest.raises(PromptTooLong, match="32768"):
        await engine.complete(ask(max_tokens=32768))
    with pytest.raises(EngineError, match="adapter"):
        await engine.complete(replace(ask(), adapter=str(tmp_path / "none")))
    assert engine.usage().steps == 0
