"""``folkmoot graph``: list, show and draw collaboration graphs."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the graphs that ship with Folkmoot."""
    from folkmoot.protocol import catalogue

    found = catalogue().values()
    if json:
        import json as j

        rows = [
            {
                "name": p.name,
                "summary": p.summary,
                "papers": list(p.papers),
                "least": p.least,
                "options": {k: repr(v.default) for k, v in p.options.items()},
                "calls": {"team": 3, "most": p.most_calls(3, {})},
            }
            for p in found
        ]
        typer.echo(j.dumps(rows, indent=2))
        return
    for p in found:
        typer.echo(f"{p.name:<18} {p.summary}")
        typer.echo(f"{'':<18} arXiv {', '.join(p.papers)}; {p.most_calls(3, {})} calls at most for a team of 3\n")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A graph.")]) -> None:
    """Show what a graph does, its options and its cost."""
    from folkmoot.protocol import find

    p = find(name)
    typer.echo(f"{p.name}(team, {', '.join(str(o) for o in p.options.values())})\n")
    typer.echo(inspect.getdoc(p.build))
    typer.echo(f"\nTemplates: {', '.join(p.templates)}")


@app.command()
def draw(
    name: Annotated[str, typer.Argument(help="A graph.")],
    members: Annotated[str, typer.Option(help="Names of the team, separated by commas.")] = "ana,bo,cy",
) -> None:
    """Print a graph as a Mermaid drawing."""
    from folkmoot.documents import BadInput
    from folkmoot.engines.scripted import Scripted
    from folkmoot.participant import Participant
    from folkmoot.protocol import find

    try:
        team = [Participant(n.strip(), Scripted([])) for n in members.split(",")]
    except ValueError as e:
        raise BadInput(f"--members: {e}") from None
    typer.echo(find(name).build(team).compile().get_graph().draw_mermaid())
