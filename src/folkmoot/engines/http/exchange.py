"""One HTTP exchange: what is sent, what comes back, and which failures may pass."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from folkmoot.engines.contract import EngineError
from folkmoot.engines.http.keys import Secret, without

if TYPE_CHECKING:
    import aiohttp

REPLY_CAP = 8 * 2**20
"""Bytes of a reply that are read at most."""

ASK_IF_UP = "Is the server running, and is the address right?"

_BUSY = frozenset({429, 503})
"""Too much to do. A 503 is that at vLLM, and elsewhere a server that is coming up."""

_BROKEN = frozenset({500, 502, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, for better or worse."""

    status: int
    headers: Mapping[str, str]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Again:
    """A failure that may pass.

    Attributes:
        trouble: What happened and what to do, as sentences.
        kind: No connection, a server with too much to do, or anything else that broke.
        after: What the server's Retry-After said.
    """

    trouble: str
    kind: Literal["refused", "busy", "broken"]
    after: str | None = None


def session(key: Secret) -> aiohttp.ClientSession:
    """A session of this event loop. It follows no redirects, proxies or cookies and unpacks nothing."""
    import aiohttp

    # A reply is small; uncompressed it cannot be a bomb either.
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    if key.text:
        headers["Authorization"] = f"Bearer {key.text}"
    return aiohttp.ClientSession(
        # Many servers drop a connection that was idle for 5 s: let go of it before they do.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=15.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


async def fetch(session: aiohttp.ClientSession, method: str, url: str, data: bytes | None = None) -> Answer:
    """Status, headers and body; a body that is too large is read only until it is."""
    async with session.request(method, url, data=data, allow_redirects=False) as reply:
        parts, size = [], 0
        async for part in reply.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > REPLY_CAP:
                reply.close()
                break
        return Answer(reply.status, reply.headers, b"".join(parts))


async def post(session: aiohttp.ClientSession, url: str, data: bytes, key: Secret) -> Answer | Again:
    """Send once.

    Raises:
        EngineError: No retry can heal it, and there is no answer to read either.
    """
    import aiohttp

    try:
        answer = await fetch(session, "POST", url, data)
    except aiohttp.ClientSSLError as error:
        raise EngineError(f"{url}: no secure connection: {without(key, str(error))}.") from None
    except aiohttp.ClientConnectorError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise EngineError(f"{url}: too many open files here. Lower max_concurrent, or raise ulimit -n.") from None
        return Again(f"nothing answers there. {ASK_IF_UP}", "refused")
    except aiohttp.ConnectionTimeoutError:
        return Again(f"nothing answers there. {ASK_IF_UP}", "refused")
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        return Again(f"the connection broke off ({type(error).__name__}); look at the server's log.", "broken")
    except aiohttp.ClientError as error:
        raise EngineError(f"{url}: that is no HTTP reply: {without(key, str(error))}.") from None
    except RuntimeError:
        if session.closed:
            raise EngineError(f"{url}: the engine was closed while it was asked. Ask again.") from None
        raise
    if answer.status not in _BUSY and answer.status not in _BROKEN:
        return answer
    what = "its rate limit is reached; lower max_concurrent"
    if answer.status != 429:
        what = "the server has too much to do" if answer.status == 503 else "the server fails; look at its log"
    trouble = f"HTTP {answer.status}, {what}. It says: {without(key, message(answer.raw))}."
    return Again(trouble, "busy" if answer.status in _BUSY else "broken", answer.headers.get("Retry-After"))


def message(raw: bytes) -> str:
    """What a server says in the body of an error, in the usual places."""
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(raw[:65536])
        for name in ("error", "message", "detail"):
            said = said.get(name, said) if isinstance(said, dict) else said
        return said if isinstance(said, str) else json.dumps(said)
    return raw[:2000].decode("utf-8", "replace") or "nothing"
