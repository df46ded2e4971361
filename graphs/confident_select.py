"""Everybody answers several times; the surest member wins."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

from langgraph.graph import END, START
from langgraph.types import Send

from folkmoot.confidence import Belief, Calibration, beliefs, rivals, stated, surest
from folkmoot.discussion import Ask, Discussion, Turn, answer_type, depth, last_answers, rounds
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.nodes import Panel, Step, Update, ask, decided, seat, take_choice
from folkmoot.participant import Participant, check_weights
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol


@protocol(
    papers=["2510.05077"],
    templates=["answer"],
    calls=lambda n, samples, confidence: n * (samples + (confidence == "likelihood" and n > 1)),
)
def confident_select(
    team: Sequence[Participant],
    samples: int = 5,
    confidence: str = "agreement",
    accuracy: Mapping[str, float] | None = None,
    calibration: Calibration | None = None,
    prompts: str | None = None,
) -> Panel:
    """Everybody answers several times, alone; the member that is surest of its answer wins.

    Source: SLM-MUX, arXiv 2510.05077.

    ```mermaid
    graph LR
      question --> ana & bo & cy --> decide
    ```

    Cost: n * samples calls, all at once; by likelihood n more, which generate nothing.

    Args:
        team: One member or more.
        samples: Replies asked of each member; one that gives no answer, or fails, still counts. More than one needs a
            temperature above 0.
        confidence: ``agreement``: the share of a member's samples that have its most frequent answer. ``likelihood``: how
            likely that answer is as its reply, beside the answers of the other members; its engine must be able to choose.
        accuracy: Share of right answers of each member on dev, by name: breaks ties. The order of the team breaks the rest.
        calibration: Slope and intercept, by name, of the curve from a member's confidence to its chance of being right.
            Suites fit both on dev (``accuracy: dev``, ``calibration: dev``).
        prompts: Folder with templates that replace the shipped ones.
    """
    _check(team, samples, confidence, calibration)
    check_weights(accuracy, team, "confident_select", what="accuracy")
    say = prompted("answer", folder=prompts)

    def first(d: Discussion) -> list[Send]:
        return ask(team, say, d, draws=samples)

    async def decide(d: Discussion) -> Update:
        kind, said = answer_type(d), last_answers(d)

        async def held(turns: Sequence[Turn], by: str) -> list[Belief]:
            return (
                await asyncio.to_thread(beliefs, turns, kind, by) if kind.kind == "math" else beliefs(turns, kind, by)
            )

        sure, turns = await held(said, "agreement"), list[Turn]()
        if confidence == "likelihood":
            turns = await _weighed(team, sure, d) if len(rivals(sure)) > 1 else []
            sure = await held([*said, *turns], confidence)
        return {"turns": turns, **decided(surest(sure, calibration, accuracy))}

    graph = Panel(steps=3)
    seat(graph, team, then="decide")
    graph.add_node("decide", Step("decide", decide))
    graph.add_conditional_edges(START, first, [p.name for p in team])
    graph.add_edge("decide", END)
    return graph


def _check(team: Sequence[Participant], samples: int, confidence: str, calibration: Calibration | None) -> None:
    if samples < 1:
        raise BadInput(f"confident_select: samples={samples}; at least 1 is needed")
    if confidence not in ("agreement", "likelihood"):
        raise BadInput(f"confident_select: confidence={confidence!r}; use 'agreement' or 'likelihood'")
    if confidence == "likelihood" and (mute := [p.name for p in team if not p.engine.capabilities.choose]):
        raise BadInput(
            f"confident_select: the engine of {mute[0]!r} cannot say how likely a reply is; use confidence='agreement'"
        )
    if calibration is None:
        return
    names = [p.name for p in team]
    if strangers := [name for name in calibration if name not in names]:
        raise BadInput(
            f"confident_select: calibration: {strangers[0]!r} is no member; {did_you_mean(strangers[0], names)}"
        )
    for name in names:
        curve = calibration.get(name, ())
        if len(curve) != 2 or curve[0] < 0 or not all(map(math.isfinite, curve)):
            raise BadInput(
                f"confident_select: calibration: give {name!r} a slope of 0 or more and an intercept, or leave out all"
            )


async def _weighed(team: Sequence[Participant], held: Sequence[Belief], d: Discussion) -> list[Turn]:
    """How likely each answer is, as a last line, in reply to the question that its member was asked."""
    seats, answers = {p.name: p for p in team}, rivals(held)
    replies, at, done = [f"Answer: {form}" for form in answers.values()], rounds(d) - 1, depth(d)

    async def weigh(b: Belief) -> Turn:
        a = Ask(b.turn.prompt, answer_type(d), "confidence", at, None, 0, None, depth=done)
        turn, odds = await take_choice(seats[b.member], a, replies)
        return stated(turn, odds[list(answers).index(b.key)], answers[b.key]) if odds else turn

    return list(await asyncio.gather(*map(weigh, held)))
