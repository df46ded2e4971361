"""Many LoRA adapters in one pass of a model: rows of a batch may each have their own, or none.

In every layer the matrices of all adapters stand in one pair: the input times all A, what is not of the row's own adapter
set to zero, times all B. That is three operations a layer, however many adapters there are. (PEFT's own way of mixing,
`adapter_names`, loops over the adapters in every layer.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TRIED = (3, 5)
"""Rows and tokens of the pass that shows which layers can be mixed."""


class Part(NamedTuple):
    """What an adapter adds to one layer: ``x @ a.T @ b``.

    Attributes:
        a: Tensor of rank and inputs.
        b: Tensor of rank and outputs, the adapter's scaling included.
    """

    a: Any
    b: Any


class Span(NamedTuple):
    """Where an adapter's part stands among those of its layer."""

    begin: int
    end: int


@dataclass
class Layer:
    """The parts of all adapters for one linear layer; it is the forward hook of that layer.

    Attributes:
        a, b: The parts of all adapters, one below the other.
        spans: Where each adapter's part is.
        used: The pair that is applied, all or some of `a` and `b`; None if no row wants any of it.
        others: True where a column of the inner product is not of the row's adapter (rows, 1, columns); None if no such.
    """

    a: Any = None
    b: Any = None
    spans: dict[str, Span] = field(default_factory=dict)
    used: Part | None = None
    others: Any = None
    _picked: dict[str, Span] = field(default_factory=dict)
    _copy: Part | None = None

    def __call__(self, _module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Add what the adapters add to the layer's output."""
        if self.used is None:
            return None
        from torch.nn.functional import linear

        inner = linear(inputs[0], self.used.a)
        if self.others is not None:
            # Not a factor of 0: a row whose numbers overflow must not spoil the others.
            inner.masked_fill_(self.others, 0)
        wide = output.view(-1, output.shape[-1])
        return wide.addmm_(inner.view(-1, inner.shape[-1]), self.used.b).view(output.shape)

    def append(self, name: str, part: Part) -> None:
        """Take another adapter's part in."""
        import torch

        begin = 0 if self.a is None else len(self.a)
        self.a = part.a if self.a is None else torch.cat([self.a, part.a])
        self.b = part.b if self.b is None else torch.cat([self.b, part.b])
        self.spans[name] = Span(begin, begin + len(part.a))

    def choose(self, names: Sequence[str], kept: Sequence[str] = ()) -> dict[str, Span]:
        """Make `used` ready for these adapters; where their parts are in it, and those of others that came along.

        Args:
            names: Adapters that rows have.
            kept: Adapters that will be wanted again soon.
        """
        wanted = [n for n in names if n in self.spans]
        if not wanted:
            self.used = None
            return {}
        begin, end = min(self.spans[n].begin for n in wanted), max(self.spans[n].end for n in wanted)
        if end - begin <= 2 * _width(self.spans, wanted):
            # A little that nobody wants costs less than to copy what is wanted.
            self.used = Part(self.a[begin:end], self.b[begin:end])
            return {n: Span(s.begin - begin, s.end - begin) for n, s in self.spans.items() if begin <= s.begin < end}
        wanted = sorted({*wanted, *(n for n in kept if n in self.spans)})
        if self._copy is None or not _suits(self._picked, wanted):
            self._copied(wanted)
        self.used = self._copy
        return self._picked

    def _copied(self, names: Sequence[str]) -> None:
        import torch

        self._picked, at = {}, 0
        for name in names:
            length = self.spans[name].end - self.spans[name].begin
            self._picked[name] = Span(at, at + length)
            at += length
        spans = [self.spans[n] for n in names]
        self._copy = Part(
            torch.cat([self.a[s.begin : s.end] for s in spans]), torch.cat([self.b[s.begin : s.end] for s in spans])
        )


def _width(spans: Mapping[str, Span], names: Sequence[str]) -> int:
    return sum(spans[n].end - spans[n].begin for n in names)


def _suits(picked: Mapping[str, Span], names: Sequence[str]) -> bool:
    """All are there, and not too many others."""
    return all(n in picked for n in names) and len(picked) <= 2 * len(names)


class Mixed:
    """The adapters of one model that may be mixed. Used by one thread only, under `torch.inference_mode`.

    Args:
        model: A causal language model of transformers, as it was loaded.
    """

    def __init__(self, model: Any) -> None:
        self._modules = mixable(model)
        self._device = model.device
        self._layers: dict[str, Layer] = {}
        self._applied: tuple[str | None, ...] = ()

    @property
    def modules(self) -> frozenset[str]:
        """Names of the layers that can be mixed."""
        return frozenset(self._modules)

    def part(self, module: str, a: Any, b: Any) -> Part:
        """An adapter's part of a layer from PEFT's two matrices (rank, inputs; outputs, rank), the second scaled.

        Raises:
            ValueError: Not all of it can be expressed in the layer's precision.
        """
        weight = self._modules[module].weight
        part = Part(a.to(weight).contiguous(), b.T.to(weight).contiguous())
        if not bool(part.a.isfinite().all() and part.b.isfinite().all()):
            raise ValueError(f"its weights for {module} are not all numbers")
        return part

    def append(self, name: str, parts: Mapping[str, Part]) -> None:
        """Take an adapter in: its part of each layer that it changes."""
        for module, part in parts.items():
            if module not in self._layers:
                self._layers[module] = Layer()
                self._modules[module].register_forward_hook(self._layers[module])
            self._layers[module].append(name, part)
        self._applied = ()
        self.apply(())

    def apply(self, rows: Sequence[str | None], kept: Collection[str] = ()) -> None:
        """Give each row of the next passes its adapter, or none.

        Args:
            rows: Names of adapters.
            kept: Adapters that will be wanted again soon.
        """
        if tuple(rows) == self._applied:
            return
        names = sorted({name for name in rows if name is not None})
        masks: dict[tuple[tuple[str, Span], ...], Any] = {}
        for layer in self._layers.values():
            spans = tuple(layer.choose(names, sorted(kept)).items())
            if spans not in masks:
                masks[spans] = _others(rows, dict(spans), self._device)
            layer.others = masks[spans]
        self._applied = tuple(rows)


def _others(rows: Sequence[str | None], spans: Mapping[str, Span], device: Any) -> Any:
    """True where a column is not of the row's adapter: rows, 1, columns. None if every column is of every row."""
    import torch

    if not spans or set(rows) == set(spans) == {rows[0]}:
        return None
    numbers = {name: i for i, name in enumerate(spans)}
    columns = torch.empty(max(s.end for s in spans.values()), dtype=torch.long)
    for name, span in spans.items():
        columns[span.begin : span.end] = numbers[name]
    owners = torch.tensor([-1 if row is None else numbers.get(row, -1) for row in rows])
    return (owners[:, None] != columns).to(device)[:, None, :]


def mixable(model: Any) -> dict[str, Any]:
    """Linear layers, by name, that see rows and tokens as the model was given them.

    Others (experts that get some of the tokens each) cannot know which row a token is of.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    seen: dict[str, Any] = {}

    def note(name: str, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x = inputs[0] if inputs else None
        if isinstance(x, torch.Tensor) and x.ndim == 3 and x.shape[:2] == TRIED and output.shape[:2] == x.shape[:2]:
            seen[name] = module

    hooks = [
        module.register_forward_hook(lambda m, x, y, name=name: note(name, m, x, y))
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D))
    ]
    try:
        with torch.inference_mode():
            model(torch.ones(TRIED, dtype=torch.long, device=model.device), use_cache=False)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        return {}  # a model that wants to be called otherwise
    finally:
        for hook in hooks:
            hook.remove()
    return seen
