"""Draft, be reviewed, revise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langgraph.graph import END
from langgraph.types import Send

from folkmoot.discussion import Ask, Decision, Discussion, Turn, answer_type, last_answers, own, turns_of
from folkmoot.discussion import rounds as answered
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import PromptTooLong
from folkmoot.nodes import Panel, Step, Update, ask, counted, decided, seat, take_turn, vote, wait
from folkmoot.participant import Participant
from folkmoot.prompts import numbered, prompted, render
from folkmoot.protocol import protocol
from folkmoot.routing import EMBEDDING, TEMPLATE, By, calls, enter, routed


def _calls(n: int, rounds: int, critics: int | str, finish: str | None, route: int | None, router: object) -> int:
    each = 1 if critics == "self" else int(critics)
    return n + rounds * n * (each + 1) + (finish != "vote") + calls(n, route, router)


@protocol(
    papers=["2303.17651", "2402.00367"],
    templates=["answer", "critique_refine/critique", "critique_refine/revise", "critique_refine/finish", TEMPLATE],
    calls=_calls,
)
def critique_refine(
    team: Sequence[Participant],
    rounds: int = 1,
    critics: int | str = 1,
    finish: str = "vote",
    route: int | None = None,
    router: By = EMBEDDING,
    prompts: str | None = None,
) -> Panel:
    """Everybody drafts; peers review each draft without answering themselves; its author revises.

    Source: Self-Refine, arXiv 2303.17651 (``critics="self"``), and its cross-model form, arXiv 2402.00367.

    ```mermaid
    graph LR
      question --> floor -- draft, review, revise --> ana & bo & cy --> floor
      floor -- rounds are over --> decide
    ```

    Cost: n drafts, and n * (critics + 1) calls a round; 1 more with a finisher. Routed, n is the number of those picked, or of
    all where the router is unsure; a member as router takes a call for each of the team.

    Args:
        team: Two members or more, or one with ``critics="self"``.
        rounds: Rounds of review and revision. 1: unaided correction loses more than it gains when repeated
            (arXiv 2310.01798).
        critics: How many peers review each draft (the next ones in the ring), or ``self``.
        finish: ``vote`` over the revised answers, or the name of the member that reads them all and writes the final
            answer, picked by a router or not. A finisher that fails or gives no answer leaves the question to the vote.
        route: How many members a router picks to draft and review, more than `critics`; the whole team if left out.
        router: Who picks them; as `by` in `route`.
        prompts: Folder with templates that replace the shipped ones.

    A member whose draft failed is asked again in place of a revision.
    """
    _check(team, rounds, critics, finish)
    draft = prompted("answer", folder=prompts)

    def review(author: Participant, d: Discussion) -> list[Send]:
        held = own(d, author.name)
        if held is None:
            return []

        def say(d: Discussion, me: Participant) -> str:
            return render("critique_refine/critique", d, me, [held], mark=lambda _: "Answer", folder=prompts)

        return ask(_critics(routed(d, team), author, critics), say, d, role="critique", about=author.name)

    def revise(d: Discussion, me: Participant) -> str:
        held = own(d, me.name)
        if held is None:
            return draft(d, me)
        seen = [t for t in _reviews(d) if t.about == me.name and t.error is None]
        return render("critique_refine/revise", d, me, seen, held=held, mark=numbered("Review"), folder=prompts)

    def floor(d: Discussion) -> list[Send] | str:
        asked = routed(d, team)
        if not answered(d):
            return ask(asked, draft, d)
        if answered(d) > rounds:
            return "decide"
        if _reviews(d):
            return ask(asked, revise, d)
        return [s for author in asked for s in review(author, d)] or "decide"

    graph = Panel(steps=4 * rounds + 5)
    start = enter(graph, team, route, router, name="critique_refine: route", least=_least(critics), prompts=prompts)
    seat(graph, team, then="floor")
    graph.add_node("floor", wait)
    graph.add_node("decide", vote() if finish == "vote" else _finisher(team, finish, prompts))
    graph.add_edge(start, "floor")
    graph.add_conditional_edges("floor", floor, [*(p.name for p in team), "decide"])
    graph.add_edge("decide", END)
    return graph


def _check(team: Sequence[Participant], rounds: int, critics: int | str, finish: str) -> None:
    if rounds < 1:
        raise BadInput(f"critique_refine: rounds={rounds}; at least 1 is needed")
    if critics != "self" and not (isinstance(critics, int) and 1 <= critics < len(team)):
        raise BadInput(
            f"critique_refine: critics={critics!r} in a team of {len(team)}; "
            "use a number from 1 to one less than the team has, or 'self'"
        )
    names = [p.name for p in team]
    if finish != "vote" and finish not in names:
        raise BadInput(f"critique_refine: finish={finish!r} is no member; {did_you_mean(finish, ['vote', *names])}")


def _least(critics: int | str) -> int:
    """Members that reviews need: every author and its critics."""
    return 1 if critics == "self" else int(critics) + 1


def _critics(team: Sequence[Participant], author: Participant, critics: int | str) -> list[Participant]:
    if critics == "self":
        return [author]
    at = [p.name for p in team].index(author.name)
    return [team[(at + step) % len(team)] for step in range(1, int(critics) + 1)]


def _reviews(d: Discussion) -> list[Turn]:
    """The critiques of the coming round."""
    return [t for t in turns_of(d, "critique") if t.round == answered(d)]


def _finisher(team: Sequence[Participant], name: str, prompts: str | None) -> Step:
    by = next(p for p in team if p.name == name)

    async def finish(d: Discussion) -> Update:
        kind, newest, at = answer_type(d), last_answers(d), answered(d)
        ballot, said = await counted(newest, kind), [t for t in newest if t.error is None]
        try:
            prompt, error = by.messages(render("critique_refine/finish", d, by, said, folder=prompts)), None
        except PromptTooLong as e:
            prompt, error = (), str(e)
        turn = await take_turn(by, Ask(prompt, kind, "finish", at, None, 0, d.get("seed"), error), kind)
        if turn.answer is None:
            why = f"{name} gave no final answer; the vote decides: {ballot.why}"
            return {"turns": [turn], **decided(replace(ballot, why=why))}
        decision = Decision(turn.answer, "finisher", ballot.tally, f"{name} wrote it")
        return {"turns": [turn], **decided(decision)}

    return Step("finish", finish)
