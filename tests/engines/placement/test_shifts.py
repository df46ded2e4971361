"""Engines that do not fit together take turns: nobody runs while another shift is loaded, and nobody waits for ever."""

import asyncio
from collections import Counter

import pytest

from folkmoot.engines.contract import Completion, EngineError, Message, Request
from folkmoot.engines.placement import shifts
from folkmoot.engines.placement.shifts import Floor, InShift
from folkmoot.engines.scripted import Scripted

Q = Request((Message("user", "q"),))


class Device:
    """What is loaded, and that nothing runs that is not."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.changes = 0
        self.loading = 0


class Heavy(Scripted):
    def __init__(self, name: str, device: Device, seconds: float = 0.001) -> None:
        super().__init__(lambda m: "x", name=name)
        self.name, self.device, self.seconds = name, device, seconds

    async def start(self) -> None:
        assert not self.device.loading, "one at a time"
        self.device.loading += 1
        await asyncio.sleep(0.001)
        self.device.loading -= 1
        self.device.loaded.append(self.name)
        self.device.changes += 1

    async def rest(self) -> None:
        await asyncio.sleep(0.001)
        self.device.loaded.remove(self.name)

    async def complete(self, request: Request) -> Completion:
        assert self.name in self.device.loaded
        await asyncio.sleep(self.seconds)
        assert self.name in self.device.loaded, "it was taken away under way"
        return Completion(self.name, "stop", 1, 1)


def team(device: Device, **in_shift: int) -> dict[str, InShift]:
    floor = Floor()
    return {name: InShift(Heavy(name, device), floor, shift) for name, shift in in_shift.items()}


async def test_only_one_shift_is_loaded_at_a_time() -> None:
    device = Device()
    engines = team(device, a=0, b=0, c=1)
    said = await asyncio.gather(*(engines[name].complete(Q) for name in "abc" * 20))
    assert Counter(c.text for c in said) == {"a": 20, "b": 20, "c": 20}
    assert device.changes == 3, "all that wait for a shift are served in it"
    assert device.loaded == ["c"]


async def test_a_discussion_changes_shifts_once_a_round() -> None:
    device = Device()
    engines = team(device, a=0, b=1)

    async def discussion() -> None:
        for _ in range(3):
            await asyncio.gather(*(e.complete(Q) for e in engines.values()))

    await asyncio.gather(*(discussion() for _ in range(8)))
    assert device.changes <= 6


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "LONGEST_S", 0.02)
    device = Device()
    engines = team(device, busy=0, other=1)

    async def keep_busy() -> None:
        while True:
            await engines["busy"].complete(Q)

    busy = [asyncio.create_task(keep_busy()) for _ in range(4)]
    await asyncio.sleep(0.01)
    assert (await asyncio.wait_for(engines["other"].complete(Q), 5)).text == "other"
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_whoever_gives_up_waiting_leaves_no_trace() -> None:
    device = Device()
    engines = team(device, a=0, b=1)
    running = asyncio.create_task(engines["a"].complete(Q))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(engines["b"].complete(Q)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    assert (await running).text == "a"
    assert (await asyncio.wait_for(engines["b"].complete(Q), 5)).text == "b"
    assert (await asyncio.wait_for(engines["a"].complete(Q), 5)).text == "a"


async def test_a_start_that_fails_fails_its_request_and_the_floor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    engines = team(device, a=0, b=1)

    async def broken() -> None:
        raise EngineError("no")

    monkeypatch.setattr(engines["a"].engine, "start", broken)
    replies = await asyncio.gather(*(engines[n].complete(Q) for n in "aab"), return_exceptions=True)
    assert [type(r) for r in replies] == [EngineError, EngineError, Completion]


def test_event_loops_may_differ() -> None:
    device = Device()
    engines = team(device, a=0, b=1)
    for name in "abab":
        assert asyncio.run(engines[name].complete(Q)).text == name
    assert device.changes == 4


async def test_after_a_rest_of_all_they_are_loaded_again() -> None:
    device = Device()
    engine = team(device, a=0)["a"]
    await engine.complete(Q)
    await engine.rest()
    engine.floor.clear()
    assert (await engine.complete(Q)).text == "a"
    assert device.changes == 2
