"""A participant: one contributed model as a member, with a name, a purpose and its own way of being asked."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.contract import Choice, Completion, Engine, Message, PromptTooLong, Request, Sampling
from folkmoot.paths import folder_hash

RESERVED = frozenset({"floor", "decide", "judge", "finish", "router", "__start__", "__end__"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_MARGIN = 64  # tokens: what chat templates put around messages, a system text of their own included (30 for SmolLM2)


def check_name(name: str) -> str:
    """Return `name` if a participant may have it (it becomes the name of a graph node).

    Raises:
        ValueError: Empty, too long, odd characters, or the name of another node.
    """
    if name in RESERVED or not _NAME.fullmatch(name):
        taken = " (taken by a node of the graph)" if name in RESERVED else ""
        raise ValueError(
            f"{name!r} cannot name a participant{taken}: use letters, digits, space, '.', '_' or '-', at most 64"
        )
    return name


@dataclass(frozen=True, slots=True)
class Participant:
    """One member of a team.

    Attributes:
        name: Unique in a team; the name of its graph node.
        engine: What runs it.
        adapter: Folder of a LoRA adapter on the engine's model, or None.
        system: System text of every call.
        purpose: One or two sentences on what it was made for.
        sampling: How its replies are drawn; the seed is set per call.
        contributor: Who contributed it.
        licence: Licence of the weights.
        examples: A handful of questions it is for, from the dev part of its own test set: what a router knows of it beside
            the purpose.
    """

    name: str
    engine: Engine
    adapter: str | None = None
    system: str = ""
    purpose: str = ""
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))
    contributor: str = ""
    licence: str = ""
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if not hasattr(type(self.engine), "complete"):  # not isinstance: that would look at identity, which may load
            raise BadInput(
                f"participant {self.name!r}: {self.engine!r} is no engine; give one, such as TransformersEngine('org/name')"
            )
        if self.adapter is not None and not self.engine.capabilities.adapters:
            raise BadInput(
                f"participant {self.name!r}: its engine has no adapters, so {self.adapter!r} cannot be applied; "
                "use TransformersEngine, or VllmEngine with max_loras=1 or more"
            )

    def messages(self, text: str) -> tuple[Message, ...]:
        """The conversation for one prompt: the system text, if there is one, then `text` from the user."""
        user = Message("user", text)
        return (Message("system", self.system), user) if self.system else (user,)

    def count(self, text: str) -> int:
        """Tokens of `text` in this participant's own tokenizer."""
        return self.engine.count_tokens(text)

    def room(self, text: str) -> int | None:
        """Tokens that others' words may add to the prompt `text`; None if the window is unknown.

        Raises:
            PromptTooLong: Not even `text` and the reply fit: nothing of a question is ever cut.
        """
        window = self.engine.context
        if window is None:
            return None
        needed = self.count(self.system) + self.count(text) + self.sampling.max_tokens + _MARGIN
        if needed > window:
            raise PromptTooLong(
                f"{self.name}: the question and the reply need {needed} tokens, the model's window has {window}. "
                "Ask for shorter replies (max_tokens) or use a model with a longer window."
            )
        return window - needed

    async def complete(
        self, prompt: Sequence[Message], *, seed: int | None = None, draw: int = 0, depth: int = 0
    ) -> Completion:
        """Ask for one reply.

        Args:
            prompt: The messages.
            seed: Seed of the question, or None; the call's seed follows from it, the name and `draw`.
            draw: Number of the sample where one prompt is sampled several times.
            depth: Steps of the discussion that are already done; see `Request`.

        Raises:
            EngineError: The call failed.
        """
        return await self.engine.complete(self._request(prompt, seed, draw, depth))

    async def choose(self, prompt: Sequence[Message], options: Sequence[str], *, depth: int = 0) -> Choice:
        """Ask how likely each option is as the reply. See `Engine.choose`."""
        return await self.engine.choose(replace(self._request(prompt, None, 0, depth), draw=0), options)

    def _request(self, prompt: Sequence[Message], seed: int | None, draw: int, depth: int) -> Request:
        if self.sampling.temperature == 0:
            return Request(tuple(prompt), replace(self.sampling, seed=None), self.adapter, depth=depth)
        drawn = derive(seed, self.name, draw)
        usable = drawn if seed is not None and self.engine.capabilities.seeds else None
        return Request(tuple(prompt), replace(self.sampling, seed=usable), self.adapter, drawn, depth)

    def spec(self) -> dict[str, Any]:
        """All that determines its replies and what is known of it, as plain data: part of every sample's key."""
        return {
            "name": self.name,
            "engine": self.engine.identity,
            "adapter": folder_hash(self.adapter) if self.adapter else None,
            "system": self.system,
            "sampling": [self.sampling.temperature, self.sampling.top_p, self.sampling.max_tokens, self.sampling.stop],
            "about": [self.purpose, *self.examples],
        }


def derive(*parts: object) -> int:
    """A seed from what identifies a call: 31 bits, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


def check_team(team: Sequence[Participant], graph: str, least: int) -> None:
    """Refuse a team that cannot hold this discussion.

    Raises:
        BadInput: Too few members, or two with one name.
    """
    if strangers := [p for p in team if not isinstance(p, Participant)]:
        raise BadInput(f"{graph}: {strangers[0]!r} is no Participant; a team is a list of them")
    if len(team) < least:
        raise BadInput(f"{graph} needs a team of at least {least}, got {len(team)}: add members")
    names = [p.name for p in team]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise BadInput(f"{graph}: two members are called {twice[0]!r}; names must differ")


def check_weights(
    weights: Mapping[str, float] | None, team: Sequence[Participant], graph: str, what: str = "weights"
) -> None:
    """Refuse weights that no vote can be counted with.

    Args:
        weights: A number for each member by name; others may be left out.
        team: The members.
        graph: Name of the protocol, for complaints.
        what: Name of the option.

    Raises:
        BadInput: A weight of somebody who is no member, or one that is no number.
    """
    names = [p.name for p in team]
    for name, weight in (weights or {}).items():
        if name not in names:
            raise BadInput(f"{graph}: {what}: {name!r} is no member; {did_you_mean(name, names)}")
        if not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise BadInput(f"{graph}: {what}: {name!r} has {weight!r}; use a number of 0 or more")
