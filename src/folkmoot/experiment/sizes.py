"""How many parameters participants have, each and together: from the headers of weights, or from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from folkmoot.engines.placement.bases import Base, EngineSpec, folder, local_kind
from folkmoot.engines.placement.lora import WEIGHTS
from folkmoot.engines.placement.needs import measure
from folkmoot.engines.placement.tensors import tensors
from folkmoot.manifest import Manifest
from folkmoot.manifest import bases as shared
from folkmoot.models.catalogue import known


def parameters(who: Iterable[Manifest], engine: str) -> int | None:
    """Parameters of participants together: adapters count their own, and a base that several share counts once.

    Args:
        who: Participants.
        engine: Kind of engine for those that name none.

    Returns:
        None if it is not known of one of them: an endpoint does not tell, and a model may not be on this machine yet.
    """
    found = [_with_adapters(base) for base in shared(list(who), engine).values()]
    return sum(n for n in found if n is not None) if None not in found else None


def _with_adapters(base: Base) -> int | None:
    try:
        own = sum(t.count for adapter in base.adapters for t in tensors(Path(adapter) / WEIGHTS).values())
    except (OSError, ValueError):
        return None
    model = _model(base.spec)
    return None if model is None else model + own


def _model(spec: EngineSpec) -> int | None:
    if local_kind(spec) is None:
        return None
    if entry := known().get(spec.model.partition("@")[0]):
        return entry.parameters
    here = folder(spec)
    try:
        return measure(here).parameters if here is not None else None
    except ValueError:
        return None


def told(n: int | None) -> str:
    """A number of parameters in words.

    >>> told(134_515_008), told(1_543_714_304), told(None)
    ('135 M', '1.54 B', 'size not known')
    """
    if n is None:
        return "size not known"
    return f"{n / 1e9:.3g} B" if n >= 1e9 else f"{n / 1e6:.3g} M" if n >= 1e6 else f"{n:,}"
