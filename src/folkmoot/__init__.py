"""Folkmoot: small, contributed language models that answer as one.

The names below are the public ones. They load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_HOME = {
    "AnswerType": "folkmoot.answers",
    "Decision": "folkmoot.discussion",
    "Discussion": "folkmoot.discussion",
    "Message": "folkmoot.engines.contract",
    "OpenAIEngine": "folkmoot.engines.openai",
    "Panel": "folkmoot.nodes",
    "Participant": "folkmoot.participant",
    "Sampling": "folkmoot.engines.contract",
    "Scripted": "folkmoot.engines.scripted",
    "SimulatedEngine": "folkmoot.engines.simulated",
    "TransformersEngine": "folkmoot.engines.transformers",
    "Turn": "folkmoot.discussion",
    "VllmEngine": "folkmoot.engines.vllm",
    "agreed": "folkmoot.discussion",
    "answer": "folkmoot.views",
    "ask": "folkmoot.nodes",
    "follow": "folkmoot.follow",
    "judge": "folkmoot.nodes",
    "neighbours": "folkmoot.views",
    "others": "folkmoot.views",
    "quote": "folkmoot.views",
    "rounds": "folkmoot.discussion",
    "seat": "folkmoot.nodes",
    "vote": "folkmoot.nodes",
    "wait": "folkmoot.nodes",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - the names are strings

if TYPE_CHECKING:
    from folkmoot.answers import AnswerType as AnswerType
    from folkmoot.discussion import Decision as Decision
    from folkmoot.discussion import Discussion as Discussion
    from folkmoot.discussion import Turn as Turn
    from folkmoot.discussion import agreed as agreed
    from folkmoot.discussion import rounds as rounds
    from folkmoot.engines.contract import Message as Message
    from folkmoot.engines.contract import Sampling as Sampling
    from folkmoot.engines.openai import OpenAIEngine as OpenAIEngine
    from folkmoot.engines.scripted import Scripted as Scripted
    from folkmoot.engines.simulated import SimulatedEngine as SimulatedEngine
    from folkmoot.engines.transformers import TransformersEngine as TransformersEngine
    from folkmoot.engines.vllm import VllmEngine as VllmEngine
    from folkmoot.follow import follow as follow
    from folkmoot.nodes import Panel as Panel
    from folkmoot.nodes import ask as ask
    from folkmoot.nodes import judge as judge
    from folkmoot.nodes import seat as seat
    from folkmoot.nodes import vote as vote
    from folkmoot.nodes import wait as wait
    from folkmoot.participant import Participant as Participant
    from folkmoot.views import answer as answer
    from folkmoot.views import neighbours as neighbours
    from folkmoot.views import others as others
    from folkmoot.views import quote as quote


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'folkmoot' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
