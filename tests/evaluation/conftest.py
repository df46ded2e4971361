"""A small run made by hand, with what models and data sets can do wrong in it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.store import RunStore

HOSTILE = '=HYPERLINK("http://x")\x1b[31m red \u202egnp.exe [bold]no[/bold] </script>,"quoted"\nnext\x00 line \ud800'
ITEMS = (
    Item("1", "Which? A) a B) b", AnswerType("choice", ("a", "b")), ("A",), "picks", cluster="page 1"),
    Item("1", "3 + 4 = ?", AnswerType("number"), ("7",), "sums"),
    Item("=2+3", "Minus three?\x1b[2J", AnswerType("number"), ("-3", "-3.0"), "sums"),
    Item("../x", "@SUM(1)", AnswerType("number"), ("5",), "sums"),
)
KINDS = {"ana": "member", "bo": "member", "debate": "graph", "big": "monolith"}
ANSWERS = {  # of ana, bo, debate, big on each item; None: nothing could be read
    ("picks", "1"): ("B", "B", "A", "A"),
    ("sums", "1"): ("7", "8", "8", "7"),
    ("sums", "=2+3"): ("-3", None, "-3", "-3"),
    ("sums", "../x"): ("1", "2", "fails", "missing"),
}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run: one sample is missing, and in one a call failed. Replies are as long as `times` says."""

    def make(name: str = "run", draws: int = 1, times: int = 1) -> Path:
        folder = tmp_path / name
        results = [r for draw in range(draws) for r in _results(draw, times)]
        with RunStore(folder) as store:
            store.ask(ITEMS)
            store.plan([r.key for r in results] + ["a sample that is missing"])
            for r in results:
                store.add(r)
            store.write_json(
                "manifest.json",
                {
                    "title": "small",
                    "command": "folkmoot eval run small",
                    "kinds": KINDS,
                    "planned": {"picks": 1, "sums": 3},
                    "draws": draws,
                    "seed": 3,
                    "margin": 0.05,
                    "sampling": {"temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "stop": [], "seed": None},
                    "versions": {"folkmoot": "0"},
                    "date": "2026-11-22T10:00:00+00:00",
                },
            )
        return folder

    return make


def _results(draw: int, times: int) -> list[Result]:
    found = []
    for item in ITEMS:
        for system, said in zip(KINDS, ANSWERS[item.task, item.id], strict=True):
            if said == "missing":
                continue
            answer = None if said == "fails" else said
            score = float(answer in item.gold)
            turns = [_turn(system, answer, draw, times)]
            if system == "debate":
                turns = [
                    _turn(who, what, draw, times, round)
                    for who, what, round in (("ana", "B", 0), ("bo", answer, 0), ("ana", answer, 1))
                ]
            if said == "fails":
                turns = [Turn("ana", error="connection refused\x1b[31m"), Turn("bo", error="connection refused")]
            found.append(
                Result(
                    key=hashlib.sha256(f"{item.task} {item.id} {system} {draw}".encode()).hexdigest(),
                    system=system,
                    task=item.task,
                    item=item.id,
                    draw=draw,
                    question=item.question,
                    gold=item.gold,
                    outcome="error" if said == "fails" else "scored" if answer is not None else "unparsed",
                    answer=answer,
                    score=score,
                    turns=tuple(turns),
                    decision=None if said == "fails" else Decision(answer, "vote", why="1 of 1"),
                    seconds=1.5,
                    error="nobody answered" if said == "fails" else None,
                    marks=tuple(None if t.answer is None else float(t.answer in item.gold) for t in turns),
                )
            )
    return found


def _turn(speaker: str, answer: str | None, draw: int, times: int, round: int = 0) -> Turn:
    return Turn(
        speaker,
        text=f"{HOSTILE * times}\nAnswer: {answer}",
        answer=answer,
        round=round,
        draw=draw,
        prompt=(Message("system", "Be brief."), Message("user", f"What?\n{HOSTILE}")),
        finish="stop",
        prompt_tokens=10,
        cached_tokens=4,
        completion_tokens=5,
        service_s=0.5,
    )
