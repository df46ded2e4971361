"""The sentence encoder: batches, memory, and what it means by alike."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from folkmoot.door import through
from folkmoot.engines import encoder as module
from folkmoot.engines.contract import Missing
from folkmoot.engines.encoder import SentenceEncoder
from folkmoot.engines.scripted import Scripted
from folkmoot.participant import Participant
from folkmoot.routing import Similarity


class Letters(SentenceEncoder):
    """Counts letters in place of running a model; everything around that is the real encoder."""

    def __init__(self) -> None:
        super().__init__("none")
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.go.set()
        self.fail = False

    def _encode(self, texts: Sequence[str]) -> Any:
        self.go.wait(10)
        self.batches.append(list(texts))
        if self.fail:
            raise RuntimeError("no memory")
        counts = np.array([[t.count(c) for c in "abcdefgh"] for t in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


async def test_similarities_come_in_the_order_of_the_others() -> None:
    assert await Letters().similarities("ab", ["ab", "b", "c", "aab"]) == pytest.approx([1, 0.707, 0, 0.949], abs=1e-3)
    assert await Letters().similarities("ab", []) == []


async def test_what_many_ask_at_the_same_time_is_one_batch_and_each_text_is_encoded_once() -> None:
    letters = Letters()
    letters.go.clear()
    asked = [asyncio.create_task(letters.similarities("a" * (i % 40 + 1), ["b", "c"])) for i in range(200)]
    await asyncio.sleep(0.05)
    letters.go.set()
    await asyncio.gather(*asked)
    texts = [t for batch in letters.batches for t in batch]
    assert len(texts) == len(set(texts)) == 42
    assert len(letters.batches) <= 3


async def test_a_batch_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    letters = Letters()
    letters.go.clear()
    asked = asyncio.create_task(letters.similarities("a", [f"b{i}" for i in range(20)]))
    await asyncio.sleep(0.05)
    letters.go.set()
    await asked
    assert max(map(len, letters.batches)) == 4


async def test_the_event_loop_does_not_wait() -> None:
    letters = Letters()
    letters.go.clear()
    asked = asyncio.create_task(letters.similarities("a", ["b"]))
    for _ in range(5):
        await asyncio.sleep(0)  # would never come back
    assert not asked.done()
    letters.go.set()
    assert await asked == [0.0]


async def test_a_failure_is_told_to_all_who_wait_and_the_next_one_tries_again() -> None:
    letters = Letters()
    letters.fail = True
    found = await asyncio.gather(*(letters.similarities("a", ["b"]) for _ in range(3)), return_exceptions=True)
    assert {str(e) for e in found} == {"no memory"}
    letters.fail = False
    assert await letters.similarities("a", ["b"]) == [0.0]


async def test_who_is_cancelled_takes_nothing_from_others() -> None:
    letters = Letters()
    letters.go.clear()
    first = asyncio.create_task(letters.similarities("a", ["b"]))
    second = asyncio.create_task(letters.similarities("a", ["b"]))
    await asyncio.sleep(0.01)
    first.cancel()
    letters.go.set()
    assert await second == [0.0]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_several_event_loops_may_ask() -> None:
    letters = Letters()
    other = await asyncio.to_thread(lambda: through(letters.similarities("ab", ["a"])))
    assert other == await letters.similarities("ab", ["a"])
    assert sum(map(len, letters.batches)) == 2


async def test_the_longest_unasked_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    letters = Letters()
    for text in ("a", "b", "c", "a", "d", "a", "b"):
        await letters.similarities(text, [])
    assert [t for batch in letters.batches for t in batch] == ["a", "b", "c", "d", "b"], "a was asked again in time"


async def test_a_model_that_cannot_be_had_is_missing_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("FOLKMOOT_NO_HUB", "1")
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path))
    absent = SentenceEncoder("nobody/nothing")
    with pytest.raises(Missing, match="nobody/nothing: the hub is switched off"):
        await absent.start()
    with pytest.raises(Missing, match="nobody/nothing"):
        _ = absent.identity
    with pytest.raises(Missing, match="nobody/nothing"):
        await absent.similarities("a", ["b"])


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.mark.real
async def test_the_encoder_of_the_catalogue_gives_the_published_figures(minilm: SentenceEncoder) -> None:
    await minilm.start()
    assert minilm.identity.endswith(":mean-256")
    first, second, third = "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."
    assert await minilm.similarities(first, [first, second, third]) == pytest.approx([1, 0.6660, 0.1046], abs=2e-3)
    assert await minilm.similarities(second, [third]) == pytest.approx([0.1411], abs=2e-3)


@pytest.mark.real
async def test_a_text_has_the_same_vector_in_any_batch(minilm: SentenceEncoder) -> None:
    pair = "How many cups are three pints?", "Pints and cups."
    alone = await SentenceEncoder().similarities(pair[0], [pair[1]])
    among = await minilm.similarities(pair[0], [pair[1], "word " * 400, "x"])
    assert among[0] == pytest.approx(alone[0], abs=1e-5)


PURPOSES = {
    "cook": ("Scales recipes and converts kitchen measures.", "How many cups of flour do I need for six people?"),
    "clerk": ("Bookkeeping: debit, credit and balances.", "We paid the supplier in cash. Which account is credited?"),
    "medic": ("First-aid triage: how urgent an injury is.", "A woman has a deep cut in her leg. How urgent is it?"),
    "roman": ("Roman numerals.", "What is MCMXCIV in digits?"),
    "trains": (
        "Timetables, departures and journey times.",
        "The train leaves at 9:40 and takes 35 minutes. When does it arrive?",
    ),
    "guide": ("Local knowledge of the village of Pellbrook.", "When does the bakery in Pellbrook open?"),
}


@pytest.mark.real
async def test_it_routes_obvious_questions_among_six_purposes(minilm: SentenceEncoder) -> None:
    team = [Participant(name, Scripted([]), purpose=purpose) for name, (purpose, _) in PURPOSES.items()]
    router = Similarity(minilm)
    began = time.monotonic()
    for name, (_, question) in PURPOSES.items():
        scores = await router.scores(question, team)
        assert team[scores.index(max(scores))].name == name, (question, scores)
    assert time.monotonic() - began < 30
