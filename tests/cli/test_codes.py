"""Exit codes that no single verb decides."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "folkmoot.cli"]


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_question_that_is_left_is_an_interruption(tmp_path: Path, key: bytes) -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [*COMMAND, "contribute", "init", str(tmp_path / "ana")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),  # it becomes the terminal of the session
    )
    os.close(theirs)
    said = b""
    while b": " not in said and b"?" not in said:
        said += os.read(ours, 1000)
    os.write(ours, key)
    assert asking.wait(30) == 130
    os.close(ours)
    assert not (tmp_path / "ana").exists()
