"""The child process that runs models: what is asked there, and what happens if somebody dies.

Most tests have a child that pretends to have a model; it does what the prompt says.
"""

import asyncio
import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import asdict
from pathlib import Path

import pytest

from folkmoot.engines.contract import (
    Choice,
    Completion,
    EngineError,
    Message,
    Missing,
    PromptTooLong,
    Request,
    Sampling,
)
from folkmoot.engines.decoding.local import Parts, Settings
from folkmoot.engines.decoding.remote import Remote
from folkmoot.engines.decoding.worker import request_of
from folkmoot.engines.transformers import TransformersEngine
from folkmoot.models import LocalModel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="engines stay in this process there")

PRETENDER = textwrap.dedent("""
    import os, pathlib, signal
    from concurrent.futures import Future
    from folkmoot.engines.decoding import worker
    from folkmoot.engines.contract import Choice, Completion, EngineError, Missing, PromptTooLong

    class Pretender:
        def __init__(self, parts):
            self.parts = parts

        def placed(self):
            return self.parts.settings.device, "float32"

        def submit(self, request, options, waited):
            print("noise on the standard output")
            os.system("echo noise of a program")
            future = Future()
            if request is None:
                self.parts.progress(f"load {self.parts.model().name}", 1, 2, "half")
                future.set_result(None)
            elif options:
                future.set_result(Choice((0.25, 0.75), "likelihood", 3, queue_s=0.5, service_s=0.25))
            else:
                self.answer(future, request, *request.messages[-1].content.split(" ", 1), waited)
            return future

        def answer(self, future, request, do, rest, waited):
            if do == "say":
                future.set_result(Completion(rest, "length", 7, 8, 9, waited, 0.125))
            elif do == "adapter":
                future.set_result(Completion(str(request.adapter), "stop", 1, 1))
            elif do == "wait":
                future.add_done_callback(lambda _: pathlib.Path(rest).write_text("cancelled"))
            elif do == "raise":
                future.set_exception(eval(rest))
            elif do == "signal":
                os.kill(os.getpid(), int(rest))
            elif do == "exit":
                os._exit(int(rest))
            elif do == "once" and not os.path.exists(rest):
                pathlib.Path(rest).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                future.set_result(Completion("again", "stop", 1, 1))

        def stop(self):
            pass

    worker.Local = Pretender
    worker.main()
""")


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """Makes engines whose child pretends."""
    monkeypatch.setattr("folkmoot.engines.decoding.host._WORKER", ("-c", PRETENDER))
    made = []

    def make(device="cpu", progress=lambda *_: None, find=lambda: LocalModel(tmp_path, "small", "")):
        made.append(Remote(Parts(Settings("Engine", device, "auto", 4, None, None), find, progress)))
        return made[-1]

    yield make
    for remote in made:
        remote.stop(10)


def ask(text, adapter=None, **sampling):
    return Request((Message("user", text),), Sampling(**sampling), adapter)


def reply(remote, text, **more):
    return remote.submit(ask(text, **more)).result(20)


def until(true):
    """Wait for something that another process does."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.005)


def alive(pid):
    """A zombie is not: nobody has to look after it."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    if Path("/proc/self").exists():
        return False
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def test_a_request_is_the_same_on_the_other_side():
    request = Request(
        (Message("system", "s"), Message("user", "half a character \ud83d, a whole one \u00e9")),
        Sampling(0.5, 0.9, 7, ("a", "\n"), 3),
        "/adapter",
        draw=4,
        depth=5,
    )
    assert request_of(json.loads(json.dumps(asdict(request)))) == request


def test_replies_choices_and_loading_come_back_whole(pretend):
    said = []
    remote = pretend(progress=lambda *values: said.append(values))
    assert remote.submit(None).result(20) is None
    assert said == [("load small", 1, 2, "half")]
    assert remote.placed() == ("cpu", "float32")
    got = reply(remote, "say caf\u00e9 \ud83d\n")
    assert got == Completion("caf\u00e9 \ud83d\n", "length", 7, 8, 9, got.queue_s, 0.125)
    assert remote.submit(ask("x"), ("a", "b")).result(20) == Choice(
        (0.25, 0.75), "likelihood", 3, queue_s=0.5, service_s=0.25
    )


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        ("EngineError('adapter x: no')", EngineError, "adapter x: no"),
        ("PromptTooLong('9 tokens')", PromptTooLong, "9 tokens"),
        ("Missing('no torch')", Missing, "no torch"),
        ("KeyError('k')", EngineError, "Engine: the model's process failed (KeyError: 'k')"),
    ],
)
def test_errors_keep_kind_and_text(pretend, raised, kind, text):
    with pytest.raises(kind) as error:
        reply(pretend(), f"raise {raised}")
    assert (type(error.value), str(error.value)) == (kind, text)


