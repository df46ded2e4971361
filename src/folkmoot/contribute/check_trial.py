"""The model of a contribution at work: loaded and asked in a process of its own, which may die of it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from folkmoot.contribute.check_manifest import Told
from folkmoot.contribute.findings import Finding, Score, passed, refuse, visible, warn
from folkmoot.engines.contract import Missing
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.scoring import grade
from folkmoot.evaluation.tasks import examined, own_task
from folkmoot.manifest import beside
from folkmoot.progress import Progress, silent

DEV, TESTS, TOKENS = 10, 200, 512
"""Dev questions asked, test questions scored, and tokens of a reply, at most."""
SILENCE_S = 600.0
"""Seconds without any reply after which the model counts as hanging; loading it counts as one."""
WALL_S, ENDING_S = 3600.0, 5.0
_LINE = 1_000_000
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "FOLKMOOT_CACHE", "HF_HOME", "HF_HUB_CACHE", "OMP_NUM_THREADS")
"""Variables that the process gets; keys and tokens are not among them."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came of the process: replies, layers of its isolation, models that replies name, why it ended before its time."""

    replies: list[dict[str, Any]]
    layers: list[str]
    named: list[str]
    fault: str


def check_trial(
    folder: Path, told: Told, base: Path | None, progress: Progress = silent
) -> tuple[list[Finding], dict[str, Score]]:
    """Ask the model ten of its dev questions, and score its test set, beside the base alone.

    Args:
        folder: A private copy of a contribution that nothing static speaks against.
        told: Its manifest.
        base: Folder of its base model; None for a model of its own and for an endpoint.
        progress: Told how far it is.

    Raises:
        Missing: What runs models is not installed.
    """
    m = told.manifest
    model = base if base is not None else folder / m.model
    weights = sum(p.stat().st_size for p in model.glob("*.safetensors")) if m.engine != "openai" else 0
    real = {str(p.resolve().parent) for p in model.glob("*")} if m.engine != "openai" else set()
    job = {
        "folder": str(folder),
        "model": str(model),
        "isolate": m.engine != "openai",
        "readable": [str(folder), str(model), *sorted(real)],
        "memory_mib": 4096 + 4 * weights // 2**20,
        "dev": DEV,
        "tests": TESTS,
        "tokens": TOKENS,
    }
    with tempfile.TemporaryFile() as errors:
        heard = _listen(job, _environment(told), errors, progress)
        if heard.fault.startswith("ModuleNotFoundError"):
            raise Missing(f"models cannot be run here ({heard.fault}): pip install 'folkmoot[local]'")
    where = "" if m.engine == "openai" else str(m.adapter or m.model)
    items = {i.id: i for s in examined(own_task(beside(m, folder))) for i in s.items}
    replies = [r for r in heard.replies if r["item"] in items]
    scores = {name: s for name in ("contribution", "base") if (s := _score(replies, name, items))}
    if heard.fault and m.engine == "openai":
        return [_unasked(heard.fault)], scores
    if heard.fault:
        return [refuse("run", f"the model fails at work: {heard.fault}", where, "try it with folkmoot ask")], scores
    layers = f", isolated with {' and '.join(heard.layers)}" if heard.layers else ""
    dev = [r for r in replies if r["part"] == "dev"]
    beside_it = _isolation(heard.layers) if m.engine != "openai" else _named(told, heard.named)
    return [*beside_it, *_replies(dev, where, layers), *_scored(scores)], scores


def _isolation(layers: Sequence[str]) -> list[Finding]:
    """What the process that ran the model could have done all the same."""
    lost = {
        "landlock": "read and write what you can",
        "seccomp": "reach the network and start programs",
    }
    if not (could := [what for layer, what in lost.items() if layer not in layers]):
        return []
    remedy = "try contributions of strangers on Linux 6.2 or later, without a GPU"
    return [warn("isolation", f"the model ran in a process that could {' and '.join(could)}", "", remedy)]


def _unasked(fault: str) -> Finding:
    """What an endpoint's engine complains of: a sentence says who and what, the next one what to do."""
    what, _, remedy = fault.removeprefix("Missing: ").partition(". ")
    remedy = visible(remedy[:1].lower() + remedy[1:]).rstrip(".")
    return refuse("endpoint", f"the endpoint cannot be used: {what}", "", remedy or "mend the endpoint")


