"""Worker and engine process end when the owner of the engine is killed; here with processes that do nothing else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from folkmoot.engines import vllm_watch
from folkmoot.engines.vllm_boot import OWNER

# As vLLM does it: with one GPU the engine process is the worker, with several the workers are children of it.
SCRIPT = """
import multiprocessing, os, sys, time
from pathlib import Path
import folkmoot.engines.vllm

def live(folder, workers):
    if workers:
        multiprocessing.get_context("spawn").Process(target=live, args=(folder, 0)).start()
    else:
        if "poll" in sys.argv:
            del os.pidfd_open
        import folkmoot.engines.vllm_watch
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(100)

if __name__ == "__main__":
    os.environ["FOLKMOOT_VLLM_OWNER"] = str(os.getpid())
    multiprocessing.get_context("spawn").Process(target=live, args=(sys.argv[1], int(sys.argv[2]))).start()
    time.sleep(100)
"""


@pytest.mark.parametrize("options", [["0"], ["1"], ["0", "poll"]])
def test_no_process_outlives_a_killed_owner(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "processes").mkdir()

    def alive() -> list[str]:
        return [name for name in os.listdir(tmp_path / "processes") if runs(name)]

    with subprocess.Popen([sys.executable, tmp_path / "script.py", tmp_path / "processes", *options]) as owner:
        wait(lambda: len(alive()) == 1 + int(options[0]))
        assert owner.poll() is None
        owner.kill()
    wait(lambda: not alive())


def test_without_an_owner_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWNER, str(os.getppid()))
    before = vllm_watch.threading.active_count()
    vllm_watch._begin()  # this is no child of anybody's engine
    assert vllm_watch.threading.active_count() == before


def wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def runs(process: str) -> bool:
    """Whether a process runs; one that has ended may stay in the list until somebody asks how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
