"""How many cores are really free: allowed by affinity and quota, and not at work for somebody else."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def free_cores(window_s: float = 0.2) -> int:
    """Cores that this process may use and that are idle, or busy only for this process and its parent.

    The two do not count because neither hinders the other: the parent waits while the child computes. Where the system
    does not tell (only Linux does), all cores that may be used count as free.

    Args:
        window_s: How long to watch, in seconds.

    Returns:
        At least 1.
    """
    may = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    quota = _quota()
    before, own_before = busy(_read("/proc/stat")), _own()
    time.sleep(window_s)
    after, own_after = busy(_read("/proc/stat")), _own()
    return count_free(may, quota, before, after, own_after - own_before)


def count_free(
    may: Collection[int],
    quota: float | None,
    before: Mapping[int, tuple[int, int]],
    after: Mapping[int, tuple[int, int]],
    own: int = 0,
) -> int:
    """The arithmetic of `free_cores`.

    Args:
        may: Numbers of the cores that may be used.
        quota: Cores' worth of time that may be used, or None.
        before: Busy and total ticks of each core.
        after: The same, later.
        own: Busy ticks in between that do not count.

    >>> count_free([0, 1], None, {0: (0, 0), 1: (0, 0)}, {0: (20, 20), 1: (1, 20)})
    1
    """
    most = len(may) if quota is None else min(len(may), int(quota))
    spans = [
        (after[core][0] - before[core][0], after[core][1] - before[core][1])
        for core in may
        if core in before and core in after and after[core][1] > before[core][1]
    ]
    if not spans:
        return max(1, most)
    taken = sum(ticks / total for ticks, total in spans)
    taken -= own / max(total for _, total in spans)
    free = len(may) - max(0.0, taken)
    return max(1, min(most, int(free + 0.5)))


def busy(stat: str) -> dict[int, tuple[int, int]]:
    """Busy and total ticks since the start of each core, from the text of ``/proc/stat``.

    Waiting for a disk is idle; time that a hypervisor gave to others is busy.

    >>> busy("cpu0 9 0 0 90 1 0 0 0 0 0")
    {0: (9, 100)}
    """
    cores: dict[int, tuple[int, int]] = {}
    for line in stat.splitlines():
        name, *fields = line.split() or [""]
        if name.startswith("cpu") and name[3:].isdigit() and len(fields) >= 4:
            ticks = [int(f) for f in fields[:8]]  # what follows is time of guests, which is part of the first two
            total = sum(ticks)
            cores[int(name[3:])] = (total - sum(ticks[3:5]), total)
    return cores


def used(stat: str) -> int:
    """Ticks that a process has used, from the text of its ``/proc/PID/stat``; 0 if that says nothing.

    >>> used("7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 30 12 0 0")
    42
    """
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0


def quotas(membership: str) -> list[Path]:
    """Folders whose limits apply, from the text of ``/proc/self/cgroup``: the process's groups and those above them.

    >>> [str(p) for p in quotas("0::/a/b")]
    ['a/b', 'a', '.']
    """
    folders: list[Path] = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "cpu" not in kinds.split(","):
            continue
        inside = Path(path.lstrip("/"))
        mounts = [Path(kinds), *map(Path, kinds.split(","))] if kinds else [Path()]
        folders += [mount / part for mount in dict.fromkeys(mounts) for part in (inside, *inside.parents)]
    return list(dict.fromkeys(folders))


def limit(v2: str, v1_quota: str, v1_period: str) -> float | None:
    """Cores' worth of time that a group may use, from the texts of its files; None if there is no limit.

    Args:
        v2: ``cpu.max``.
        v1_quota: ``cpu.cfs_quota_us``.
        v1_period: ``cpu.cfs_period_us``.

    >>> limit("150000 100000", "", ""), limit("max 100000", "", ""), limit("", "-1", "100000")
    (1.5, None, None)
    """
    quota, _, period = v2.strip().partition(" ")
    if not v2.strip():
        quota, period = v1_quota.strip(), v1_period.strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _quota() -> float | None:
    found = (
        limit(*(_read(_GROUPS / folder / name) for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")))
        for folder in quotas(_read("/proc/self/cgroup"))
    )
    return _least(found)


def _least(limits: Iterable[float | None]) -> float | None:
    return min((x for x in limits if x is not None), default=None)


def _own() -> int:
    return used(_read("/proc/self/stat")) + used(_read(f"/proc/{os.getppid()}/stat"))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
