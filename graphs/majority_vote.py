"""Everybody answers alone; the most frequent answer wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langgraph.graph import END, START
from langgraph.types import Send

from folkmoot.discussion import Discussion
from folkmoot.documents import BadInput
from folkmoot.nodes import Panel, ask, seat, vote
from folkmoot.participant import Participant, check_weights
from folkmoot.prompts import prompted
from folkmoot.protocol import protocol


@protocol(papers=["2203.11171"], templates=["answer"], calls=lambda n, samples: n * samples)
def majority_vote(
    team: Sequence[Participant],
    samples: int = 1,
    weights: Mapping[str, float] | None = None,
    quorum: int = 1,
    prompts: str | None = None,
) -> Panel:
    """Independent answers, then a vote; with a team of one and several samples this is self-consistency.

    Source: arXiv 2203.11171. It is the baseline that every discussion has to beat at equal calls.

    ```mermaid
    graph LR
      question --> ana & bo & cy --> vote
    ```

    Cost: n * samples calls, all at once.

    Args:
        team: One member or more.
        samples: Replies asked of each member. More than one needs a temperature above 0.
        weights: Weight of each member's vote by name; 1 where none is given.
        quorum: Fewest valid answers with which the question is decided.
        prompts: Folder with templates that replace the shipped ones.
    """
    if samples < 1:
        raise BadInput(f"majority_vote: samples={samples}; at least 1 is needed")
    check_weights(weights, team, "majority_vote")
    say = prompted("answer", folder=prompts)

    def first(d: Discussion) -> list[Send]:
        return ask(team, say, d, draws=samples)

    graph = Panel(steps=3)
    seat(graph, team, then="decide")
    graph.add_node("decide", vote(weights=weights, quorum=quorum))
    graph.add_conditional_edges(START, first, [p.name for p in team])
    graph.add_edge("decide", END)
    return graph