def test_a_model_that_cannot_be_found_is_told_and_asked_for_again(pretend, tmp_path):
    found = []

    def find():
        if not found:
            raise Missing("no network")
        return found[0]

    remote = pretend(find=find)
    with pytest.raises(Missing, match="no network"):
        reply(remote, "say a")
    found.append(LocalModel(tmp_path, "small", ""))
    assert reply(remote, "say a").text == "a"


def test_waiting_for_the_model_counts_as_waiting(pretend, tmp_path):
    def slowly():
        time.sleep(0.3)
        return LocalModel(tmp_path, "small", "")

    assert reply(pretend(find=slowly), "say a").queue_s >= 0.3


def test_paths_of_adapters_do_not_depend_on_where_the_child_lives(pretend, monkeypatch, tmp_path):
    remote = pretend()
    reply(remote, "say a")
    monkeypatch.chdir(tmp_path)
    assert reply(remote, "adapter ", adapter="mine").text == str(tmp_path / "mine")


def test_cancelling_is_told(pretend, tmp_path):
    remote = pretend()
    mark = tmp_path / "mark"
    waiting = remote.submit(ask(f"wait {mark}"))
    assert reply(remote, "say a").text == "a"
    assert not mark.exists()
    assert waiting.cancel()
    until(mark.exists)
    assert not remote.host.calls


def test_what_is_no_data_is_an_error_of_who_asks(pretend):
    remote = pretend()
    reply(remote, "say a")
    with pytest.raises(TypeError):
        remote.submit(ask(object()))
    assert reply(remote, "say a").text == "a"


class TestOneChildForADevice:
    def test_it_is_shared_and_ends_with_the_last(self, pretend):
        one, two = pretend(), pretend()
        reply(one, "say a")
        reply(two, "say a")
        child = one.host.child
        assert two.host.child == child
        one.stop()
        assert reply(two, "say b").text == "b"
        two.stop()
        assert not alive(child)
        assert reply(two, "say c").text == "c"

    def test_another_device_has_another(self, pretend):
        one, two = pretend("cpu"), pretend("cuda:1")
        reply(one, "say a")
        reply(two, "say a")
        assert one.host.child != two.host.child
        one.stop()
        assert two.placed() == ("cuda:1", "float32")

    def test_stopping_fails_what_is_under_way(self, pretend, tmp_path):
        remote = pretend()
        waiting = remote.submit(ask(f"wait {tmp_path / 'mark'}"))
        reply(remote, "say a")
        remote.stop()
        with pytest.raises(EngineError, match="Engine: the engine was closed before this request was done; ask again"):
            waiting.result(0)

    def test_stopping_while_the_model_is_looked_for(self, pretend, tmp_path):
        begun = []

        def slowly():
            begun.append(1)
            time.sleep(0.2)
            return LocalModel(tmp_path, "small", "")

        remote = pretend(find=slowly)
        waiting = remote.submit(ask("say a"))
        until(lambda: begun)
        remote.stop()
        with pytest.raises(EngineError, match="was closed"):
            waiting.result(0)
        time.sleep(0.4)
        assert remote.host is None


SIGKILL_SAYS = "killed by signal 9, mostly for lack of memory: use a smaller model or a lower max_batch"


