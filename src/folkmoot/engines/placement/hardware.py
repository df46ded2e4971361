"""What there is to run models on: GPUs and memory, found without importing torch."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from folkmoot.engines.vllm_boot import on_cpu

_PATIENCE_S = 20.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that this process may use.

    Attributes:
        index: As CUDA counts the visible GPUs, from 0.
        name: What it is called.
        total: Bytes of memory.
        free: Bytes of them that nobody uses.
    """

    index: int
    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """What there is.

    Attributes:
        gpus: In CUDA's order.
        memory: Bytes of main memory that this process could use at most, or None if that cannot be told.
        memory_free: Bytes of them that are free.
        vllm: What the installed vLLM computes on, ``gpu`` or ``cpu``; None if it is not installed.
        torch: The same for torch.
    """

    gpus: tuple[Gpu, ...]
    memory: int | None
    memory_free: int | None
    vllm: str | None = None
    torch: str | None = None


def detect() -> Hardware:
    """Look at this machine; takes milliseconds, or up to a second where there are GPUs."""
    total, free = memory()
    return Hardware(gpus(), total, free, vllm_build(), torch_build())


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that ``CUDA_VISIBLE_DEVICES`` lets this process see; none where the driver's tool is not there."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = ["--query-gpu=index,uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(  # noqa: S603 - the driver's own tool with constant arguments
            [tool, *query], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return visible_gpus(said, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible_gpus(said: str, chosen: str | None) -> tuple[Gpu, ...]:
    """The GPUs in the table of ``nvidia-smi`` that are visible, numbered as CUDA numbers them.

    Args:
        said: Lines of index, UUID, name, total and free memory in MiB.
        chosen: The value of ``CUDA_VISIBLE_DEVICES``: indices or UUIDs; those after one that does not exist do not count.
    """
    rows: list[tuple[str, str, str, int, int]] = []
    for line in said.splitlines():
        with contextlib.suppress(ValueError):  # a GPU that tells no memory (a part of one) cannot be planned with
            index, uuid, name, total, free = (part.strip() for part in line.split(","))
            rows.append((index, uuid, name, int(total) * _MIB, int(free) * _MIB))
    if chosen is not None:
        wanted = []
        for word in filter(None, (w.strip() for w in chosen.split(","))):
            row = next((r for r in rows if word == r[0] or (len(word) > 4 and r[1].startswith(word))), None)
            if row is None:
                break
            wanted.append(row)
        rows = wanted
    return tuple(Gpu(i, name, total, free) for i, (_, _, name, total, free) in enumerate(rows))


def vllm_build() -> str | None:
    """What the installed vLLM computes on, told by package metadata, as importing it takes seconds."""
    if on_cpu():
        return "cpu"
    return "gpu" if util.find_spec("vllm") is not None else None


def torch_build() -> str | None:
    """The same for torch."""
    try:
        return "cpu" if metadata.version("torch").endswith("+cpu") else "gpu"
    except metadata.PackageNotFoundError:
        return None


def memory() -> tuple[int | None, int | None]:
    """Bytes of main memory, all and free, within a container's limit; None where they cannot be told."""
    known = {
        line.split(":")[0]: int(line.split()[1]) * 1024 for line in read("/proc/meminfo").splitlines() if " kB" in line
    }
    total, free = known.get("MemTotal"), known.get("MemAvailable")
    if total is None and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = read("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit() and total is not None and int(limit) < total:
        used = int(read("/sys/fs/cgroup/memory.current").strip() or 0)
        total, free = int(limit), min(free or total, int(limit) - used)
    return total, free


def bf16() -> bool | None:
    """Whether the processor itself computes in bfloat16; None if that cannot be told."""
    for line in read("/proc/cpuinfo").splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return any(f in flags.split() for f in ("avx512_bf16", "amx_bf16", "bf16"))
    return None


def read(path: str) -> str:
    """A file of the system, empty if it is not there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
