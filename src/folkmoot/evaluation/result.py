"""One finished sample: a question answered by a system, scored, with its whole discussion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from folkmoot.discussion import Decision, Turn, called
from folkmoot.evaluation.judgement import Judgement

Outcome = Literal["scored", "unparsed", "truncated", "refused", "limit", "error"]
"""What became of a sample; exactly one.

scored: there was an answer, right or wrong. unparsed: replies, but no answer could be read. truncated: no answer, and a
reply was cut at the token limit. refused: no answer, and a reply was withheld. limit: a prompt did not fit the context
window. error: no answer because calls failed.
"""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished sample.

    Attributes:
        key: Content hash of all that determines the sample; unique in a run.
        system: Name of the system under test.
        task: Name of the task.
        item: Id of the question within the task.
        draw: Number of the repetition, from 0.
        question: The question as asked.
        gold: The accepted answers; the first is the canonical one.
        outcome: See `Outcome`.
        answer: The system's answer, or None.
        score: 0 to 1; 0 for everything but ``scored``.
        turns: The whole discussion, prompts included.
        decision: How the answer came about, or None if the graph failed before it could decide.
        seconds: Wall seconds of the critical path: the longest call of every step, waiting for the engine left out,
            added up. Replies from the cache count with the time of the original call.
        error: Why the sample failed, for outcome ``error`` and ``limit``.
        marks: The score of each turn's own answer, in the order of `turns`: None where a turn has no answer, is no answer
            (a critique, a verdict), or where scoring costs a run of its own (programs, judged replies).
        judgements: For replies to open questions: what each judge said.
        why: How the score came about, where that is more than a comparison: what a program's tests said.
        dev: A question of the dev split: it chooses the best member and counts nowhere else.
    """

    key: str
    system: str
    task: str
    item: str
    draw: int
    question: str
    gold: tuple[str, ...]
    outcome: Outcome
    answer: str | None
    score: float
    turns: tuple[Turn, ...]
    decision: Decision | None
    seconds: float
    error: str | None = None
    marks: tuple[float | None, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    why: str = ""
    dev: bool = False

    @property
    def figures(self) -> Figures:
        """What the statistics need of it."""
        return Figures(
            system=self.system,
            task=self.task,
            item=self.item,
            draw=self.draw,
            outcome=self.outcome,
            answered=self.answer is not None,
            score=self.score,
            calls=sum(map(called, self.turns)),
            prompt_tokens=sum(t.prompt_tokens for t in self.turns),
            cached_tokens=sum(t.cached_tokens for t in self.turns),
            completion_tokens=sum(t.completion_tokens for t in self.turns),
            seconds=self.seconds,
            truncated=sum(t.finish == "length" for t in self.turns),
            hits=sum(t.hit for t in self.turns),
            failures=sum(t.error is not None and t.finish != "limit" for t in self.turns),
            dev=self.dev,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """A finished sample without its words: a hundred thousand of them fit into memory.

    Attributes:
        system, task, item, draw, outcome, score, seconds: As in `Result`.
        answered: There is an answer.
        calls: Calls made, failed ones included.
        prompt_tokens: Tokens of all prompts. Calls from the cache count with their original cost, here and below.
        cached_tokens: Those of them that the engines' prefix caches held.
        completion_tokens: Tokens of all replies.
        truncated: Calls that were cut at the token limit.
        hits: Calls that came from the completion cache.
        failures: Calls that failed though their prompts fitted: members that were absent.
        dev: As in `Result`.
    """

    system: str
    task: str
    item: str
    draw: int
    outcome: Outcome
    answered: bool
    score: float
    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float
    truncated: int
    hits: int
    failures: int
    dev: bool = False
