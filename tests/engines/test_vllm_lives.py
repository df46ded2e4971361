"""What happens when vLLM's process dies, and dies again; with a process that is none."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.engines import vllm_lives
from folkmoot.engines.contract import EngineError
from folkmoot.engines.vllm_lives import Lives
from folkmoot.engines.vllm_process import Died


class Pretended:
    """Stands for a process; `all` are those of a test in order of their start."""

    all: list["Pretended"]

    def __init__(self, boot: Callable[[], Any], owner: object) -> None:
        self.died = self.stopped = self.slept = False
        self.all.append(self)

    async def up(self) -> None:
        await asyncio.sleep(0)

    async def sleep(self) -> None:
        self.slept = True

    def stop(self, wait_s: float | None = None, *, dead: bool = False) -> None:
        self.stopped = True


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Lives:
    monkeypatch.setattr(Pretended, "all", [], raising=False)
    monkeypatch.setattr(vllm_lives, "Process", Pretended)
    return Lives("the engine", lambda: None)  # type: ignore[arg-type,return-value]


def dying(deaths: int) -> Callable[[Any], Any]:
    """Asks what only the process after so many deaths answers."""

    async def ask(process: Pretended) -> int:
        await asyncio.sleep(0.01)
        if Pretended.all.index(process) < deaths:
            process.died = True
            raise Died("it died")
        return Pretended.all.index(process)

    return ask


@pytest.mark.parametrize("deaths", [0, 1])
async def test_all_requests_are_answered_in_the_end_and_processes_started_once(lives: Lives, deaths: int) -> None:
    assert await asyncio.gather(*(lives.surely(dying(deaths)) for _ in range(5))) == [deaths] * 5
    assert [process.stopped for process in Pretended.all] == [True] * deaths + [False]


async def test_a_second_death_is_told_in_one_line_until_it_is_closed(lives: Lives) -> None:
    for outcome in await asyncio.gather(*(lives.surely(dying(2)) for _ in range(5)), return_exceptions=True):
        assert str(outcome).startswith("the engine: vLLM's engine process died 2 times. Set FOLKMOOT_DEBUG=1")
    with pytest.raises(EngineError, match="died 2 times"):
        await lives.running()
    assert len(Pretended.all) == 2
    await lives.close()
    assert await lives.surely(dying(2)) == 2


async def test_a_death_that_nobody_saw_is_noticed_by_the_next_request(lives: Lives) -> None:
    await lives.running()
    Pretended.all[0].died = True
    assert await lives.surely(dying(0)) == 1


async def test_other_failures_are_not_tried_again(lives: Lives) -> None:
    async def refuse(process: Any) -> None:
        raise EngineError("refused")

    with pytest.raises(EngineError, match="refused"):
        await lives.surely(refuse)
    assert not Pretended.all[0].stopped


@pytest.mark.parametrize("asleep", [True, False])
async def test_rest_waits_for_requests_and_the_next_one_is_answered(lives: Lives, asleep: bool) -> None:
    request = asyncio.create_task(lives.surely(dying(0)))
    await asyncio.sleep(0)
    await lives.rest(asleep=asleep)
    assert request.done()
    (process,) = Pretended.all
    assert (process.slept, process.stopped) == (asleep, not asleep)
    assert await lives.surely(dying(0)) == (0 if asleep else 1)


@pytest.mark.parametrize("asleep", [True, False])
async def test_what_does_not_run_may_rest_too(lives: Lives, asleep: bool) -> None:
    await lives.rest(asleep=asleep)
    assert not Pretended.all
