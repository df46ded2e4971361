"""One HTTP server as an engine sees it: JSON out, JSON in, and one clear line for everything that can go wrong.

Little work per call: an orchestrator in Python has about a millisecond for each. Whatever the server does, a call ends
within the time-out, and what it says is cut, made printable and freed of the key before it gets into an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import random
import re
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import EngineError, Missing, PromptTooLong

if TYPE_CHECKING:
    import aiohttp

REPLY_CAP = 8 * 2**20
"""Bytes of a reply that are read at most."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Seconds before the first retry (doubled each time) and the most that is ever waited, Retry-After included."""

_RETRIED = frozenset({429, 500, 502, 503, 504})
_TOO_LONG = re.compile(r"context.{0,9}(length|window|size)|too many (input )?tokens|prompt is too long", re.I)
_ASK_IF_UP = "Is the server running, and is the address right?"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's JSON, with the seconds spent waiting (for a place, in pauses) and in the exchange that succeeded."""

    data: Any
    queue_s: float
    service_s: float


class Endpoint:
    """A server's address and key, with one aiohttp session per event loop.

    Args:
        base_url: Address up to and with ``/v1``.
        key_env: Name of the environment variable that holds the key, if one is needed.
        key_file: File that holds it, instead.
        max_concurrent: Requests in flight at most, per event loop.
        timeout: Seconds for one request from the moment it is sent, all retries and pauses included.
        retries: How often a request is tried again.

    Raises:
        BadInput: The address cannot be one, or both a variable and a file are named for the key.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key_env: str | None = None,
        key_file: str | Path | None = None,
        max_concurrent: int = 64,
        timeout: float = 300.0,
        retries: int = 4,
    ) -> None:
        self.base = _checked(base_url)
        if key_env is not None and key_file is not None:
            raise BadInput(f"{self.base}: name either a variable or a file for the key, not both.")
        self._key_env, self._key_file, self._key = key_env, key_file, _Secret()
        self._max_concurrent, self._timeout, self._retries = max_concurrent, timeout, retries
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}
        weakref.finalize(self, _abandon, self._lines)

    async def post(self, path: str, body: Mapping[str, Any], model: str) -> Reply:
        """Send JSON, read JSON. Status 429 and 5xx and broken connections are tried again.

        Args:
            path: Below the base address.
            body: What is sent.
            model: Whom it is for, for error lines.

        Raises:
            EngineError: The server refused, did not answer in time or sent no JSON.
            PromptTooLong: The server said so.
        """
        line, asked, about = self._line(), time.perf_counter(), f"{self.base}{path}: model {model!r}"
        data, trouble, tries = json.dumps(body).encode(), "no reply yet.", 0
        async with line.slots:
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    for tries in range(1, self._retries + 2):
                        began = time.perf_counter()
                        outcome = await self._attempt(line, path, data, model)
                        if not isinstance(outcome, _Again):
                            return Reply(outcome, began - asked, time.perf_counter() - began)
                        trouble, pause = outcome.trouble, _pause(tries, outcome.after)
                        left = (limit.when() or math.inf) - asyncio.get_running_loop().time()
                        if tries > self._retries or left < pause:
                            break
                        await asyncio.sleep(pause)
            except TimeoutError:
                raise EngineError(
                    f"{about}: time-out after {self._timeout:g} s, {trouble} Raise timeout or lower max_concurrent."
                ) from None
        raise EngineError(f"{about}: {trouble} Tried {tries} times.")

    async def models(self) -> list[dict[str, Any]]:
        """What the server lists under ``/models``; nothing if it keeps no such list.

        Raises:
            Missing: Nothing answers, or the key is refused.
        """
        import aiohttp

        line = self._line()
        try:
            async with asyncio.timeout(min(self._timeout, 30.0)):
                status, _, raw = await _exchange(line.session, "GET", f"{self.base}/models")
        except (TimeoutError, aiohttp.ClientError) as error:
            said = self.plain(str(error)) or "time-out"
            raise Missing(f"{self.base}: nothing answers ({said}). {_ASK_IF_UP}") from None
        if status in (401, 403):
            raise Missing(f"{self.base}: HTTP {status}, access denied. {self._key_remedy()}")
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            return [m for m in json.loads(raw)["data"] if isinstance(m, dict)]
        return []

    async def close(self) -> None:
        """Close all connections, those of other event loops too."""
        here = asyncio.get_running_loop()
        for loop, line in list(self._lines.items()):
            if loop is here or not loop.is_running():
                await line.session.close()
            else:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(line.session.close(), loop))
            self._lines.pop(loop, None)

    def plain(self, text: str) -> str:
        """A server's words, fit for an error line: one line, short, printable, without the key."""
        if self._key.text:
            text = text.replace(self._key.text, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
        return (text[:300] + " ..." if len(text) > 300 else text).rstrip(".")

    def _line(self) -> _Line:
        """This event loop's session, opened if there is none."""
        loop = asyncio.get_running_loop()
        if (line := self._lines.get(loop)) is not None:
            return line
        import aiohttp

        _abandon(self._lines)
        self._key = _read_key(self.base, self._key_env, self._key_file)
        # A reply is small; uncompressed it cannot be a bomb either.
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key.text:
            headers["Authorization"] = f"Bearer {self._key.text}"
        session = aiohttp.ClientSession(
            # Many servers drop a connection that was idle for 5 s: let go of it before they do.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=15.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        line = self._lines[loop] = _Line(session, asyncio.Semaphore(self._max_concurrent))
        return line

    async def _attempt(self, line: _Line, path: str, data: bytes, model: str) -> Any:
        import aiohttp

        url = f"{self.base}{path}"
        try:
            status, headers, raw = await _exchange(line.session, "POST", url, data)
        except aiohttp.ClientSSLError as error:
            raise EngineError(f"{url}: no secure connection: {self.plain(str(error))}.") from None
        except aiohttp.ClientConnectorError:
            return _Again(f"nothing answers there. {_ASK_IF_UP}")
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            return _Again(f"the connection broke off ({type(error).__name__}); look at the server's log.")
        except aiohttp.ClientError as error:
            raise EngineError(f"{url}: that is no HTTP reply: {self.plain(str(error))}.") from None
        if status == 200:
            return self._json(url, model, headers.get("Content-Type", ""), raw)
        said = self.plain(_message(raw))
        if status in _RETRIED:
            what = "its rate limit is reached; lower max_concurrent" if status == 429 else "the server fails"
            return _Again(f"HTTP {status}, {what}. It says: {said}.", headers.get("Retry-After"))
        return await self._refuse(url, model, status, said)

    async def _refuse(self, url: str, model: str, status: int, said: str) -> NoReturn:
        """One line for a status that no retry can heal."""
        about = f"{url}: HTTP {status} for model {model!r}"
        if status in (401, 403):
            raise EngineError(f"{about}: access denied. {self._key_remedy()}")
        if status in (400, 413, 422) and _TOO_LONG.search(said):
            raise PromptTooLong(f"{about}: {said}. Shorten the prompt or lower max_tokens.")
        if 300 <= status < 400:
            raise EngineError(f"{about}: redirects are not followed. Give the final address.")
        if status == 404:
            names: list[str] = []
            with contextlib.suppress(Missing):
                names = [str(m.get("id")) for m in await self.models()]
            hint = f"Models: {did_you_mean(model, names)}" if names else "It lists no models; does its path end in /v1?"
            raise EngineError(f"{about}: {said}. {self.plain(hint)}")
        raise EngineError(f"{about}: {said}.")

    def _json(self, url: str, model: str, content_type: str, raw: bytes) -> Any:
        if len(raw) > REPLY_CAP:
            wrong = f"it is larger than {REPLY_CAP // 2**20} MiB"
        elif "json" not in content_type.lower():
            wrong = f"its content type is {self.plain(content_type)!r}, not JSON; does the address end in /v1?"
        else:
            try:
                return json.loads(raw)
            except (ValueError, RecursionError):
                wrong = "it is not valid JSON"
        raise EngineError(f"{url}: model {model!r}: the reply cannot be used: {wrong}.")

    def _key_remedy(self) -> str:
        if self._key_env or self._key_file:
            return f"Check the key in {self._key_env or self._key_file}."
        return "Name the environment variable that holds the key (api_key_env)."


@dataclass(frozen=True, slots=True)
class _Secret:
    text: str = ""

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class _Line:
    session: aiohttp.ClientSession
    slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class _Again:
    """A failure that may pass, and what the server's Retry-After said."""

    trouble: str
    after: str | None = None


def _abandon(lines: dict[asyncio.AbstractEventLoop, _Line]) -> None:
    """End sessions whose event loop is over: closing them then waits for nothing, so one step of it is all."""
    for loop, line in list(lines.items()):
        if loop.is_closed():
            with contextlib.suppress(StopIteration):
                line.session.close().send(None)
            lines.pop(loop, None)


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{base_url!r} is not an address. Write it like http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadInput(f"{parts.hostname}: the address must hold no credentials, query or fragment; see api_key_env.")
    return base_url.rstrip("/").removesuffix("/chat/completions")


def _read_key(base: str, env: str | None, file: str | Path | None) -> _Secret:
    if env is not None:
        where, key = f"the environment variable {env}", os.environ.get(env, "").strip()
    elif file is not None:
        try:
            where, key = f"the file {file}", Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Missing(f"{base}: the key file {file} cannot be read ({type(error).__name__}).") from None
    else:
        return _Secret()
    if not key or not key.isascii() or not key.isprintable():
        raise Missing(f"{base}: {where} holds no usable key. Set it and try again.")
    return _Secret(key)


async def _exchange(
    session: aiohttp.ClientSession, method: str, url: str, data: bytes | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body; a body that is too large is read only until it is."""
    async with session.request(method, url, data=data, allow_redirects=False) as reply:
        parts, size = [], 0
        async for part in reply.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > REPLY_CAP:
                reply.close()
                break
        return reply.status, reply.headers, b"".join(parts)


def _message(raw: bytes) -> str:
    """What a server says in the body of an error, in the usual places."""
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(raw[:65536])
        for name in ("error", "message", "detail"):
            said = said.get(name, said) if isinstance(said, dict) else said
        return said if isinstance(said, str) else json.dumps(said)
    return raw[:2000].decode("utf-8", "replace") or "nothing"


def _pause(tries: int, after: str | None) -> float:
    """Seconds until the next try: what the server asked for, else doubling; jittered and capped."""
    wait = _seconds(after)
    if wait is None:
        wait = FIRST_PAUSE_S * 2 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it
    else:
        wait *= random.uniform(1.0, 1.1)  # noqa: S311
    return min(wait, LONGEST_PAUSE_S)


def _seconds(after: str | None) -> float | None:
    """A Retry-After header, a number or a date, as seconds from now.

    >>> _seconds("2.5"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT"), _seconds("soon")
    (2.5, 0.0, None)
    """
    if after is None:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(after)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    with contextlib.suppress(ValueError):
        date = parsedate_to_datetime(after)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max((date - datetime.now(UTC)).total_seconds(), 0.0)
    return None
