"""The examples run as they are printed, on real models."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.real


def run(script: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, script],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples in a folder of their own, as a reader has them."""
    return shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("reader") / "examples")


def test_two_adapters_and_an_endpoint_debate(folder: Path, smol: Path, vllm_server: str) -> None:
    run("make_adapters.py", folder)
    said = run("panel.py", folder, OTHER_URL=vllm_server, OTHER_MODEL="smollm2-135m-instruct")
    for name in ("ana", "bo", "cy"):
        assert f"speaker='{name}'" in said
    assert "error=None" in said
    assert "error='" not in said, said


def test_without_the_endpoint_the_others_decide(folder: Path, smol: Path) -> None:
    run("make_adapters.py", folder)
    said = run("panel.py", folder, OTHER_URL="http://127.0.0.1:9/v1")
    assert said.count("speaker='cy'") >= 1
    assert said.count("error=None") == said.count("speaker='") - said.count("speaker='cy'")
    assert "127.0.0.1:9" in said
    assert "speaker='ana'" in said


def test_a_graph_of_ones_own(folder: Path, smol: Path) -> None:
    said = run("own_graph.py", folder)
    assert "ana, round 1: " in said
    assert "Paris" in said
    assert "answer:" in said
