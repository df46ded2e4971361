"""An endpoint that always says the same, in a process of its own: ``python -m folkmoot.bench.stub``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REPLY = (
    b'{"id":"1","object":"chat.completion","model":"stub","choices":[{"index":0,"finish_reason":"stop","message":'
    b'{"role":"assistant","content":"First there are some, then there are more.\\nAnswer: 4"}}],'
    b'"usage":{"prompt_tokens":80,"completion_tokens":16,"total_tokens":96}}'
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class _Talk(asyncio.Protocol):
    """Just enough HTTP to answer quickly: what is measured is the client."""

    def __init__(self, latency: float) -> None:
        self._latency, self._got = latency, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
            if len(self._got) < end + 4 + size:
                return
            self._got = self._got[end + 4 + size :]
            body = b'{"data":[{"id":"stub"}]}' if head.startswith(b"get") else REPLY
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, _HEAD % len(body) + body)


async def _serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Talk(latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the parent closes it


@contextmanager
def stub(latency: float = 0.0) -> Iterator[str]:
    """A running stub; its base URL.

    Args:
        latency: Seconds before each reply.
    """
    command = [sys.executable, "-m", "folkmoot.bench.stub", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
