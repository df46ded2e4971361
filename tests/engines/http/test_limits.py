"""Places at a server: how many, who is next, and what happens to both when the server is busy or down."""

import asyncio
import random
import time
from itertools import pairwise
from typing import Any

import pytest

from folkmoot.engines.http import circuit, limits
from folkmoot.engines.http.circuit import Circuit
from folkmoot.engines.http.limits import Down, Limiter, Outcome


async def all_wait() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def take_and_note(limiter: Limiter, name: str, depth: int, served: list[str]) -> None:
    era = await limiter.take(limiter.place(depth))
    served.append(name)
    limiter.give_back(era)


async def test_no_more_than_allowed_at_once() -> None:
    limiter, most = Limiter(3), 0

    async def work() -> None:
        nonlocal most
        era = await limiter.take(limiter.place())
        most = max(most, limiter.taken)
        await asyncio.sleep(0)
        limiter.give_back(era, "fine")

    await asyncio.gather(*(work() for _ in range(50)))
    assert (most, limiter.taken) == (3, 0)


async def test_deeper_first_then_in_order_of_arrival() -> None:
    limiter, served = Limiter(1), list[str]()
    era = await limiter.take(limiter.place())
    tasks = [
        asyncio.create_task(take_and_note(limiter, name, depth, served))
        for name, depth in [("first", 0), ("second", 0), ("deep", 2), ("deeper", 5), ("deep too", 2), ("third", 0)]
    ]
    await all_wait()
    limiter.give_back(era)
    await asyncio.gather(*tasks)
    assert served == ["deeper", "deep", "deep too", "first", "second", "third"]


async def test_who_comes_back_keeps_its_place_but_overtakes_nobody_before_it() -> None:
    limiter, served = Limiter(1), list[str]()
    early, mine = limiter.place(), limiter.place()
    era = await limiter.take(mine)

    async def noted(name: str, place: limits.Place) -> None:
        held = await limiter.take(place)
        served.append(name)
        limiter.give_back(held)

    tasks = [asyncio.create_task(noted("late", limiter.place())), asyncio.create_task(noted("early", early))]
    tasks.append(asyncio.create_task(noted("again", mine)))
    await all_wait()
    limiter.give_back(era)
    await asyncio.gather(*tasks)
    assert served == ["early", "again", "late"]


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    limiter, served = Limiter(1), list[str]()
    era = await limiter.take(limiter.place())
    tasks = [asyncio.create_task(take_and_note(limiter, str(i), 0, served)) for i in range(3)]
    await all_wait()
    tasks[0].cancel()
    await all_wait()
    limiter.give_back(era)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (served, limiter.taken) == (["1", "2"], 0)


async def test_a_place_granted_at_the_moment_of_cancellation_is_passed_on() -> None:
    limiter, served = Limiter(1), list[str]()
    era = await limiter.take(limiter.place())
    tasks = [asyncio.create_task(take_and_note(limiter, str(i), 0, served)) for i in range(2)]
    await all_wait()
    limiter.give_back(era)  # the first waiter has the place now, but has not run yet
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (served, limiter.taken) == (["1"], 0)


async def test_no_place_is_lost_among_random_cancellations() -> None:
    dice, limiter = random.Random(5), Limiter(4)

    async def work() -> None:
        era = await limiter.take(limiter.place(dice.randrange(3)))
        outcome: Outcome = dice.choice(["fine", "busy", "void"])
        try:
            await asyncio.sleep(dice.random() * 0.002)
        finally:
            limiter.give_back(era, outcome)

    tasks = [asyncio.create_task(work()) for _ in range(400)]
    for task in dice.sample(tasks, 200):
        await asyncio.sleep(dice.random() * 0.001)
        task.cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert limiter.taken == 0
    assert 1 <= limiter.limit <= 4
    era = await limiter.take(limiter.place())
    limiter.give_back(era)


async def filled(limiter: Limiter) -> list[int]:
    """Take all places there are."""
    return [await limiter.take(limiter.place()) for _ in range(limiter.limit - limiter.taken)]


async def test_a_round_of_refusals_shrinks_the_limit_once() -> None:
    limiter = Limiter(64)
    eras = await filled(limiter)
    for era in eras:
        limiter.give_back(era, "busy")
    assert limiter.limit == int(64 * limits.SHRINK)
    limiter.give_back(await limiter.take(limiter.place()), "busy")
    assert limiter.limit == int(64 * limits.SHRINK**2)


async def test_the_limit_never_falls_below_one() -> None:
    limiter = Limiter(8)
    for _ in range(50):
        limiter.give_back(await limiter.take(limiter.place()), "busy")
    assert limiter.limit == 1


@pytest.mark.parametrize(
    ("replies", "outcome", "limit"),
    [(0, "fine", 4), (6, "fine", 5), (14, "fine", 6), (500, "fine", 10), (500, "void", 4)],
)
async def test_a_round_of_replies_adds_one_up_to_the_most(replies: int, outcome: Any, limit: int) -> None:
    limiter = Limiter(10)
    for _ in range(2):
        limiter.give_back(await limiter.take(limiter.place()), "busy")
    assert limiter.limit == 4

    async def work() -> None:
        era = await limiter.take(limiter.place())
        await asyncio.sleep(0)
        limiter.give_back(era, outcome)

    eras = await filled(limiter)  # used to the full from first to last
    tasks = [asyncio.create_task(work()) for _ in range(replies)]
    await all_wait()
    for era in eras:
        limiter.give_back(era)
    await asyncio.gather(*tasks)
    assert limiter.limit == limit


