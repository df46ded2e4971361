"""Authorship and cost, counted by hand."""

from dataclasses import replace

from folkmoot import AnswerType
from folkmoot.discussion import Decision, Turn
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.worth.shares import Ledger

NUMBER = AnswerType("number")


def sample(item: str, said: dict[str, str | None], answer: str | None, gold: str = "7", draw: int = 0) -> Result:
    turns = tuple(
        Turn(who, text=str(a), answer=a, prompt_tokens=10 if who == "ana" else 30, completion_tokens=10, service_s=1.0)
        for who, a in said.items()
    )
    return Result(
        key=f"{item} {draw}",
        system="vote",
        task="t",
        item=item,
        draw=draw,
        question="?",
        gold=(gold,),
        outcome="scored" if answer is not None else "unparsed",
        answer=answer,
        score=float(answer == gold),
        turns=turns,
        decision=Decision(answer, "vote"),
        seconds=1.0,
        marks=tuple(None if a is None else float(a == gold) for a in said.values()),
    )


def test_whose_draft_became_the_answer_and_was_it_right() -> None:
    ledger = Ledger("vote", ["ana", "bo", "cy"])
    for r in (
        sample("1", {"ana": "7", "bo": "7.0", "cy": "8"}, "7"),  # ana and bo, right
        sample("2", {"ana": "1", "bo": "2", "cy": "7"}, "1"),  # ana alone, wrong; cy was right
        sample("3", {"ana": "3", "bo": None}, None),  # nobody; cy was not asked
        sample("4", {"ana": "7", "bo": "8", "cy": "8"}, "8"),  # bo and cy, wrong; ana was right
    ):
        ledger.add(r, NUMBER.canonical, scored=True)
    ana, bo, cy = ledger.shares()
    counts = {
        s.contributor: [(x.count, x.of) for x in (s.asked, s.became, s.sole, s.right, s.missed)] for s in (ana, bo, cy)
    }
    assert counts == {
        "ana": [(4, 4), (2, 4), (1, 4), (1, 2), (1, 2)],
        "bo": [(4, 4), (2, 4), (0, 4), (1, 2), (0, 2)],
        "cy": [(3, 4), (1, 3), (0, 3), (0, 1), (1, 2)],
    }
    assert ana.calls == 4 / 11
    assert ana.tokens == 80 / (80 + 4 * 40 + 3 * 40)
    assert ana.seconds == 4 / 11


def test_a_judge_from_outside_takes_its_part_of_the_cost() -> None:
    r = sample("1", {"ana": "7"}, "7")
    r = replace(r, turns=(*r.turns, Turn("big", "judge", 1, prompt_tokens=60, completion_tokens=0)), marks=(1.0, None))
    ledger = Ledger("judge_select", ["ana"])
    ledger.add(r, NUMBER.canonical, scored=True)
    (ana,) = ledger.shares()
    assert (ana.calls, ana.tokens, ana.seconds) == (0.5, 0.25, 1.0)


def test_the_verdict_of_a_router_is_no_call() -> None:
    r = sample("1", {"ana": "7"}, "7")
    r = replace(r, turns=(Turn("router", "route", text="ana"), *r.turns), marks=(None, 1.0))
    ledger = Ledger("route", ["ana", "bo"])
    ledger.add(r, NUMBER.canonical, scored=True)
    ana, bo = ledger.shares()
    assert (ana.calls, ana.asked.count, bo.calls, bo.asked.count) == (1.0, 1, 0.0, 0)
    assert (bo.became.of, bo.became.share) == (0, None)


def test_draws_are_averaged_within_a_question() -> None:
    ledger = Ledger("vote", ["ana"])
    for draw, answer in enumerate(("7", "8")):
        ledger.add(sample("1", {"ana": "7"}, answer, draw=draw), NUMBER.canonical, scored=True)
    (ana,) = ledger.shares()
    assert (ana.became.count, ana.became.of, ana.missed.count) == (0.5, 1, 1)


def test_programs_are_scored_as_a_whole_and_single_drafts_are_not() -> None:
    ledger = Ledger("vote", ["ana", "bo"])
    ledger.add(sample("1", {"ana": "7", "bo": "8"}, "8"), NUMBER.canonical, scored=False)
    assert [s.missed.of for s in ledger.shares()] == [0, 0]
