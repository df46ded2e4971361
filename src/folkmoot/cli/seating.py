"""``folkmoot doctor --team``: where the models of a team would run, with the arithmetic, and what is wrong with adapters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from folkmoot.documents import BadInput, did_you_mean
from folkmoot.engines.placement.bases import EngineSpec, folder, local_kind, sized
from folkmoot.engines.placement.hardware import Hardware, detect
from folkmoot.engines.placement.needs import Needs
from folkmoot.engines.placement.plan import CPU_RESERVE, GPU_RESERVE, Plan, Seat, gib, place
from folkmoot.manifest import Manifest, bases, refusals
from folkmoot.team import read_team


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a team before anything is loaded.

    Attributes:
        hardware: What there is.
        plan: Where models run.
        users: Names of the participants on each base.
        needs: What each base needs that runs here and whose size is known.
        unknown: Why the size of a base is not known.
        refused: Adapters and models that cannot be used, a line for each.
        adapters: How many adapters there are.
    """

    hardware: Hardware
    plan: Plan
    users: Mapping[EngineSpec, tuple[str, ...]]
    needs: Mapping[EngineSpec, Needs]
    unknown: Mapping[EngineSpec, str]
    refused: tuple[str, ...]
    adapters: int

    @property
    def code(self) -> int:
        """Exit code of the command."""
        return 2 if self.refused else 4 if self.plan.misfits else 0


def survey(members: Sequence[Manifest], engine: str, hardware: Hardware, *, tokens: int, in_flight: int) -> Survey:
    """Look at a team on some hardware.

    Args:
        members: The team.
        engine: Kind of engine for those that name none.
        hardware: What there is.
        tokens: Of prompt and reply together, for a request as planned.
        in_flight: Requests at a time as planned.
    """
    asked = bases(members, engine)
    users = {spec: tuple(m.name for m in members if m.engine_spec(engine) == spec) for spec in asked}
    refused = [line for m in members if (line := _no_model(m, engine))]
    needs: dict[EngineSpec, Needs] = {}
    unknown: dict[EngineSpec, str] = {}
    for spec, base in asked.items():
        if local_kind(spec) is None:
            continue
        try:
            needs[spec] = sized(base, hardware, tokens=tokens, in_flight=in_flight)
        except ValueError as e:
            unknown[spec] = str(e)
            if folder(spec) is not None:  # it is here, so that nothing will make it readable
                refused += [f"participant {name!r}: {e}" for name in users[spec]]
    refused += refusals(members, engine)
    adapters = len({f for base in asked.values() for f in base.adapters})
    return Survey(hardware, place(list(needs.values()), hardware), users, needs, unknown, tuple(refused), adapters)


def _no_model(m: Manifest, engine: str) -> str | None:
    from folkmoot.models.sources import check_source

    if local_kind(m.engine_spec(engine)) is not None:
        try:
            check_source(m.model)
        except BadInput as e:
            return f"participant {m.name!r}: {e}"
    return None


def show_team(team: Path, engine: str, *, tokens: int, in_flight: int, as_json: bool) -> int:
    """Print the plan for a team file; returns the exit code.

    Raises:
        BadInput: The file is wrong, or there is no such engine.
    """
    if engine not in ("transformers", "vllm"):
        raise BadInput(f"--engine {engine}: {did_you_mean(engine, ['transformers', 'vllm'])}")
    seen = survey(read_team(team), engine, detect(), tokens=tokens, in_flight=in_flight)
    typer.echo(json.dumps(as_data(seen), indent=2) if as_json else "\n".join(as_text(seen)))
    return seen.code


def as_data(seen: Survey) -> dict[str, Any]:
    """A survey for programs; sizes in bytes."""
    rows = []
    for spec, names in seen.users.items():
        row: dict[str, Any] = {"model": spec.model, "engine": spec.kind, "participants": list(names)}
        if seat := _seat(seen, spec):
            n = seat.needs
            row |= {
                "device": n.device, "gpus": list(seat.gpus), "tensor_parallel": max(1, len(seat.gpus)),
                "per_device": asdict(seat.parts) | {"total": seat.parts.total}, "room": seat.room, "share": seat.share,
                "tokens": n.tokens, "in_flight": seat.in_flight, "adapters": n.folders, "adapters_in_a_batch": n.slots,
                "rank": n.rank, "shift": seat.shift,
            }  # fmt: skip
        rows.append(row | {"unknown": seen.unknown.get(spec)})
    return {
        "hardware": asdict(seen.hardware),
        "bases": rows,
        "does_not_fit": [str(m) for m in seen.plan.misfits],
        "refused": list(seen.refused),
        "code": seen.code,
    }


