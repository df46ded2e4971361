"""Made-up work for benchmarks: questions, teams, and the whole path of a suite around a graph."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from folkmoot.answers import AnswerType
from folkmoot.door import new_event_loop
from folkmoot.engines.cache import Cached, Completions, Meter
from folkmoot.engines.contract import Engine
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.runner import run_samples
from folkmoot.evaluation.samples import Sample
from folkmoot.evaluation.store import RunStore
from folkmoot.participant import derive

NUMBER = AnswerType("number")
_THINGS = ("apples", "letters", "stamps", "tickets", "bricks", "lamps", "chairs", "seeds")
_NAMES = ("Ana", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal")


def question(n: int, sentences: int = 3) -> tuple[str, str]:
    """A made-up sum in words and its answer; the same for the same number."""
    dice = random.Random(n)  # noqa: S311 - no secret depends on it
    name, thing = dice.choice(_NAMES), dice.choice(_THINGS)
    total = dice.randint(10, 90)
    told = [f"{name} has {total} {thing}."]
    for _ in range(sentences):
        more = dice.randint(2, 9)
        if dice.random() < 0.5:
            told.append(f"{dice.choice(_NAMES)} brings {more} more {thing}.")
            total += more
        else:
            told.append(f"{name} gives {more} {thing} away.")
            total -= more
    return f"{' '.join(told)} How many {thing} does {name} have now?", str(total)


def work(count: int, system: str = "debate", sentences: int = 3, first: int = 0) -> Iterator[Sample]:
    """Samples over made-up questions."""
    for n in range(first, first + count):
        text, gold = question(n, sentences)
        item = Item(f"q{n}", text, NUMBER, (gold,), "sums")
        state: Any = {"question": text, "answer_type": NUMBER, "seed": derive("bench", n)}
        yield Sample(f"{system}/{n}", system, item, 0, state)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took: wall and CPU seconds of this process, and calls and tokens computed."""

    wall_s: float
    cpu_s: float
    calls: int
    tokens: int


class Desk:
    """A completion cache and a run store in a folder that goes away, as a suite has them.

    Attributes:
        meter: Counts what was computed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        self._completions = Completions(folder / "completions.sqlite")
        self.meter = Meter()

    def cached(self, engine: Engine) -> Engine:
        """The engine behind the cache."""
        return Cached(engine, self._completions, self.meter)

    async def run(self, panel: Any, samples: Sequence[Sample], in_flight: int) -> Spent:
        """Run samples of a compiled graph as a suite does, from the first call to the last durable sample."""
        self._runs += 1
        before = self.meter.calls, self.meter.tokens
        with RunStore(self._folder / f"run{self._runs}") as store:
            store.plan(s.key for s in samples)
            wall, cpu = time.perf_counter(), time.process_time()
            await run_samples(samples, {s.system: panel for s in samples[:1]}, store, in_flight=in_flight)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Spent(wall, cpu, self.meter.calls - before[0], self.meter.tokens - before[1])

    def close(self) -> None:
        """Close the files."""
        self._completions.close()


@contextmanager
def desk() -> Iterator[Desk]:
    """A desk of one's own."""
    with TemporaryDirectory(prefix="folkmoot-bench-") as folder:
        it = Desk(Path(folder))
        try:
            yield it
        finally:
            it.close()


def on_loop(coroutine: Any) -> Any:
    """Run a coroutine on an event loop like that of a suite."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(coroutine)
