"""Those who know answer."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.graph import END
from langgraph.types import Send

from folkmoot.discussion import Discussion, last_answers
from folkmoot.discussion import rounds as answered
from folkmoot.nodes import Panel, ask, seat, vote, wait
from folkmoot.participant import Participant
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol
from folkmoot.routing import EMBEDDING, MARGIN, TEMPLATE, By, calls, enter, routed


@protocol(
    papers=["2403.12031", "2601.21257"],
    templates=["answer", TEMPLATE],
    calls=lambda n, k, by: n + calls(n, k, by),
)
def route(
    team: Sequence[Participant],
    k: int = 1,
    by: By = EMBEDDING,
    margin: float = MARGIN,
    prompts: str | None = None,
) -> Panel:
    """A router picks the members that were made for a question; they answer, and vote if there are several.

    Source: similarity to earlier questions, arXiv 2403.12031; a member that reads descriptions, arXiv 2601.21257.

    ```mermaid
    graph LR
      question --> router --> floor -- ask those picked --> ana & bo & cy --> floor
      floor -- none of them answered: ask the others --> ana & bo & cy
      floor --> decide
    ```

    Cost: k calls; n where the router is unsure or nobody picked gives an answer. A member as router takes n more.

    Args:
        team: One member or more; a team of k or fewer is asked whole, without the router.
        k: How many are picked.
        by: ``embedding``: the similarity of the question with what is known of each member, its purpose and questions from
            its own dev set; or a participant that is shown these, and picks by likelihood; or a `Router`.
        margin: The router is unsure, and everybody is asked, if the best member leads the best one left out by no more.
        prompts: Folder with templates that replace the shipped ones.
    """
    say = prompted("answer", folder=prompts)

    def floor(d: Discussion) -> list[Send] | str:
        asked = routed(d, team)
        if not answered(d):
            return ask(asked, say, d)
        others = [p for p in team if p not in asked]
        if answered(d) == 1 and others and all(t.answer is None for t in last_answers(d)):
            return ask(others, say, d)
        return "decide"

    graph = Panel(steps=7)
    start = enter(graph, team, k, by, name="route: k", margin=margin, prompts=prompts)
    seat(graph, team, then="floor")
    graph.add_node("floor", wait)
    graph.add_node("decide", vote())
    graph.add_edge(start, "floor")
    graph.add_conditional_edges("floor", floor, [*(p.name for p in team), "decide"])
    graph.add_edge("decide", END)
    return graph
