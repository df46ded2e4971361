"""Who joins, who leaves, and what happens when a step goes wrong: the batcher with a decoder that counts."""

import threading
import time
from concurrent.futures import wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.engines.contract import EngineError, Sampling
from folkmoot.engines.decoding.admission import PATIENCE_S, PREFILL_TOKENS, admit, prefills, turn
from folkmoot.engines.decoding.batching import Batcher
from folkmoot.engines.decoding.job import Job, Watch
from folkmoot.engines.decoding.turnstile import Turnstile, turnstile

END = 0


def text(ids):
    return "".join(chr(i) for i in ids)


def job(prompt="ab", n=4, **kwargs):
    return Job([ord(c) for c in prompt], Sampling(max_tokens=n, **kwargs.pop("sampling", {})), text, **kwargs)


class Counting:
    """Says the letter after the last one of each row; ends after z. Every call is noted; `gate` holds a step up.

    With an adapter it is the letter after that. Those in `alone` do not mix with others.
    """

    def __init__(self, joins=True, room=10**6, fails=(), alone=()):
        self.joins, self.room, self.turnstile = joins, room, Turnstile()
        self.rows, self.log, self.fails = 0, [], list(fails)
        self.closed, self.alone, self.worn = False, alone, []
        self.gate = threading.Semaphore(10**6)

    def company(self, adapter):
        if adapter == "broken":
            raise EngineError("adapter broken: no")
        return adapter if adapter in self.alone else "mixes"

    def _say(self, kind, last, worn):
        self.gate.acquire()
        self.log.append((kind, len(last)))
        for i, (when, error) in enumerate(self.fails):
            if when(kind, self.rows + (len(last) if kind == "add" else 0)):
                del self.fails[i]
                raise error
        return [END if i >= ord("z") else i + 1 + (a is not None) for i, a in zip(last, worn, strict=True)]

    def add(self, prompts, draws, adapters):
        assert len(prompts) == len(draws)
        tokens = self._say("add", [p[-1] for p in prompts], adapters)
        self.rows += len(prompts)
        self.worn += adapters
        assert len({a if a in self.alone else "mixes" for a in self.worn}) == 1
        return tokens

    def step(self, last, draws):
        assert len(last) == len(draws) == self.rows
        return self._say("step", last, self.worn)

    def drop(self, gone):
        order = [i for i in range(self.rows) if i not in gone][::-1]  # any order will do
        self.rows, self.worn = len(order), [self.worn[i] for i in order]
        return order

    def score(self, prompts, options, adapters):
        self.log.append(("score", sum(map(len, options))))
        signs = [-1.0 if a is None else 1.0 for a in adapters]
        return [[sign * float(o[0]) for o in some] for sign, some in zip(signs, options, strict=True)]

    def clear(self):
        self.rows, self.worn = 0, []

    def close(self):
        self.closed = True


def run(decoder, jobs, max_batch=8):
    """Outcomes of jobs that all wait when the batcher begins."""
    decoder.gate = threading.Semaphore(0)
    batcher = Batcher(lambda: decoder, "counting", max_batch)
    batcher.up.result(5)
    with batcher._news:
        for j in jobs:
            batcher.submit(j)
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


