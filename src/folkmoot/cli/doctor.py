"""``folkmoot doctor``: what is installed, which engines work here, and what to do if not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

ROOM_GIB = 6.0
"""What the models of the quickstart need on disk while they are fetched and converted."""
MEMORY_GIB = 4.5
"""What the largest model of the quickstart needs while it is converted."""


def doctor(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Say what is installed, which engines work here, and what to do if not.

    Exit code 0 if an engine that runs weights works, else 4.
    """
    from folkmoot.cli.probe import engines, machine, packages
    from folkmoot.paths import cache_dir
    from folkmoot.progress import Line

    line = Line()
    installed = packages()
    line("doctor: loading what is installed, to see whether it works")
    checks = engines(installed)
    line.close()
    here = machine(cache_dir())
    ready = any(c.works for c in checks if c.name in ("transformers", "vllm"))
    report = {
        "python": _python(),
        "packages": installed,
        "machine": here,
        "gpus": list(next((c.gpus for c in checks if c.gpus), ())),
        "models": _models(),
        "engines": [{"name": c.name, "works": c.works, "detail": c.detail, "remedy": c.remedy} for c in checks],
        "advice": advice(here, bool(installed.get("torch"))),
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
    return []


def advice(here: dict[str, Any], torch: bool) -> list[str]:
    """What to know about this machine before models are run on it; one line each.

    Args:
        here: From `folkmoot.cli.probe.machine`.
        torch: Models can be run in this environment.
    """
    found = []
    if here["cache_free_gib"] < ROOM_GIB:
        found.append(
            f"{here['cache']} has {here['cache_free_gib']:g} GiB free and the quickstart's models take {ROOM_GIB:g}: "
            "make room, or set FOLKMOOT_CACHE to another folder"
        )
    if torch and (here["memory_free_gib"] or MEMORY_GIB) < MEMORY_GIB:
        found.append(
            f"{here['memory_free_gib']:g} GiB of memory are free and the quickstart's largest model takes {MEMORY_GIB:g}: "
            "close other programs, or compare smaller models"
        )
    if torch and here["bf16"] is False:
        found.append("this processor does not compute bf16 itself: models run in fp32, slower and in twice the memory")
    return found


def show(report: dict[str, Any]) -> None:
    """Print a report for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    here = report["machine"]
    facts = Table.grid(padding=(0, 2))
    facts.add_row("Python", f"{report['python']['version']}  {report['python']['executable']}")
    facts.add_row("Packages", ", ".join(f"{k} {v}" for k, v in report["packages"].items() if v))
    bf16 = {True: "bf16", False: "no bf16", None: "bf16 unknown"}[here["bf16"]]
    facts.add_row("Processor", f"{here['cpu'] or here['system']}, {here['cores']:g} cores, {bf16}")
    facts.add_row("GPU", ", ".join(report["gpus"]) or "none seen")
    if here["memory_gib"] is not None:
        free = "" if here["memory_free_gib"] is None else f", {here['memory_free_gib']:g} free"
        facts.add_row("Memory", f"{here['memory_gib']:g} GiB{free}")
    facts.add_row("Cache", f"{here['cache']}, {here['cache_free_gib']:g} GiB free")
    facts.add_row("Models", ", ".join(m["name"] for m in report["models"] if m["ready"]) or "none fetched yet")
    console.print(facts)
    console.print()
    table = Table("Engine", "Works", "Why", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for e in report["engines"]:
        table.add_row(
            e["name"],
            "[green]yes[/]" if e["works"] else "[red]no[/]",
            _plain(e["detail"] + (f"\n{e['remedy']}" if e["remedy"] else "")),
        )
    console.print(table)
    for line in report["advice"]:
        console.print(f"\nNote: {line}", markup=False)
    if not report["ready"]:
        console.print("\nNo engine runs weights here. First thing to do: " + _first_remedy(report), markup=False)


def _first_remedy(report: dict[str, Any]) -> str:
    return str(next(e["remedy"] for e in report["engines"] if not e["works"]))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