class TestDeath:
    def test_of_an_idle_child_is_not_noticed(self, pretend):
        remote = pretend()
        reply(remote, "say a")
        first = remote.host.child
        os.kill(first, signal.SIGKILL)
        assert reply(remote, "say b").text == "b"
        assert remote.host.child != first

    def test_requests_under_way_are_asked_once_more(self, pretend, tmp_path):
        remote, other = pretend(), pretend()
        reply(other, "say a")
        waiting = [other.submit(ask(f"wait {tmp_path / 'mark'}")), remote.submit(ask(f"once {tmp_path / 'died'}"))]
        assert waiting[1].result(20).text == "again"
        until(lambda: other.host)
        assert reply(other, "say b").text == "b"
        assert not waiting[0].done()
        assert waiting[0].cancel()
        until((tmp_path / "mark").exists)
        assert other.host is remote.host

    @pytest.mark.parametrize(
        ("order", "why"),
        [
            ("signal 9", SIGKILL_SAYS),
            ("signal 11", "by signal 11: set FOLKMOOT_DEBUG=1 to see what it says"),
            ("exit 3", "with exit status 3: set FOLKMOOT_DEBUG=1 to see what it says"),
        ],
    )
    def test_a_second_one_is_told_and_the_last_until_the_engine_is_closed(self, pretend, order, why):
        remote = pretend()
        with pytest.raises(EngineError) as error:
            reply(remote, order)
        ended = "Engine: the process that runs the model ended"
        assert str(error.value) == f"{ended} while this request was under way for the second time, {why}"
        with pytest.raises(EngineError) as error:
            remote.submit(ask("say a"))
        assert str(error.value) == f"{ended} 2 times, the last time {why}; then close the engine and begin again"
        remote.stop()
        assert reply(remote, "say a").text == "a"

    def test_a_cancelled_request_is_not_asked_again(self, pretend, tmp_path):
        remote = pretend()
        remote.submit(ask("signal 9")).cancel()
        assert reply(remote, "say a").text == "a"
        waiting = remote.submit(ask(f"wait {tmp_path / 'mark'}"))
        waiting.cancel()
        os.kill(remote.host.child, signal.SIGKILL)
        assert reply(remote, "say a").text == "a"
        assert not remote.host.calls

    def test_of_a_child_that_cannot_even_start(self, pretend, monkeypatch):
        monkeypatch.setattr("folkmoot.engines.decoding.host._WORKER", ("-c", "raise SystemExit(4)"))
        with pytest.raises(EngineError, match="for the second time, with exit status 4"):
            reply(pretend(), "say a")

    def test_a_program_that_is_not_there(self, pretend, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(EngineError, match=r"cannot be started \(.*\); use process=False"):
            reply(pretend(), "say a")


def program(body):
    """A program of a user's, with a child that pretends and whose id is the first line it prints."""
    start = f"""
import os, signal, sys, time
from pathlib import Path
from folkmoot.engines.decoding import host, remote
from folkmoot.engines.contract import Message, Request
from folkmoot.engines.decoding.local import Parts, Settings
from folkmoot.models import LocalModel
host._WORKER = ("-c", {PRETENDER!r})
engine = remote.Remote(Parts(Settings("Engine", "cpu", "auto", 4, None, None), lambda: LocalModel(Path.cwd(), "m", ""), print))
def say(text):
    return engine.submit(Request((Message("user", "say " + text),))).result(20).text
say("a")
print(engine.host.child, flush=True)
"""
    return subprocess.Popen(
        [sys.executable, "-c", start + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class TestTheProgramItself:
    @pytest.mark.parametrize("debug", ["", "1"])
    def test_what_the_child_prints_is_for_who_asks_for_it(self, debug, monkeypatch):
        monkeypatch.setenv("FOLKMOOT_DEBUG", debug)
        out, err = program("").communicate(timeout=20)
        assert "noise" not in out
        assert ("noise on the standard output" in err or "noise of a program" in err) is bool(debug)

    @pytest.mark.parametrize("copy", [False, True])
    def test_killed_it_leaves_no_orphan(self, copy):
        """Not even where a forked copy of it holds the connection open."""
        fork = "other = os.fork()\nif other: print(other, flush=True)\n" if copy else ""
        run = program(f"{fork}time.sleep(60)")
        child = int(run.stdout.readline())
        other = int(run.stdout.readline()) if copy else None
        assert alive(child)
        run.kill()
        run.wait()
        until(lambda: not alive(child))
        if other is not None:
            os.kill(other, signal.SIGKILL)
        run.communicate()

    @pytest.mark.parametrize("leave", ["", "sys.exit(3)", "raise RuntimeError", "os._exit(1)"])
    def test_however_it_ends_the_child_ends_and_nothing_is_said(self, leave):
        run = program(leave)
        child = int(run.stdout.readline())
        out, err = run.communicate(timeout=20)
        until(lambda: not alive(child))
        assert out == ""
        assert "noise" not in err
        assert "Exception ignored" not in err

    def test_an_interruption_at_the_terminal_is_for_it_alone(self):
        run = program(
            """
            try:
                print("ready", flush=True)
                time.sleep(30)
            except KeyboardInterrupt:
                print(say("still there"), engine.host.child)
            """
        )
        child = int(run.stdout.readline())
        run.stdout.readline()
        os.killpg(run.pid, signal.SIGINT)
        os.kill(child, signal.SIGINT)
        out, _ = run.communicate(timeout=20)
        assert out == f"still there {child}\n"

    def test_a_copy_of_it_has_a_child_of_its_own(self):
        run = program(
            """
            sys.stdout.flush()
            if (other := os.fork()) == 0:
                print(say("copy"), engine.host.child, flush=True)
                engine.stop()
                os._exit(0)
            os.waitpid(other, 0)
            print(say("original"), engine.host.child)
            """
        )
        child = run.stdout.readline().strip()
        copy, original = run.communicate(timeout=20)[0].splitlines()
        assert original == f"original {child}"
        assert copy.split()[0] == "copy"
        assert copy.split()[1] != child


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with random weights, as a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny")
    words = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(words)}, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tok.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="</s>", pad_token="<pad>").save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        pad_token_id=0,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    for p in model.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=0.15)
    model.save_pretrained(path)
    return path


