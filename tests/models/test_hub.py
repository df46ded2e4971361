"""The model hub, played by a small server: fetched once, pinned to a commit, and never waited for twice.

The client reads where the hub is when it is imported, so each test asks from a process of its own.
"""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """Serves one repository, ``org/tiny``, at one commit."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.gated = False
        self.down = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                path = self.path.split("?")[0]
                hub.asked.append(path)
                name = path.rsplit("/", 1)[-1]
                if hub.down:
                    self.say(503, b"out of order")
                elif path == "/":
                    self.say(200, b"")
                elif not path.removeprefix("/api/models").startswith("/org/tiny"):
                    self.say(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"})
                elif hub.gated:
                    self.say(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
                elif path == "/api/models/org/tiny/revision/main" or path.endswith(f"/revision/{COMMIT}"):
                    listing = [{"rfilename": f} for f in hub.files]
                    self.say(200, json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": listing}).encode())
                elif path.startswith("/api/models/org/tiny/revision/"):
                    self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
                elif path.startswith("/api/models/org/tiny/tree/"):
                    self.say(200, json.dumps([self.entry(f, data) for f, data in hub.files.items()]).encode())
                elif name in hub.files:
                    data = hub.files[name]
                    digest = hashlib.sha256(data).hexdigest()
                    self.say(200, data, {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})
                else:
                    self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})

            @staticmethod
            def entry(name: str, data: bytes) -> dict[str, Any]:
                digest = hashlib.sha256(data).hexdigest()
                return {
                    "type": "file",
                    "path": name,
                    "size": len(data),
                    "oid": digest[:40],
                    "lfs": {"oid": digest, "size": len(data), "pointerSize": 130},
                }

            def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hub(gguf: Any, tmp_path: Path) -> Iterator[Hub]:
    from folkmoot.models.gguf import convert

    (tmp_path / "made").mkdir()
    convert(gguf("llama")[0], tmp_path / "made")
    files = {p.name: p.read_bytes() for p in (tmp_path / "made").iterdir()}
    hub = Hub({**files, "README.md": b"hello", "pytorch_model.bin": b"a pickle"})
    yield hub
    hub.server.shutdown()


PROGRAM = """
import json, sys, time
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models import resolve
stages = []
def progress(stage, done=0, total=0, note=""):
    if not stages or stages[-1] != stage:
        stages.append(stage)
said = []
for source in sys.argv[1:]:
    began = time.monotonic()
    try:
        found = resolve(source, progress=progress)
        said.append({"path": str(found.path), "identity": found.identity, "parameters": found.parameters})
    except (Missing, BadInput) as e:
        said.append({type(e).__name__: str(e)})
    said[-1]["seconds"] = time.monotonic() - began
print(json.dumps({"said": said, "stages": stages}))
"""


@pytest.fixture
def ask(tmp_path: Path, cache: Path) -> Any:
    """Resolve models in a fresh process, with a hub's address."""

    def ask(url: str, *sources: str, **environment: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *sources],
            env={
                "PATH": "",
                "PYTHONPATH": ":".join(sys.path),
                "HOME": str(tmp_path),
                "FOLKMOOT_CACHE": str(cache),
                "HF_HOME": str(tmp_path / "hf"),
                "HF_ENDPOINT": url,
                "HF_HUB_DISABLE_XET": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == "", "the client's own chatter does not reach the user"
        return json.loads(done.stdout)

    return ask


def test_a_hub_model_is_fetched_once_and_pinned_to_its_commit(hub: Hub, ask: Any, cache: Path) -> None:
    (first,) = (told := ask(hub.url, "org/tiny"))["said"]
    assert first["identity"] == f"org/tiny@{COMMIT}"
    assert first["parameters"] > 0
    assert told["stages"] == ["ask the hub for org/tiny", "download org/tiny"]
    names = {p.name for p in Path(first["path"]).iterdir()}
    assert names == set(hub.files) - {"README.md", "pytorch_model.bin"}, "no pickles, no prose"

    hub.asked.clear()
    (again,) = ask(hub.url, "org/tiny")["said"]
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert hub.asked == [], "what is in the cache needs no network"


def test_a_commit_may_be_named(hub: Hub, ask: Any) -> None:
    (found,) = ask(hub.url, f"org/tiny@{COMMIT}")["said"]
    assert found["identity"] == f"org/tiny@{COMMIT}"


def test_the_hubs_own_cache_serves_when_the_hub_is_gone(hub: Hub, ask: Any, cache: Path) -> None:
    (first,) = ask(hub.url, "org/tiny")["said"]
    cache.rename(cache.parent / "lost")
    hub.server.shutdown()
    hub.server.server_close()
    (second,) = ask(hub.url, "org/tiny")["said"]
    assert second["path"] == first["path"]
    (third,) = ask(hub.url, "org/tiny", HF_HUB_OFFLINE="1", FOLKMOOT_CACHE=str(cache.parent / "new"))["said"]
    assert third["path"] == first["path"]


def test_a_file_damaged_in_the_hubs_cache_is_fetched_again(hub: Hub, ask: Any, cache: Path) -> None:
    (first,) = ask(hub.url, "org/tiny")["said"]
    weights = Path(first["path"]) / "model.safetensors"
    good = weights.read_bytes()
    weights.resolve().write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    cache.rename(cache.parent / "lost")
    (second,) = ask(hub.url, "org/tiny")["said"]
    assert "model.safetensors of org/tiny was damaged" in second["Missing"]
    (third,) = ask(hub.url, "org/tiny")["said"]
    assert (Path(third["path"]) / "model.safetensors").read_bytes() == good


@pytest.mark.parametrize(
    ("source", "state", "kind", "says"),
    [
        ("org/tiny", "gated", "Missing", "asks for a licence agreement on the hub: accept it there, then log in"),
        ("org/none", "", "Missing", "the hub has no public model org/none; for a private one log in"),
        ("org/tiny@v9", "", "Missing", "org/tiny has no revision 'v9' on the hub"),
        ("org/tiny", "down", "Missing", "the hub "),
        ("org/tiny", "code", "BadInput", "'auto_map' asks to run code"),
        ("org/tiny", "pickled", "BadInput", "no *.safetensors file in it"),
    ],
)
def test_what_the_hub_cannot_give(
    hub: Hub, ask: Any, cache: Path, source: str, state: str, kind: str, says: str
) -> None:
    hub.gated, hub.down = state == "gated", state == "down"
    if state == "code":
        hub.files["config.json"] = b'{"model_type": "x", "auto_map": {"AutoModel": "evil.Model"}}'
    if state == "pickled":
        del hub.files["model.safetensors"]
    (said,) = ask(hub.url, source)["said"]
    assert says in said[kind]
    assert "\n" not in said[kind]
    assert not list(cache.glob("models/*/folkmoot.json"))


def test_a_hub_that_is_not_there_is_asked_once(ask: Any) -> None:
    import socket

    with socket.socket() as silent:  # takes connections, never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        told = ask(f"http://127.0.0.1:{silent.getsockname()[1]}", "org/one", "org/two", "org/three")
    first, *others = told["said"]
    assert "the hub cannot be reached" in first["Missing"]
    assert first["seconds"] < 8
    assert all("the hub cannot be reached" in said["Missing"] and said["seconds"] < 1 for said in others)
