"""Scheduling at the speed of a GPU, on the simulated engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from folkmoot.bench.figure import Figure, figure
from folkmoot.bench.work import Spent, desk, on_loop, work
from folkmoot.engines.batch_clock import replay
from folkmoot.engines.simulated import SimulatedEngine
from folkmoot.participant import Participant

IN_FLIGHT = 512


def simulated(times: int) -> Figure:
    """Tokens/s of a debate suite over those of its requests as one flat batch; one H100, 0.5B, about 300 requests/s."""
    return _saturation(times, median=148, questions=2000)


def simulated_fast(times: int) -> Figure:
    """The same at about 800 requests/s: what members of 0.5B on one H100 ask of us with short replies."""
    return _saturation(times, median=48, questions=3000)


def _saturation(times: int, median: int, questions: int) -> Figure:
    values, parts = [], []
    for _ in range(times):
        engine = SimulatedEngine("h100-0.5b", tokens=(median, 0.5))
        spent = _debate(engine, questions)
        usage = engine.usage()
        flat = replay(engine.profile, engine.served())
        values.append(flat / usage.makespan)
        parts.append(
            {
                "graph_s": usage.makespan,
                "flat_s": flat,
                "requests_per_s": usage.requests / usage.makespan,
                "tokens_per_s": usage.reply_tokens / usage.makespan,
                "cpu_ms_per_call": 1000 * spent.cpu_s / spent.calls,
                "cpu_share": spent.cpu_s / spent.wall_s,
                "slack": usage.slack(),
            }
        )
    return figure(values, runs=parts, questions=questions, in_flight=IN_FLIGHT, graph="debate, 3 members, 2 rounds")


def tail(times: int) -> Figure:
    """Share of a debate suite's time in which fewer than a quarter of the engine's busy slots work; depth-first or not."""
    first: list[dict[str, float]] = []
    arrival: list[dict[str, float]] = []
    for _ in range(times):
        for runs, fifo in ((first, False), (arrival, True)):
            engine = SimulatedEngine("h100-0.5b", tokens=(160, 0.5), fifo=fifo)
            _debate(engine, 1500)
            usage = engine.usage()
            runs.append({"slack": usage.slack(), "makespan_s": usage.makespan})
    every = [_all_at_once(fifo) for fifo in (False, True)]
    return figure(
        [r["slack"] for r in first],
        depth_first=first,
        arrival_order=arrival,
        all_questions_at_once={"depth_first": every[0], "arrival_order": every[1]},
    )


def _all_at_once(fifo: bool) -> dict[str, float]:
    """Everything in flight from the start: how long one discussion lasts, and how many are open at a time."""
    engine = SimulatedEngine("h100-0.5b", tokens=(160, 0.5), fifo=fifo)
    lasted: list[float] = []
    _debate(engine, 1500, in_flight=1500, lasted=lasted)
    return {"discussion_s": sum(lasted) / len(lasted), "makespan_s": engine.usage().makespan}


def _debate(
    engine: SimulatedEngine, questions: int, in_flight: int = IN_FLIGHT, lasted: list[float] | None = None
) -> Spent:
    """A debate of three adapters of one base on every question, with cache and store."""
    from folkmoot.graphs import debate

    with TemporaryDirectory(prefix="folkmoot-bench-") as folder, desk() as d:
        team = [Participant(n, d.cached(engine), adapter=_adapter(folder, n)) for n in ("ana", "bo", "cy")]
        panel: Any = debate(team, rounds=2).compile()
        samples = list(work(questions))
        if lasted is not None:
            panel = _Timed(panel, lasted)
        engine.mark()
        spent: Spent = on_loop(d.run(panel, samples, in_flight))
    return spent


class _Timed:
    def __init__(self, panel: Any, lasted: list[float]) -> None:
        self._panel, self._lasted = panel, lasted

    async def ainvoke(self, state: Any) -> Any:
        import time

        began = time.perf_counter()
        end = await self._panel.ainvoke(state)
        self._lasted.append(time.perf_counter() - began)
        return end


def _adapter(folder: str, name: str) -> str:
    path = Path(folder) / name
    path.mkdir(exist_ok=True)
    (path / "name.txt").write_text(name, encoding="utf-8")  # equal contents would be one adapter to the cache
    return str(path)


def loads(times: int) -> Figure:
    """Model loads of critique_refine with 8 members and 3 rounds; parts: the same members as adapters of one base."""
    models = [_loads([f"m{i}" for i in range(8)], adapters=False) for _ in range(times)]
    adapters = [_loads([f"m{i}" for i in range(8)], adapters=True) for _ in range(times)]
    return figure([float(n) for n in models], "loads", eight_models=models, eight_adapters_of_one_base=adapters)


def _loads(names: Sequence[str], adapters: bool) -> int:
    from folkmoot.graphs import critique_refine

    with TemporaryDirectory(prefix="folkmoot-bench-") as folder, desk() as d:
        one = SimulatedEngine("h100-3b", speed=50)
        engines = {n: one if adapters else SimulatedEngine("h100-3b", name=n, speed=50) for n in names}
        team = [
            Participant(n, d.cached(e), adapter=_adapter(folder, n) if adapters else None) for n, e in engines.items()
        ]
        on_loop(d.run(critique_refine(team, rounds=3).compile(), list(work(8)), 8))
        return sum(e.loads for e in {id(e): e for e in engines.values()}.values())
