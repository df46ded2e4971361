"""A made-up run that looks like a real one, and its analysis, written down by hand: what the page is tested with."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.collaboration.figures import (
    Collaboration,
    Conformity,
    Emergence,
    Members,
    NodeCost,
    Point,
    Rate,
    Transition,
)
from folkmoot.evaluation.contrast import Contrast
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.judgement import Judgement
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.evaluation.statistics import Difference, Interval, wilson
from folkmoot.evaluation.summary import Row, Summary

SYSTEMS = {
    "debate": "graph",
    "critique_refine": "graph",
    "judge_select": "graph",
    "vote x6": "baseline",
    "self-consistency smol x6": "baseline",
    "self-consistency coder-half x6": "baseline",
    "smol": "member",
    "coder-half": "member",
    "coder-one-and-a-half": "monolith",
}
BOUNDS = {"oracle": "bound", "random member": "bound"}
SKILL = {"smol": 0.12, "coder-half": 0.35, "coder-one-and-a-half": 0.55}
PEOPLE = ("Ada", "Bela", "Chidi", "Dao", "Edda", "Farid", "Gwen", "Hana")
THINGS = ("apples", "marbles", "tickets", "pages", "stamps", "eggs", "bolts", "tiles")
RULES = (
    "Work through the problem in short steps. Check every multiplication once more before you go on.\n"
    "Do not use tables, lists or headings. Do not repeat the problem.\n"
    "Write the last line exactly so: 'Answer: ' and then the number, without units and without thousands separators.\n"
    "If you cannot solve the problem, write 'Answer: none' as the last line; that counts as an abstention.\n"
)
META = {
    "title": "Quickstart",
    "date": "22 November 2026",
    "command": "folkmoot eval run quickstart",
    "versions": {"folkmoot": "0.1.0", "python": "3.11"},
    "machine": "2 cores",
    "suite": "quickstart",
    "hash": "9f2c41d07be3",
    "seed": 17,
    "sampling": {"temperature": 0.7},
    "members": [{"name": "smol", "licence": "Apache-2.0"}, {"name": "coder-half", "revision": "1d96"}],
    "agreement": {"kappa": 0.41, "flip rate": 0.12, "pairs": 40},
    "note of mine": ["a", "b"],
}


def a_run(questions: int = 100, tasks: Sequence[str] = ("gsm8k",), seed: int = 7) -> list[Result]:
    """Two small members and a larger monolith; every system answers every question."""
    rng = random.Random(seed)
    return [
        a_sample(rng, system, kind, task, i, *a_question(random.Random(f"{task}{i}")))
        for task in tasks
        for i in range(questions)
        for system, kind in SYSTEMS.items()
    ]


def a_question(rng: random.Random) -> tuple[str, int]:
    a, b, c = rng.randint(3, 40), rng.randint(2, 12), rng.randint(1, 30)
    who, other, what = rng.choice(PEOPLE), rng.choice(PEOPLE), rng.choice(THINGS)
    text = (
        f"{who} has {a} boxes with {b} {what} in each. On Monday {who} gives {c} {what} to {other}, "
        f"and on Tuesday a neighbour brings twice as many as that. How many {what} does {who} have at the end of Tuesday?"
    )
    return text, a * b + c


def a_sample(rng: random.Random, system: str, kind: str, task: str, i: int, question: str, gold: int) -> Result:
    def say(speaker: str, role: str = "answer", round: int = 0, heard: Sequence[Turn] = (), draw: int = 0) -> Turn:
        if rng.random() < 0.004:
            return Turn(speaker, role, round, draw=draw, error=f"{speaker}: the endpoint gave no reply within 60 s")
        number = gold if rng.random() < SKILL[speaker] + 0.05 * bool(heard) else gold + rng.choice((-20, -7, 1, 10, 30))
        cut = rng.random() < (0.12 if speaker == "smol" else 0.03)
        words = f"First I count the boxes, then what is given away: step {rng.randint(1, 9)} leaves {number + 3}. "
        text = words * rng.randint(2, 5) + ("and so" if cut else f"\nAnswer: {number}")
        quoted = "\n\n".join(f"{t.speaker} said:\n{t.text}" for t in heard)
        prompt = (
            Message("system", f"You are {speaker}, a careful calculator in a small assembly."),
            Message("user", RULES + RULES + f"\nProblem:\n{question}\n\n{quoted}"),
        )
        return Turn(
            speaker, role, round, text, None if cut or role == "critique" else str(number), draw=draw, prompt=prompt,
            about=heard[0].speaker if role == "critique" else None, finish="length" if cut else "stop",
            prompt_tokens=260 + sum(t.completion_tokens for t in heard), completion_tokens=len(text) // 4,
            queue_s=rng.random(), service_s=len(text) / 400, hit=round == 0 and rng.random() < 0.5,
        )  # fmt: skip

    team = ("smol", "coder-half")
    by = "vote"
    if system == "debate":
        first = [say(m) for m in team]
        second = [say(m, round=1, heard=first) for m in team]
        turns = [*first, *second, *(say(m, round=2, heard=second) for m in team)]
    elif system == "critique_refine":
        first = [say(m) for m in team]
        notes = [say(m, "critique", 1, [t]) for m, t in zip(team, reversed(first), strict=True)]
        turns = [*first, *notes, *(say(m, round=1, heard=notes) for m in team)]
    elif system == "judge_select":
        first = [say(m) for m in team]
        turns, by = [*first, *(say("coder-half", "judge", 0, first, draw=d) for d in range(2))], "judge"
    elif kind == "baseline":
        turns = [
            say(team[d % 2] if system[0] == "v" else "smol" if "smol" in system else team[1], draw=d) for d in range(6)
        ]
    else:
        turns = [say(system)]
    last = [t for t in turns if t.role != "critique" and t.round == turns[-1].round]
    tally = Counter(t.answer for t in last if t.answer is not None).most_common()
    answer = tally[0][0] if tally else None
    outcome = "scored" if answer else "error" if any(t.error for t in turns) else "truncated" if i % 3 else "unparsed"
    return Result(
        key=f"{system}/{task}/{i}", system=system, task=task, item=f"{task}-{i:04d}", draw=0, question=question,
        gold=(str(gold),), outcome=outcome, answer=answer, score=float(answer == str(gold)), turns=tuple(turns),
        decision=Decision(answer, by, tuple((a, float(n)) for a, n in tally if a), "most votes; ties go to the first said"),
        seconds=sum(t.service_s for t in turns) / 2, error="a call failed" if outcome == "error" else None,
        marks=tuple(None if t.answer is None else float(t.answer == str(gold)) for t in turns),
    )  # fmt: skip


JUDGED = Judgement("umpire", "coder-one-and-a-half", 1.0, 0.0, 120, 95)


def analysis_of(results: Sequence[Result], kinds: dict[str, str] = SYSTEMS, planned: int | None = None) -> Analysis:
    """The figures of such a run; intervals by the normal approximation, which is enough to look at."""
    tasks = list(dict.fromkeys(r.task for r in results))
    reference = next((s for s, kind in kinds.items() if kind == "monolith"), None)
    graphs = [s for s, kind in kinds.items() if kind == "graph"]
    references = [s for s, kind in kinds.items() if kind in ("baseline", "monolith")]
    pairs = [(g, r) for g in graphs for r in references]
    table: dict[tuple[str, str | None], list[Result]] = {}
    for r in results:
        table.setdefault((r.system, None), []).append(r)
        table.setdefault((r.system, r.task), []).append(r)

    def contrast(a: str, b: str, task: str | None) -> Contrast:
        return a_contrast(a, b, task, table.get((a, task), []), table.get((b, task), []))

    def rows(task: str | None) -> tuple[Row, ...]:
        against = {s: contrast(s, reference, task) if reference and s != reference else None for s in kinds}
        return tuple(
            a_row(s, k, task, table.get((s, task), []), against[s], planned) for s, k in kinds.items()
        ) + tuple(a_bound(s, task, max(len(rs) for (_, t), rs in table.items() if t == task)) for s in BOUNDS if table)

    return Analysis(
        summary=Summary(
            overall=rows(None), by_task={t: rows(t) for t in tasks}, reference=reference, draws=1, finished=len(results),
            planned=planned * len(kinds) if planned is not None else len(results),
        ),
        contrasts=tuple(contrast(g, r, None) for g, r in pairs if table),
        by_task=tuple(contrast(g, r, t) for g, r in pairs for t in tasks),
        members=Members(("smol", "coder-half"), len(results) // len(kinds), ((1.0, 0.31), (0.31, 1.0)), ((None, 0.5), (0.5, None)), 1.7, "coder-half"),
        collaboration=tuple(a_collaboration(g) for g in graphs if table),
        points=tuple(a_point(s, table[s, None]) for s in kinds if (s, None) in table),
        findings=(
            Finding("gsm8k", "test", "gsm8k-0007", "gold", "the accepted answer 'twelve' is no number", True),
            Finding("gsm8k", "dev", "gsm8k-0012", "overlap", "the same question is in the test split", False),
        ),
    )  # fmt: skip


def a_row(s: str, kind: str, task: str | None, done: Sequence[Result], against: Contrast | None, of: int | None) -> Row:
    n, right = len(done), sum(r.score for r in done)
    calls = sum(len(r.turns) for r in done)
    mean = fmean if n else lambda _: 0.0
    return Row(
        system=s, kind=kind, task=task, n=n, of=n if of is None else of, samples=n, absent=0,
        accuracy=right / max(n, 1), interval=wilson(right, n), parse_rate=mean(r.answer is not None for r in done),
        outcomes={o: sum(r.outcome == o for r in done) for o in OUTCOMES}, calls=calls / max(n, 1),
        prompt_tokens=mean(r.figures.prompt_tokens for r in done), completion_tokens=mean(r.figures.completion_tokens for r in done),
        seconds=mean(r.seconds for r in done), truncated=0.04, cached=0.2, prefix_hits=0.0, against=against,
    )  # fmt: skip


def a_bound(s: str, task: str | None, n: int) -> Row:
    accuracy = 0.55 if s == "oracle" else 0.24
    return Row(
        system=s, kind="bound", task=task, n=n, of=n, samples=0, absent=0, accuracy=accuracy,
        interval=wilson(accuracy * n, n), parse_rate=0.0, outcomes=dict.fromkeys(OUTCOMES, 0), calls=0.0,
        prompt_tokens=0.0, completion_tokens=0.0, seconds=0.0, truncated=0.0, cached=0.0, prefix_hits=0.0, against=None,
    )  # fmt: skip


def a_contrast(a: str, b: str, task: str | None, x: Sequence[Result], y: Sequence[Result]) -> Contrast:
    d = [r.score - q.score for r, q in zip(x, y, strict=False)]
    mean = fmean(d) if d else 0.0
    se = math.sqrt(fmean([(v - mean) ** 2 for v in d]) / len(d)) if d else 1.0
    z = abs(mean) / se if se else 0.0
    p = math.erfc(z / math.sqrt(2))
    verdict = "better" if p < 0.01 and mean > 0 else "worse" if p < 0.01 else "no difference shown"
    if verdict == "no difference shown" and abs(mean) + 1.645 * se < 0.05:
        verdict = "equivalent within the margin"
    return Contrast(
        system=a, reference=b, task=task, n=len(d), units=len(d), draws=1,
        difference=Difference(mean, max(-1.0, mean - 1.96 * se), min(1.0, mean + 1.96 * se)),
        only_system=sum(v > 0 for v in d), only_reference=sum(v < 0 for v in d), test="exact McNemar" if d else "",
        p=p, family=12, adjusted=min(1.0, 5 * p), margin=0.05, not_worse=0.2, equivalent=0.04, verdict=verdict,
    )  # fmt: skip


def a_rate(count: float, of: int) -> Rate:
    return Rate(count, of, wilson(count, of))


def a_collaboration(system: str) -> Collaboration:
    rounds = {"debate": 3, "critique_refine": 2}.get(system, 1)
    steps = [*range(rounds - 1), *([-1] if rounds > 1 else [])]
    team = ("smol", "coder-half")
    return Collaboration(
        system=system,
        transitions=tuple(
            Transition(who, s, 40 - 2 * (who is None), 9 + s, 14 + s, 37, 31) for who in (None, *team) for s in steps
        ),
        conformity=Conformity(a_rate(12, 20), a_rate(9, 21), a_rate(7, 16)) if rounds > 1 else None,
        emergence=Emergence(a_rate(5, 40), a_rate(3.5, 40), Difference(0.0375, -0.05, 0.125), "vote x6", a_rate(9, 40)),
        collapse=a_rate(11, 60),
        collapse_majority=a_rate(2, 25),
        headroom=Difference(0.31, -0.12, 0.66) if system == "debate" else None,
        picked_right=a_rate(33, 52) if system == "judge_select" else None,
        nodes=tuple(NodeCost(who, "answer", rounds, 700.0, 140.0, 0.9, 0.6, None) for who in team),
    )


def a_point(system: str, done: Sequence[Result]) -> Point:
    right, n = sum(r.score for r in done), len(done)
    tokens = fmean([r.figures.prompt_tokens + r.figures.completion_tokens for r in done])
    front = system in ("smol", "coder-half", "coder-one-and-a-half")
    return Point(
        system,
        right / n,
        wilson(right, n),
        tokens,
        Interval(0.93 * tokens, 1.08 * tokens),
        1.5,
        None,
        front,
        0.9 * front,
    )
