"""What a file in ``graphs/`` declares beside its wiring, and how protocols are found by name."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from langgraph.graph import StateGraph

from folkmoot.documents import BadInput, did_you_mean, said
from folkmoot.nodes import Panel
from folkmoot.participant import Participant, check_team
from folkmoot.routing import EMBEDDING, Router

Build = TypeVar("Build", bound=Callable[..., Panel])


@dataclass(frozen=True, slots=True)
class Protocol:
    """A collaboration protocol.

    Attributes:
        name: Name of the function that builds it.
        build: ``build(team, **options)`` returns an uncompiled graph.
        papers: arXiv ids.
        templates: Prompt templates it uses.
        least: Smallest team.
        calls: ``calls(n, **options)``: most model calls for one question.
    """

    name: str
    build: Callable[..., Panel]
    papers: tuple[str, ...]
    templates: tuple[str, ...]
    least: int
    calls: Callable[..., int]

    @property
    def summary(self) -> str:
        """First sentence of the docstring."""
        return (inspect.getdoc(self.build) or "").split("\n", 1)[0]

    @property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """What may be set, beside the team."""
        return dict(list(inspect.signature(self.build).parameters.items())[1:])

    def most_calls(self, n: int, options: Mapping[str, Any]) -> int:
        """Most model calls for one question with a team of `n`."""
        settings = {k: p.default for k, p in self.options.items()} | dict(options)
        return self.calls(n, **{k: v for k, v in settings.items() if k in inspect.signature(self.calls).parameters})

    @property
    def roles(self) -> frozenset[str]:
        """The options that take a participant (a judge, a router)."""
        return self._annotated("Participant") | self.routers

    @property
    def routers(self) -> frozenset[str]:
        """The options that take a router."""
        return self._annotated("By")

    def _annotated(self, word: str) -> frozenset[str]:
        named = {k: re.findall(r"\w+", inspect.formatannotation(p.annotation)) for k, p in self.options.items()}
        return frozenset(k for k, words in named.items() if word in words)

    def panel(
        self,
        team: Sequence[Participant],
        options: Mapping[str, Any],
        people: Mapping[str, Participant],
        prompts: str | None = None,
        router: Router | None = None,
    ) -> Panel:
        """Build from options as they stand in a file: participants are given by name.

        Args:
            team: The members.
            options: Options of the protocol.
            people: Who can be named.
            prompts: A user's prompts folder, if the options name none.
            router: What `EMBEDDING` means; left out: what it means to the graph.

        Raises:
            BadInput: An unknown option or name, or a value that the protocol refuses.
        """
        settings = dict(options)
        offered: dict[str, Any] = dict(people)
        for key in self.routers:
            offered[EMBEDDING] = router or EMBEDDING
            if router is not None and self.options[key].default == EMBEDDING:
                settings.setdefault(key, router)
        for key, value in options.items():
            if key not in self.options:
                raise BadInput(f"graph {self.name!r} has no option {key!r}; {did_you_mean(key, self.options)}")
            if key in self.routers and value == EMBEDDING and EMBEDDING in people:
                raise BadInput(
                    f"graph {self.name!r}: {key}: {EMBEDDING!r} is the router that compares texts, and the name of a participant "
                    "too; call that one something else"
                )
            able = offered if key in self.routers else people
            if key in self.roles and isinstance(value, str):
                if value not in able:
                    raise BadInput(
                        f"graph {self.name!r}: {key}: nobody is called {value!r}; {did_you_mean(value, able)}"
                    )
                settings[key] = able[value]
            elif key in self.roles and not isinstance(value, Participant):
                raise BadInput(f"graph {self.name!r}: {key}={value!r}: give the name of a participant")
            elif key not in self.roles:
                self._check(key, value)
        if prompts is not None and "prompts" in self.options:
            settings.setdefault("prompts", prompts)
        try:
            panel = self.build(team, **settings)
        except BadInput:
            raise
        except Exception as e:  # a user's own graph may raise anything
            raise BadInput(f"graph {self.name!r} cannot be built: {type(e).__name__}: {e}") from None
        if not isinstance(panel, StateGraph):
            raise BadInput(f"graph {self.name!r}: the function must return an uncompiled StateGraph")
        return panel

    def _check(self, key: str, value: Any) -> None:
        """Refuse a value that is not of the option's type."""
        from pydantic import TypeAdapter, ValidationError
        from pydantic.errors import PydanticUserError

        try:
            wanted = get_type_hints(inspect.unwrap(self.build))[key]
            TypeAdapter(wanted).validate_python(value, strict=True)
        except ValidationError as e:
            why = said(e.errors(include_url=False)[0])
            if value == "dev":
                why += "; only a suite fills in 'dev'"
            raise BadInput(f"graph {self.name!r}: {key}={value!r}: {why}") from None
        except (NameError, KeyError, PydanticUserError):
            return  # a user's own annotation that cannot be looked up says nothing


def protocol(
    *, papers: Sequence[str], templates: Sequence[str], calls: Callable[..., int], least: int = 1
) -> Callable[[Build], Build]:
    """Declare a protocol: what it rests on and what it costs. The team is checked before the function runs."""

    def declare(build: Build) -> Build:
        @functools.wraps(build)
        def checked(team: Sequence[Participant], *args: Any, **options: Any) -> Panel:
            members = (team,) if isinstance(team, Participant) else tuple(team)
            check_team(members, build.__name__, least)
            return build(members, *args, **options)

        checked.protocol = Protocol(build.__name__, checked, tuple(papers), tuple(templates), least, calls)  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]  # same signature, checked team

    return declare


def find(name: str) -> Protocol:
    """A protocol by name, or a user's own as ``package.module:function``.

    Raises:
        BadInput: No such protocol, or the function is not declared with `protocol`.
    """
    if ":" in name:
        return _users(name)
    known = catalogue()
    if name not in known:
        raise BadInput(f"no graph {name!r}; {did_you_mean(name, known)}")
    return known[name]


@functools.cache
def catalogue() -> dict[str, Protocol]:
    """All protocols in ``folkmoot.graphs``, by name."""
    import folkmoot.graphs as home

    found = {}
    for module in pkgutil.iter_modules(home.__path__):
        build = getattr(importlib.import_module(f"folkmoot.graphs.{module.name}"), module.name)
        found[module.name] = build.protocol
    return dict(sorted(found.items()))


def _users(name: str) -> Protocol:
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does: people keep their graphs beside their suites
    try:
        build = getattr(importlib.import_module(module), function)
    except Exception as e:  # it is the user's code: it may raise anything
        raise BadInput(f"graph {name!r} cannot be imported: {type(e).__name__}: {e}") from None
    if not isinstance(found := getattr(build, "protocol", None), Protocol):
        raise BadInput(f"graph {name!r}: declare the function with @folkmoot.protocol.protocol(...)")
    return found
