"""The endpoint engine against servers that misbehave: the right outcome, in bounded time, with a bounded number of calls."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Message, Missing, PromptTooLong, Request, Sampling, Unsupported
from folkmoot.engines.http import backoff
from folkmoot.engines.openai import OpenAIEngine

ASK = Request((Message("system", "Be brief."), Message("user", "Capital of France?")))
KEY = "sk-canary-7d1f42"

Reply = Callable[[], Any]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.02)


def in_turn(*replies: web.Response | Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    """A handler that gives one reply after the other, the last one for ever."""
    waiting: Iterator[Any] = iter(replies)
    last: Any = None

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal last
        last = next(waiting, last)
        if callable(last):
            return await last(request)
        return web.Response(body=last.body, status=last.status, headers=last.headers)

    return handler


def status(code: int, text: str = '{"error": {"message": "so it is"}}', **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=code, text=text, headers={"Content-Type": "application/json"} | named)


def plainly(body: str, kind: str = "application/json") -> web.Response:
    return web.Response(body=body.encode(), headers={"Content-Type": kind})


async def test_which_models_replies_name_is_kept(serve: Any, said: Any) -> None:
    names = ["m", "m-2026", "m", 3, "", None, "a\x1b[2J", *(f"m{i}" for i in range(20))]
    engine = OpenAIEngine(serve(in_turn(*(plainly(json.dumps(said(model=n))) for n in names))).url, "m")
    assert engine.named == ()
    for _ in names:
        await engine.complete(ASK)
    assert engine.named == ("a [2J", "m", "m-2026", "m0", "m1", "m2", "m3", "m4")


async def test_what_is_sent_and_what_comes_back(serve: Any, said: Any) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 32}}
    server = serve(in_turn(plainly(json.dumps(said("Paris. END", usage=usage)))))
    engine = OpenAIEngine(server.url, "m", seeds=True, extra_body={"chat_template_kwargs": {"thinking": False}})
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=(" END",), seed=3)
    reply = await engine.complete(Request(ASK.messages, sampling))
    assert server.bodies == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Capital of France?"},
            ],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 7,
            "stop": [" END"],
            "seed": 3,
            "chat_template_kwargs": {"thinking": False},
        }
    ]
    assert (reply.text, reply.finish) == ("Paris.", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (40, 3, 32)
    assert "Authorization" not in server.headers[0]
    await engine.close()


@pytest.mark.parametrize(
    ("reason", "message", "finish", "text"),
    [
        ("stop", {"content": "Paris."}, "stop", "Paris."),
        ("length", {"content": "Par"}, "length", "Par"),
        ("length", {"content": None, "reasoning_content": "Let me think"}, "length", ""),
        ("content_filter", {"content": None}, "refused", ""),
        ("stop", {"content": None, "refusal": "I will not."}, "refused", ""),
        ("stop", {"content": "half \ud83d character"}, "stop", "half ? character"),
    ],
)
async def test_finish_reasons(serve: Any, said: Any, reason: str, message: Any, finish: str, text: str) -> None:
    body = said(choices=[{"message": message, "finish_reason": reason}])
    engine = OpenAIEngine(serve(in_turn(plainly(json.dumps(body)))).url, "m")
    reply = await engine.complete(ASK)
    assert (reply.finish, reply.text) == (finish, text)
    await engine.close()


def chosen(**message: Any) -> list[dict[str, Any]]:
    return [{"message": message, "finish_reason": "stop"}]


MALFORMED: dict[str, tuple[Any, str]] = {
    "invalid JSON": ("{'choices'", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "deep JSON": ("[" * 100_000, "not valid JSON"),
    "a list": ([], "missing or of the wrong kind"),
    "null": (None, "missing or of the wrong kind"),
    "no choices": ({"choices": []}, "missing or of the wrong kind"),
    "choices null": ({"choices": None}, "missing or of the wrong kind"),
    "message null": ({"choices": [{"message": None, "finish_reason": "stop"}]}, "missing or of the wrong kind"),
    "content null": ({"choices": chosen(content=None)}, "content is None"),
    "content a list": ({"choices": chosen(content=[{"type": "text"}])}, "not text"),
    "no usage": ({"usage": None}, "missing or of the wrong kind"),
    "negative usage": ({"usage": {"prompt_tokens": -1, "completion_tokens": 2}}, "missing or of the wrong kind"),
    "usage as text": ({"usage": {"prompt_tokens": "9", "completion_tokens": 2}}, "missing or of the wrong kind"),
    "no reason": ({"choices": [{"message": {"content": "a"}}]}, "finish_reason is None"),
    "odd reason": ({"choices": [{"message": {"content": "a"}, "finish_reason": ["stop"]}]}, "finish_reason"),
    "aborted": ({"choices": [{"message": {"content": "a"}, "finish_reason": "abort"}]}, "finish_reason is 'abort'"),
    "10 MB": ({"filler": "x" * 10_000_000}, "larger than 8 MiB"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_reply_is_an_error_of_this_request(serve: Any, said: Any, name: str) -> None:
    body, why = MALFORMED[name]
    text = body if isinstance(body, str) else json.dumps(said(**body) if isinstance(body, dict) else body)
    server = serve(in_turn(plainly(text)))
    engine = OpenAIEngine(server.url, "m")
    with pytest.raises(EngineError, match=f"model 'm': the reply cannot be used: .*{why}") as caught:
        await engine.complete(ASK)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500
    assert len(server.bodies) == 1
    await engine.close()


async def test_a_web_page_is_not_a_reply(serve: Any) -> None:
    engine = OpenAIEngine(serve(in_turn(plainly("<html>Welcome!</html>", "text/html"))).url, "m")
    with pytest.raises(EngineError, match=r"'text/html', not JSON; does the address end in /v1\?"):
        await engine.complete(ASK)
    await engine.close()


@pytest.mark.parametrize(
    ("code", "said", "match"),
    [
        (400, "max_tokens must be at least 1", "HTTP 400 for model 'm': max_tokens must be at least 1."),
        (401, f"Incorrect key {KEY}", "HTTP 401 for model 'm': access denied. Check the key in MOOT_KEY."),
        (403, "no", "HTTP 403 for model 'm': access denied. Check the key in MOOT_KEY."),
        (404, "no such model", r"HTTP 404 for model 'm': no such model. Name one that it serves; did you mean 'mm'\?"),
        (418, f"teapot\n{KEY}\x1b[31m", r"HTTP 418 for model 'm': teapot \*\*\* \[31m."),
        (302, "", "HTTP 302 for model 'm': redirects are not followed."),
        (501, "never heard", "HTTP 501 for model 'm': never heard."),
    ],
)
async def test_what_no_retry_heals_fails_at_once(
    serve: Any, monkeypatch: pytest.MonkeyPatch, code: int, said: str, match: str
) -> None:
    monkeypatch.setenv("MOOT_KEY", KEY)
    refusal = status(code, json.dumps({"error": {"message": said}}), Location="http://127.0.0.1:9/")
    server = serve(in_turn(refusal), models=[{"id": "mm"}, {"id": "x"}])
    engine = OpenAIEngine(server.url, "m", api_key_env="MOOT_KEY")
    with pytest.raises(EngineError, match=match) as caught:
        await engine.complete(ASK)
    assert server.url in str(caught.value)
    assert len(server.bodies) == 1
    await engine.close()


async def test_a_prompt_that_is_too_long_has_an_error_of_its_own(serve: Any) -> None:
    said = "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens."
    for refusal in (status(400, json.dumps({"error": {"message": said}})), status(422, json.dumps({"detail": said}))):
        engine = OpenAIEngine(serve(in_turn(refusal)).url, "m")
        with pytest.raises(PromptTooLong, match="2048"):
            await engine.complete(ASK)
        await engine.close()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(serve: Any, said: Any, code: int) -> None:
    server = serve(in_turn(status(code), status(code), plainly(json.dumps(said()))))
    engine = OpenAIEngine(server.url, "m")
    assert (await engine.complete(ASK)).text == "Paris."
    assert len(server.bodies) == 3
    await engine.close()


@pytest.mark.parametrize(
    ("code", "match"), [(429, "HTTP 429, its rate limit is reached"), (500, "HTTP 500, the server fails")]
)
async def test_but_not_without_end(serve: Any, code: int, match: str) -> None:
    server = serve(in_turn(status(code)))
    engine = OpenAIEngine(server.url, "m", retries=2)
    with pytest.raises(EngineError, match=rf"{match}.* It says: so it is\. Tried 3 times\."):
        await engine.complete(ASK)
    assert len(server.bodies) == 3
    await engine.close()


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(serve: Any, said: Any, form: str) -> None:
    # A date has whole seconds: one that lies 2 s ahead is 1 to 2 s away.
    after = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server = serve(in_turn(status(429, Retry_After=after), plainly(json.dumps(said()))))
    engine = OpenAIEngine(server.url, "m")
    began = time.perf_counter()
    reply = await engine.complete(ASK)
    assert 0.9 < time.perf_counter() - began < 5
    assert reply.queue_s > 0.9 > reply.service_s
    await engine.close()


async def test_a_wait_that_exceeds_the_time_out_is_not_begun(serve: Any) -> None:
    server = serve(in_turn(status(503, Retry_After="3600")))
    engine = OpenAIEngine(server.url, "m", timeout=20)
    began = time.perf_counter()
    with pytest.raises(EngineError, match="HTTP 503"):
        await engine.complete(ASK)
    assert time.perf_counter() - began < 5
    assert len(server.bodies) == 1
    await engine.close()


@pytest.mark.parametrize(
    ("after", "least", "most"),
    [("3", 3, 3.3), ("-5", 0, 0), ("1e9", 60, 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0)],
)
def test_what_a_server_asks_for_is_jittered_and_capped(after: str, least: float, most: float) -> None:
    for _ in range(100):
        wait = backoff.asked_for(after)
        assert wait is not None
        assert least <= wait <= most


@pytest.mark.parametrize("after", [None, "", "nan", "inf", "soon", "Wed, 99 Foo 2026"])
def test_what_it_cannot_mean_is_passed_over(after: str | None) -> None:
    assert backoff.asked_for(after) is None


def test_pauses_double_up_to_a_cap() -> None:
    for _ in range(100):
        assert 0.01 <= backoff.pause(1) <= 0.02
        assert 0.04 <= backoff.pause(3) <= 0.08
        assert 30 <= backoff.pause(10_000) <= 60


async def test_nobody_there(serve: Any) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}/v1"
        engine = OpenAIEngine(url, "m", retries=2)
        with pytest.raises(EngineError, match=r"nothing answers there\. Is the server running.*Tried 3 times"):
            await engine.complete(ASK)
        with pytest.raises(Missing, match="nothing answers"):
            await engine.start()
    await engine.close()


async def test_a_silent_server_is_left_after_the_time_out(serve: Any) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    server = serve(silent)
    engine = OpenAIEngine(server.url, "m", timeout=0.5)
    began = time.perf_counter()
    with pytest.raises(EngineError, match=r"time-out after 0\.5 s"):
        await engine.complete(ASK)
    assert 0.4 < time.perf_counter() - began < 3
    assert len(server.bodies) == 1
    await until(lambda: server.dropped == 1)
    await engine.close()


async def test_a_server_that_drips_is_left_after_the_time_out(serve: Any) -> None:
    async def dripping(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        while True:
            await reply.write(b" ")
            await asyncio.sleep(0.05)

    engine = OpenAIEngine(serve(dripping).url, "m", timeout=0.5)
    began = time.perf_counter()
    with pytest.raises(EngineError, match=r"time-out after 0\.5 s"):
        await engine.complete(ASK)
    assert time.perf_counter() - began < 3
    await engine.close()


async def test_an_endless_reply_is_left_at_the_cap(serve: Any) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        while True:
            await reply.write(b" " * 2**18)

    engine = OpenAIEngine(serve(endless).url, "m", timeout=20)
    began = time.perf_counter()
    with pytest.raises(EngineError, match="larger than 8 MiB"):
        await engine.complete(ASK)
    assert time.perf_counter() - began < 10
    await engine.close()


async def test_a_reply_that_breaks_off_is_asked_for_again(serve: Any, said: Any) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
        await reply.prepare(request)
        await reply.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.abort()
        return reply

    server = serve(in_turn(broken, plainly(json.dumps(said()))))
    engine = OpenAIEngine(server.url, "m")
    assert (await engine.complete(ASK)).text == "Paris."
    assert len(server.bodies) == 2
    server = serve(in_turn(broken))
    engine = OpenAIEngine(server.url, "m", retries=1)
    with pytest.raises(EngineError, match=r"the connection broke off .*Tried 2 times"):
        await engine.complete(ASK)
    await engine.close()


async def test_no_more_than_allowed_are_in_flight(serve: Any, said: Any) -> None:
    flying = most = 0

    async def counting(request: web.Request) -> web.StreamResponse:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.02)
        flying -= 1
        return web.json_response(said())

    engine = OpenAIEngine(serve(counting).url, "m", max_concurrent=3)
    replies = await asyncio.gather(*(engine.complete(ASK) for _ in range(20)))
    assert most == 3
    assert max(r.queue_s for r in replies) > 0.05
    await engine.close()


async def test_cancelling_tells_the_server(serve: Any) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    server = serve(slow)
    engine = OpenAIEngine(server.url, "m")
    task = asyncio.create_task(engine.complete(ASK))
    await until(lambda: len(server.bodies) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: server.dropped == 1)
    await engine.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["variable", "file"])
async def test_the_key_is_sent_and_shown_nowhere(
    serve: Any, said: Any, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MOOT_KEY", KEY)
    (tmp_path / "key").write_text(f"{KEY}\n")
    key: dict[str, Any] = {"api_key_env": "MOOT_KEY"} if where == "variable" else {"api_key_file": tmp_path / "key"}
    echo = status(400, json.dumps({"error": f"you sent {KEY}"}))
    server = serve(in_turn(plainly(json.dumps(said())), echo, plainly(KEY, f"text/{KEY}")))
    engine = OpenAIEngine(server.url, "m", **key)
    await engine.complete(ASK)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    shown = [repr(engine), engine.identity, repr(vars(engine)), repr(vars(engine._server))]
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            await engine.complete(ASK)
        shown += [str(caught.value), repr(caught.value)]
    assert "you sent ***" in "".join(shown)
    assert KEY not in "".join(shown)
    assert KEY not in caplog.text
    await engine.close()


@pytest.mark.parametrize("value", ["", "  ", "tw\no", "schlüssel"])
async def test_a_key_that_is_none_is_missing(monkeypatch: pytest.MonkeyPatch, value: str, tmp_path: Path) -> None:
    monkeypatch.setenv("MOOT_KEY", value)
    with pytest.raises(Missing, match="the environment variable MOOT_KEY holds no usable key"):
        await OpenAIEngine("http://127.0.0.1:9/v1", "m", api_key_env="MOOT_KEY").complete(ASK)
    with pytest.raises(Missing, match="cannot be read"):
        await OpenAIEngine("http://127.0.0.1:9/v1", "m", api_key_file=tmp_path / "none").start()


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("localhost:8000/v1", "is not an address"),
        ("file:///etc/passwd", "is not an address"),
        ("http://:8000", "is not an address"),
        (f"http://me:{KEY}@host/v1", "no credentials"),
        (f"http://host/v1?key={KEY}", "no credentials"),
    ],
)
def test_an_address_that_cannot_be_one(url: str, match: str) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        OpenAIEngine(url, "m")
    assert KEY not in str(caught.value)


def test_one_place_for_the_key() -> None:
    with pytest.raises(BadInput, match="either a variable or a file"):
        OpenAIEngine("http://host/v1", "m", api_key_env="A", api_key_file="b")


async def test_the_context_window_is_asked_for_once(serve: Any, said: Any) -> None:
    server = serve(
        in_turn(plainly(json.dumps(said()))),
        models=[{"id": "x", "max_model_len": 1}, {"id": "m", "max_model_len": 4096}],
    )
    engine = OpenAIEngine(server.url, "m")
    assert engine.context is None
    await engine.start()
    await engine.start()
    assert engine.context == 4096
    assert len(server.headers) == 1
    given = OpenAIEngine(server.url, "m", context=77)
    await given.start()
    assert given.context == 77
    await engine.close()
    await given.close()


async def test_a_server_without_a_list_of_models_will_do(serve: Any, said: Any) -> None:
    engine = OpenAIEngine(serve(in_turn(plainly(json.dumps(said())))).url, "m")
    await engine.start()
    assert engine.context is None
    assert (await engine.complete(ASK)).text == "Paris."
    await engine.close()


def test_loops_that_are_over_leave_nothing_behind(serve: Any, said: Any, caplog: pytest.LogCaptureFixture) -> None:
    engine = OpenAIEngine(serve(in_turn(plainly(json.dumps(said())))).url, "m")
    for _ in range(3):
        assert asyncio.run(engine.complete(ASK)).text == "Paris."
    assert len(engine._server._lines) == 1
    asyncio.run(engine.close())
    assert engine._server._lines == {}
    asyncio.run(engine.complete(ASK))
    del engine
    assert "Unclosed" not in caplog.text


async def test_choosing_reads_the_first_token_where_it_can(serve: Any, said: Any) -> None:
    def reply(text: str, tops: Any) -> web.Response:
        logprobs = tops and {"content": [{"token": "", "logprob": 0, "top_logprobs": tops}]}
        choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": logprobs}
        return plainly(json.dumps(said(choices=[choice])))

    ab = [{"token": " A", "logprob": -0.6931}, {"token": "A", "logprob": -1.3863}, {"token": "B", "logprob": -1.3863}]
    shared = [{"token": "Option", "logprob": -0.1}]
    server = serve(
        in_turn(reply("A", ab), reply("B", None), reply("Option 2", shared), reply("B", [{}]), reply("maybe", None))
    )
    engine = OpenAIEngine(server.url, "m", choose=True)
    choice = await engine.choose(ASK, ["A", "B"])
    assert choice.probabilities == pytest.approx((0.75, 0.25), abs=1e-3)
    assert choice.method == "likelihood"
    assert server.bodies[0]["structured_outputs"] == {"choice": ["A", "B"]}
    choice = await engine.choose(ASK, ["A", "B"])
    assert (choice.probabilities, choice.method) == ((0, 1), "constrained")
    choice = await engine.choose(ASK, ["Option 1", "Option 2"])
    assert (choice.probabilities, choice.method) == ((0, 1), "constrained")
    assert (await engine.choose(ASK, ["A", "B"])).probabilities == (0, 1)
    with pytest.raises(EngineError, match="none of the options"):
        await engine.choose(ASK, ["A", "B"])
    for options in ([], ["A", "A"], ["A", ""]):
        with pytest.raises(EngineError, match="options must"):
            await engine.choose(ASK, options)
    await engine.close()


async def test_what_it_cannot_do_is_refused_before_anything_is_sent(serve: Any) -> None:
    server = serve(in_turn(status(500)))
    engine = OpenAIEngine(server.url, "m")
    for request in (Request(ASK.messages, adapter="a"), Request(ASK.messages, Sampling(seed=1))):
        with pytest.raises(Unsupported):
            await engine.complete(request)
    with pytest.raises(Unsupported, match="choose=True"):
        await engine.choose(ASK, ["A", "B"])
    assert server.bodies == []


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("cat", 1), ("category", 3), ("two words", 3), ("1,234", 5), ("é", 2), ("a\n  b", 5)]
)
def test_the_estimate_follows_its_rule(text: str, tokens: int) -> None:
    assert OpenAIEngine("http://host/v1", "m").count_tokens(text) == tokens


def test_identity_tells_addresses_models_and_extras_apart() -> None:
    engines = [
        OpenAIEngine("http://a/v1", "m"),
        OpenAIEngine("http://b/v1", "m"),
        OpenAIEngine("http://a/v1", "n"),
        OpenAIEngine("http://a/v1", "m", extra_body={"top_k": 1}),
        OpenAIEngine("http://a/v1", "m", extra_body={"top_k": 2}),
    ]
    assert len({e.identity for e in engines}) == 5
    assert OpenAIEngine("http://a/v1/", "m").identity == engines[0].identity
