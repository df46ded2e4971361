"""Messages between this process and a child of it: length-prefixed JSON over a socket, sent without ever blocking."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

Frame = dict[str, Any]
_LENGTH = struct.Struct(">I")


class Frames:
    """One end of a connection. Frames may be sent by any thread and are read by one.

    Args:
        connection: A connected stream socket, which belongs to this object from here on.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        # An event loop that sends must not wait for a reader that is busy: a thread of its own does.
        threading.Thread(target=self._write, name="folkmoot frames", daemon=True).start()

    def send(self, frame: Frame) -> None:
        """Queue a frame. What is sent to an end that is gone is lost without a word.

        Raises:
            TypeError: There is something in it that JSON does not know.
        """
        body = json.dumps(frame).encode("ascii")
        self._outbox.put(_LENGTH.pack(len(body)) + body)

    def finish(self) -> None:
        """Send what is queued and then the end of the stream; frames can still be read."""
        self._outbox.put(None)

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they come in, until the other end finishes or is gone."""
        with self._connection, self._connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
                size = _LENGTH.unpack(head)[0]
                body = stream.read(size)
                if len(body) < size:
                    return
                yield json.loads(body)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (packed := self._outbox.get()) is not None:
                self._connection.sendall(packed)
            self._connection.shutdown(socket.SHUT_WR)
