"""The timing model of continuous batching, against a simulation of every single step and against sums done by hand."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from folkmoot.engines.batch_clock import BatchClock, Size, Usage, replay
from folkmoot.engines.simulated_profile import Profile, load_profile


def profile(**changes: float) -> Profile:
    """One second per step and 4 more per second of arithmetic that exceeds the reading of weights: easy to add up."""
    plain = {
        "overhead_ms": 0,
        "overhead_us_per_sequence": 0,
        "weights_gb": 1000,
        "gflop_per_token": 0,
        "kv_kib_per_token": 0,
        "bandwidth_tb_s": 1,
        "tflops": 1,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 10,
        "kv_tokens": 100,
        "context": 100,
        "reply_median": 10,
        "reply_sigma": 0.5,
    }
    return Profile.model_validate(plain | changes)


def finished(clock: BatchClock, now: float = math.inf) -> list[tuple[int, float]]:
    """Reply length and time of what finishes, in order."""
    return [(t.reply_tokens, round(t.done, 9)) for t in clock.advance(now)]


def test_a_reply_of_n_tokens_takes_n_steps_the_first_of_which_reads_the_prompt() -> None:
    clock = BatchClock(profile())
    ticket = clock.submit(0.5, prompt_tokens=5, reply_tokens=3)
    assert finished(clock) == [(3, 3.5)]
    assert (ticket.arrival, ticket.begun, ticket.done) == (0.5, 0.5, 3.5)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"overhead_ms": 500}, 1.5 + 1.5),
        ({"overhead_us_per_sequence": 250_000}, 2 * (1 + 2 * 0.25)),
        # 4 tokens of prompt take 1.2 s of arithmetic, more than the weights take; 2 of decoding 0.6 s, less than they do
        ({"gflop_per_token": 300}, 4 * 0.3 + 1),
        # the second step reads the KV cache of both prompts, 4 tokens of a KiB at a TB/s
        ({"kv_kib_per_token": 1e8}, 1 + (1 + 4 * 0.1024)),
    ],
)
def test_what_a_step_costs(changes: dict[str, float], seconds: float) -> None:
    assert replay(profile(**changes), [Size(2, 2), Size(2, 2)]) == pytest.approx(seconds)


def test_who_comes_during_a_step_joins_at_the_next() -> None:
    clock = BatchClock(profile())
    first = clock.submit(0, 1, 5)
    second = clock.submit(1.2, 1, 2)
    clock.advance(math.inf)
    assert (second.begun, second.done) == (2, 4)
    assert first.done == 5


def test_a_long_prompt_is_read_in_chunks_beside_the_decoding_of_the_others() -> None:
    clock = BatchClock(profile(max_num_batched_tokens=10))
    clock.submit(0, 1, 20)
    long = clock.submit(1, 25, 1)  # 9 tokens of each step are left for it: 9 + 9 + 7
    clock.advance(math.inf)
    assert (long.begun, long.done) == (1, 4)


@pytest.mark.parametrize(
    ("changes", "limit"), [({"max_num_seqs": 2}, "seats"), ({"kv_tokens": 12, "context": 12}, "KV")]
)
def test_nobody_joins_without_a_seat_and_room_in_the_cache(changes: dict[str, int], limit: str) -> None:
    clock = BatchClock(profile(**changes))
    for reply in (5, 4, 3):
        clock.submit(0, 1, reply)  # 6 + 5 KV tokens of 12; the third needs 4
    assert finished(clock) == [(4, 4), (5, 5), (3, 7)], limit


@pytest.mark.parametrize(("fifo", "order"), [(False, [9, 3, 2, 1]), (True, [9, 1, 2, 3])])
def test_deeper_requests_go_first_unless_told_otherwise(fifo: bool, order: list[int]) -> None:
    clock = BatchClock(profile(max_num_seqs=1), fifo=fifo)
    clock.submit(0, 1, 9)
    for reply, priority in ((1, 0), (2, -1), (3, -2)):
        clock.submit(reply, 1, reply, priority)
    assert [reply for reply, _ in finished(clock)] == order


def test_time_is_told_up_to_now_and_no_further() -> None:
    clock = BatchClock(profile())
    assert clock.next_event() == math.inf
    clock.submit(10, 1, 2)
    clock.submit(10, 1, 4)
    assert clock.next_event() == 10
    assert finished(clock, 11.9) == []
    assert clock.next_event() == 12
    assert finished(clock, 12) == [(2, 12)]
    assert finished(clock, 13.9) == []
    assert finished(clock, 14) == [(4, 14)]
    assert clock.next_event() == math.inf


@pytest.mark.parametrize(
    ("at", "victim", "third"),
    [
        (0.5, "waiting", (1, 3)),
        (1.5, "reading", (2, 4)),
        (2.5, "writing", (3, 5)),
        (99.0, "done", (6, 8)),
    ],
)
def test_who_is_cancelled_leaves_at_the_next_boundary(at: float, victim: str, third: tuple[int, int]) -> None:
    one_seat = profile(max_num_seqs=1, max_num_batched_tokens=10)
    clock = BatchClock(one_seat)
    clock.submit(0, 1, 1)
    doomed = clock.submit(0.1, 20, 4)  # reads in steps 2 and 3, writes in 3 to 6
    last = clock.submit(0.2, 1, 2)
    clock.cancel(doomed, at)
    clock.advance(math.inf)
    assert (last.begun, last.done) == third, victim
    assert (doomed.done > 0) is (victim == "done")
    # nothing of it is left behind
    clock.mark()
    clock.submit(200, 50, 50)
    assert [t.reply_tokens for t in clock.advance(math.inf)] == [50]


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (60, 41)])
def test_what_can_never_be_served_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        BatchClock(profile()).submit(0, *size)


def test_usage_is_read_from_the_model_s_own_time() -> None:
    clock = BatchClock(profile())
    for reply in (2, 2, 2, 10):
        clock.submit(5, 1, reply)
    clock.submit(17, 1, 3)
    clock.advance(math.inf)
    usage = clock.usage()
    assert usage.seconds == (2, 11, 0, 0, 2)  # four seats for 2 s, one for 8, none for 2, one for 3
    assert (usage.makespan, usage.peak, usage.steps, usage.requests) == (15, 4, 13, 5)
    assert (usage.prompt_tokens, usage.reply_tokens) == (5, 19)
    assert usage.busy == pytest.approx((4 * 2 + 11) / 15)
    assert usage.slack() == pytest.approx(2 / 15)
    assert usage.slack(0.5) == pytest.approx(13 / 15)
    assert sorted(clock.served()) == sorted([Size(1, 2)] * 3 + [Size(1, 10), Size(1, 3)])
    clock.mark()
    clock.submit(100, 2, 1)
    clock.advance(math.inf)
    assert clock.usage().seconds[:2] == (0, 1), "neither the past nor the wait for the first arrival counts"
    assert clock.served() == [Size(2, 1)]
    assert Usage((0.0,), 0, 0, 0, 0).slack() == 0


@dataclass
class Naive:
    """The same rules, one step after the other, with nothing clever."""

    profile: Profile
    now: float = 0.0
    running: list[dict[str, float]] = field(default_factory=list)

    def run(self, jobs: list[dict[str, float]]) -> None:
        p, coming = self.profile, sorted(jobs, key=lambda j: j["arrival"])
        waiting: list[dict[str, float]] = []
        while coming or waiting or self.running:
            if not waiting and not self.running:
                self.now = max(self.now, coming[0]["arrival"])
            while coming and coming[0]["arrival"] <= self.now:
                waiting.append(coming.pop(0) | {"read": 0, "written": 0})
            waiting.sort(key=lambda j: (j["priority"], j["arrival"]))
            left = p.max_num_batched_tokens - sum(j["prompt"] - j["read"] or 1 for j in self.running)
            while waiting and left > 0 and len(self.running) < p.max_num_seqs:
                held = sum(j["prompt"] + j["reply"] for j in [*self.running, waiting[0]])
                if held > p.kv_tokens:
                    break
                self.running.append(waiting.pop(0))
                left -= int(self.running[-1]["prompt"])
            self.step()

    def step(self) -> None:
        p = self.profile
        kv = sum(j["read"] + max(0, j["written"] - 1) for j in self.running)
        writing = [j for j in self.running if j["read"] == j["prompt"]]
        budget = p.max_num_batched_tokens - len(writing)
        for job in self.running:
            if job not in writing:
                chunk = min(budget, job["prompt"] - job["read"])
                job["read"] += chunk
                budget -= chunk
        compute = (p.max_num_batched_tokens - budget) * p.gflop_per_token / p.tflops / 1e3
        self.now += p.overhead_ms / 1e3 + p.overhead_us_per_sequence / 1e6 * len(self.running)
        self.now += max(p.weights_gb / p.bandwidth_tb_s / 1e3, compute)
        self.now += kv * p.kv_kib_per_token * 1024 / (p.bandwidth_tb_s * 1e12)
        for job in list(self.running):
            if job["read"] == job["prompt"]:
                job["written"] += 1
                if job["written"] == job["reply"]:
                    DONE[int(job["id"])] = self.now
                    self.running.remove(job)


DONE: dict[int, float] = {}


@pytest.mark.parametrize("seed", range(30))
def test_going_from_event_to_event_gives_the_times_of_going_from_step_to_step(seed: int) -> None:
    r = random.Random(seed)
    budget = r.choice([8, 40, 300])
    p = profile(
        overhead_ms=r.choice([0, 3]),
        overhead_us_per_sequence=r.choice([0, 50]),
        weights_gb=r.choice([1, 5]),
        gflop_per_token=r.choice([0, 0.2]),
        kv_kib_per_token=r.choice([0, 5000]),
        max_num_seqs=r.choice([1, 3, 8]),
        max_num_batched_tokens=budget,
        kv_tokens=r.choice([100, 250, 2000]),
    )
    rate = r.choice([0.001, 0.05, 1.0])
    clock, jobs, at = BatchClock(p), [], 0.0
    found: dict[int, float] = {}
    tickets = {}
    for i in range(150):
        at += r.expovariate(1 / rate)
        job = {
            "prompt": r.randint(1, 60),
            "reply": r.randint(1, 40),
            "priority": -r.randint(0, 3),
            "arrival": at,
            "id": i,
        }
        jobs.append(job)
        # advance is called at odd times, and never where it would matter
        for ticket in clock.advance(at):
            found[tickets[ticket]] = ticket.done
        tickets[clock.submit(at, job["prompt"], job["reply"], job["priority"])] = i
        if r.random() < 0.3:
            clock.next_event()
    for ticket in clock.advance(math.inf):
        found[tickets[ticket]] = ticket.done
    DONE.clear()
    Naive(p).run(jobs)
    assert found == pytest.approx(DONE, rel=1e-9)
    assert clock.usage().reply_tokens == sum(int(j["reply"]) for j in jobs)
    assert clock.usage().prompt_tokens == sum(int(j["prompt"]) for j in jobs)


def closed_loop(p: Profile, in_flight: int, requests: int, size: Callable[[], Size]) -> Usage:
    """So many callers, each asking again as soon as it has its reply."""
    clock = BatchClock(p)
    for _ in range(in_flight):
        clock.submit(0, *size())
    left = requests - in_flight
    while (then := clock.next_event()) < math.inf:
        for ticket in clock.advance(then):
            if left > 0:
                left -= 1
                clock.submit(ticket.done, *size())
    return clock.usage()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("h100-0.5b", 40_000, 70_000), ("h100-3b", 15_000, 25_000), ("h100-8b", 10_000, 13_000)]
)
@pytest.mark.parametrize("in_flight", [256, 512])
def test_the_shipped_profiles_are_as_fast_as_the_real_thing(name: str, low: int, high: int, in_flight: int) -> None:
    r = random.Random(0)
    usage = closed_loop(load_profile(name), in_flight, 12 * in_flight, lambda: Size(128, r.randint(64, 192)))
    assert low <= usage.reply_tokens / usage.makespan <= high


def test_a_flat_batch_is_never_slower_than_the_same_requests_one_by_one() -> None:
    sizes = [Size(100, n) for n in range(1, 200)]
    p = load_profile("h100-0.5b")
    assert replay(p, sizes) < sum(replay(p, [s]) for s in sizes) / 20
    assert replay(p, []) == 0


def test_a_hundred_thousand_requests_cost_little() -> None:
    r = random.Random(0)
    began = time.process_time()
    usage = closed_loop(load_profile("h100-0.5b"), 512, 100_000, lambda: Size(200, r.randint(1, 256)))
    assert usage.requests == 100_000
    assert time.process_time() - began < 30  # seen: 0.3 s
