"""Which model runs where: from needs and hardware to a plan. Pure arithmetic; nothing is looked up or loaded.

Models that fit together share the devices. Where they do not, they work in shifts: the models of one shift are in memory
together, those of the others rest. A shift is filled from the smallest model up, so that the members of a team stay
together and a monolith gets a shift of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from folkmoot.engines.placement.hardware import Hardware
from folkmoot.engines.placement.needs import GIB, Device, Needs

GPU_RESERVE = GIB // 2
"""Left free on every GPU: fragments, a display, other programs."""
CPU_RESERVE = GIB
"""Left free of main memory: the run itself, its caches, other programs."""
LEAST_IN_FLIGHT = 8
"""Requests at a time that a model must have room for; with fewer, its weights are read too often for too little."""
_PATIENCE = 20_000
"""Steps of the search for a packing; past them the models are taken not to fit together."""
_UNKNOWN = 2**60


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes that a model takes on each of its devices."""

    weights: int
    kv: int
    adapters: int
    overhead: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.adapters + self.overhead


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a model runs.

    Attributes:
        needs: The model.
        gpus: Indices of its GPUs, over which it is split; empty for the CPU.
        parts: What it takes on each of them.
        room: What there is on each of them for all models of its shift, in bytes.
        share: Of each GPU's whole memory, for engines that are told (vLLM).
        in_flight: Requests as planned that its keys and values have room for; None if their size is not known.
        shift: Models of one shift are in memory together, those of another rest.
    """

    needs: Needs
    gpus: tuple[int, ...]
    parts: Parts
    room: int
    share: float | None
    in_flight: int | None
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Misfit:
    """A model that does not fit, even alone.

    Attributes:
        needs: The model.
        parts: The least that it takes on each device.
        room: What there is on one, in bytes.
        hopeless: Its weights alone are more than there is.
        remedies: What would help.
    """

    needs: Needs
    parts: Parts
    room: int
    hopeless: bool
    remedies: tuple[str, ...]

    def __str__(self) -> str:
        short = self.parts.total - self.room
        where = "any GPU here" if self.needs.device == "gpu" else "main memory"
        return (
            f"{self.needs.name} does not fit into {where}: it needs {gib(self.parts.total)} and {gib(self.room)} can be "
            f"had, {gib(short)} too little. What would help: {'; '.join(self.remedies)}"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Every model has a seat or is a misfit."""

    seats: tuple[Seat, ...]
    misfits: tuple[Misfit, ...]

    def shifts(self, device: Device) -> int:
        """How many shifts work on a kind of device."""
        return len({s.shift for s in self.seats if s.needs.device == device})

    def crowded(self, device: Device) -> bool:
        """Whether engines have to heed each other: they work in shifts, or share a GPU, one of them vLLM."""
        seats = [s for s in self.seats if s.needs.device == device]
        taken = [g for s in seats for g in s.gpus]
        shared = len(set(taken)) < len(taken) and any(s.needs.kind == "vllm" for s in seats)
        return self.shifts(device) > 1 or shared


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def place(models: Sequence[Needs], hardware: Hardware) -> Plan:
    """Give every model a seat, or say why it has none. More memory never makes a plan worse."""
    seats: list[Seat] = []
    misfits: list[Misfit] = []
    devices: tuple[Device, ...] = ("gpu", "cpu")
    for device in devices:
        rooms = _rooms(hardware, device)
        mine = [n for n in models if n.device == device]
        fitting = []
        for n in mine:
            if any(_options(n, rooms)):
                fitting.append(n)
            else:
                misfits.append(_misfit(n, rooms))
        for number, (shift, seating) in enumerate(_shifts(fitting, rooms)):
            seats += _seats(shift, seating, rooms, number)
    return Plan(tuple(seats), tuple(misfits))


@dataclass(frozen=True, slots=True)
class _Room:
    """A device: bytes in all, and bytes that models may take."""

    total: int
    free: int


def _rooms(hardware: Hardware, device: str) -> tuple[_Room, ...]:
    if device == "gpu":
        return tuple(_Room(g.total, max(0, g.free - GPU_RESERVE)) for g in hardware.gpus)
    free = hardware.memory_free
    return (_Room(hardware.memory or _UNKNOWN, _UNKNOWN if free is None else max(0, free - CPU_RESERVE)),)


def parts(n: Needs, split: int, in_flight: int) -> Parts:
    """What a model takes on each of `split` devices, with room for some requests.

    Weights are split evenly, keys and values by their heads, adapters hardly; every device has the overhead.
    """
    kv = (n.kv_token or 0) * n.tokens * in_flight
    return Parts(math.ceil(n.weights / split), math.ceil(kv / math.gcd(split, n.kv_heads)), n.adapters, n.overhead)


def _least(n: Needs, split: int) -> Parts:
    return parts(n, split, min(n.in_flight, LEAST_IN_FLIGHT))


def _splits(n: Needs, devices: int) -> Iterator[int]:
    """Powers of two that divide the attention heads."""
    split = 1
    while split <= devices and n.heads % split == 0:
        yield split
        if n.kind != "vllm" or n.device == "cpu":
            return
        split *= 2


def _options(n: Needs, rooms: Sequence[_Room]) -> list[tuple[int, ...]]:
    """Groups of neighbouring devices that a model fits on when it is alone, the smallest groups first."""
    groups = []
    for split in _splits(n, len(rooms)):
        least = _least(n, split).total
        for first in range(0, len(rooms) - split + 1, split):
            group = tuple(range(first, first + split))
            if all(least <= rooms[i].free for i in group):
                groups.append(group)
    return groups


