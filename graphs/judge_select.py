"""Everybody answers; a judge picks."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.graph import END, START
from langgraph.types import Send

from folkmoot.discussion import Discussion
from folkmoot.nodes import Panel, ask, seat
from folkmoot.nodes import judge as judged_by
from folkmoot.participant import Participant
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol


@protocol(
    papers=["2306.02561", "2306.05685"],
    templates=["answer", "judge_select/pick"],
    calls=lambda n, orders: n + (2 if orders == "both" or n == 2 else 3),
    least=2,
)
def judge_select(
    team: Sequence[Participant],
    judge: Participant | None = None,
    orders: str = "both",
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

    Cost: n calls, and one for each order (2, or 3 if shuffled).

    Args:
        team: Two members or more.
        judge: Who picks; a member or anybody else. Left out: the last member of the team.
        orders: ``both`` (as given and reversed) or ``shuffled`` (three different orders; better for four and more).
        prompts: Folder with templates that replace the shipped ones.
    """
    say = prompted("answer", folder=prompts)

    def first(d: Discussion) -> list[Send]:
        return ask(team, say, d)

    graph = Panel(steps=3)
    seat(graph, team, then="judge")
    graph.add_node("judge", judged_by(judge or team[-1], orders=orders, prompts=prompts))
    graph.add_conditional_edges(START, first, [p.name for p in team])
    graph.add_edge("judge", END)
    return graph
