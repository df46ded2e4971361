"""Watch a discussion as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from folkmoot.discussion import Decision, Turn


async def follow(panel: Any, question: str | Mapping[str, Any]) -> AsyncIterator[Turn | Decision]:
    """Run a compiled panel and yield every turn as soon as it is spoken, then the decision.

    Args:
        panel: A compiled graph over `Discussion`.
        question: The question, or a whole `Discussion` (with ``answer_type``, ``seed``).
    """
    state = {"question": question} if isinstance(question, str) else dict(question)
    async for update in panel.astream(state, stream_mode="updates"):
        for change in update.values():
            if not change:
                continue
            for turn in change.get("turns", ()):
                yield turn
            if "decision" in change:
                yield change["decision"]
