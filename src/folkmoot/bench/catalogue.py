"""All benchmarks by name, with what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from folkmoot.bench.figure import Bench, Figure, Goal, at_least, at_most


def _late(place: str) -> Callable[[int], Figure]:
    """A benchmark that is imported when it is run: some need torch or vLLM."""

    def run(times: int) -> Figure:
        module, _, name = place.partition(":")
        found: Figure = getattr(import_module(f"folkmoot.bench.{module}"), name)(times)
        return found

    return run


def _bench(name: str, place: str, goal: Goal, about: str, minutes: float, unit: str = "") -> tuple[str, Bench]:
    return name, Bench(name, about, goal, unit, minutes, _late(place))


BENCHES = dict(
    (
        _bench(
            "saturation",
            "vllm:saturation",
            at_least(0.97),
            "Tokens/s of a debate suite (3 members, 2 rounds, 64 questions) over those of its requests as one flat batch, vLLM.",
            minutes=4.5,
        ),
        _bench(
            "simulated",
            "simulation:simulated",
            at_least(0.95),
            "The same on the simulated H100 at about 300 requests/s, 512 runs in flight.",
            minutes=2,
        ),
        _bench(
            "simulated-fast",
            "simulation:simulated_fast",
            at_least(0.90),
            "The same at about 800 requests/s.",
            minutes=1,
        ),
        _bench(
            "overhead",
            "orchestration:overhead",
            at_most(0.5),
            "CPU per call of graph, scheduler, cache miss and store, on an engine that answers at once.",
            minutes=0.2,
            unit="ms",
        ),
        _bench(
            "http",
            "http:http",
            at_most(0.3),
            "CPU per call of the HTTP engine at 64 in flight, loopback stub.",
            minutes=0.1,
            unit="ms",
        ),
        _bench(
            "sweep", "http:sweep", at_most(5), "1000 one-call samples over HTTP, whole process.", minutes=0.2, unit="s"
        ),
        _bench(
            "loads",
            "simulation:loads",
            at_most(8),
            "Model loads of critique_refine with 8 members and 3 rounds.",
            minutes=0.1,
            unit="loads",
        ),
        _bench(
            "adapters",
            "local:adapters",
            at_most(1.25),
            "Memory of 8 adapters on one base over the base alone.",
            minutes=2.2,
        ),
        _bench(
            "growth",
            "orchestration:growth",
            at_most(300),
            "Memory of 100,000 questions above that of 1,000.",
            minutes=5,
            unit="MiB",
        ),
        _bench(
            "batcher",
            "local:batcher",
            at_least(0.9),
            "Tokens/s of 64 short requests at once on the transformers engine over one hand-written static batch.",
            minutes=1.5,
        ),
        _bench(
            "cached",
            "orchestration:cached",
            at_most(0.02),
            "Time of an unchanged suite's second run over its first.",
            minutes=3.5,
        ),
        _bench("help", "orchestration:help_", at_most(0.3), "folkmoot --help, whole process.", minutes=0.1, unit="s"),
        _bench(
            "prefix",
            "vllm:prefix",
            at_least(0.95),
            "Prefix-cache hit rate of a 3 x 3 debate on vLLM over that of a radix tree.",
            minutes=3.5,
        ),
        _bench(
            "tail",
            "simulation:tail",
            at_most(0.10),
            "Share of a run with fewer than a quarter of the busy slots at work.",
            minutes=4.5,
        ),
    )
)
