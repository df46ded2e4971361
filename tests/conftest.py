"""What many tests use."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from folkmoot.engines.vllm import VllmEngine
from folkmoot.engines.vllm_boot import environment

settings.register_profile("shared", deadline=None)  # on a busy machine any example may take long
settings.load_profile("shared")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a background job of a shell; programs under test would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

SMOL = "smollm2-135m-instruct"
SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a text with ``tests/snapshots/NAME`` exactly.

    After a change that is meant: ``FOLKMOOT_SNAPSHOTS=write pytest``, then read the difference in git.
    """

    def same(name: str, text: str) -> None:
        path, text = SNAPSHOTS / name, text.rstrip("\n") + "\n"
        if os.environ.get("FOLKMOOT_SNAPSHOTS") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no snapshot {name}: write it with FOLKMOOT_SNAPSHOTS=write"
        assert text == path.read_text(encoding="utf-8")

    return same


@pytest.fixture(scope="session")
def smol() -> Path:
    """The folder of SmolLM2-135M-Instruct, fetched if it is not on this machine."""
    from folkmoot.models import resolve

    return resolve(SMOL).path


@pytest.fixture(scope="session")
def vllm_engine(smol: Path) -> Iterator[VllmEngine]:
    """Real vLLM with `smol`, one for all tests. Whoever closes it costs the next one half a minute."""
    _need_vllm()
    engine = VllmEngine(smol, context=2048)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def vllm_server(smol: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of vLLM's own API server on the loopback interface; it serves `smol` under the name `SMOL`."""
    _need_vllm()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    options = {
        "model": smol,
        "served-model-name": SMOL,
        "host": "127.0.0.1",
        "port": port,
        "dtype": "bfloat16",
        "load-format": "safetensors",
        "max-model-len": 2048,
        "max-num-seqs": 32,
        "block-size": 32,
        "kv-cache-memory-bytes": 2**29,
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    quiet = environment(cpu=True, eager=True) | {"VLLM_LOGGING_LEVEL": "INFO"}
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **quiet}, start_new_session=True)
    try:
        until = time.monotonic() + 240
        while not _healthy(port):
            if server.poll() is not None or time.monotonic() > until:
                pytest.fail(f"vLLM's server does not come up; its log ends:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _end(server)


def _need_vllm() -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed; make test does it")


def _healthy(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
        return reply.status == 200
    return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask it to go, then make sure of it and of all its children."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(5)
