"""A small HTTP server on the loopback interface that answers as a test tells it to."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Loopback:
    """A running server.

    Attributes:
        url: What an engine takes as its base URL.
        bodies: The JSON body of every chat request so far.
        headers: The headers of every request so far.
        dropped: How many requests the client gave up.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    dropped: int = 0


@contextlib.contextmanager
def running(chat: Handler, models: list[dict[str, Any]] | None = None) -> Iterator[Loopback]:
    """Serve `chat` under ``/v1/chat/completions``, and a list of models if one is given, in a thread of its own."""
    server, loop, up = Loopback(), asyncio.new_event_loop(), threading.Event()

    async def counted(request: web.Request) -> web.StreamResponse:
        server.headers.append(dict(request.headers))
        server.bodies.append(await request.json())
        try:
            return await chat(request)
        except asyncio.CancelledError:
            server.dropped += 1
            raise

    async def listed(request: web.Request) -> web.StreamResponse:
        server.headers.append(dict(request.headers))
        return web.json_response({"object": "list", "data": models})

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", counted)
        if models is not None:
            app.router.add_get("/v1/models", listed)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def live() -> None:
        runner = loop.run_until_complete(begin())
        up.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    assert up.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Loopback]]:
    """Start servers: ``serve(handler, models=[...])``; they end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda chat, models=None: stack.enter_context(running(chat, models))


def _said(text: str = "Paris.", **changes: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    } | changes


@pytest.fixture
def said() -> Callable[..., dict[str, Any]]:
    """A chat completion as servers send it: ``said(text, usage=...)`` replaces top-level fields."""
    return _said


@dataclass(frozen=True)
class Pretended:
    """Something that behaves like a model, in words, with a context of 2048 of them.

    Attributes:
        speak: From a prompt to a reply: short about the capital of France, long otherwise.
        server: It, behind a server.
    """

    speak: Callable[[str], str]
    server: Loopback


@pytest.fixture(scope="session")
def pretended() -> Iterator[Pretended]:
    """See `Pretended`."""
    with running(_answer, models=[{"id": "m", "max_model_len": 2048}]) as server:
        yield Pretended(_speak, server)


def _speak(prompt: str) -> str:
    if "capital of France" in prompt:
        return "The capital of France is Paris."
    return " ".join(f"Wave {i} came in, and the sea said {i * 7 % 31}." for i in range(200))


async def _answer(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    prompt = " ".join(m["content"] for m in body["messages"])
    if (count := len(prompt.split())) + body["max_tokens"] > 2048:
        error = f"This model's maximum context length is 2048 tokens. However, your prompt contains {count} of them."
        return web.json_response({"error": {"message": error, "code": 400}}, status=400)
    text, finish, logprobs = _speak(prompt), "stop", None
    if choice := body.get("structured_outputs", {}).get("choice"):
        text = choice[0]
        tops = [{"token": o[:1], "logprob": -1.0 - i} for i, o in enumerate(choice)]
        logprobs = {"content": [{"token": text[:1], "logprob": -1.0, "top_logprobs": tops}]}
    for stop in body.get("stop", []):
        text = text.partition(stop)[0]
    words = text.split(" ")
    if len(words) > body["max_tokens"]:
        words, finish = words[: body["max_tokens"]], "length"
    await asyncio.sleep(0.002 * len(words))
    message = {"role": "assistant", "content": " ".join(words)}
    usage = {"prompt_tokens": count, "completion_tokens": len(words), "total_tokens": count + len(words)}
    choices = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}]
    return web.json_response(_said(choices=choices, usage=usage))
