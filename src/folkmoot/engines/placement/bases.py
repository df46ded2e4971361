"""What a team asks of the engines: its different bases, each with the adapters used on it, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from folkmoot.engines.placement.hardware import Hardware, bf16
from folkmoot.engines.placement.lora import Lora, examine
from folkmoot.engines.placement.needs import Device, Kind, Needs, Size, measure, needs


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine runs a participant; equal specs share one engine.

    Attributes:
        kind: ``transformers``, ``vllm``, ``openai``, ``scripted`` or ``simulated``.
        model: Model source, the endpoint's model name, or the simulated engine's profile.
        revision: Revision at the hub.
        url: Base URL of an endpoint.
        api_key_env: Name of the environment variable that holds the endpoint's key.
        timeout: Seconds for one request to the endpoint, retries and pauses included; None: the engine's default.
        max_concurrent: Requests to the endpoint in flight at most; None: the engine's default.
    """

    kind: str
    model: str
    revision: str | None = None
    url: str | None = None
    api_key_env: str | None = None
    timeout: float | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """One model and the folders of the adapters that are used on it."""

    spec: EngineSpec
    adapters: tuple[str, ...] = ()


def local_kind(spec: EngineSpec) -> Kind | None:
    """The engine if it is one that runs weights on this machine."""
    if spec.kind == "vllm":
        return "vllm"
    return "transformers" if spec.kind == "transformers" else None


def folder(spec: EngineSpec) -> Path | None:
    """The folder of a model that is on this machine, else None. Fetches nothing."""
    from folkmoot.models.sources import ready

    path = Path(spec.model).expanduser()
    if found := ready(f"{spec.model}@{spec.revision}" if spec.revision else spec.model):
        return found.path
    return path if path.is_dir() else None


def sized(base: Base, hardware: Hardware, *, tokens: int, in_flight: int) -> Needs:
    """What a base needs on this hardware.

    Args:
        base: With its adapters; those that cannot be used are left out.
        hardware: What there is.
        tokens: Of prompt and reply together, for one request as planned.
        in_flight: Requests at a time as planned.

    Raises:
        ValueError: Its size is not known; the text says why.
    """
    kind = local_kind(base.spec)
    if kind is None:
        raise ValueError(f"{base.spec.kind} runs nothing on this machine")
    built = hardware.vllm if kind == "vllm" else hardware.torch
    device: Device = "gpu" if hardware.gpus and built != "cpu" else "cpu"
    here = folder(base.spec)
    size = measure(here) if here is not None else _catalogued(base.spec.model)
    adapters = [a for f in base.adapters if isinstance(a := examine(f, None, engine=kind)[0], Lora)]
    wide = kind == "transformers" and device == "cpu" and bf16() is False  # it computes in float32 then
    return needs(
        base.spec.model,
        size,
        kind=kind,
        device=device,
        tokens=tokens,
        in_flight=in_flight,
        adapters=adapters,
        precision=4 if wide else 2,
    )


def _catalogued(model: str) -> Size:
    """The size of a model that is not here yet, as far as the catalogue knows it."""
    from folkmoot.models.catalogue import known

    entry = known().get(model.partition("@")[0])
    if entry is None:
        raise ValueError(
            f"{model} is not on this machine yet, and the catalogue does not know it: folkmoot model pull {model}"
        )
    return Size(entry.parameters, 2 * entry.parameters, None)
