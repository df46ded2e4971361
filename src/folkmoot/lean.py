"""Compiled graphs without the shell that nobody looks into.

LangGraph wraps every node in a run of its own for tracers and callbacks, which takes a third of a node's time even where
there are none. The steps of this package need none of it: without a listener they run bare.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig


class Lean(Runnable[Any, Any]):
    """A step and the writers after it, called one after the other; as LangGraph made it if anybody listens.

    Args:
        whole: The node as LangGraph made it.
    """

    def __init__(self, whole: Any) -> None:
        self.name = whole.name
        self._whole = whole
        self._parts = tuple(whole.steps)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node from sync code."""
        return self._whole.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node."""
        if config is None or _heard(config):
            return await self._whole.ainvoke(input, config, **kwargs)
        for part in self._parts:
            input = await part.ainvoke(input, config)
        return input


def _heard(config: RunnableConfig) -> bool:
    callbacks: Any = config.get("callbacks")
    return bool(getattr(callbacks, "handlers", callbacks))


def slim(compiled: Any, kind: type[Runnable[Any, Any]]) -> Any:
    """Make nodes of a compiled graph lean whose work is of this kind; others stay as they are. Returns the graph.

    Args:
        compiled: From `StateGraph.compile`; changed in place.
        kind: Class of the nodes that need no context of LangGraph's.
    """
    for node in compiled.nodes.values():
        steps = getattr(node.node, "steps", None)
        if steps and isinstance(steps[0], kind):
            node.node = Lean(node.node)  # a cached property: what is set takes its place
    return compiled
