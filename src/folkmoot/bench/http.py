"""What an endpoint costs on our side: CPU per call, and a whole sweep from start to report."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from folkmoot.bench.figure import Figure, figure
from folkmoot.bench.stub import stub
from folkmoot.bench.work import on_loop, question
from folkmoot.engines.contract import Message, Request, Sampling

IN_FLIGHT, CALLS = 64, 3000
SAMPLES = 1000


def http(times: int) -> Figure:
    """CPU per call of the HTTP engine, 64 in flight, against a stub on the loopback interface."""
    from folkmoot.engines.openai import OpenAIEngine

    async def spend(url: str, calls: int) -> float:
        engine = OpenAIEngine(url, "stub", max_concurrent=IN_FLIGHT)
        numbers = iter(range(calls))

        async def worker() -> None:
            for n in numbers:
                await engine.complete(Request((Message("user", question(n)[0]),), Sampling(max_tokens=64)))

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))  # connects
        numbers = iter(range(calls))
        began = time.process_time()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        spent = time.process_time() - began
        await engine.close()
        return 1000 * spent / calls

    with stub() as url:
        on_loop(spend(url, 300))
        values = [float(on_loop(spend(url, CALLS))) for _ in range(times)]
    return figure(values, "ms of CPU per call", calls=CALLS, in_flight=IN_FLIGHT)


_SUITE = """
name: sweep
seed: 7
baselines: []
tasks: [sums1000]
team:
  - {{name: ana, model: stub, engine: openai, url: {url}}}
systems: [{{graph: majority_vote}}]
"""
_TASK = """
name: sums1000
description: Made-up sums.
answer: number
data: {file: sums1000.jsonl}
"""


def sweep(times: int) -> Figure:
    """A suite of 1000 one-call samples over HTTP, the whole process from its start to the report."""
    values = []
    with stub() as url, TemporaryDirectory(prefix="folkmoot-bench-") as folder:
        home = Path(folder)
        (home / "sweep.yaml").write_text(_SUITE.format(url=url), encoding="utf-8")
        (home / "sums1000.yaml").write_text(_TASK, encoding="utf-8")
        rows = ({"id": f"q{n}", "question": q, "answer": a} for n in range(SAMPLES) for q, a in [question(n)])
        (home / "sums1000.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        for n in range(times):
            command = [sys.executable, "-m", "folkmoot.cli", "eval", "run", str(home / "sweep.yaml")]
            began = time.perf_counter()
            done = subprocess.run(
                [*command, "--out", str(home / f"run{n}")],
                env=os.environ | {"FOLKMOOT_CACHE": str(home / f"cache{n}")},
                capture_output=True,
                text=True,
                check=False,
            )
            values.append(time.perf_counter() - began)
            if done.returncode or f"{SAMPLES} calls computed" not in done.stdout:
                raise RuntimeError(done.stdout[-1000:] + done.stderr[-2000:])
    return figure(values, "s", samples=SAMPLES)