@pytest.mark.parametrize(("alone", "batches"), [((), 1), (("plus",), 2), (("plus", "more"), 3)])
def test_rows_have_their_own_adapters_and_those_that_mix_run_together(alone, batches):
    decoder = Counting(alone=alone)
    wanted = [None, "plus", "more"] * 2
    done = run(decoder, [job("am"[i // 3], 2, adapter=a) for i, a in enumerate(wanted)])
    assert [c.text for c in done] == ["bc", "ce", "ce", "no", "oq", "oq"]
    assert sum(kind == "add" for kind, _ in decoder.log) == batches


def test_a_broken_adapter_fails_its_requests_only():
    done = run(Counting(), [job("a", 2), *(job("a", 2, adapter="broken") for _ in range(2)), job("m", 2)])
    assert [done[0].text, done[3].text] == ["bc", "no"]
    assert [str(d) for d in done[1:3]] == ["adapter broken: no"] * 2


def test_an_adapter_that_breaks_while_its_rows_run_fails_only_who_comes_later():
    class Breaking(Counting):
        def company(self, adapter):
            if adapter == "gone" and self.log:
                raise MemoryError
            return "mixes"

    done = run(Breaking(), [job("a", 9, adapter="gone"), job("a", 9), job("m", 2, adapter="gone")], max_batch=2)
    assert [done[0].text, done[1].text] == ["cegikmoqs", "bcdefghij"]
    assert "not enough memory" in str(done[2])


def test_deeper_discussions_go_first():
    jobs = [job(letter, 1, depth=depth) for letter, depth in (("a", 0), ("b", 1), ("c", 0), ("d", 2), ("e", 1))]
    ends = []
    for j in jobs:
        j.future.add_done_callback(lambda f: ends.append(f.result().text))
    run(Counting(), jobs, max_batch=1)
    assert ends == ["e", "c", "f", "b", "d"]


def test_choices_are_scored_beside_the_running_rows():
    asked = [job("a", 3), job("a", options=[[1], [2]]), job("b", options=[[5]])]
    done = run(Counting(), [*asked, job("a", options=[[1], [2]], adapter="turns")])
    assert done[0].text == "bcd"
    assert done[1].probabilities == pytest.approx((0.731, 0.269), abs=1e-3)
    assert done[2].probabilities == (1.0,)
    assert done[3].probabilities == pytest.approx((0.269, 0.731), abs=1e-3)
    assert (done[1].method, done[1].prompt_tokens, done[1].completion_tokens) == ("likelihood", 1, 0)


def test_times_are_of_waiting_and_of_work():
    class Slow(Counting):
        def _say(self, kind, last, worn):
            time.sleep(0.02)
            return super()._say(kind, last, worn)

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


def test_admission_keeps_to_one_company_and_changes_in_the_end():
    a, b = job(adapter="a"), job(adapter="b")
    limits = {"limit": 8, "room": 10**6}
    assert admit([b, a, b], [], **limits) == [b, b]
    assert admit([b, a], [a], **limits, batch="a", age=1) == [a]
    assert admit([b, a], [a], **limits, batch="a", age=PATIENCE_S + 1) == []
    assert admit([a, b], [a], **limits, batch="a", age=PATIENCE_S + 1) == [a], "the first in line may join"
    assert admit([b, a], [a], **limits, batch="all", company=lambda _: "all") == [b, a]


def test_admission_asks_only_about_adapters_that_may_start():
    asked = []
    jobs = [job(adapter=str(i)) for i in range(9)]
    assert len(admit(jobs, [], limit=3, room=10**6, company=lambda a: asked.append(a))) == 3
    assert set(asked) == {"0", "1", "2"}


QUEUES = st.lists(
    st.builds(
        lambda prompt, n, depth, adapter, options: job(
            "x" * prompt, n, depth=depth, adapter=adapter, options=[[1]] * options
        ),
        st.integers(1, 3000),
        st.integers(1, 500),
        st.integers(0, 3),
        st.sampled_from([None, "a", "alone"]),
        st.sampled_from([0, 0, 0, 2, 5]),
    ),
    max_size=30,
)


class TestAdmissionOfAnyQueue:
    def admitted(self, queue, limit, room, running=()):
        waiting = sorted(queue, key=turn)
        company = {None: 1, "a": 1, "alone": 2}.get
        batch = company(running[0].adapter) if running else None
        return waiting, admit(waiting, running, limit=limit, room=room, company=company, batch=batch)

    @given(QUEUES, st.integers(1, 12), st.integers(1, 20_000))
    def test_nobody_overtakes_an_equal_or_a_deeper_one(self, queue, limit, room):
        waiting, new = self.admitted(queue, limit, room)
        mixing = [j for j in waiting if (j.adapter == "alone") == (waiting[0].adapter == "alone")]
        assert new == mixing[: len(new)]
        assert bool(new) == bool(queue)

    @given(QUEUES, st.integers(1, 12), st.integers(1, 20_000))
    def test_what_is_admitted_fits(self, queue, limit, room):
        _, new = self.admitted(queue, limit, room)
        rows = sum(j.rows for j in new)
        assert len(new) <= 1 or (rows <= limit and rows * max(j.longest for j in new) <= room)

    @given(QUEUES, st.integers(1, 4))
    def test_everybody_is_served_in_the_order_of_the_queue(self, queue, limit):
        left, served = queue, []
        while left:
            waiting, new = self.admitted(left, limit, 10**6)
            assert new[0] is waiting[0], "the first in line is never passed over"
            served += new
            left = [j for j in left if j not in new]
        of_company = [j for j in served if j.adapter == "alone"]
        assert of_company == sorted(of_company, key=turn)


def test_prompts_are_computed_in_groups_of_about_one_length():
    jobs = [job("x" * n) for n in (10, 500, 20, 480, 12)]
    assert [[j.tokens for j in group] for group in prefills(jobs)] == [[500, 480], [20, 12, 10]]
    many = [job(letter * (PREFILL_TOKENS // 4)) for letter in "abcdefghi"]
    assert [len(g) for g in prefills(many)] == [4, 4, 1]


def test_equal_prompts_are_computed_together_however_many_tokens_they_are():
    drawn, other = [job("x" * 300) for _ in range(16)], job("x" * 299 + "y")
    theirs = [job("x" * 300, adapter="a") for _ in range(3)]
    assert prefills([other, *drawn, *theirs]) == [drawn, theirs, [other]]
    few = [job("x" * 20) for _ in range(3)]
    assert prefills([*few, job("y" * 20)])[0][:3] == few, "not worth a pass of its own"
    judged = [job("x" * 300, options=[[1]]) for _ in range(16)]
    assert max(map(len, prefills(judged))) == PREFILL_TOKENS // 300


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
