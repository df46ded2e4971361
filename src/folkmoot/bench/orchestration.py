"""What Folkmoot itself costs: CPU per call, start of the command line, runs whose answers are all known, memory."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from folkmoot.bench.figure import Figure, figure
from folkmoot.bench.work import desk, on_loop, question, work
from folkmoot.engines.contract import Completion
from folkmoot.engines.scripted import Scripted
from folkmoot.paths import cache_dir

_THOUGHTS = "First look at what there is. Then add what comes and take away what goes. " * 4
_MIB = 2**20
QUESTIONS = 2000


def overhead(times: int) -> Figure:
    """CPU per call of the whole path: graph, completion cache (a miss), store; the engine answers at once."""
    from folkmoot.graphs import debate
    from folkmoot.participant import Participant

    def member(name: str) -> Scripted:
        text = f"{_THOUGHTS}\nAnswer: {ord(name[0])}"  # nobody agrees, so that both rounds are held
        reply = Completion(
            text, "stop", prompt_tokens=150, completion_tokens=64
        )  # ready-made: what it costs is not ours
        return Scripted(lambda _: reply, name=name)

    values, calls = [], []
    for n in range(times + 1):
        with desk() as d:
            team = [Participant(name, d.cached(member(name))) for name in ("ana", "bo", "cy")]
            panel = debate(team, rounds=2).compile()
            spent = on_loop(d.run(panel, list(work(QUESTIONS if n else 100, sentences=6)), in_flight=256))
        if n:  # the first one warms up
            values.append(1000 * spent.cpu_s / spent.calls)
            calls.append(spent.calls)
    return figure(values, "ms of CPU per call", calls=calls, graph="debate, 3 members, 2 rounds, 256 runs in flight")


def help_(times: int) -> Figure:
    """``folkmoot --help`` as a whole process."""
    command = [sys.executable, "-m", "folkmoot.cli", "--help"]
    values = []
    for _ in range(max(times, 7)):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        values.append(time.perf_counter() - began)
    return figure(values, "s")


def cached(times: int) -> Figure:
    """Time of an unchanged suite's second run over that of its first, both as whole processes."""
    with TemporaryDirectory(prefix="folkmoot-bench-") as folder:
        home = Path(folder)
        (home / "cache").mkdir()
        models = cache_dir() / "models"
        models.mkdir(parents=True, exist_ok=True)
        (home / "cache" / "models").symlink_to(models.resolve())
        first, said = _suite(home, "one")
        again, unchanged = zip(*[_suite(home, "one") for _ in range(times)], strict=True)
        fresh, from_cache = _suite(home, "two")
    return figure(
        [t / first for t in again],
        first_s=first,
        first=said,
        again_s=list(again),
        again=unchanged[0],
        new_run_directory_s=fresh,
        new_run_directory=from_cache,
        suite="quickstart",
    )


def _suite(home: Path, out: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "folkmoot.cli", "eval", "run", "quickstart", "--out", str(home / out)],
        env=os.environ | {"FOLKMOOT_CACHE": str(home / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.perf_counter() - began, next(line for line in done.stdout.splitlines() if "This time:" in line)


def growth(times: int) -> Figure:
    """Peak memory of a run of 100,000 questions above that of one of 1,000, on the simulated engine."""
    small = [_peak(1_000) for _ in range(max(times, 1))]
    large = _peak(100_000)
    base = statistics.median(p["peak_mib"] for p in small)
    return Figure(large["peak_mib"] - base, "MiB", {"1000": small, "100000": large})


def _peak(questions: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "folkmoot.bench.orchestration", str(questions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


_SUITE = """
name: growth
seed: 7
engine: simulated
sampling: {max_tokens: 64}
in_flight: 512
baselines: []
tasks: [growth]
team:
  - {name: ana, model: ./fast.yaml, system: Be brief.}
  - {name: bo, model: ./fast.yaml, system: Be exact.}
  - {name: cy, model: ./fast.yaml, system: Be kind.}
systems: [debate]
"""
_TASK = """
name: growth
description: Made-up sums.
answer: number
data: {file: growth.jsonl}
"""
_FAST = """
overhead_ms: 0.2
overhead_us_per_sequence: 0.1
weights_gb: 0.01
gflop_per_token: 0.01
kv_kib_per_token: 1
bandwidth_tb_s: 2.7
tflops: 480
max_num_seqs: 1024
max_num_batched_tokens: 8192
kv_tokens: 6000000
context: 32768
reply_median: 48
reply_sigma: 0.5
"""
"""A device on which this process is the limit: memory is what is asked for, not speed."""


def _grow(questions: int) -> None:
    """A suite from its file to its report, in this process."""
    from folkmoot.evaluation.run import RunOptions, execute

    with TemporaryDirectory(prefix="folkmoot-bench-") as folder:
        home = Path(folder)
        os.environ["FOLKMOOT_CACHE"] = str(home / "cache")
        (home / "growth.suite.yaml").write_text(_SUITE, encoding="utf-8")
        (home / "growth.yaml").write_text(_TASK, encoding="utf-8")
        (home / "fast.yaml").write_text(_FAST, encoding="utf-8")
        with (home / "growth.jsonl").open("w", encoding="utf-8") as f:
            for n in range(questions):
                text, gold = question(n)
                f.write(json.dumps({"id": f"q{n}", "question": text, "answer": gold}) + "\n")
        began = time.perf_counter()
        code = execute(str(home / "growth.suite.yaml"), RunOptions(out=home / "run"))
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB
    print(json.dumps({"exit": code, "peak_mib": round(peak, 1), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    _grow(int(sys.argv[1]))