def as_text(seen: Survey) -> Iterator[str]:
    """A survey for people, line by line."""
    yield from _hardware(seen.hardware)
    for spec, names in seen.users.items():
        yield ""
        yield from _base(seen, spec, ", ".join(names))
    yield ""
    yield from _together(seen)
    for misfit in seen.plan.misfits:
        yield f"{misfit}."
    if seen.refused:
        yield f"\nRefused ({len(seen.refused)}):"
        yield from seen.refused
    elif seen.adapters:
        yield f"Nothing speaks against {'its adapter' if seen.adapters == 1 else f'any of the {seen.adapters} adapters'}."


def _hardware(here: Hardware) -> Iterator[str]:
    for g in here.gpus:
        yield f"GPU {g.index}: {g.name}, {gib(g.total)}, {gib(g.free)} free, of which {gib(GPU_RESERVE)} stay free"
    if not here.gpus:
        yield "No GPU seen: everything runs on the CPU"
    if here.memory is not None and here.memory_free is not None:
        yield f"Memory: {gib(here.memory)}, {gib(here.memory_free)} free, of which {gib(CPU_RESERVE)} stay free"
    else:
        yield "Memory: unknown"


def _seat(seen: Survey, spec: EngineSpec) -> Seat | None:
    return next((s for s in seen.plan.seats if s.needs is seen.needs.get(spec)), None)


def _base(seen: Survey, spec: EngineSpec, names: str) -> Iterator[str]:
    seat = _seat(seen, spec)
    if seat is None:
        where = f"at {spec.url}" if spec.url else "nothing runs here" if local_kind(spec) is None else "no place"
        yield f"{spec.model}: {spec.kind}, {where}, for {names}"
        if spec in seen.unknown:
            yield f"  size unknown: {seen.unknown[spec]}"
        return
    n, p = seat.needs, seat.parts
    yield f"{spec.model}: {n.kind} on {_device(seat)}, for {names}"
    bits = f"at {n.precision * 8} bits a number" + (f", split over {len(seat.gpus)} GPUs" if len(seat.gpus) > 1 else "")
    if n.kv_token is None:
        held = "not known before the model is fetched"
    else:
        fewer = f", of {n.in_flight} as planned" if seat.in_flight is not None and seat.in_flight < n.in_flight else ""
        held = f"{seat.in_flight} requests of {n.tokens} tokens, {n.kv_token / 1024:.1f} KiB a token{fewer}"
    yield _row("weights", p.weights, bits)
    yield _row("keys, values", p.kv, held)
    if n.folders:
        yield _row("adapters", p.adapters, f"{n.folders} of rank {n.rank} or less, {n.slots} places in a batch")
    yield _row("overhead", p.overhead, "process and libraries" if n.device == "cpu" else "CUDA, activations of a step")
    share = f", gpu_memory {seat.share:g}" if seat.share is not None else ""
    yield _row("total", p.total, f"of {gib(seat.room)}{' on each' if len(seat.gpus) > 1 else ''}{share}")


def _row(name: str, size: int, note: str) -> str:
    return f"  {name:<13}{gib(size):>10}   {note}"


def _device(seat: Seat) -> str:
    if not seat.gpus:
        return "the CPU"
    return "GPU " + " + ".join(map(str, seat.gpus))


def _together(seen: Survey) -> Iterator[str]:
    """What shares a device, and who rests while others work."""
    for device, name in (("gpu", "GPU"), ("cpu", "the CPU")):
        seats = [s for s in seen.plan.seats if s.needs.device == device]
        shifts = sorted({s.shift for s in seats})
        if len(shifts) > 1:
            yield "They do not fit into memory together, so they work in shifts; the models of other shifts rest meanwhile:"
        for shift in shifts:
            mine = [s for s in seats if s.shift == shift]
            for d in sorted({g for s in mine for g in s.gpus} or {-1}):
                on = [s for s in mine if d in s.gpus or d == -1]
                sums = " + ".join(gib(s.parts.total) for s in on)
                total = f"{sums} = {gib(sum(s.parts.total for s in on))}" if len(on) > 1 else sums
                where = f"{name} {d}" if d >= 0 else name
                label = f"shift {shift + 1}, " if len(shifts) > 1 else ""
                yield f"{label}{where}: {', '.join(s.needs.name for s in on)}: {total} of {gib(on[0].room)}"
