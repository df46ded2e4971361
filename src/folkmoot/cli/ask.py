"""``folkmoot ask``: put one question to a team and watch the discussion."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from folkmoot.answers.types import Kind

KINDS = ("text", "number", "math", "boolean", "code", "free")
DEFAULT_MEMBERS = ("qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct")


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    graph: Annotated[str, typer.Option(help="A graph from 'folkmoot graph list'.")] = "debate",
    team: Annotated[Path | None, typer.Option(help="A team file (members: ...).")] = None,
    member: Annotated[
        list[str] | None, typer.Option(help="A model as a member; repeat for more. Default: two small models.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="transformers or vllm, for members that name no engine.")
    ] = "transformers",
    answer: Annotated[
        str, typer.Option(help="How replies are read: text, number, math, boolean, code or free.")
    ] = "text",
    option: Annotated[
        list[str] | None, typer.Option(help="One of several options to choose from; repeat for each.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="An option of the graph, as name=value.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 gives the same reply each time.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of one reply.")] = 256,
    prompts: Annotated[Path | None, typer.Option(help="Folder with templates that replace the shipped ones.")] = None,
    scripted: Annotated[bool, typer.Option("--scripted", help="Rehearse without models: made-up replies.")] = False,
) -> None:
    """Put a question to a team and watch the discussion, speaker by speaker."""
    import asyncio

    from folkmoot.answers import AnswerType
    from folkmoot.documents import BadInput, did_you_mean
    from folkmoot.prompts import check_template
    from folkmoot.protocol import find

    if not question.strip():
        raise BadInput("the question is empty")
    if answer not in KINDS:
        raise BadInput(f"--answer {answer}: {did_you_mean(answer, KINDS)}")
    if engine not in ("transformers", "vllm"):
        raise BadInput(f"--engine {engine}: {did_you_mean(engine, ['transformers', 'vllm'])}")
    try:
        kind = AnswerType("choice", tuple(option)) if option else AnswerType(cast("Kind", answer))
    except ValueError as e:
        raise BadInput(f"--option: {e}") from None
    if option:
        question += "\n\n" + "\n".join(f"{label}) {text}" for label, text in zip(kind.labels, option, strict=True))
    protocol = find(graph)
    options = settings(set_ or [])
    manifests = _manifests(team, member)
    for template in protocol.templates:
        check_template(template, str(prompts) if prompts else None)
    state: dict[str, Any] = {"question": question, "answer_type": kind, "seed": 0}
    code = asyncio.run(
        _discuss(protocol, options, manifests, engine, _sampling(temperature, max_tokens), prompts, state, scripted)
    )
    raise typer.Exit(code)


def settings(pairs: list[str], flag: str = "--set") -> dict[str, Any]:
    """Options given as ``name=value`` with a flag; numbers are read as numbers.

    Raises:
        BadInput: A pair without ``=``.
    """
    from folkmoot.documents import BadInput, plain

    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput(f"{flag} {pair}: write it as name=value")
        if name in found:
            raise BadInput(f"{flag} {name} is given twice")
        try:
            found[name] = plain(value)
        except BadInput as e:
            raise BadInput(f"{flag} {pair}: {e}") from None
    return found


def _sampling(temperature: float, max_tokens: int) -> Any:
    from folkmoot.documents import BadInput
    from folkmoot.engines.contract import Sampling

    try:
        return Sampling(temperature, 1.0, max_tokens)
    except ValueError as e:
        raise BadInput(f"--temperature: {e}") from None


def _manifests(team: Path | None, members: list[str] | None) -> list[Any]:
    from folkmoot.documents import BadInput
    from folkmoot.manifest import Manifest
    from folkmoot.team import read_team

    if team and members:
        raise BadInput("give --team or --member, not both")
    if team:
        return list(read_team(team))
    models = members or list(DEFAULT_MEMBERS)
    if not all(m.strip() for m in models):
        raise BadInput("--member '': name a model; see 'folkmoot model list'")
    names = [_short(m) for m in models]
    unique = [n if names.count(n) == 1 else f"{n}-{i}" for i, n in enumerate(names, 1)]
    return [Manifest(name=n, model=m) for n, m in zip(unique, models, strict=True)]


def _short(model: str) -> str:
    """A member's name from its model: the first part of the last part, in letters that a name may have."""
    from folkmoot.participant import RESERVED

    last = Path(model.partition("@")[0]).name.split("-")[0]
    name = re.sub(r"[^A-Za-z0-9._]+", "-", last).strip("-._")[:48]
    return name if name and name not in RESERVED else f"member-{name}".strip("-")


async def _discuss(
    protocol: Any,
    options: dict[str, Any],
    manifests: list[Any],
    engine: str,
    sampling: Any,
    prompts: Path | None,
    state: dict[str, Any],
    scripted: bool,
) -> int:
    from folkmoot.discussion import Decision
    from folkmoot.engines.cache import Completions
    from folkmoot.engines.cache_file import completions_file
    from folkmoot.engines.pool import Pool
    from folkmoot.follow import follow
    from folkmoot.manifest import participants
    from folkmoot.progress import Line
    from folkmoot.routing import Similarity

    line = Line()
    completions = Completions(None if scripted else completions_file())
    pool = Pool(completions, progress=line, scripted=scripted)
    try:
        people = participants(manifests, pool, engine, sampling)
        team = list(people.values())
        panel = protocol.panel(team, options, people, str(prompts) if prompts else None, Similarity(pool.encoder))
        for p in team:
            _ = p.engine.identity  # fetches the model, with progress, before the talk begins
        for needed in panel.needs:
            await needed.start()
        decision: Decision | None = None
        async for event in follow(panel.compile(), state):
            line.close()
            if isinstance(event, Decision):
                decision = event
            else:
                _say(event)
        line.close()
        return _end(decision)
    finally:
        line.close()
        await pool.close()
        completions.close()


def _say(turn: Any) -> None:
    from folkmoot.visible import visible

    about = f" on {turn.about}" if turn.about else ""
    read = f" -> {visible(turn.answer)}" if turn.answer is not None else ""
    head = f"{turn.speaker} ({turn.role}{about}, round {turn.round + 1}){read}{' FAILED' if turn.error else ''}"
    typer.secho(head, bold=True, fg="red" if turn.error else "cyan")
    for line in visible(turn.error or turn.text.strip()).splitlines():
        typer.echo(f"   {line}")
    typer.echo()
    sys.stdout.flush()


def _end(decision: Any) -> int:
    if decision is None or decision.answer is None:
        typer.secho(f"No answer: {decision.why if decision else 'the graph made no decision'}", bold=True)
        return 3
    typer.secho(f"Answer: {decision.answer}", bold=True, fg="green")
    typer.echo(f"({decision.by}: {decision.why})")
    return 0
