"""One HTTP server as an engine sees it: JSON out, JSON in, and one clear line for everything that can go wrong.

Little work per call: an orchestrator in Python has about a millisecond for each. Whatever the server does, a call ends
within the time-out, and what it says is cut, made printable and freed of the key before it gets into an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import EngineError, Missing, PromptTooLong
from folkmoot.engines.http import backoff, exchange, lines
from folkmoot.engines.http.circuit import Circuit
from folkmoot.engines.http.exchange import Again, Answer
from folkmoot.engines.http.keys import Secret, read_key, without
from folkmoot.engines.http.limits import Down, Limiter, Place
from folkmoot.engines.http.lines import Line

_LONGEST_PROBE_PAUSE_S = 2.5
"""Seconds that a call pauses at most while the server is down, so that it is there when the server is back."""

_TOO_LONG = re.compile(r"context.{0,9}(length|window|size)|too many (input )?tokens|prompt is too long", re.I)


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's JSON, with the seconds spent waiting (for a place, in pauses) and in the exchange that succeeded."""

    data: Any
    queue_s: float
    service_s: float


class Endpoint:
    """A server's address and key; for each event loop a session, a limit that adapts, and a circuit.

    Args:
        base_url: Address up to and with ``/v1``.
        key_env: Name of the environment variable that holds the key, if one is needed.
        key_file: File that holds it, instead.
        max_concurrent: Requests in flight at most, per event loop.
        timeout: Seconds for one request from the moment it is first sent, all retries and pauses included.
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
        if max_concurrent < 1 or not timeout > 0 or retries < 0:
            raise BadInput(f"{self.base}: max_concurrent must be 1 or more, timeout above 0, retries 0 or more.")
        self._key_env, self._key_file, self._key = key_env, key_file, Secret()
        self._max_concurrent, self._timeout, self._retries = max_concurrent, timeout, retries
        self._lines: lines.Lines = {}
        weakref.finalize(self, lines.abandon, self._lines)

    async def post(self, path: str, body: Mapping[str, Any], model: str, depth: int = 0) -> Reply:
        """Send JSON, read JSON. Status 429 and 5xx and broken connections are tried again.

        A place in the queue is kept through all tries, a place at the server only while something is under way there.

        Args:
            path: Below the base address.
            body: What is sent.
            model: Whom it is for, for error lines.
            depth: Deeper requests go first.

        Raises:
            EngineError: The server refused, did not answer in time or sent no JSON.
            PromptTooLong: The server said so.
        """
        line, asked, url = self._line(), time.perf_counter(), f"{self.base}{path}"
        call = _Call(line.limits.place(depth), json.dumps(body).encode(), line.circuit.successes)
        try:
            # Time counts from the moment of sending: whoever asks for ten thousand replies at once waits long for a place.
            async with asyncio.timeout(None) as clock:
                while True:
                    era = await line.limits.take(call.place)
                    call.began = time.perf_counter()
                    if not call.tries:
                        clock.reschedule(asyncio.get_running_loop().time() + self._timeout)
                    outcome = await self._attempt(line, era, call, url)
                    if isinstance(outcome, Answer):
                        break
                    await self._pause(line, call, outcome, clock.when() or math.inf)
        except TimeoutError:
            if call.sending:
                line.circuit.failed(call.place, f"no reply within {self._timeout:g} s.")
            why = call.trouble or "no reply yet. Raise timeout or lower max_concurrent."
            raise EngineError(f"{url}: model {model!r}: time-out after {self._timeout:g} s, {why}") from None
        except Down:
            down = f"no success for {line.circuit.down_s:.0f} s: {line.circuit.trouble}"
            raise EngineError(f"{url}: model {model!r}: {down}") from None
        except _EnoughError:
            often = f"Tried {call.tries} times." if call.tries > 1 else "Tried once."
            raise EngineError(f"{url}: model {model!r}: {call.trouble} {often}") from None
        took = time.perf_counter() - call.began
        if outcome.status != 200:
            await self._refuse(url, model, outcome)
        return Reply(self._json(url, model, outcome), call.began - asked, took)

    async def models(self, patience: float = 30.0) -> list[dict[str, Any]]:
        """What the server lists under ``/models``; nothing if it keeps no such list.

        Args:
            patience: Seconds to wait for it.

        Raises:
            Missing: Nothing answers, the key is refused, the server is not ready, or it is something else altogether.
        """
        import aiohttp

        line = self._line()
        try:
            async with asyncio.timeout(min(self._timeout, patience)):
                answer = await exchange.fetch(line.session, "GET", f"{self.base}/models")
        except (TimeoutError, aiohttp.ClientError) as error:
            said = self.plain(str(error)) or "time-out"
            raise Missing(f"{self.base}: nothing answers ({said}). {exchange.ASK_IF_UP}") from None
        about = f"{self.base}: HTTP {answer.status}"
        if answer.status in (401, 403):
            raise Missing(f"{about}, access denied. {self._key_remedy()}")
        if 300 <= answer.status < 400:
            raise Missing(f"{about}: redirects are not followed. Give the final address.")
        if answer.status in (502, 503, 504):
            said = self.plain(exchange.message(answer.raw))
            raise Missing(f"{about}, the server is not ready. It says: {said}. Wait until it is up, then try again.")
        if answer.status == 200 and "html" in answer.headers.get("Content-Type", "").lower():
            raise Missing(f"{self.base}: a web page answers, not a server of models; does the address end in /v1?")
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            return [m for m in json.loads(answer.raw)["data"] if isinstance(m, dict)]
        return []

    def unknown(self, model: str, names: list[str]) -> str:
        """A remedy for a model name that the server does not know."""
        if model in names:
            return "It lists this very model; look at the server's log."
        return self.plain(f"Name one that it serves; {did_you_mean(model, names)}")

    async def close(self) -> None:
        """Close all connections, those of other event loops too."""
        await lines.close(self._lines)

    def plain(self, text: str) -> str:
        """A server's words, fit for an error line: one line, short, printable, without the key."""
        return without(self._key, text)

    def _line(self) -> Line:
        """What belongs to this event loop, made if it is not there."""
        loop = asyncio.get_running_loop()
        if (line := self._lines.get(loop)) is not None:
            return line
        lines.prune(self._lines)
        self._key = read_key(self.base, self._key_env, self._key_file)
        circuit = Circuit(self._timeout)
        line = Line(exchange.session(self._key), Limiter(self._max_concurrent, circuit), circuit)
        self._lines[loop] = line
        return line

    async def _attempt(self, line: Line, era: int, call: _Call, url: str) -> Answer | Again:
        """Send once, leave the place, and note how it went."""
        call.tries, call.sending = call.tries + 1, True
        outcome: Answer | Again | None = None
        try:
            outcome = await exchange.post(line.session, url, call.data, self._key)
            call.sending = False
        finally:
            if outcome is None:
                line.limits.give_back(era)
            elif isinstance(outcome, Answer):
                line.circuit.worked()
                line.limits.give_back(era, "fine" if outcome.status == 200 else "void")
            else:
                busy = outcome.kind == "busy"
                line.circuit.failed(call.place, outcome.trouble, refused=outcome.kind == "refused", busy=busy)
                wait = backoff.asked_for(outcome.after) if busy else None
                if wait is not None:
                    line.limits.pause(wait)
                line.limits.give_back(era, "busy" if busy else "void")
        return outcome

    async def _pause(self, line: Line, call: _Call, again: Again, deadline: float) -> None:
        """Wait before the next try, without a place at the server.

        A try counts unless the failure concerns all: the circuit is open, or there is too much to do and others are served.
        """
        call.trouble = again.trouble
        served, call.seen = line.circuit.successes > call.seen, line.circuit.successes
        if not line.circuit.open and not (served and again.kind == "busy"):
            call.counted += 1
        wait = backoff.asked_for(again.after)
        held = wait is not None and again.kind == "busy"  # then everybody waits, in the queue
        if wait is None:
            wait = backoff.pause(call.tries)
            if line.circuit.open:
                wait = min(wait, _LONGEST_PROBE_PAUSE_S)
        left = deadline - asyncio.get_running_loop().time()
        if call.counted > self._retries or line.circuit.hopeless or left < wait:
            raise _EnoughError
        if not held:
            await asyncio.sleep(wait)

    async def _refuse(self, url: str, model: str, answer: Answer) -> NoReturn:
        """One line for a status that no retry can heal."""
        status, said = answer.status, self.plain(exchange.message(answer.raw))
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
                names = [str(m.get("id")) for m in await self.models(2.0)]
            hint = self.unknown(model, names) if names else "It lists no models; does its path end in /v1?"
            raise EngineError(f"{about}: {said}. {hint}")
        raise EngineError(f"{about}: {said}.")

    def _json(self, url: str, model: str, answer: Answer) -> Any:
        kind = answer.headers.get("Content-Type", "")
        if len(answer.raw) > exchange.REPLY_CAP:
            wrong = f"it is larger than {exchange.REPLY_CAP // 2**20} MiB"
        elif "json" not in kind.lower():
            wrong = f"its content type is {self.plain(kind)!r}, not JSON; does the address end in /v1?"
        else:
            try:
                return json.loads(answer.raw)
            except (ValueError, RecursionError):
                packed = answer.headers.get("Content-Encoding", "identity") != "identity"
                wrong = "it is compressed, which was not asked for" if packed else "it is not valid JSON"
        raise EngineError(f"{url}: model {model!r}: the reply cannot be used: {wrong}.")

    def _key_remedy(self) -> str:
        if self._key_env or self._key_file:
            return f"Check the key in {self._key_env or self._key_file}."
        return "Name the environment variable that holds the key (api_key_env)."


@dataclass(slots=True)
class _Call:
    """How far a request has come.

    Attributes:
        place: Its place in the queue, kept through all tries.
        data: What is sent.
        seen: Successes of the server when this call last looked.
        tries: Times it was sent.
        counted: Failures that count against `retries`.
        began: When it was last sent.
        sending: It is at the server.
        trouble: What went wrong last.
    """

    place: Place
    data: bytes
    seen: int
    tries: int = 0
    counted: int = 0
    began: float = 0.0
    sending: bool = False
    trouble: str = ""


class _EnoughError(Exception):
    """Trying again is pointless."""


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is none
        usable = False
    if not usable:
        raise BadInput(f"{base_url!r} is not an address. Write it like http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadInput(f"{parts.hostname}: the address must hold no credentials, query or fragment; see api_key_env.")
    return base_url.rstrip("/").removesuffix("/chat/completions")
