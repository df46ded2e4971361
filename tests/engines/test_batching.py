"""Who joins, who leaves, and what happens when a step goes wrong: the batcher with a decoder that counts."""

import threading
import time
from concurrent.futures import wait

import pytest

from folkmoot.engines.admission import PATIENCE_S, PREFILL_TOKENS, admit, prefills
from folkmoot.engines.batching import Batcher
from folkmoot.engines.contract import EngineError, Sampling
from folkmoot.engines.job import Job, Watch
from folkmoot.engines.turnstile import Turnstile, turnstile

END = 0


def text(ids):
    return "".join(chr(i) for i in ids)


def job(prompt="ab", n=4, **kwargs):
    return Job([ord(c) for c in prompt], Sampling(max_tokens=n, **kwargs.pop("sampling", {})), text, **kwargs)


class Counting:
    """Says the letter after the last one of each row; ends after z. Every call is noted; `gate` holds a step up."""

    def __init__(self, joins=True, room=10**6, fails=()):
        self.joins, self.room, self.turnstile = joins, room, Turnstile()
        self.rows, self.log, self.fails = 0, [], list(fails)
        self.adapter, self.closed = None, False
        self.gate = threading.Semaphore(10**6)

    def use(self, adapter):
        if adapter == "broken":
            raise EngineError("adapter broken: no")
        self.adapter = adapter

    def _say(self, kind, last):
        self.gate.acquire()
        self.log.append((kind, len(last)))
        for i, (when, error) in enumerate(self.fails):
            if when(kind, self.rows + (len(last) if kind == "add" else 0)):
                del self.fails[i]
                raise error
        shift = 0 if self.adapter is None else 1
        return [END if i >= ord("z") else i + 1 + shift for i in last]

    def add(self, prompts, draws):
        assert len(prompts) == len(draws)
        tokens = self._say("add", [p[-1] for p in prompts])
        self.rows += len(prompts)
        return tokens

    def step(self, last, draws):
        assert len(last) == len(draws) == self.rows
        return self._say("step", last)

    def drop(self, gone):
        order = [i for i in range(self.rows) if i not in gone][::-1]  # any order will do
        self.rows = len(order)
        return order

    def score(self, prompts, options):
        self.log.append(("score", sum(map(len, options))))
        return [[-float(o[0]) for o in some] for some in options]

    def clear(self):
        self.rows = 0

    def close(self):
        self.closed = True


def run(decoder, jobs, max_batch=8):
    """Outcomes of jobs that all wait when the batcher begins."""
    decoder.gate = threading.Semaphore(0)
    batcher = Batcher(lambda: decoder, "counting", max_batch)
    batcher.up.result(5)
    with batcher._news:
        for j in jobs:
            batcher._waiting.append(j)
        batcher._news.notify()
    decoder.gate.release(10**6)
    wait([j.future for j in jobs], timeout=10)
    batcher.stop()
    return [j.future.exception() or j.future.result() for j in jobs]


def test_rows_of_different_length_end_one_by_one():
    jobs = [job("a", 2), job("bc", 5), job("x", 9, eos=frozenset({END})), job("d", 1)]
    decoder = Counting()
    done = run(decoder, jobs)
    assert [(c.text, c.finish) for c in done] == [
        ("bc", "length"),
        ("defgh", "length"),
        ("yz", "stop"),
        ("e", "length"),
    ]
    assert [c.prompt_tokens for c in done] == [1, 2, 1, 1]
    assert [c.completion_tokens for c in done] == [2, 5, 3, 1]
    assert decoder.log == [("add", 4), ("step", 3), ("step", 2), ("step", 1), ("step", 1)]


def test_newcomers_join_a_running_batch():
    decoder = Counting()
    decoder.gate = threading.Semaphore(0)
    batcher = Batcher(lambda: decoder, "counting", 8)
    first, second = job("a", 6), job("k", 3)
    batcher.submit(first)
    decoder.gate.release(3)  # one prompt, two steps
    while len(decoder.log) < 3:
        time.sleep(0.001)
    batcher.submit(second)
    decoder.gate.release(100)
    assert first.future.result(5).text == "bcdefg"
    assert second.future.result(5).text == "lmn"
    assert decoder.log[:3] == [("add", 1), ("step", 1), ("step", 1)]
    assert ("step", 2) in decoder.log
    batcher.stop()


