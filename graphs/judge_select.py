"""Everybody answers; a judge picks."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.graph import END
from langgraph.types import Send

from folkmoot.discussion import Discussion
from folkmoot.nodes import Panel, ask, seat
from folkmoot.nodes import judge as judged_by
from folkmoot.participant import Participant
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol
from folkmoot.routing import EMBEDDING, TEMPLATE, By, calls, enter, routed


@protocol(
    papers=["2306.02561", "2306.05685"],
    templates=["answer", "judge_select/pick", TEMPLATE],
    calls=lambda n, orders, route, router: n + (2 if orders == "both" or n == 2 else 3) + calls(n, route, router),
    least=2,
)
def judge_select(
    team: Sequence[Participant],
    judge: Participant | None = None,
    orders: str = "both",
    route: int | None = None,
    router: By = EMBEDDING,
    prompts: str | None = None,
) -> Panel:
    """Everybody answers blind; a judge picks among the different answers, shown anonymously and in several orders.

    Source: comparison in both orders as in arXiv 2306.02561 (PairRanker) and 2306.05685 (a judge has a position bias).

    ```mermaid
    graph LR
      question --> ana & bo & cy --> judge
    ```

    The judge's choice is read from the likelihood of the letters, or from a constrained reply, where its engine can, and
    with a tolerant parser elsewhere. A candidate wins if it is picked in more than half of the orders; a disagreement
    between orders is a tie, and ties fall to the vote. If all give one answer, nobody judges.

    Cost: n calls, and one for each order (2, or 3 if shuffled). Routed, n is the number of those picked, or of all where the
    router is unsure; a member as router takes a call for each of the team.

    Args:
        team: Two members or more.
        judge: Who picks; a member or anybody else. Left out: the last member of the team; of a routed team the first, which
            the router holds most of.
        orders: ``both`` (as given and reversed) or ``shuffled`` (three different orders; better for four and more).
        route: How many members a router picks to answer, 2 or more; the whole team if left out.
        router: Who picks them; as `by` in `route`.
        prompts: Folder with templates that replace the shipped ones.
    """
    say = prompted("answer", folder=prompts)

    def first(d: Discussion) -> list[Send]:
        return ask(routed(d, team), say, d)

    def judging(d: Discussion) -> Participant:
        asked = routed(d, team)
        return judge or (asked[0] if len(asked) < len(team) else team[-1])

    graph = Panel(steps=3)
    start = enter(graph, team, route, router, name="judge_select: route", least=2, prompts=prompts)
    seat(graph, team, then="judge")
    graph.add_node("judge", judged_by(judging, orders=orders, prompts=prompts))
    graph.add_conditional_edges(start, first, [p.name for p in team])
    graph.add_edge("judge", END)
    return graph
