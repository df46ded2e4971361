"""What an engine around another engine has in common with all of them: everything but how it answers."""

from __future__ import annotations

from folkmoot.engines.contract import Capabilities, Engine


class Wrapped:
    """An engine that passes everything on but requests.

    Attributes:
        engine: The engine inside.
    """

    engine: Engine

    @property
    def identity(self) -> str:
        """The engine's own."""
        return self.engine.identity

    @property
    def capabilities(self) -> Capabilities:
        """The engine's own."""
        return self.engine.capabilities

    @property
    def context(self) -> int | None:
        """The engine's own."""
        return self.engine.context

    async def start(self) -> None:
        """Start the engine."""
        await self.engine.start()

    async def close(self) -> None:
        """Close the engine; what is around it stays open."""
        await self.engine.close()

    def count_tokens(self, text: str) -> int:
        """The engine's own."""
        return self.engine.count_tokens(text)
