"""What a model remembers of the rows it is writing: inputs for the next token in, rows out when they are done.

`folkmoot.engines.decoding.slots` lets rows come and go. `Padded` is for models whose memory is not (only) keys and
values of all tokens: the rows of a batch begin and stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Memory(Protocol):
    """What a model remembers of the rows that it writes."""

    @property
    def joins(self) -> bool:
        """Rows may be added while others run."""
        ...

    @property
    def rows(self) -> int:
        """Rows in place."""
        ...

    def fill(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Inputs of the model for new rows, which come after the ones there are."""
        ...

    def step(self, last: Sequence[int]) -> dict[str, Any]:
        """Inputs of the model for one more token in every row."""
        ...

    def done(self) -> None:
        """The model has run on the inputs handed out last."""
        ...

    def drop(self, gone: Sequence[int]) -> list[int]:
        """Take rows out; where the remaining ones were before, in their new order."""
        ...


def memory(model: Any, pad: int) -> Memory:
    """The best memory that suits a model."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    from folkmoot.engines.decoding.slots import Slots

    windows: list[int | None] = []
    for layer in _empty(model.config).layers:
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            return Padded(model.config, model.device, pad)
        windows.append(getattr(layer, "sliding_window", None))
    kinds = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
    if "chunked_attention" in kinds or len(set(windows) - {None}) > 1:
        return Padded(model.config, model.device, pad)
    return Slots(windows, model.device, model.dtype, pad)


def left_padded(prompts: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Inputs for prompts of different lengths that end together."""
    import torch

    width = max(map(len, prompts))
    gaps = [width - len(p) for p in prompts]
    ids = torch.tensor([[pad] * gap + list(p) for gap, p in zip(gaps, prompts, strict=True)], device=device)
    span, gap = torch.arange(width, device=device), torch.tensor(gaps, device=device)[:, None]
    mask = (span >= gap).long() if any(gaps) else None
    return {"input_ids": ids, "attention_mask": mask, "position_ids": (span - gap).clamp(min=0)}


def _empty(config: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=config)


@dataclass
class Padded:
    """A batch that begins together, with the cache that transformers itself has for the model.

    Attributes:
        config: Of the model.
        device: Of the model.
        pad: Token to fill up with.
    """

    config: Any
    device: Any
    pad: int
    joins: bool = False
    rows: int = 0

    def fill(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """See `Memory`."""
        import torch

        assert not self.rows, "rows cannot join here"
        inputs = left_padded(prompts, self.pad, self.device)
        if inputs["attention_mask"] is None:
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        self._cache, self._mask = _empty(self.config), inputs["attention_mask"]
        self._next = inputs["position_ids"][:, -1:] + 1
        self.rows = len(prompts)
        return inputs | {"past_key_values": self._cache}

    def step(self, last: Sequence[int]) -> dict[str, Any]:
        """See `Memory`."""
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones(self.rows, 1)], dim=1)
        position, self._next = self._next, self._next + 1
        return {
            "input_ids": torch.tensor(last, device=self.device)[:, None],
            "position_ids": position,
            "attention_mask": self._mask,
            "past_key_values": self._cache,
        }

    def done(self) -> None:
        """See `Memory`."""

    def drop(self, gone: Sequence[int]) -> list[int]:
        """See `Memory`."""
        import torch

        order = [i for i in range(self.rows) if i not in set(gone)]
        self.rows = len(order)
        if order:
            index = torch.tensor(order, device=self.device)
            self._cache.reorder_cache(index)
            self._mask, self._next = self._mask[index], self._next[index]
        return order
