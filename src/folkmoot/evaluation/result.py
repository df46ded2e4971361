"""One finished sample: a question answered by a system, scored, with its whole discussion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from folkmoot.discussion import Decision, Turn

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

    @property
    def calls(self) -> int:
        """Calls made, failed ones included."""
        return len(self.turns)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of all calls."""
        return sum(t.prompt_tokens for t in self.turns)

    @property
    def completion_tokens(self) -> int:
        """Completion tokens of all calls."""
        return sum(t.completion_tokens for t in self.turns)
