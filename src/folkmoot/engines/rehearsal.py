"""Engines for a rehearsal: they answer at once, in the form asked for, and without a model."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.engines import simulated_reply
from folkmoot.engines.contract import Capabilities, Request
from folkmoot.engines.scripted import Scripted


def rehearsal(model: str) -> Scripted:
    """A scripted engine that answers every prompt in the form asked for, with an answer that depends on its hash.

    It lets a suite run from end to end without weights. What it says is of course worthless.
    """

    def reply(request: Request) -> str:
        die = simulated_reply.dice(model, request)[0]
        return f"I thought about it.\nAnswer: {simulated_reply.answer_to(request.messages[-1].content, die)}"

    def odds(request: Request, options: Sequence[str]) -> Sequence[float]:
        return simulated_reply.odds(model, request, options)

    able = Capabilities(adapters=True, seeds=True, choose=True, counts=True)
    return Scripted(reply, name=f"rehearsal {model}", choices=odds, capabilities=able)
