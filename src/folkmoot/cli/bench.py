"""``folkmoot bench``: measure the product itself, one figure at a time."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    name: Annotated[str, typer.Argument(help="Name of a figure; 'list' shows them all.")],
    times: Annotated[int, typer.Option(min=1, help="Alternations; the median counts.")] = 3,
    json: Annotated[
        bool, typer.Option("--json", help="One object: name, value, parts, versions, load average.")
    ] = False,
) -> None:
    """Measure one figure on this machine and say whether it reaches its goal."""
    import time

    from folkmoot.bench.catalogue import BENCHES
    from folkmoot.bench.figure import about_this_machine, rounded
    from folkmoot.documents import BadInput, did_you_mean

    if name == "list":
        for b in BENCHES.values():
            typer.echo(f"{b.name:<16}{b.about} Goal: {b.goal} {b.unit}".rstrip() + ".")
        return
    if name not in BENCHES:
        raise BadInput(f"no benchmark {name!r}; {did_you_mean(name, BENCHES)}")
    found, began = BENCHES[name], time.monotonic()
    typer.echo(f"measuring {name}, {times} alternations; usually {found.minutes:g} minutes for three", err=True)
    before = about_this_machine()["load_average"]
    seen = found.run(times)
    report = {
        "name": name,
        "value": rounded(seen.value),
        "unit": seen.unit,
        "goal": str(found.goal),
        "reached": found.goal.reached(seen.value),
        "parts": rounded(dict(seen.parts)),
        "about": found.about,
        "times": times,
        "seconds": round(time.monotonic() - began, 1),
        "load_average_before": before,
        **about_this_machine(),
    }
    if json:
        import json as j

        typer.echo(j.dumps(report))
        return
    verdict = "reached" if report["reached"] else "NOT reached"
    typer.echo(f"{name}: {report['value']:g} {seen.unit}".rstrip() + f" (goal: {found.goal}; {verdict})")
    typer.echo(f"  {found.about}")
    for part, value in rounded(dict(seen.parts)).items():
        typer.echo(f"  {part}: {value}")
    typer.echo(f"  {report['machine']}; load {report['load_average_before']}; {report['seconds']} s")
