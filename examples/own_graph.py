"""A protocol of your own: plain LangGraph, with Folkmoot's nodes and pure functions.

Everybody answers; then each names a flaw in the others' answers and answers again, until all agree or three rounds are
over. Run it with `python own_graph.py`.
"""

import asyncio

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from folkmoot import (
    Discussion,
    Participant,
    TransformersEngine,
    agreed,
    answer,
    ask,
    others,
    quote,
    rounds,
    seat,
    vote,
    wait,
)

base = TransformersEngine("smollm2-135m-instruct")
team = [
    Participant("ana", base, system="You are careful and check every step."),
    Participant("bo", base, system="You are brief."),
]


def rebut(d: Discussion, me: Participant) -> str:
    return f"{d['question']}\nPeers:\n{quote(others(d, me))}\nName one flaw, then answer."


def floor(d: Discussion) -> list[Send] | str:  # who speaks next?
    if not d.get("turns"):
        return ask(team, answer, d)
    if agreed(d) or rounds(d) == 3:
        return "decide"
    return ask(team, rebut, d)


g = StateGraph(Discussion)
seat(g, team, then="floor")  # a node per participant
g.add_node("floor", wait)
g.add_node("decide", vote())
g.add_edge(START, "floor")
g.add_edge("decide", END)
g.add_conditional_edges("floor", floor, [p.name for p in team] + ["decide"])


if __name__ == "__main__":
    result = asyncio.run(g.compile().ainvoke({"question": "What is the capital of France?"}))
    for turn in result["turns"]:
        print(f"{turn.speaker}, round {turn.round + 1}: {turn.error or turn.text}")
    print("answer:", result["answer"])
