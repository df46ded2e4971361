"""The test double, which other people's tests rely on."""

import asyncio
import time

import pytest

from folkmoot.engines.contract import (
    Capabilities,
    Completion,
    EngineError,
    Message,
    PromptTooLong,
    Request,
    Sampling,
    Unsupported,
)
from folkmoot.engines.scripted import Scripted

HELLO = Request((Message("system", "Be brief."), Message("user", "Hello you there.")))


async def test_a_queue_answers_in_order_then_says_that_it_is_empty() -> None:
    engine = Scripted(["one", EngineError("line down"), "three"], name="ana")
    assert (await engine.complete(HELLO)).text == "one"
    with pytest.raises(EngineError, match="line down"):
        await engine.complete(HELLO)
    assert (await engine.complete(HELLO)).text == "three"
    with pytest.raises(EngineError, match="scripted:ana: all 3 scripted replies are used up"):
        await engine.complete(HELLO)
    assert engine.calls == [HELLO] * 4


async def test_a_function_sees_the_messages() -> None:
    engine = Scripted(lambda messages: messages[-1].content.upper())
    assert (await engine.complete(HELLO)).text == "HELLO YOU THERE."


async def test_a_function_of_a_request_sees_all_of_it() -> None:
    def by_name(request: object) -> str:
        return f"{type(request).__name__}"

    async def by_annotation(asked: Request) -> str:
        await asyncio.sleep(0)
        return f"at {asked.sampling.temperature}"

    assert (await Scripted(by_name).complete(HELLO)).text == "Request"
    assert (await Scripted(by_annotation).complete(HELLO)).text == "at 0.0"


async def test_a_whole_completion_is_handed_out_untouched() -> None:
    whole = Completion("cut sho", "length", prompt_tokens=700, completion_tokens=2, cached_tokens=640)
    assert await Scripted([whole]).complete(HELLO) is whole


@pytest.mark.parametrize(
    ("stop", "max_tokens", "text", "finish", "tokens"),
    [
        ((), 9, "a  b\nc d", "stop", 4),
        ((), 4, "a  b\nc d", "stop", 4),
        ((), 3, "a  b\nc", "length", 3),
        (("c", "b"), 9, "a  ", "stop", 1),
        (("d",), 2, "a  b", "length", 2),
        (("a",), 9, "", "stop", 0),
        (("x",), 9, "a  b\nc d", "stop", 4),
    ],
)
async def test_words_are_tokens(stop: tuple[str, ...], max_tokens: int, text: str, finish: str, tokens: int) -> None:
    request = Request(HELLO.messages, Sampling(max_tokens=max_tokens, stop=stop))
    reply = await Scripted(["a  b\nc d"]).complete(request)
    assert (reply.text, reply.finish, reply.completion_tokens) == (text, finish, tokens)
    assert reply.prompt_tokens == 5


async def test_the_context_window_holds() -> None:
    engine = Scripted(["fine"], context=10)
    with pytest.raises(PromptTooLong, match=r"prompt of 5 tokens and a reply of 6 do not fit the context of 10"):
        await engine.complete(Request(HELLO.messages, Sampling(max_tokens=6)))
    assert (await engine.complete(Request(HELLO.messages, Sampling(max_tokens=5)))).text == "fine"


async def test_what_it_was_built_without_is_refused_and_not_counted_as_a_call() -> None:
    engine = Scripted(["never"], capabilities=Capabilities(seeds=False))
    with pytest.raises(Unsupported, match="adapter"):
        await engine.complete(Request(HELLO.messages, adapter="x"))
    with pytest.raises(Unsupported, match="seed"):
        await engine.complete(Request(HELLO.messages, Sampling(seed=1)))
    with pytest.raises(Unsupported, match="choices"):
        await engine.choose(HELLO, ["A", "B"])
    assert engine.calls == []


async def test_an_adapter_reaches_the_script_if_it_was_built_for_one() -> None:
    def reply(request: Request) -> str:
        return str(request.adapter)

    engine = Scripted(reply, capabilities=Capabilities(adapters=True))
    assert (await engine.complete(Request(HELLO.messages, adapter="./ana"))).text == "./ana"


async def test_choices_are_an_option_or_weights() -> None:
    engine = Scripted([], choices=["B", [1, 3], EngineError("no idea"), "C", [1, 2, 3]])
    assert (await engine.choose(HELLO, ["A", "B"])).probabilities == (0, 1)
    assert (await engine.choose(HELLO, ["A", "B"])).probabilities == (0.25, 0.75)
    with pytest.raises(EngineError, match="no idea"):
        await engine.choose(HELLO, ["A", "B"])
    for _ in "C", [1, 2, 3]:
        with pytest.raises(EngineError, match="does not fit the 2 options"):
            await engine.choose(HELLO, ["A", "B"])
    with pytest.raises(EngineError, match="scripted choices are used up"):
        await engine.choose(HELLO, ["A", "B"])
    assert engine.choose_calls[0] == (HELLO, ("A", "B"))


async def test_a_choice_may_depend_on_messages_and_options() -> None:
    engine = Scripted([], choices=lambda messages, options: options[len(messages) - 1])
    assert (await engine.choose(HELLO, ["A", "B"])).probabilities == (0, 1)


async def test_latency_can_be_cancelled() -> None:
    task = asyncio.create_task(Scripted(["late"], latency=60).complete(HELLO))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_calls_overlap() -> None:
    engine = Scripted([str(i) for i in range(50)], latency=0.05)
    began = time.perf_counter()
    replies = await asyncio.gather(*(engine.complete(HELLO) for _ in range(50)))
    assert [r.text for r in replies] == [str(i) for i in range(50)]
    assert time.perf_counter() - began < 1


def test_a_single_text_is_taken_for_the_slip_it_is() -> None:
    with pytest.raises(TypeError, match=r"write \['hi'\]"):
        Scripted("hi")


def test_the_name_is_its_identity() -> None:
    assert Scripted([], name="ana").identity == "scripted:ana"