def _shifts(models: Sequence[Needs], rooms: Sequence[_Room]) -> Iterator[tuple[list[Needs], list[tuple[int, ...]]]]:
    """The models in shifts that fit together, as few as can be, from the smallest model up."""
    left = sorted(models, key=lambda n: (n.weights + n.adapters, n.name))
    while left:
        count, seating = 1, pack(left[:1], rooms)
        while count < len(left) and (wider := pack(left[: count + 1], rooms)) is not None:
            count, seating = count + 1, wider
        assert seating is not None, "each fits alone"
        yield left[:count], seating
        left = left[count:]


def pack(models: Sequence[Needs], rooms: Sequence[_Room]) -> list[tuple[int, ...]] | None:
    """A group of devices for every model so that all fit together, or None.

    An exact search, largest model first: a greedy one could fail on a larger machine where it succeeds on a smaller.
    """
    order = sorted(range(len(models)), key=lambda i: -_least(models[i], 1).total)
    options = [_options(n, rooms) for n in models]
    free = [r.free for r in rooms]
    if sum(min(len(g) * _least(n, len(g)).total for g in o) for n, o in zip(models, options, strict=True)) > sum(free):
        return None
    found: dict[int, tuple[int, ...]] = {}
    steps = 0

    def seat(at: int) -> bool:
        nonlocal steps
        if at == len(order):
            return True
        i = order[at]
        tried: set[object] = set()
        for group in sorted(options[i], key=lambda g: (len(g), -min(free[d] for d in g), g)):
            least = _least(models[i], len(group)).total
            like = _likeness(group, rooms, free)
            if like in tried or any(free[d] < least for d in group):
                continue
            tried.add(like)  # another group with the same room would fail the same way
            steps += 1
            if steps > _PATIENCE:
                return False
            for d in group:
                free[d] -= least
            found[i] = group
            if seat(at + 1):
                return True
            for d in group:
                free[d] += least
        return False

    return [found[i] for i in range(len(models))] if seat(0) else None


def _likeness(group: tuple[int, ...], rooms: Sequence[_Room], free: Sequence[int]) -> object:
    """Equal for groups that are worth the same: themselves and the larger groups that they are parts of."""
    size, found = len(group), []
    while size < 2 * len(rooms):
        first = group[0] // size * size
        found.append(tuple(sorted((rooms[d].free, free[d]) for d in range(first, min(first + size, len(rooms))))))
        size *= 2
    return tuple(found)


def _seats(
    models: Sequence[Needs], seating: Sequence[tuple[int, ...]], rooms: Sequence[_Room], shift: int
) -> Iterator[Seat]:
    """Hand out what is left on every device to keys and values, in proportion to what each model wants."""
    left = [r.free for r in rooms]
    wants = [0] * len(rooms)
    for n, group in zip(models, seating, strict=True):
        for d in group:
            left[d] -= _least(n, len(group)).total
            wants[d] += parts(n, len(group), n.in_flight).kv
    for n, group in zip(models, seating, strict=True):
        least, full = _least(n, len(group)), parts(n, len(group), n.in_flight)
        more = min(left[d] * full.kv // wants[d] if wants[d] else 0 for d in group)
        told = n.device == "gpu" and n.kind == "vllm"
        if not told:
            more = min(more, full.kv - least.kv)
        taken = Parts(least.weights, least.kv + more, least.adapters, least.overhead)
        share = min(math.floor(taken.total / rooms[d].total * 1000) / 1000 for d in group) if told else None
        one = parts(n, len(group), 1).kv
        fits = min(n.in_flight, taken.kv // one) if one else None
        room = min(rooms[d].free for d in group)
        yield Seat(n, group if n.device == "gpu" else (), taken, room, share, fits, shift)


def _misfit(n: Needs, rooms: Sequence[_Room]) -> Misfit:
    """Why a model fits nowhere, and what would change that."""
    splits = list(_splits(n, len(rooms))) or [1]
    best = min(splits, key=lambda s: _least(n, s).total)
    least, room = _least(n, best), sorted((r.free for r in rooms), reverse=True)[best - 1] if rooms else 0
    return Misfit(n, least, room, least.weights > room, tuple(_remedies(n, best, least, room)))


def _remedies(n: Needs, split: int, least: Parts, room: int) -> Iterator[str]:
    fixed = least.total - least.kv
    one = parts(n, split, 1).kv
    if one and fixed + one <= room:
        yield f"room for only {(room - fixed) // one} in flight instead of {min(n.in_flight, LEAST_IN_FLIGHT)}"
    tokens = int((room - fixed) / (least.kv / n.tokens)) if least.kv else 0
    if tokens >= 256:
        yield f"{tokens} tokens a request instead of {n.tokens}"
    if n.adapters and least.total - n.adapters <= room:
        yield f"adapters of a smaller rank than {n.rank}, or fewer"
    bits = 8 * n.precision
    for fewer in (b for b in (16, 8, 4) if b < bits):
        if least.total - least.weights * (bits - fewer) // bits <= room:
            yield f"the model in {fewer} bits a weight ({gib(n.weights * fewer // bits)})"
            break
    where = "a GPU" if n.device == "gpu" else "a machine"
    reserve = GPU_RESERVE if n.device == "gpu" else CPU_RESERVE
    if n.device == "gpu" and n.kind == "vllm":
        whole = _least(n, 1).total
        many = next((s for s in (2, 4, 8, 16) if s > split and n.heads % s == 0 and _least(n, s).total <= room), None)
        if many:
            yield f"{many} GPUs like this one"
        yield f"a GPU with {gib(whole + reserve)} free"
    else:
        yield f"{where} with {gib(least.total + reserve)} free"
    yield "a smaller model"
