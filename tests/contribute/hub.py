"""A model hub on the loopback interface: as much of its HTTP interface as its own client needs for what is tested here.

Small files come in the commit itself, safetensors are uploaded first, as on the real one. It refuses a commit that names
a large file which was never sent.
"""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_ana"


@dataclass
class Hub:
    """What the hub holds and what it was asked.

    Attributes:
        url: Its address.
        repos: Files of every repository by commit, the newest last.
        messages: Of all commits, by commit.
        private: Names of private repositories.
        large: Uploaded large files by SHA-256.
        refuse: Status with which it answers requests whose method and path begin so.
        asked: Every request: method and path.
        tokens: What it was shown as tokens.
    """

    url: str = ""
    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    large: dict[str, bytes] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def put(self, repo: str, files: dict[str, bytes], message: str = "by hand") -> str:
        """Make a commit; returns its name."""
        commit = hashlib.sha1(repr((repo, sorted(files.items()), len(self.messages))).encode()).hexdigest()
        self.repos.setdefault(repo, {})[commit] = files
        self.messages[commit] = message
        return commit

    def head(self, repo: str) -> dict[str, bytes]:
        """The files of the newest commit."""
        return list(self.repos[repo].values())[-1]


def _info(path: str, data: bytes) -> dict[str, Any]:
    git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    told: dict[str, Any] = {
        "type": "file",
        "path": path,
        "rfilename": path,
        "size": len(data),
        "oid": git,
        "blobId": git,
    }
    if path.endswith(".safetensors"):
        digest = hashlib.sha256(data).hexdigest()
        told["lfs"] = {"sha256": digest, "oid": digest, "size": len(data), "pointerSize": 130}
    return told


class _Asked(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def reply(self, status: int, data: Any = None, *, raw: bytes | None = None, **headers: str) -> None:
        body = raw if raw is not None else json.dumps(data if data is not None else {}).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json" if raw is None else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self) -> tuple[list[str], bytes] | None:
        """The parts of the path and the body, unless the request is refused."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        self.hub.tokens.add((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        for start, status in self.hub.refuse.items():
            if f"{self.command} {path}".startswith(start):
                self.reply(status, {"error": "refused as the test wants it"})
                return None
        return path.strip("/").split("/"), body

    def found(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Commit and files; answers by itself if there is none."""
        commits = self.hub.repos.get(repo)
        if commits is None:
            self.reply(401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        commit = list(commits)[-1] if revision == "main" else revision
        if commit not in commits:
            self.reply(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
            return None
        return commit, commits[commit]

    def do_GET(self) -> None:
        """What is there."""
        if (asked := self.begin()) is None:
            return
        match asked[0]:
            case ["api", "models", org, name, *rest]:
                kind, revision = (rest[0], rest[1]) if len(rest) > 1 else ("revision", "main")
                if found := self.found(f"{org}/{name}", revision):
                    files = [_info(p, d) for p, d in found[1].items()]
                    about = {"id": f"{org}/{name}", "sha": found[0], "siblings": files, "private": False, "tags": []}
                    self.reply(200, files if kind == "tree" else about)
            case [org, name, "resolve", revision, *path]:
                if found := self.found(f"{org}/{name}", revision):
                    data = found[1].get("/".join(path))
                    if data is None:
                        self.reply(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
                        return
                    told = _info("/".join(path), data)
                    tag = told["lfs"]["sha256"] if "lfs" in told else told["oid"]
                    self.reply(200, raw=data, ETag=f'"{tag}"', X_Repo_Commit=found[0])
            case _:
                self.reply(404, {"error": "no such place"})

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """A large file."""
        if (asked := self.begin()) is None:
            return
        digest = hashlib.sha256(asked[1]).hexdigest()
        if digest != asked[0][-1]:
            self.reply(400, {"error": "another file"})
            return
        self.hub.large[digest] = asked[1]
        self.reply(200)

    def do_POST(self) -> None:
        """Something is to change."""
        if (asked := self.begin()) is None:
            return
        path, body = asked
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.reply(401, {"error": "Invalid credentials"})
            return
        match path:
            case ["api", "repos", "create"]:
                told = json.loads(body)
                repo = f"{told['organization']}/{told['name']}"
                if repo in self.hub.repos:
                    self.reply(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"})
                    return
                self.hub.put(repo, {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
                if told.get("visibility") == "private":
                    self.hub.private.add(repo)
                self.reply(200, {"url": f"{self.hub.url}/{repo}", "id": repo})
            case ["api", "validate-yaml"]:
                self.reply(200, {"errors": [], "warnings": []})
            case ["api", "models", _, _, "preupload", _]:
                files = [
                    {
                        "path": f["path"],
                        "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for f in json.loads(body)["files"]
                ]
                self.reply(200, {"files": files})
            case [_, _, "info", "lfs", "objects", "batch"]:
                wanted = json.loads(body)["objects"]
                objects = [
                    o | {"actions": {"upload": {"href": f"{self.hub.url}/upload/{o['oid']}", "header": {}}}}
                    for o in wanted
                ]
                self.reply(200, {"transfer": "basic", "objects": objects})
            case ["api", "models", org, name, "commit", _]:
                self.commit(f"{org}/{name}", [json.loads(line) for line in body.splitlines()])
            case _:
                self.reply(404, {"error": "no such place"})

    def commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        """One commit, as a list of what changes."""
        files, message = dict(self.hub.head(repo)), ""
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile" if value["oid"] in self.hub.large:
                    files[value["path"]] = self.hub.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
                case _:
                    self.reply(400, {"error": f"cannot do {line['key']}"})
                    return
        commit = self.hub.put(repo, files, message)
        self.reply(200, {"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}"})


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """Serve an empty hub in a thread of its own."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (_Asked,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