def test_a_decoder_without_joining_finishes_its_batch_first():
    decoder = Counting(joins=False)
    done = run(decoder, [job("a", 3), job("b" * 200, 3), job("c", 3)])
    assert [c.text for c in done] == ["bcd", "cde", "def"]
    assert [n for kind, n in decoder.log if kind == "add"] == [3]


def test_a_cancelled_request_leaves_its_place():
    decoder = Counting()
    decoder.gate = threading.Semaphore(0)
    batcher = Batcher(lambda: decoder, "counting", 2)
    stays, goes, comes = job("a", 9), job("a", 9), job("q", 2)
    for j in (stays, goes, comes):
        batcher.submit(j)
    decoder.gate.release(2)
    while len(decoder.log) < 2:
        time.sleep(0.001)
    goes.future.cancel()
    decoder.gate.release(100)
    assert comes.future.result(5).text == "rs"
    assert stays.future.result(5).text == "bcdefghij"
    assert max(n for _, n in decoder.log) == 2
    batcher.stop()


@pytest.mark.parametrize("joins", [True, False])
def test_out_of_memory_halves_the_batch_and_nobody_notices(joins):
    too_many = [(lambda kind, rows: rows > 3, MemoryError())] * 9
    done = run(Counting(joins=joins, fails=too_many), [job("a", 5) for _ in range(10)])
    assert [c.text for c in done] == ["bcdef"] * 10


def test_out_of_memory_in_the_middle_goes_on_where_it_was():
    decoder = Counting(fails=[(lambda kind, rows: kind == "step" and len(decoder.log) == 4, MemoryError())])
    done = run(decoder, [job("a", 6), job("h", 6)])
    assert [c.text for c in done] == ["bcdefg", "ijklmn"]


def test_one_row_too_many_fails_only_that_one():
    decoder = Counting(fails=[(lambda kind, rows: rows > 0, MemoryError())] * 2)
    done = run(decoder, [job("a", 2), job("b", 2)])
    assert sorted(type(c).__name__ for c in done) == ["Completion", "EngineError"]
    assert "not enough memory even for one request of 1 tokens" in str(
        next(c for c in done if isinstance(c, Exception))
    )


def test_a_crash_fails_what_is_in_flight_and_the_engine_goes_on():
    decoder = Counting(fails=[(lambda kind, rows: kind == "step", RuntimeError("boom\nlong story"))])
    batcher = Batcher(lambda: decoder, "counting", 8)
    first = job("a", 3)
    batcher.submit(first)
    with pytest.raises(EngineError, match=r"counting: a step failed \(RuntimeError: boom\); this request is lost"):
        first.future.result(5)
    again = job("a", 3)
    batcher.submit(again)
    assert again.future.result(5).text == "bcd"
    batcher.stop()


def test_a_row_without_numbers_fails_alone_and_leaves_nothing_behind():
    class Sick(Counting):
        def step(self, last, draws):
            return [-1 if i >= ord("p") else i + 1 for i in last]

        def clear(self):
            self.log.append(("clear", self.rows))
            super().clear()

    decoder = Sick()
    done = run(decoder, [job("a", 3), job("q", 3)])
    assert done[0].text == "bcd"
    assert "not a number" in str(done[1])
    assert ("clear", 1) in decoder.log, "what is no number must not stay in memory"


def test_one_batch_has_one_adapter():
    done = run(Counting(), [job("a", 2), job("a", 2, adapter="plus"), job("m", 2), job("m", 2, adapter="plus")])
    assert [c.text for c in done] == ["bc", "ce", "no", "oq"]


def test_a_broken_adapter_fails_its_requests_only():
    done = run(Counting(), [job("a", 2), job("a", 2, adapter="broken"), job("m", 2)])
    assert [done[0].text, str(done[1]), done[2].text] == ["bc", "adapter broken: no", "no"]


