"""A server with every fault there is, one after the other: each ends in the right outcome, and then the engine goes on."""

import asyncio
import gzip
import json
import math
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from folkmoot.engines.contract import EngineError, Message, Missing, PromptTooLong, Request
from folkmoot.engines.http import backoff, circuit, endpoint
from folkmoot.engines.openai import OpenAIEngine

ASK = Request((Message("user", "Capital of France?"),))
TIMEOUT_S = 0.6

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.02)


def says(body: str | bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Act:
    raw = body if isinstance(body, bytes) else body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(request: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, status=status, headers={"Content-Type": kind} | named)

    return act


def completion(content: Any = "Paris.", **changes: Any) -> dict[str, Any]:
    """A good reply, with parts replaced."""
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}} | changes


def replies(**changes: Any) -> Act:
    return says(json.dumps(completion(**changes)))


GOOD = replies()


def fails(status: int, said: str = "so it is", **headers: str) -> Act:
    return says(json.dumps({"error": {"message": said}}), status, **headers)


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


async def drips(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse(headers={"Content-Type": "application/json"})
    await reply.prepare(request)
    while True:
        await reply.write(b" ")
        await asyncio.sleep(1)


async def drips_headers(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.transport.write(b"X-Slow: 1\r\n")
        await asyncio.sleep(0.1)


def cut(promised: int, sent: bytes) -> Act:
    """Promise so many bytes, send some, and break the connection."""

    async def act(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(promised)})
        await reply.prepare(request)
        await reply.write(sent)
        assert request.transport is not None
        request.transport.close()
        return reply

    return act


def wire(raw: bytes) -> Act:
    """Send bytes as they are and hang up."""

    async def act(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(raw)
        request.transport.close()
        return web.Response()

    return act


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    request.transport.abort()
    return web.Response()


def logprobs(value: Any) -> dict[str, Any]:
    top = {"content": [{"token": "A", "logprob": 0, "top_logprobs": [{"token": "A", "logprob": value}]}]}
    return {"choices": [{"message": {"content": "A"}, "finish_reason": "stop", "logprobs": top}]}


BOMB = gzip.compress(b"[" * 50_000_000, 9)
TOO_LONG = "This model's maximum context length is 2048 tokens."
UNUSABLE = "the reply cannot be used"
KINDS = f"{UNUSABLE}: choices, message or usage are missing or of the wrong kind"

ENDS: dict[str, tuple[Act, type[EngineError], str, int]] = {
    # what the server does for ever: what the call ends with, and how often the server is asked
    "never answers": (silent, EngineError, r"time-out after 0\.6 s, no reply yet", 1),
    "drips a body": (drips, EngineError, r"time-out after 0\.6 s", 1),
    "drips headers": (drips_headers, EngineError, r"time-out after 0\.6 s", 1),
    "400": (fails(400), EngineError, "HTTP 400 for model 'm': so it is", 1),
    "400 too long": (fails(400, TOO_LONG), PromptTooLong, "2048 tokens", 1),
    "401": (fails(401), EngineError, "HTTP 401 .*access denied. Name the environment variable", 1),
    "403": (fails(403), EngineError, "HTTP 403 .*access denied", 1),
    "404 model": (
        fails(404),
        EngineError,
        r"HTTP 404 for model 'm': so it is\. Name one that it serves; did you mean 'mm'",
        1,
    ),
    "404 page": (says("<h1>Not here</h1>", 404, "text/html"), EngineError, "HTTP 404 for model 'm'", 1),
    "redirect": (fails(307, Location="http://127.0.0.1:9/"), EngineError, "redirects are not followed", 1),
    "429": (fails(429), EngineError, r"HTTP 429, its rate limit is reached.*Tried 3 times", 3),
    "429, wait a little": (fails(429, Retry_After="0.05"), EngineError, "HTTP 429.*Tried 3 times", 3),
    "429, wait until 1970": (
        fails(429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
        EngineError,
        "HTTP 429.*Tried 3 times",
        3,
    ),
    "429, wait in words": (fails(429, Retry_After="a while"), EngineError, "HTTP 429.*Tried 3 times", 3),
    "500": (fails(500), EngineError, r"HTTP 500, the server fails.*It says: so it is\. Tried 3 times", 3),
    "500 as a page": (says("<h1>Oh</h1>", 500, "text/html"), EngineError, "HTTP 500.*<h1>Oh</h1>", 3),
    "500 with nothing": (says("", 500), EngineError, "HTTP 500.*It says: nothing", 3),
    "502": (fails(502), EngineError, "HTTP 502.*Tried 3 times", 3),
    "503": (fails(503), EngineError, "HTTP 503, the server has too much to do.*Tried 3 times", 3),
    "504": (fails(504), EngineError, "HTTP 504.*Tried 3 times", 3),
    "hangs up": (wire(b""), EngineError, "the connection broke off .*Tried 3 times", 3),
    "resets": (resets, EngineError, "the connection broke off .*Tried 3 times", 3),
    "cut body": (cut(5000, b'{"choices": ['), EngineError, "the connection broke off .*Tried 3 times", 3),
    "cut before the body": (cut(5000, b""), EngineError, "the connection broke off .*Tried 3 times", 3),
    "cut chunk": (
        wire(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"),
        EngineError,
        "the connection broke off .*Tried 3 times",
        3,
    ),
    "bad chunk": (
        wire(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        EngineError,
        "Tried 3 times|no HTTP reply",
        3,
    ),
    "no HTTP": (wire(b"SSH-2.0-OpenSSH_9.2\r\n"), EngineError, "that is no HTTP reply", 1),
    "endless header": (wire(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), EngineError, "no HTTP reply", 1),
    "nothing": (says(""), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "invalid JSON": (says("{'choices'"), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "half a JSON": (says(json.dumps(completion())[:-9]), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "deep JSON": (says("[" * 200_000), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "long number": (says('{"choices": ' + "9" * 10_000 + "}"), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "not UTF-8": (says(b'{"choices": "\xff\xfe\xff"}'), EngineError, f"{UNUSABLE}: it is not valid JSON", 1),
    "gzip bomb": (
        says(BOMB, Content_Encoding="gzip"),
        EngineError,
        f"{UNUSABLE}: it is compressed, which was not asked for",
        1,
    ),
    "10 MB": (says(json.dumps({"x": "y" * 10_000_000})), EngineError, f"{UNUSABLE}: it is larger than 8 MiB", 1),
    "a page": (says("<html>", 200, "text/html"), EngineError, "content type is 'text/html', not JSON", 1),
    "a stream": (says("data: {}\n\n", 200, "text/event-stream"), EngineError, "not JSON", 1),
    "another schema": (says('{"output": [{"type": "message"}]}'), EngineError, KINDS, 1),
    "an error with 200": (says('{"error": {"message": "no"}}'), EngineError, KINDS, 1),
    "a number": (says("3"), EngineError, KINDS, 1),
    "empty choices": (replies(choices=[]), EngineError, KINDS, 1),
    "null choice": (replies(choices=[None]), EngineError, KINDS, 1),
    "null message": (replies(choices=[{"message": None, "finish_reason": "stop"}]), EngineError, KINDS, 1),
    "null content": (replies(content=None), EngineError, f"{UNUSABLE}: the content is None", 1),
    "number as content": (replies(content=3.5), EngineError, f"{UNUSABLE}: the content is 3.5, not text", 1),
    "no usage": (replies(usage=None), EngineError, KINDS, 1),
    "NaN usage": (replies(usage={"prompt_tokens": math.nan, "completion_tokens": 1}), EngineError, KINDS, 1),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_fault_ends_the_call_and_nothing_else(serve: Any, name: str) -> None:
    """One place only: had the fault kept it, the good request afterwards would wait for ever."""
    act, kind, match, most = ENDS[name]

    async def handler(request: web.Request) -> web.StreamResponse:
        return await act(request)

    server = serve(handler, models=[{"id": "mm"}])
    engine = OpenAIEngine(server.url, "m", max_concurrent=1, timeout=TIMEOUT_S, retries=2)
    before = len(asyncio.all_tasks())
    began = time.perf_counter()
    with pytest.raises(EngineError, match=match) as caught:
        await engine.complete(ASK)
    assert type(caught.value) is kind
    assert time.perf_counter() - began < TIMEOUT_S + 2
    assert server.url in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 700
    assert len(server.bodies) <= most
    act = GOOD
    async with asyncio.timeout(5):
        assert (await engine.complete(ASK)).text == "Paris."
    assert len(asyncio.all_tasks()) == before
    await engine.close()


@pytest.mark.parametrize(
    ("content", "text"),
    [("half \ud83d character", "half ? character"), ("\x00\u202e", "\x00\u202e"), ("", ""), ("x" * 10**6, "x" * 10**6)],
)
async def test_odd_text_is_text(serve: Any, content: str, text: str) -> None:
    engine = OpenAIEngine(serve(replies(content=content)).url, "m")
    assert (await engine.complete(ASK)).text == text
    await engine.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, None, "x", []])
async def test_log_probabilities_that_are_none_do_not_count(serve: Any, value: Any) -> None:
    engine = OpenAIEngine(serve(replies(**logprobs(value))).url, "m", choose=True)
    choice = await engine.choose(ASK, ["A", "B"])
    assert (choice.probabilities, choice.method) == ((1, 0), "constrained")
    await engine.close()


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (fails(401), r"HTTP 401, access denied\. Name the environment variable that holds the key"),
        (fails(403), "HTTP 403, access denied"),
        (fails(503, "loading"), r"HTTP 503, the server is not ready\. It says: loading\. Wait until it is up"),
        (fails(307, Location="/x"), r"HTTP 307: redirects are not followed\. Give the final address"),
        (says("<html>", 200, "text/html"), r"a web page answers, not a server of models; .*end in /v1\?"),
        (
            says('{"data": [{"id": "mm"}, {"id": "z"}]}'),
            r"it has no model 'm'\. Name one that it serves; did you mean 'mm'\?",
        ),
        (says('{"data": [{"id": "other"}]}'), r"it has no model 'm'\. Name one that it serves; known: other"),
        (silent, r"nothing answers \(time-out\)\. Is the server running"),
        (wire(b""), r"nothing answers \(Server disconnected\)\. Is the server running"),
    ],
)
async def test_what_cannot_work_is_found_at_the_start(act: Act, match: str) -> None:
    async with listing(act) as url:
        engine = OpenAIEngine(url, "m", timeout=TIMEOUT_S)
        with pytest.raises(Missing, match=match) as caught:
            await engine.start()
        assert str(caught.value).startswith(f"{url}: ")
        assert len(str(caught.value).splitlines()) == 1
        await engine.close()


@pytest.mark.parametrize(
    "act",
    [
        fails(404),
        says("[]"),
        says('{"data": null}'),
        says('{"data": [3]}'),
        says("nonsense"),
        says('{"data": [{"id": "m:latest"}]}'),
    ],
)
async def test_a_list_that_says_nothing_is_no_obstacle(act: Act) -> None:
    async with listing(act) as url:
        engine = OpenAIEngine(url, "m")
        await engine.start()
        await engine.close()


@asynccontextmanager
async def listing(act: Act) -> AsyncIterator[str]:
    """A server of which only ``/models`` is there, and answers like that."""
    app = web.Application()
    app.router.add_get("/v1/models", act)
    async with running(app) as url:
        yield url


@asynccontextmanager
async def running(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.fixture
def short_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything about outages five to fifteen times as fast as it is."""
    monkeypatch.setattr(circuit, "SPELL_S", 0.1)
    monkeypatch.setattr(circuit, "PROBE_S", 0.1)
    monkeypatch.setattr(endpoint, "_LONGEST_PROBE_PAUSE_S", 0.2)


async def test_a_third_of_refusals_costs_little_more_than_a_third(serve: Any) -> None:
    dice = random.Random(3)

    async def moody(request: web.Request) -> web.StreamResponse:
        refusal = dice.choice([fails(429), fails(503), fails(429, Retry_After="0.01")])
        return await (refusal if dice.random() < 0.3 else GOOD)(request)

    server = serve(moody)
    engine = OpenAIEngine(server.url, "m")
    replies = await asyncio.gather(*(engine.complete(ASK) for _ in range(300)))
    assert len(replies) == 300
    assert 300 < len(server.bodies) <= 1.6 * 300
    await engine.close()


async def test_the_limit_finds_what_a_server_takes(serve: Any) -> None:
    flying = 0

    async def small(request: web.Request) -> web.StreamResponse:
        nonlocal flying
        if flying >= 8:
            return await fails(503)(request)
        flying += 1
        await asyncio.sleep(0.02)
        flying -= 1
        return await GOOD(request)

    server = serve(small)
    engine = OpenAIEngine(server.url, "m")
    await asyncio.gather(*(engine.complete(ASK) for _ in range(400)))
    (line,) = engine._server._lines.values()
    assert 1 <= line.limits.limit <= 16
    assert len(server.bodies) <= 1.5 * 400
    await engine.close()


@pytest.mark.usefixtures("short_probes")
@pytest.mark.parametrize(
    ("fault", "calls"), [(500, 2), ("resets", 2), (500, 40), (502, 40), (503, 40), (429, 40), ("hangs up", 40)]
)
async def test_an_outage_is_waited_for_without_a_storm(serve: Any, fault: Any, calls: int) -> None:
    """It lasts 2 s; the retries of a call last half a second."""
    act, hits = GOOD, list[float]()

    async def handler(request: web.Request) -> web.StreamResponse:
        hits.append(time.monotonic())
        return await act(request)

    engine = OpenAIEngine(serve(handler).url, "m", timeout=30)
    await engine.complete(ASK)
    before = len(asyncio.all_tasks())
    act = {"resets": resets, "hangs up": wire(b"")}.get(fault) or fails(fault)
    tasks = [asyncio.create_task(engine.complete(ASK)) for _ in range(calls)]
    await asyncio.sleep(2)
    act, ended = GOOD, time.monotonic()
    assert [r.text for r in await asyncio.gather(*tasks)] == ["Paris."] * calls
    assert time.monotonic() - ended < 5
    assert len([t for t in hits if ended - 0.8 < t < ended]) <= 12  # one in 0.1 s, not forty in 0.2 s
    assert len(asyncio.all_tasks()) == before
    await engine.close()


@pytest.mark.usefixtures("short_probes")
@pytest.mark.parametrize("calls", [1, 40])
async def test_a_server_that_is_restarted_is_waited_for(calls: int) -> None:
    app, again = web.Application(), web.Application()
    for a in (app, again):
        a.router.add_post("/v1/chat/completions", GOOD)
    async with running(app) as url:
        engine = OpenAIEngine(url, "m", timeout=30)
        await engine.complete(ASK)
    tasks = [asyncio.create_task(engine.complete(ASK)) for _ in range(calls)]
    await asyncio.sleep(1.2)
    async with running(again, int(url.split(":")[2].removesuffix("/v1"))):
        assert [r.text for r in await asyncio.gather(*tasks)] == ["Paris."] * calls
    await engine.close()


@pytest.mark.usefixtures("short_probes")
async def test_an_outage_that_outlasts_the_time_out_ends_all_calls(serve: Any) -> None:
    """Those that wait for a place too, and those that come later at once, but for one now and then that looks."""
    act = GOOD

    async def handler(request: web.Request) -> web.StreamResponse:
        return await act(request)

    server = serve(handler)
    engine = OpenAIEngine(server.url, "m", timeout=0.6, max_concurrent=4)
    await engine.complete(ASK)
    act, began = fails(500, "no GPU"), time.monotonic()
    ends = await asyncio.gather(*(engine.complete(ASK) for _ in range(100)), return_exceptions=True)
    assert time.monotonic() - began < 6
    assert all(isinstance(e, EngineError) and server.url in str(e) and "HTTP 500" in str(e) for e in ends)
    down = re.compile(r"no success for \d+ s: HTTP 500, the server fails; look at its log\. It says: no GPU\.")
    assert any(down.search(str(e)) for e in ends)
    assert len(server.bodies) < 60
    before, began = len(server.bodies), time.monotonic()
    ends = await asyncio.gather(*(engine.complete(ASK) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(e, EngineError) for e in ends)
    assert time.monotonic() - began < 3
    assert len(server.bodies) - before <= 5
    act = GOOD
    await asyncio.sleep(0.15)
    assert (await engine.complete(ASK)).text == "Paris."
    await engine.close()


async def test_a_request_that_breaks_the_server_runs_out_of_tries(serve: Any) -> None:
    """Its failures say nothing about others, so no circuit opens."""

    async def handler(request: web.Request) -> web.StreamResponse:
        poisoned = "poison" in (await request.json())["messages"][0]["content"]
        return await (fails(500) if poisoned else GOOD)(request)

    server = serve(handler)
    engine = OpenAIEngine(server.url, "m", retries=4)
    await engine.complete(ASK)
    with pytest.raises(EngineError, match=r"HTTP 500.*Tried 5 times"):
        await engine.complete(Request((Message("user", "poison"),)))
    assert len(server.bodies) == 6
    await engine.close()


async def test_retry_after_holds_for_everybody(serve: Any) -> None:
    hits: list[float] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        hits.append(time.monotonic())
        return await (fails(429, Retry_After="0.4") if len(hits) == 1 else GOOD)(request)

    engine = OpenAIEngine(serve(handler).url, "m", max_concurrent=1)
    replies = await asyncio.gather(*(engine.complete(ASK) for _ in range(5)))
    assert hits[1] - hits[0] > 0.39
    assert len(hits) == 6
    assert all(r.queue_s > 0.39 > r.service_s for r in replies)
    await engine.close()


async def test_who_pauses_holds_no_place(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 1.0)
    served: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        served.append((await request.json())["messages"][0]["content"])
        return await (fails(500) if len(served) == 1 else GOOD)(request)

    engine = OpenAIEngine(serve(handler).url, "m", max_concurrent=1)
    await asyncio.gather(*(engine.complete(Request((Message("user", who),))) for who in "abc"))
    assert served == ["a", "b", "c", "a"]
    await engine.close()


async def test_deeper_requests_go_first(serve: Any) -> None:
    served: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        served.append(int((await request.json())["messages"][0]["content"]))
        return await GOOD(request)

    engine = OpenAIEngine(serve(handler).url, "m", max_concurrent=1)
    await asyncio.gather(*(engine.complete(Request((Message("user", str(d)),), depth=d)) for d in (0, 1, 3, 0, 2)))
    assert served == [0, 3, 2, 1, 0]
    await engine.close()


async def test_waiting_and_serving_are_told_apart(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return await GOOD(request)

    engine = OpenAIEngine(serve(handler).url, "m", max_concurrent=1)
    replies = await asyncio.gather(*(engine.complete(ASK) for _ in range(3)))
    assert [round(r.queue_s, 1) for r in replies] == pytest.approx([0, 0.2, 0.4], abs=0.11)
    assert all(0.19 < r.service_s < 0.4 for r in replies)
    await engine.close()


async def test_closing_ends_what_is_under_way(serve: Any) -> None:
    engine = OpenAIEngine(serve(silent).url, "m", max_concurrent=2)
    tasks = [asyncio.create_task(engine.complete(ASK)) for _ in range(5)]
    await asyncio.sleep(0.1)
    await engine.close()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(end, EngineError)
        assert "the engine was closed while it was asked" in str(end)


@pytest.mark.parametrize(
    "ask",
    [
        "asyncio.run(engine.complete(ask))",
        "asyncio.run(engine.complete(ask)); asyncio.run(engine.complete(ask))",
        "asyncio.new_event_loop().run_until_complete(engine.complete(ask))",
        "from folkmoot.door import through; through(engine.complete(ask))",
        "from folkmoot.door import through; through(engine.complete(ask)); asyncio.run(engine.complete(ask)); del engine",
    ],
)
def test_a_script_that_closes_nothing_ends_without_a_word(serve: Any, ask: str) -> None:
    script = f"""
import asyncio
from folkmoot.engines.contract import Message, Request
from folkmoot.engines.openai import OpenAIEngine
ask = Request((Message("user", "Capital of France?"),))
engine = OpenAIEngine({serve(GOOD).url!r}, "m")
{ask}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
