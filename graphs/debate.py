"""Answer blind, then read the others and answer again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langgraph.graph import END
from langgraph.types import Send

from folkmoot.discussion import Discussion, agreed
from folkmoot.discussion import rounds as held
from folkmoot.documents import BadInput
from folkmoot.nodes import Panel, Step, ask, seat, vote, wait
from folkmoot.nodes import judge as judged_by
from folkmoot.participant import Participant, check_weights
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol
from folkmoot.routing import EMBEDDING, TEMPLATE, By, calls, enter, routed
from folkmoot.views import View, view


def _calls(n: int, rounds: int, decide: str, route: int | None, router: object) -> int:
    return n * rounds + (2 if decide == "judge" else 0) + calls(n, route, router)


@protocol(
    papers=["2305.14325"], templates=["answer", "debate/revise", "judge_select/pick", TEMPLATE], calls=_calls, least=2
)
def debate(
    team: Sequence[Participant],
    rounds: int = 2,
    sees: str | View = "all",
    decide: str = "vote",
    weights: Mapping[str, float] | None = None,
    judge: Participant | None = None,
    route: int | None = None,
    router: By = EMBEDDING,
    prompts: str | None = None,
) -> Panel:
    """Everybody answers blind, then sees the others' last answers and answers again, until they agree or rounds are over.

    Source: arXiv 2305.14325; neighbours only: arXiv 2406.11776.

    ```mermaid
    graph LR
      question --> floor -- ask --> ana & bo & cy --> floor
      floor -- agreed, or rounds are over --> decide
    ```

    Cost: at most n * rounds calls, n if all agree at once; decided by a judge 2 more (one for each order). Routed, n is the
    number of those picked, or of all where the router is unsure; a member as router takes a call for each of the team.

    Args:
        team: Two members or more.
        rounds: Rounds of answers, the blind one included. 2: more rounds before a vote tend to hurt (arXiv 2502.19130).
        sees: ``all`` others or only the two ``neighbours`` in the ring (fewer prompt tokens), or a `View`.
        decide: ``vote``, ``weighted`` (by `weights`) or ``judge``. The vote is the default: a small model alone is a
            weak judge.
        weights: Weight of each member's vote by name; 1 where none is given.
        judge: Who judges, for ``decide="judge"``; a member or anybody else.
        route: How many members a router picks to hold the debate, 2 or more; the whole team if left out.
        router: Who picks them; as `by` in `route`.
        prompts: Folder with templates that replace the shipped ones.
    """
    if rounds < 1:
        raise BadInput(f"debate: rounds={rounds}; at least 1 is needed")
    check_weights(weights, team, "debate")
    blind, revise = prompted("answer", folder=prompts), prompted("debate/revise", sees=view(sees), folder=prompts)

    def floor(d: Discussion) -> list[Send] | str:
        if not held(d):
            return ask(routed(d, team), blind, d)
        if agreed(d) or held(d) >= rounds:
            return "decide"
        return ask(routed(d, team), revise, d)

    graph = Panel(steps=2 * rounds + 3)
    start = enter(graph, team, route, router, name="debate: route", least=2, prompts=prompts)
    seat(graph, team, then="floor")
    graph.add_node("floor", wait)
    graph.add_node("decide", _decision(decide, weights, judge, prompts))
    graph.add_edge(start, "floor")
    graph.add_conditional_edges("floor", floor, [*(p.name for p in team), "decide"])
    graph.add_edge("decide", END)
    return graph


def _decision(decide: str, weights: Mapping[str, float] | None, by: Participant | None, prompts: str | None) -> Step:
    if decide not in ("vote", "weighted", "judge"):
        raise BadInput(f"debate: decide={decide!r}; use 'vote', 'weighted' or 'judge'")
    if (decide == "weighted") != (weights is not None):
        raise BadInput("debate: decide='weighted' and weights={name: weight} go together; give both or neither")
    if (decide == "judge") != (by is not None):
        raise BadInput("debate: decide='judge' and judge=PARTICIPANT go together; give both or neither")
    return judged_by(by, prompts=prompts) if by else vote(weights=weights)