def built(folder, **more):
    return TransformersEngine(folder, **({"dtype": "float32", "device": "cpu", "threads": 1} | more))


async def test_a_child_says_what_a_thread_says(folder):
    here, there = built(folder, process=False), built(folder)
    asked = [ask(q, max_tokens=16) for q in ("a", "b c d", "x" * 90)]
    asked += [ask("a", max_tokens=16, temperature=1.0, top_p=0.9, seed=s) for s in (1, 2)]
    try:
        assert there.identity == here.identity
        replies = [
            [
                (c.text, c.finish, c.prompt_tokens, c.completion_tokens)
                for c in await asyncio.gather(*map(e.complete, asked))
            ]
            for e in (here, there)
        ]
        assert replies[0] == replies[1]
        assert len({text for text, *_ in replies[0]}) == 5
        options = ["yes", "no", "perhaps"]
        first, second = [await e.choose(asked[0], options) for e in (here, there)]
        assert second.probabilities == pytest.approx(first.probabilities)
        for wrong in (ask("y" * 600), ask("a", adapter=str(folder))):
            said = []
            for e in (here, there):
                with pytest.raises(EngineError) as error:
                    await e.complete(wrong)
                said.append((type(error.value), str(error.value)))
            assert said[0] == said[1]
    finally:
        await here.close()
        await there.close()


def test_the_program_needs_no_guard_and_holds_no_torch(folder):
    code = f"""
import asyncio, sys
from folkmoot.engines.contract import Message, Request, Sampling
from folkmoot.engines.transformers import TransformersEngine
engine = TransformersEngine({str(folder)!r})
print(engine.identity.partition(":")[0])
print(asyncio.run(engine.complete(Request((Message("user", "a"),), Sampling(max_tokens=4)))).prompt_tokens)
print([m for m in ("torch", "transformers", "peft") if m in sys.modules])
"""
    done = subprocess.run([sys.executable], input=code, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("transformers\n1\n[]\n", "")


def test_an_engine_that_nobody_holds_ends_its_child(pretend, tmp_path):
    engine = built(tmp_path)
    engine._parts._known["model"] = LocalModel(tmp_path, "small", "")
    asyncio.run(engine.start())
    child = engine._runner.host.child
    assert alive(child)
    del engine
    gc.collect()
    until(lambda: not alive(child))


def test_under_fire_every_request_gets_an_answer_or_an_error(pretend, tmp_path):
    """Threads ask, cancel and close while the child is killed again and again: nobody waits for ever."""
    engines = [pretend(), pretend()]
    outcomes = []

    def use(seed):
        pick = random.Random(seed)
        for i in range(60):
            engine = pick.choice(engines)
            try:
                future = engine.submit(ask(f"say {i}"))
                if pick.random() < 0.2:
                    future.cancel()
                if pick.random() < 0.05:
                    engine.stop()
                outcomes.append(future.result(30).text == str(i))
            except (EngineError, CancelledError):
                outcomes.append(True)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        host = engines[0].host
        if host is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(host.child, signal.SIGKILL)
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 240
