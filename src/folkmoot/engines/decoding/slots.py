"""Keys and values of the rows in flight, laid out so that rows can come and go between two tokens.

Every row has a place of its own in one buffer per layer. It begins and ends where it likes; a mask tells the model which
places count. Joining costs one copy of the newcomer, leaving one of the last row, a step none at all.
"""

from __future__ import annotations

import functools
import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from folkmoot.engines.decoding.memory import left_padded

GROW = 128
"""Places added at least when a buffer has become too short."""


@dataclass
class Plan:
    """What the layers need to know of the forward pass under way.

    Attributes:
        rows: Rows in place before it (filling) or at all (a step).
        new: Rows to be filled, 0 in a step.
        width: Places in use per row, those of this pass included.
        height, room: Rows and places that the buffers must have.
        level: The place that a step writes, if it is the same for all rows.
        index, ends: Rows and the places that a step writes, if they differ.
    """

    rows: int = 0
    new: int = 0
    width: int = 0
    height: int = 0
    room: int = 0
    level: int | None = None
    index: Any = None
    ends: Any = None


class SlotLayer:
    """Keys and values of one layer; combined with the cache layer of transformers when that may be imported."""

    is_sliding = False
    is_compileable = False
    is_croppable = False
    keys: Any
    values: Any
    plan: Plan

    def update(self, key: Any, value: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Store what is new (rows, heads, tokens, width of a head); what attention is to see."""
        plan = self.plan
        if self.keys is None or self.keys.shape[0] < plan.height or self.keys.shape[2] < plan.room:
            self.keys, self.values = _grown(self.keys, key, plan), _grown(self.values, value, plan)
        if plan.new:
            self.keys[plan.rows : plan.rows + plan.new, :, : plan.width] = key
            self.values[plan.rows : plan.rows + plan.new, :, : plan.width] = value
            return key, value
        n = plan.rows
        if plan.level is not None:
            self.keys[:n, :, plan.level] = key[:, :, 0]
            self.values[:n, :, plan.level] = value[:, :, 0]
        else:
            self.keys[plan.index, :, plan.ends] = key[:, :, 0]
            self.values[plan.index, :, plan.ends] = value[:, :, 0]
        return self.keys[:n, :, : plan.width], self.values[:n, :, : plan.width]

    def move(self, source: Any, target: Any, width: int) -> None:
        """Copy rows to other places."""
        self.keys[target, :, :width] = self.keys[source, :, :width]
        self.values[target, :, :width] = self.values[source, :, :width]

    def lazy_initialization(self, *_: Any) -> None:
        """Nothing to do: `update` makes the buffers."""

    def get_seq_length(self) -> int:
        """Tokens before this pass."""
        return 0 if self.plan.new else self.plan.width - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Places that attention sees, and where they begin."""
        return (query_length if self.plan.new else self.plan.width), 0

    def get_max_length(self) -> int:
        """No limit."""
        return -1


@functools.cache
def _layer_kind() -> Any:
    """`SlotLayer` as a cache layer of transformers."""
    from transformers.cache_utils import CacheLayerMixin

    return type("SlotCacheLayer", (SlotLayer, CacheLayerMixin), {})


def _grown(old: Any, new: Any, plan: Plan) -> Any:
    buffer = _zeros(new, (plan.height, new.shape[1], plan.room, new.shape[3]))
    if old is not None and plan.rows:
        buffer[: plan.rows, :, : old.shape[2]] = old[: plan.rows]
    return buffer


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    """A buffer of zeros: not garbage, because masked places are multiplied by zero, which does not get rid of a NaN."""
    import torch

    if like.device.type != "cpu":
        return like.new_zeros(shape)
    # Straight from the system: it takes up what is written to, and is given back at once, which the allocator of the
    # C library does not do with pieces of this size.
    private: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    count = math.prod(shape)
    pages = mmap.mmap(-1, count * like.element_size(), **private)
    return torch.frombuffer(pages, dtype=like.dtype, count=count).view(shape)


@dataclass
class Slots:
    """A `folkmoot.engines.decoding.memory.Memory`. A row occupies the places from its start up to its end.

    Attributes:
        windows: Sliding window of each layer, or None.
        device, dtype: Of the model.
        pad: Token to fill up with.
    """

    windows: Sequence[int | None]
    device: Any
    dtype: Any
    pad: int
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    joins: bool = True

    def __post_init__(self) -> None:
        from transformers.cache_utils import Cache

        self._plan = Plan()
        self._layers = [_layer_kind()() for _ in self.windows]
        for layer in self._layers:
            layer.plan = self._plan
        self._cache = Cache(layers=self._layers)
        self._kinds = {w: "full_attention" if w is None else "sliding_attention" for w in self.windows}
        self._new: tuple[list[int], list[int]] = ([], [])

    @property
    def rows(self) -> int:
        """Rows in place."""
        return len(self.ends)

    def fill(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Inputs for new rows."""
        width = max(map(len, prompts))
        self._new = ([width - len(p) for p in prompts], [width] * len(prompts))
        self._plan.rows, self._plan.new, self._plan.width = self.rows, len(prompts), width
        self._reserve(self.rows + len(prompts), width + 1)
        return left_padded(prompts, self.pad, self.device) | {"past_key_values": self._cache}

    def step(self, last: Sequence[int]) -> dict[str, Any]:
        """Inputs for one more token in every row."""
        import torch

        plan, n = self._plan, self.rows
        plan.rows, plan.new, plan.width = n, 0, max(self.ends) + 1
        self._reserve(n, plan.width)
        ends = torch.tensor(self.ends, device=self.device)
        starts = torch.tensor(self.starts, device=self.device)
        plan.level = self.ends[0] if min(self.ends) == plan.width - 1 else None
        if plan.level is None:
            plan.index, plan.ends = torch.arange(n, device=self.device), ends
        self._new = ([], [])
        return {
            "input_ids": torch.tensor(last, device=self.device)[:, None],
            "position_ids": (ends - starts)[:, None],
            "attention_mask": self._mask(starts[:, None], ends[:, None]),
            "past_key_values": self._cache,
        }

    def _mask(self, starts: Any, ends: Any) -> Any:
        """What each row may attend to, added to the scores: rows, 1, 1, places. One for each kind of layer."""
        import torch

        span = torch.arange(self._plan.width, device=self.device)
        masks = {}
        for window, name in self._kinds.items():
            first = starts if window is None else torch.maximum(starts, ends - (window - 1))
            hidden = (span < first) | (span > ends)
            mask = torch.zeros(hidden.shape, dtype=self.dtype, device=self.device)
            masks[name] = mask.masked_fill_(hidden, torch.finfo(self.dtype).min)[:, None, None, :]
        return next(iter(masks.values())) if len(masks) == 1 else masks

    def done(self) -> None:
        """The model has run on them."""
        if self._plan.new:
            self.starts += self._new[0]
            self.ends += self._new[1]
            self._plan.new = 0
        else:
            self.ends = [e + 1 for e in self.ends]

    def drop(self, gone: Sequence[int]) -> list[int]:
        """Take rows out. Holes are filled with the rows from the end."""
        import torch

        left = self.rows - len(gone)
        out = set(gone)
        holes = sorted(i for i in out if i < left)
        movers = [i for i in range(left, self.rows) if i not in out]
        order = list(range(left))
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        if holes:
            width = max(self.ends[i] for i in movers)
            source, target = torch.tensor(movers, device=self.device), torch.tensor(holes, device=self.device)
            for layer in self._layers:
                layer.move(source, target, width)
        self.starts = [self.starts[i] for i in order]
        self.ends = [self.ends[i] for i in order]
        return order

    def _reserve(self, rows: int, width: int) -> None:
        plan = self._plan
        if rows > plan.height:
            plan.height = max(rows, min(2 * plan.height, rows + 16))
        if width > plan.room:
            plan.room = max(width + GROW, plan.room * 5 // 4)