def _named(told: Told, names: Sequence[str]) -> list[Finding]:
    """Whether replies come from the model that was asked for.

    Servers name it in longer forms, too (dated, a path, what an alias stands for), so this is for somebody to look at.
    """
    model = told.manifest.model
    others = [repr(name) for name in names if name not in (model, f"{model}:latest")]
    if not others:
        return []
    what = f"replies say that they come from {', '.join(others)}, not from {model!r}"
    return [
        warn("endpoint", what, told.at("model"), "ask its contributor which model answers, and whether that may change")
    ]


def _environment(told: Told) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    key = told.manifest.api_key_env
    kept |= {key: os.environ[key]} if key and key in os.environ else {}
    return kept | {"HF_HUB_OFFLINE": "1", "FOLKMOOT_NO_HUB": "1", "PYTHONUTF8": "1"}


def _listen(job: dict[str, Any], environment: dict[str, str], errors: IO[bytes], progress: Progress) -> _Heard:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "folkmoot.contribute.untrusted_trial"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: queue.Queue[bytes] = queue.Queue(maxsize=1000)
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    replies: list[dict[str, Any]] = []
    layers: list[str] = []
    named: list[str] = []
    fault, ended = "", time.monotonic() + WALL_S
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.close()
        progress("check: load the model")
        while True:
            told = json.loads(lines.get(timeout=min(SILENCE_S, max(0.1, ended - time.monotonic()))) or b"{}")
            if "part" in told:
                replies.append(told)
                progress(f"check: ask ({told['part']})", sum(r["part"] == told["part"] for r in replies), told["total"])
            elif "ready" in told:
                layers = told["isolated"]
            else:
                named = told.get("named", [])
                fault = told.get("fault", "") if told else f"its process ended: {_ending(process)}"
                break
    except queue.Empty:
        fault = f"no reply within {SILENCE_S:.0f} s"
    except (ValueError, BrokenPipeError):
        fault = f"its process ended: {_ending(process)}"
    finally:
        process.kill()
        process.wait()
    return _Heard(replies, layers, named, fault)


def _read(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    while line := stream.readline(_LINE):
        lines.put(line)
    lines.put(b"")


def _ending(process: subprocess.Popen[bytes]) -> str:
    import signal

    try:
        code = process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        return "it closed its output"
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _replies(dev: list[dict[str, Any]], where: str, layers: str) -> Iterator[Finding]:
    if failed := [r for r in dev if r["error"]]:
        what = f"{len(failed)} of {len(dev)} dev questions fail: {failed[0]['error']}"
        yield refuse("run", what, where, "try it with folkmoot ask")
        return
    silent_ = sum(not r["said"] for r in dev)
    unread = sum(r["answer"] is None for r in dev)
    if silent_:
        level = refuse if silent_ * 2 > len(dev) else warn
        yield level("replies", f"{silent_} of {len(dev)} replies are empty", where, "train with answers that end")
    if unread:
        what = f"in {unread} of {len(dev)} replies no answer is found"
        yield warn("replies", what, where, "train it to end with a line 'Answer: ...'")
    if not silent_ and not unread:
        yield passed("replies", f"{len(dev)} dev questions answered, readably{layers}")


def _score(replies: list[dict[str, Any]], part: str, items: Mapping[str, Item]) -> Score | None:
    mine = [r for r in replies if r["part"] == part and items[r["item"]].metric != "judge"]
    if not mine:
        return None
    scores = [grade(items[r["item"]], r["answer"], ()).score for r in mine]
    return Score(sum(scores) / len(scores), len(scores), sum(r["answer"] is None for r in mine))


def _scored(scores: dict[str, Score]) -> Iterator[Finding]:
    mine, base = scores.get("contribution"), scores.get("base")
    if mine is None:
        yield warn("score", "its answers are judged, not compared, so they were not scored here")
    elif base is not None and mine.score < base.score:
        what = f"{100 * mine.score:.1f} % on its own test set, and its base alone {100 * base.score:.1f} %"
        yield warn("score", what, "", "train it longer, or on more rows")
    else:
        beside = f", its base alone {100 * base.score:.1f} %" if base is not None else ""
        yield passed("score", f"{100 * mine.score:.1f} % of {mine.questions} test questions{beside}")
