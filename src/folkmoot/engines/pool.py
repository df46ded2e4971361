"""Engines for a team: one engine for every different model, shared by all participants that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from folkmoot.complaint import BadInput
from folkmoot.engines.cache import Cached, Completions, Meter
from folkmoot.engines.contract import Engine, Missing
from folkmoot.engines.encoder import SentenceEncoder
from folkmoot.engines.placement.bases import Base, folder, local_kind, sized
from folkmoot.engines.placement.bases import EngineSpec as EngineSpec
from folkmoot.engines.placement.hardware import Hardware, detect
from folkmoot.engines.placement.needs import GIB, Device, Needs
from folkmoot.engines.placement.plan import Seat, place
from folkmoot.engines.placement.shifts import Floor, InShift, rest
from folkmoot.engines.rehearsal import WordsInCommon, rehearsal
from folkmoot.models import resolve
from folkmoot.progress import Progress, silent


class Pool:
    """Builds engines on demand, each behind the completion cache.

    Args:
        completions: The cache.
        progress: Told about downloads, loading and what may not fit.
        scripted: Rehearse: every engine is a scripted one that answers in the right form without a model.
        hardware: Tells what there is to run models on.
        in_flight: Requests at a time for which memory is planned.
        tokens: Of prompt and reply together, for each of them.
    """

    def __init__(
        self,
        completions: Completions,
        *,
        progress: Progress = silent,
        scripted: bool = False,
        hardware: Callable[[], Hardware] = detect,
        in_flight: int = 128,
        tokens: int = 2048,
    ) -> None:
        self.meter = Meter()
        self.scripted = scripted
        self._completions = completions
        self._progress = progress
        self._detect, self._in_flight, self._tokens = hardware, in_flight, tokens
        self._needs: dict[EngineSpec, Needs] = {}
        self._engines: dict[EngineSpec, Cached] = {}
        self._seats: dict[EngineSpec, Seat] = {}
        self._floors: dict[Device, Floor] = {}
        self._resting: set[Device] = set()

    @cached_property
    def _here(self) -> Hardware:
        return self._detect()

    def fetch(self, bases: Iterable[Base]) -> bool:
        """Fetch the models whose size must be known before engines are built: with adapters, or several that share GPUs.

        Returns:
            Whether any was not on this machine before.

        Raises:
            Missing: One cannot be had.
        """
        mine = _local(bases)
        absent = [
            b.spec for b in mine if folder(b.spec) is None and (b.adapters or (len(mine) > 1 and self._here.gpus))
        ]
        for spec in absent:
            resolve(spec.model, revision=spec.revision, progress=self._progress)
        return bool(absent)

    def seat(self, bases: Iterable[Base]) -> None:
        """Plan where the bases of a team run, before their engines are built.

        Raises:
            Missing: The weights of a model are larger than the memory that there is.
        """
        mine, found = _local(bases), {}
        for base in mine:
            try:
                found[base.spec] = sized(base, self._here, tokens=self._tokens, in_flight=self._in_flight)
            except ValueError as e:
                self._progress("plan", note=f"{e}; it gets what memory it asks for")
        if not mine:
            return
        plan = place(list(found.values()), self._here)
        if lost := [m for m in plan.misfits if m.hopeless]:
            raise Missing("\n".join(map(str, lost)))
        for misfit in plan.misfits:
            self._progress("plan", note=str(misfit))
        self._needs = found
        self._seats = {spec: s for spec, needs in found.items() for s in plan.seats if s.needs is needs}
        self._floors |= {d: Floor() for d in {s.needs.device for s in plan.seats} if plan.crowded(d)}
        self._resting = {d for d in self._floors if plan.shifts(d) > 1}

    def engine(self, spec: EngineSpec) -> Engine:
        """The engine for `spec`, in its seat if it has one."""
        if spec not in self._engines:
            built = rehearsal(spec.model) if self.scripted else self._build(spec)
            self._engines[spec] = Cached(built, self._completions, self.meter)
        return self._engines[spec]

    @property
    def made_up(self) -> bool:
        """Some engine answers without a model, so that figures mean nothing."""
        return self.scripted or any(spec.kind in ("scripted", "simulated") for spec in self._engines)

    @cached_property
    def encoder(self) -> SentenceEncoder | WordsInCommon:
        """What routers compare texts with. Nothing is fetched before it is used."""
        return WordsInCommon() if self.scripted else SentenceEncoder(progress=self._progress)

    async def reach(self) -> None:
        """Ask every endpoint whether it is there. Engines with weights load when they are first asked.

        Raises:
            Missing: One is not, or it does not know the model.
        """
        for spec, engine in self._engines.items():
            if spec.kind == "openai":
                await engine.start()

    async def rest(self) -> None:
        """Have all engines give memory back; they come back if they are asked again."""
        for engine in self._engines.values():
            await rest(engine.engine)
        for floor in self._floors.values():
            floor.clear()

    async def close(self) -> None:
        """Close all engines."""
        for engine in self._engines.values():
            await engine.close()
        for floor in self._floors.values():
            floor.clear()
        self._engines.clear()

    def _build(self, spec: EngineSpec) -> Engine:
        seat = self._seats.get(spec)
        floor = self._floors.get(seat.needs.device) if seat else None
        told = {}
        if needs := self._needs.get(spec):
            told = seated(needs, seat, rests=needs.device in self._resting, several=len(self._here.gpus) > 1)
        built = _build(spec, self._progress, told)
        return InShift(built, floor, seat.shift) if seat and floor else built


def seated(n: Needs, seat: Seat | None, *, rests: bool, several: bool) -> dict[str, Any]:
    """What needs and a seat mean for the constructor of an engine.

    Args:
        n: What its model needs.
        seat: Its seat; None for a model that does not fit by our arithmetic, which is tried all the same.
        rests: It works in shifts.
        several: There are several GPUs, so that it has to be told which are its own.
    """
    gpus = seat.gpus if seat else ()
    if n.kind == "transformers":
        return {"device": f"cuda:{gpus[0]}"} if several and gpus else {}
    told: dict[str, Any] = {"max_loras": n.slots, "max_lora_rank": n.rank} if n.slots else {}
    if n.folders > n.slots:
        told["adapters"] = n.folders
    if rests:
        told["sleep"] = True
    if seat and n.device == "cpu" and seat.parts.kv:
        told["kv_cache_gib"] = round(seat.parts.kv / GIB, 3)
    if len(gpus) > 1:
        told["tensor_parallel"] = len(gpus)
    if several and gpus:
        told["gpus"] = gpus
    if seat and seat.share is not None:
        told["gpu_memory"] = seat.share
    return told


def _local(bases: Iterable[Base]) -> list[Base]:
    return [b for b in bases if local_kind(b.spec) is not None]


def _build(spec: EngineSpec, progress: Progress, told: Mapping[str, Any]) -> Engine:
    if spec.kind == "openai":
        if not spec.url:
            raise BadInput(f"model {spec.model!r}: engine 'openai' needs a 'url', such as http://127.0.0.1:8000/v1")
        from folkmoot.engines.openai import OpenAIEngine

        limits = {"timeout": spec.timeout, "max_concurrent": spec.max_concurrent}
        given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
        return OpenAIEngine(spec.url, spec.model, api_key_env=spec.api_key_env, **given)
    if spec.kind == "vllm":
        from folkmoot.engines.vllm import VllmEngine

        return VllmEngine(spec.model, revision=spec.revision, progress=progress, **told)
    if spec.kind == "simulated":
        from folkmoot.engines.simulated import SimulatedEngine

        return SimulatedEngine(spec.model)
    if spec.kind == "scripted":
        return rehearsal(spec.model)
    from folkmoot.engines.transformers import TransformersEngine

    return TransformersEngine(spec.model, revision=spec.revision, progress=progress, **told)
