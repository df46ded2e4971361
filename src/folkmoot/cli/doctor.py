"""``folkmoot doctor``: what is installed, which engines work here, and what to do if not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

QUICKSTART = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
ROOM_GIB = 6.0
"""What those models need on disk while they are fetched and converted."""
MEMORY_GIB = 6.0
"""What the quickstart takes in memory at its peak, near enough: all three models in bf16, at work."""


def doctor(
    team: Annotated[
        Path | None,
        typer.Option(help="A team file: show where its models would run, and what is wrong with its adapters."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="With --team: transformers or vllm, for members that name no engine.")
    ] = "transformers",
    in_flight: Annotated[int, typer.Option(min=1, help="With --team: requests at a time to plan memory for.")] = 128,
    tokens: Annotated[int, typer.Option(min=1, help="With --team: tokens of prompt and reply, for each.")] = 2048,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Load the engines' packages again, also if they loaded before.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what is installed, which engines work here, and what to do if not.

    Exit code 0 if an engine that runs weights works, else 4. With --team: 2 if an adapter or a model cannot be used, 4 if
    a model does not fit into memory.
    """
    if team is not None:
        from folkmoot.cli.seating import show_team

        raise typer.Exit(show_team(team, engine, tokens=tokens, in_flight=in_flight, as_json=json))
    from folkmoot.cli.probe import engines, isolation, machine, packages
    from folkmoot.paths import cache_dir
    from folkmoot.progress import Line

    line = Line()
    installed = packages()
    checks = engines(
        installed,
        cache_dir() / "doctor.json",
        fresh=fresh,
        said=lambda: line("doctor: loading what is installed, to see whether it works"),
    )
    line.close()
    here, models = machine(cache_dir()), _models()
    ready = any(c.works for c in checks if c.name in ("transformers", "vllm"))
    report = {
        "python": _python(),
        "packages": installed,
        "machine": here,
        "gpus": list(next((c.gpus for c in checks if c.gpus), ())),
        "models": models,
        "engines": [
            {"name": c.name, "works": c.works, "detail": c.detail, "remedy": c.remedy, "earlier": c.earlier or None}
            for c in checks
        ],
        "isolation": isolation(),
        "advice": advice(here, local=ready, fetched=all(m["ready"] for m in models if m["name"] in QUICKSTART)),
        "ready": ready,
    }
    if json:
        import json as j

        typer.echo(j.dumps(report, indent=2))
    else:
        show(report)
    raise typer.Exit(0 if ready else 4)


def _python() -> dict[str, str]:
    import platform
    import sys

    return {"version": platform.python_version(), "executable": sys.executable}


def _models() -> list[dict[str, Any]]:
    from folkmoot.models.catalogue import known
    from folkmoot.models.sources import ready

    return [{"name": name, "ready": ready(name) is not None} for name in known()]


def _isolated(found: dict[str, Any]) -> str:
    """What programs that models write are isolated with, when they are run for their tests."""
    if found["ok"]:
        return f"run isolated with {found['name']}: {', '.join(found['layers'])}"
    return f"not run, as they cannot be isolated: {found['why']}; install bubblewrap (sudo apt-get install bubblewrap)"


def advice(here: dict[str, Any], *, local: bool, fetched: bool) -> list[str]:
    """What to know about this machine before models run on it, one line each.

    Args:
        here: From `folkmoot.cli.probe.machine`.
        local: An engine that runs weights works.
        fetched: The models of the quickstart are here already.
    """
    found = []
    if not fetched and here["cache_free_gib"] < ROOM_GIB:
        found.append(
            f"{here['cache']} has {here['cache_free_gib']:g} GiB free, and fetching the quickstart's models takes about "
            f"{ROOM_GIB:g}: make room, or set FOLKMOOT_CACHE to another folder"
        )
    free = here["memory_free_gib"]
    if local and free is not None and free < MEMORY_GIB:
        found.append(
            f"{free:g} GiB of memory are free, and the quickstart takes about {MEMORY_GIB:g} at its peak: close other "
            "programs, or compare smaller models"
        )
    if local and here["bf16"] is False:
        found.append(
            "this processor does not compute in bf16, so models are slower on it and may take twice the memory"
        )
    return found


def show(report: dict[str, Any]) -> None:
    """Print a report for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    here = report["machine"]
    memory = f"{here['memory_gib']:g} GiB" if here["memory_gib"] is not None else "unknown"
    if here["memory_free_gib"] is not None:
        memory += f", {here['memory_free_gib']:g} free"
    bf16 = {True: "bf16", False: "no bf16", None: "bf16 unknown"}[here["bf16"]]
    facts = {
        "Python": f"{report['python']['version']}, {report['python']['executable']}",
        "Packages": ", ".join(f"{name} {v}" for name, v in report["packages"].items() if v),
        "Processor": f"{here['cpu'] or here['system']}, {here['cores']:g} cores, {bf16}",
        "GPU": ", ".join(report["gpus"]) or "none seen",
        "Memory": memory,
        "Cache": f"{here['cache']}, {here['cache_free_gib']:g} GiB free",
        "Programs": _isolated(report["isolation"]),
        "Models": ", ".join(m["name"] for m in report["models"] if m["ready"]) or "none fetched yet",
    }
    machine = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        machine.add_row(name, Text(fact))
    verdicts = Table("Engine", "Works", "Why", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for e in report["engines"]:
        works = Text("yes", "green") if e["works"] else Text("no", "red")
        verdicts.add_row(e["name"], works, Text("\n".join(filter(None, (e["detail"], e["remedy"])))))
    console = Console(highlight=False)
    console.print(machine)
    console.print()
    console.print(verdicts)
    if earlier := next((e["earlier"] for e in report["engines"] if e["earlier"]), None):
        console.print(Text(f"\nLoaded on {earlier}; no package has changed since. --fresh loads them again."))
    for line in report["advice"]:
        console.print(Text(f"\nNote: {line}"))
    if not report["ready"]:
        first = next(e["remedy"] for e in report["engines"] if not e["works"])
        console.print(Text(f"\nNo engine here runs weights. First thing to do: {first}"))
