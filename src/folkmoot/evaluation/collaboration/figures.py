"""The figures of what collaboration did, as values."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.evaluation.statistics import Difference, Interval


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its Wilson interval.

    Attributes:
        count: How often it happened; fractional where several draws are averaged within an item.
        of: How often it could have happened.
        interval: 95 %; 0 to 1 if `of` is 0.
    """

    count: float
    of: int
    interval: Interval

    @property
    def share(self) -> float | None:
        """`count` / `of`; None if it never could happen."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Transition:
    """What became of the answers of a speaker (of all speakers) from one round of answers to the next.

    Attributes:
        speaker: Name, or None for all speakers together.
        start: The earlier round, from 0; the later one is the next. -1 stands for first to last.
        kept_right, lost, won, kept_wrong: Answers that were right and stayed so, turned wrong, turned right, stayed wrong;
            of all draws. An abstention is not right; a failed call is left out.
        changed: Answers whose content changed, right or wrong.
    """

    speaker: str | None
    start: int
    kept_right: int
    lost: int
    won: int
    kept_wrong: int
    changed: int


@dataclass(frozen=True, slots=True)
class Conformity:
    """Speakers who stood against a majority of the others in a round, and went over to it in the next.

    Items are the unit: where several stood so in one item, in several rounds or draws, the item counts once, with their mean.

    Attributes:
        to_right: Of those whose majority was right: how many joined it.
        to_wrong: Of those whose majority was wrong: how many joined it.
        held_right: Of those who were right against a wrong majority: how many stayed right.
    """

    to_right: Rate
    to_wrong: Rate
    held_right: Rate


@dataclass(frozen=True, slots=True)
class Emergence:
    """Right where all members alone are wrong, beyond what asking the same members again as often would give.

    Attributes:
        rate: The system is right, of the items that every member alone got wrong (arXiv 2606.07812).
        control: The rate of the control on the same items: a plain vote of the same members over fresh samples, as many as the
            system has calls beyond the members' first answers.
        excess: rate - control, paired by item, with its 95 % interval; None without a control.
        by: Name of the system whose samples these are; empty without one.
        any_sample: At least one fresh sample was right: the most that luck with choosing could give; None without.
    """

    rate: Rate
    control: Rate | None
    excess: Difference | None
    by: str
    any_sample: Rate | None


@dataclass(frozen=True, slots=True)
class Routing:
    """Whether members were chosen that know, by a router or as the surest; of the items that some member alone got right.

    Attributes:
        accuracy: One of those chosen is right, alone.
        chance: The same for as many members picked blindly.
        excess: accuracy - chance, paired by item, with its 95 % interval.
        whole: Nobody was chosen and the whole team was asked, which always hits.
    """

    accuracy: Rate
    chance: Rate
    excess: Difference
    whole: Rate


@dataclass(frozen=True, slots=True)
class NodeCost:
    """What one speaker cost in one role, per question.

    Attributes:
        speaker, role: Who and as what.
        calls, prompt_tokens, completion_tokens: Mean per question. Cached calls count with their original cost.
        seconds: Mean service seconds per question; a call that ran in a batch counts in full.
        critical: Mean seconds per question on the critical path: those of the longest call of each step.
        money: Mean price per question in the suite's currency; None if no price was given.
    """

    speaker: str
    role: str
    calls: float
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    critical: float
    money: float | None


@dataclass(frozen=True, slots=True)
class Collaboration:
    """What collaboration did in one system.

    Attributes:
        system: Name.
        transitions: For all speakers and for each, round by round, and first to last.
        conformity: None where nobody spoke twice.
        emergence: None where no member was asked alone.
        collapse: The system is wrong, of the items that some member alone got right; None likewise.
        collapse_majority: The same of the items that most members alone got right.
        headroom: Share of the oracle's lead over the best member that the system won, (system - best) / (oracle - best), with
            a bootstrap interval over items; None if there is no lead, or one that rests on three items or so.
        picked_right: A judge, a finisher or a vote gave a right answer, of the items with a right answer in the last round
            before it; None where single answers are not scored.
        nodes: Cost by speaker and role, in order of speaking.
        routing: None where nobody is chosen, or no member was asked alone.
    """

    system: str
    transitions: tuple[Transition, ...]
    conformity: Conformity | None
    emergence: Emergence | None
    collapse: Rate | None
    collapse_majority: Rate | None
    headroom: Difference | None
    picked_right: Rate | None
    nodes: tuple[NodeCost, ...]
    routing: Routing | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """How alike the members are, asked alone.

    Attributes:
        names: In the order of the team.
        n: Items that all of them finished.
        correlation: Phi coefficient of being wrong for every pair; None where one of the two is always right or always wrong.
        same_wrong: For every pair, of the items that both got wrong with an answer: how often it was the same answer.
        distinct: Mean number of different answers per item.
        best: The best of them on dev, or None if that was not measured.
    """

    names: tuple[str, ...]
    n: int
    correlation: tuple[tuple[float | None, ...], ...]
    same_wrong: tuple[tuple[float | None, ...], ...]
    distinct: float
    best: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """A system in the plane of accuracy and cost.

    Attributes:
        system: Name.
        accuracy, interval: Mean score and its 95 % Wilson interval.
        tokens, tokens_interval: Mean prompt and completion tokens per question, bootstrap interval.
        seconds: Mean service seconds per question.
        money: Mean price per question, or None.
        on_front: No system is at least as accurate and at least as cheap in tokens, and better in one of the two (Pareto).
        stays: Share of bootstrap resamples in which it is on the front.
    """

    system: str
    accuracy: float
    interval: Interval
    tokens: float
    tokens_interval: Interval
    seconds: float
    money: float | None
    on_front: bool
    stays: float
