"""Free cores, from the texts in which Linux tells of them."""

import os
import subprocess
import sys

import pytest

from folkmoot.engines.decoding.cores import busy, count_free, free_cores, limit, quotas, used

STAT = """cpu  300 0 100 1400 20 0 0 10 0 0
cpu0 100 5 45 800 10 0 5 5 50 0
cpu3 200 0 50 600 10 1 0 5 0 0
intr 12345 0 0
ctxt 99
"""


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        (STAT, {0: (160, 970), 3: (256, 866)}),
        ("cpu0 1 2 3 4\n", {0: (6, 10)}),
        ("cpu0 1 2\n", {}),
        ("", {}),
    ],
)
def test_ticks_of_each_core(text, cores):
    assert busy(text) == cores


IDLE, FULL, HALF, LITTLE = (0, 20), (20, 20), (10, 20), (3, 20)


@pytest.mark.parametrize(
    ("spans", "quota", "own", "free"),
    [
        ([IDLE, IDLE], None, 0, 2),
        ([FULL, IDLE], None, 0, 1),
        ([FULL, FULL], None, 0, 1),
        ([HALF, HALF], None, 0, 1),  # one busy program that wanders
        ([LITTLE, LITTLE], None, 0, 2),
        ([FULL, FULL], None, 40, 2),  # it is ourselves who keep them busy
        ([FULL, FULL, IDLE, IDLE], None, 20, 3),
        ([IDLE] * 8, 2.5, 0, 2),
        ([IDLE] * 8, 0.5, 0, 1),
        ([FULL] * 6 + [IDLE] * 2, 4.0, 0, 2),  # others' time is not ours to save a quota from
        ([IDLE, IDLE], None, 100, 2),
        ([(0, 0), (0, 0)], None, 0, 2),  # nothing was counted in between
        ([], None, 0, 1),
        ([], 3.0, 0, 1),
    ],
)
def test_what_is_free(spans, quota, own, free):
    before = dict.fromkeys(range(len(spans)), (100, 1000))
    after = {core: (100 + ticks, 1000 + total) for core, (ticks, total) in enumerate(spans)}
    assert count_free(range(len(spans)), quota, before, after, own) == free


def test_only_cores_that_may_be_used_count():
    before = dict.fromkeys(range(4), (0, 0))
    after = {0: (20, 20), 1: (20, 20), 2: (0, 20), 3: (0, 20)}
    assert count_free({0, 2}, None, before, after) == 1
    assert count_free({2, 3}, None, before, after) == 2
    assert count_free({2, 3}, None, {}, {}) == 2


@pytest.mark.parametrize(
    ("stat", "ticks"),
    [("1 (sh) S 0 1 1 0 -1 0 0 0 0 0 7 8 0 0", 15), ("1 (a) b (c) R 0 1 1 0 -1 0 0 0 0 0 1 2 9 9", 3), ("", 0)],
)
def test_ticks_of_a_process(stat, ticks):
    assert used(stat) == ticks


@pytest.mark.parametrize(
    ("membership", "folders"),
    [
        ("0::/\n", ["."]),
        ("0::/user/app\n", ["user/app", "user", "."]),
        ("4:memory:/m\n2:cpu,cpuacct:/c\n", ["cpu,cpuacct/c", "cpu,cpuacct", "cpu/c", "cpu", "cpuacct/c", "cpuacct"]),
        ("3:cpuset:/s\n", []),
        ("", []),
    ],
)
def test_groups_whose_limits_apply(membership, folders):
    assert [str(folder) for folder in quotas(membership)] == folders


@pytest.mark.parametrize(
    ("v2", "quota", "period", "cores"),
    [
        ("200000 100000\n", "", "", 2.0),
        ("max 100000\n", "", "", None),
        ("", "50000\n", "100000\n", 0.5),
        ("", "-1\n", "100000\n", None),
        ("", "", "", None),
        ("", "1", "0", None),
    ],
)
def test_limits(v2, quota, period, cores):
    assert limit(v2, quota, period) == cores


def test_this_machine():
    assert 1 <= free_cores(0.02) <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux tells")
def test_affinity_counts():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from folkmoot.engines.decoding.cores import free_cores; print(free_cores(0.02))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"
