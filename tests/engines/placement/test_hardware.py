"""GPUs as CUDA counts them, and memory within a container's limit."""

import stat
from pathlib import Path

import pytest

from folkmoot.engines.placement import hardware
from folkmoot.engines.placement.hardware import Gpu, visible_gpus

SAID = """\
0, GPU-aaaa1111, NVIDIA H100, 81559, 81000
1, GPU-bbbb2222, NVIDIA H100, 81559, 40
2, GPU-cccc3333, NVIDIA H100, [N/A], [N/A]
3, GPU-dddd4444, RTX 4090, 24564, 24000
"""
MIB = 2**20


@pytest.mark.parametrize(
    ("chosen", "free"),
    [
        (None, [81000, 40, 24000]),
        ("3,0", [24000, 81000]),
        ("GPU-bbbb2222", [40]),
        ("GPU-bbbb, 0", [40, 81000]),
        ("", []),
        ("-1", []),
        ("1,9,0", [40]),
    ],
)
def test_gpus_are_numbered_as_cuda_sees_them(chosen: str | None, free: list[int]) -> None:
    seen = visible_gpus(SAID, chosen)
    assert [g.free // MIB for g in seen] == free
    assert [g.index for g in seen] == list(range(len(free)))


def test_the_drivers_tool_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{SAID}END\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert hardware.gpus()[0] == Gpu(0, "NVIDIA H100", 81559 * MIB, 81000 * MIB)
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert hardware.gpus() == ()


def test_without_the_tool_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hardware.subprocess, "run", lambda *a, **k: pytest.fail("something was run"))
    assert hardware.gpus() == ()


def test_memory_is_that_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:   12582912 kB\nHugePages_Total:       0\n",
        "/sys/fs/cgroup/memory.max": "6442450944\n",
        "/sys/fs/cgroup/memory.current": "2147483648\n",
    }
    monkeypatch.setattr(hardware, "read", lambda path: files.get(path, ""))
    assert hardware.memory() == (6 * 2**30, 4 * 2**30)
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert hardware.memory() == (16 * 2**30, 12 * 2**30)


@pytest.mark.parametrize(
    ("cpuinfo", "able"),
    [
        ("flags\t\t: fpu avx512_bf16\n", True),
        ("flags\t\t: fpu avx2\n", False),
        ("Features\t: fp bf16\n", True),
        ("", None),
    ],
)
def test_bf16_is_read_from_the_processors_flags(
    monkeypatch: pytest.MonkeyPatch, cpuinfo: str, able: bool | None
) -> None:
    monkeypatch.setattr(hardware, "read", lambda path: cpuinfo)
    assert hardware.bf16() is able