def test_choices_are_scored_beside_the_running_rows():
    done = run(Counting(), [job("a", 3), job("a", options=[[1], [2]]), job("b", options=[[5]])])
    assert done[0].text == "bcd"
    assert done[1].probabilities == pytest.approx((0.731, 0.269), abs=1e-3)
    assert done[2].probabilities == (1.0,)
    assert (done[1].method, done[1].prompt_tokens, done[1].completion_tokens) == ("likelihood", 1, 0)


def test_times_are_of_waiting_and_of_work():
    class Slow(Counting):
        def _say(self, kind, last):
            time.sleep(0.02)
            return super()._say(kind, last)

    first, second = run(Slow(), [job("a", 5), job("b", 5)], max_batch=1)
    assert second.queue_s >= first.queue_s + 0.1
    assert min(first.service_s, second.service_s) >= 0.1


def test_closing_fails_what_is_left_and_frees_the_model():
    decoder = Counting()
    decoder.gate = threading.Semaphore(2)
    batcher = Batcher(lambda: decoder, "counting", 1)
    running, waiting = job("a", 50), job("b", 5)
    batcher.submit(running)
    batcher.submit(waiting)
    while len(decoder.log) < 2:
        time.sleep(0.001)
    threading.Timer(0.05, decoder.gate.release, (1,)).start()
    batcher.stop()
    for j in (running, waiting):
        with pytest.raises(EngineError, match="closed before this request was done"):
            j.future.result(1)
    assert decoder.closed
    assert batcher.ended
    with pytest.raises(EngineError, match="closed"):
        batcher.submit(job())


def test_a_model_that_does_not_load_says_so_to_all_who_wait():
    def load():
        raise EngineError("no such model")

    batcher = Batcher(load, "counting", 1)
    for _ in range(2):
        with pytest.raises(EngineError, match="no such model"):
            batcher.up.result(5)
    batcher.stop()
    assert batcher.ended


def test_engines_on_one_device_take_turns():
    """Two batchers on one turnstile: both get on, and never at the same time."""
    inside, worst = [0], [0]

    class Guarded(Counting):
        def step(self, last, draws):
            inside[0] += 1
            worst[0] = max(worst[0], inside[0])
            time.sleep(0.002)
            inside[0] -= 1
            return [ord("a")] * len(last)

    device = Turnstile()
    decoders = [Guarded(), Guarded()]
    jobs = []
    batchers = []
    for decoder in decoders:
        decoder.turnstile = device
        batcher = Batcher(lambda d=decoder: d, "guarded", 4)
        batchers.append(batcher)
        jobs.append(job("a", 400))
        batcher.submit(jobs[-1])
    ends = []
    for j in jobs:
        j.future.add_done_callback(lambda _: ends.append(time.monotonic()))
    assert all(j.future.result(20).completion_tokens == 400 for j in jobs)
    assert worst[0] == 1
    alone = min(j.future.result().service_s for j in jobs) / 2
    assert ends[1] - ends[0] < alone, "neither waited for the other to be through"
    for batcher in batchers:
        batcher.stop()


def test_a_turnstile_serves_in_order_of_arrival():
    gate, order = Turnstile(), []

    def pass_through(i):
        with gate:
            order.append(i)

    with gate:
        assert not gate.contended
        threads = []
        for i in range(5):
            threads.append(threading.Thread(target=pass_through, args=(i,)))
            threads[-1].start()
            while gate._next < i + 2:
                time.sleep(0.0005)
        assert gate.contended
    for t in threads:
        t.join(5)
    assert order == list(range(5))
    assert turnstile("cpu") is turnstile("cpu")
    assert turnstile("cpu") is not turnstile("cuda:1")


WORDS = {"short": "a" * 10, "long": "a" * 2000}