async def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limiter = Limiter(64)
    limiter.give_back(await limiter.take(limiter.place()), "busy")
    at = limiter.limit
    for _ in range(1000):
        limiter.give_back(await limiter.take(limiter.place()), "fine")
    assert limiter.limit == at


async def test_a_pause_holds_for_all() -> None:
    limiter, served = Limiter(4), list[str]()
    limiter.pause(0.3)
    limiter.pause(0.1)  # a shorter one does not shorten it
    began = time.monotonic()
    await asyncio.gather(*(take_and_note(limiter, str(i), i, served) for i in range(6)))
    assert 0.25 < time.monotonic() - began < 3
    assert served == ["5", "4", "3", "2", "1", "0"]
    began = time.monotonic()
    await take_and_note(limiter, "afterwards", 0, served)
    assert time.monotonic() - began < 0.25


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of circuits, in the only item of a list."""
    now = [1000.0]
    monkeypatch.setattr(circuit, "time", type("time", (), {"monotonic": staticmethod(lambda: now[0])}))
    return now


@pytest.mark.parametrize(
    ("callers", "kind", "steps", "opens"),
    [
        ("abcdefghij", {}, 0.0, True),  # ten failures of ten calls at once
        ("abcdefghi", {}, 0.0, False),
        ("abcdefghij", {"busy": True}, 0.0, False),  # a burst of refusals is what limits are for
        ("aba", {"busy": True}, 1.0, True),  # but not if nothing else comes for a while
        ("aba", {}, 1.0, True),
        ("aba", {}, 0.5, False),
        ("ab", {}, 9.0, False),
        ("aaaaaaaaaaaa", {}, 1.0, False),  # one request that breaks the server each time
        ("aaa", {"refused": True}, 1.0, True),  # which no request can do to a connection
    ],
)
def test_when_a_circuit_opens(clock: list[float], callers: str, kind: Any, steps: float, opens: bool) -> None:
    c = Circuit(300)
    for caller in callers:
        c.failed(caller, "it broke", **kind)
        clock[0] += steps
    assert c.open is opens
    c.worked()
    assert not c.open
    assert c.wait() == 0


def test_a_success_in_between_starts_the_count_again(clock: list[float]) -> None:
    c = Circuit(300)
    for i in range(500):
        c.failed(i, "it broke")
        if i % 9 == 8:
            c.worked()
    assert not c.open


def opened(patience: float = 300, *, before: int = 1) -> Circuit:
    c = Circuit(patience)
    for _ in range(before):
        c.worked()
    for i in range(circuit.BURST):
        c.failed(i, "it broke")
    assert c.open
    return c


def test_an_open_circuit_lets_fewer_than_two_a_second_through(clock: list[float]) -> None:
    c, sent = opened(), []
    for _ in range(1000):
        if not c.wait():
            c.sent()
            sent.append(clock[0])
            c.failed(99, "it broke")
        clock[0] += 0.01
    assert 16 <= len(sent) <= 20
    assert min(b - a for a, b in pairwise(sent)) > 0.5


@pytest.mark.parametrize(("before", "patience", "hopeless_after"), [(1, 300, 300), (0, 300, 10), (0, 5, 5)])
def test_when_it_is_hopeless(clock: list[float], before: int, patience: float, hopeless_after: float) -> None:
    c = opened(patience, before=before)
    clock[0] += hopeless_after - 0.1
    assert not c.hopeless
    clock[0] += 0.2
    assert c.hopeless
    assert c.down_s == pytest.approx(hopeless_after + 0.1)
    c.worked()
    assert not c.hopeless
    assert c.down_s == 0


async def test_waiters_go_one_by_one_while_it_is_open_and_all_when_it_closes() -> None:
    c = opened()
    limiter, served = Limiter(64, c), list[float]()
    began = time.monotonic()

    async def work() -> None:
        era = await limiter.take(limiter.place())
        served.append(time.monotonic() - began)
        if len(served) == 3:
            c.worked()
        limiter.give_back(era)

    await asyncio.gather(*(work() for _ in range(30)))
    assert len([t for t in served if t < 1.4]) <= 2
    assert served[-1] - served[2] < 3


async def test_who_waits_in_vain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "PROBE_S", 0.05)
    c = opened(patience=0.3)
    limiter = Limiter(2, c)
    probes = 0

    async def work() -> None:
        nonlocal probes
        place = limiter.place()
        while True:
            era = await limiter.take(place)
            probes += 1
            c.failed(place, "it broke")
            limiter.give_back(era)

    began = time.monotonic()
    results = await asyncio.gather(*(work() for _ in range(50)), return_exceptions=True)
    assert {type(r) for r in results} == {Down}
    assert 0.2 < time.monotonic() - began < 5
    assert 1 <= probes <= 20
    await asyncio.sleep(0.06)
    era = await limiter.take(limiter.place())  # one now and then still finds out whether it is back
    c.worked()
    limiter.give_back(era)
    assert not c.open