@pytest.mark.parametrize(
    ("waiting", "running", "options", "admitted"),
    [
        pytest.param(["short"] * 5, [], {"limit": 3}, 3, id="as many as there are places"),
        pytest.param(["short"] * 5, ["short"] * 2, {"limit": 3}, 1, id="places taken"),
        pytest.param(["short"] * 5, ["short"], {"joins": False}, 0, id="nobody may join"),
        pytest.param(["short"] * 50, [], {"room": 200}, 14, id="memory: rows times the longest"),
        pytest.param(["long"], [], {"room": 200}, 1, id="one always may, however long"),
        pytest.param(["short", "long", "short"], [], {"room": 2500}, 1, id="nobody overtakes one that does not fit"),
        pytest.param(["long"] + ["short"] * 31, [], {}, 8, id="no long row among many short ones"),
        pytest.param(["long"] * 8 + ["short"] * 4, [], {}, 12, id="a little padding is cheaper than waiting"),
    ],
)
def test_admission(waiting, running, options, admitted):
    chosen = admit(
        [job(WORDS[w]) for w in waiting],
        [job(WORDS[w]) for w in running],
        **({"limit": 32, "room": 10**6} | options),
    )
    assert len(chosen) == admitted


def test_admission_keeps_to_one_adapter_and_changes_in_the_end():
    a, b = job(adapter="a"), job(adapter="b")
    limits = {"limit": 8, "room": 10**6}
    assert admit([b, a, b], [], **limits) == [b, b]
    assert admit([b, a], [a], **limits, age=1) == [a]
    assert admit([b, a], [a], **limits, age=PATIENCE_S + 1) == []
    assert admit([a, a], [a], **limits, age=PATIENCE_S + 1) == [a, a]


def test_prompts_are_computed_in_groups_of_about_one_length():
    jobs = [job("x" * n) for n in (10, 500, 20, 480, 12)]
    assert [[j.tokens for j in group] for group in prefills(jobs)] == [[500, 480], [20, 12, 10]]
    many = [job("x" * (PREFILL_TOKENS // 4)) for _ in range(9)]
    assert [len(g) for g in prefills(many)] == [4, 4, 1]


@pytest.mark.parametrize(
    ("stops", "pieces", "at"),
    [
        (("END",), ["abc", "EN", "D", "x"], 2),
        (("END",), ["abcENDx"], 0),
        (("\n\n",), ["a\n", "\nb"], 1),
        (("é",), [b"caf", b"\xc3", b"\xa9", b"s"], 2),
        (("ff",), [b"caf\xc3", b"\xa9f", b"f"], 2),
        (("x", "longer stop"), ["long", "er st", "op"], 2),
        (("x", "longer stop"), ["long", "x"], 1),
        ((), ["abc"], None),
    ],
)
def test_stop_strings_are_seen_across_tokens(stops, pieces, at):
    raw = [p if isinstance(p, bytes) else p.encode() for p in pieces]
    watch = Watch(stops, lambda ids: b"".join(raw[i] for i in ids).decode(errors="replace"))
    seen = [i for i in range(len(pieces)) if watch.sees(list(range(i + 1)))]
    assert (seen[0] if seen else None) == at


def test_a_stop_string_decodes_only_what_is_new():
    asked = []

    def decode(ids):
        asked.append(len(ids))
        return text(ids)

    watch = Watch(("§",), decode)
    ids = []
    for _ in range(200):
        ids.append(ord("a"))
        assert not watch.sees(ids)
    assert max(asked) <= 2


def test_a_reply_ends_before_the_first_stop_string_and_inside_no_character():
    assert run(Counting(), [job("a", 20, sampling={"stop": ("fg", "de")})])[0].text == "bc"

    def cut(ids):
        return text(ids) + "\ufffd"

    limited = Job([ord("a")], Sampling(max_tokens=2), cut)
    assert run(Counting(), [limited])[0].text == "bc"


def test_draws_repeat_with_the_seed_and_differ_without():
    def lucks(seed):
        j = job(sampling={"temperature": 1.0, "seed": seed})
        return [(j.draw().luck, j.push(65))[0] for _ in range(3)]

    assert lucks(7) == lucks(7)
    assert len({luck for seed in (7, -7, 8, None, None) for luck in lucks(seed)}) == 15
    assert job(sampling={"seed": 7}).draw() == (0.0, 1.0, 0.0)
    again = job(sampling={"temperature": 1.0, "seed": 7})
    assert again.draw() == again.draw(), "a step that failed and is repeated"
