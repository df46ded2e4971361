"""From logits to tokens, for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from folkmoot.engines.decoding.job import Draw

HEAD = 512
"""Candidates that nucleus sampling sorts first; the whole vocabulary is sorted only where they do not hold the mass."""

COLDEST = 1e-4
"""Temperatures below are taken as this one, so that no logit overflows."""


def pick(logits: Any, draws: Sequence[Draw]) -> list[int]:
    """One token for every row.

    Args:
        logits: Tensor of rows and vocabulary.
        draws: How to draw, for every row.

    Returns:
        Token ids; -1 where the logits are not numbers.
    """
    import torch

    top, tokens = logits.max(dim=-1)
    groups = (
        ([i for i, d in enumerate(draws) if d.temperature > 0 and d.top_p >= 1], _draw),
        ([i for i, d in enumerate(draws) if d.temperature > 0 and d.top_p < 1], _draw_nucleus),
    )
    for rows, draw in groups:
        if rows:
            index = torch.tensor(rows, device=logits.device)
            chosen = logits if len(rows) == len(draws) else logits[index]
            heat, mass, luck = torch.tensor(
                [(max(draws[i].temperature, COLDEST), draws[i].top_p, draws[i].luck) for i in rows],
                device=logits.device,
                dtype=torch.float32,
            ).T.unsqueeze(-1)
            tokens[index] = draw((chosen.float() / heat).softmax(dim=-1), mass, luck)
    return [int(t) for t in torch.where(top.isfinite(), tokens, -1).tolist()]


def _draw(p: Any, _mass: Any, luck: Any) -> Any:
    return _place(p.cumsum(dim=-1), luck)


def _draw_nucleus(p: Any, mass: Any, luck: Any) -> Any:
    """Draw from the likeliest tokens that together have `mass`; the one that crosses it is in."""
    p_sorted, order = p.topk(min(HEAD, p.shape[-1]), dim=-1)
    tokens = _draw_sorted(p_sorted, order, mass, luck)
    flat = (p_sorted.sum(dim=-1) < mass[:, 0]).nonzero()[:, 0]
    if len(flat):
        p_sorted, order = p[flat].sort(dim=-1, descending=True, stable=True)
        tokens[flat] = _draw_sorted(p_sorted, order, mass[flat], luck[flat])
    return tokens


def _draw_sorted(p: Any, tokens: Any, mass: Any, luck: Any) -> Any:
    """Draw from the first places that together have `mass`."""
    before = p.cumsum(dim=-1) - p
    kept = p.masked_fill(before >= mass, 0.0)
    return tokens.gather(-1, _place(kept.cumsum(dim=-1), luck)[:, None])[:, 0]


def _place(cumulated: Any, luck: Any) -> Any:
    """Where `luck`, as a share of the total, falls: never on a token of probability 0."""
    import torch

    total = cumulated[:, -1:].contiguous()
    found = torch.searchsorted(cumulated, luck * total, right=True)[:, 0]
    # Rounding may put the mark at the very end: then it is the first place that reaches the total.
    return torch.minimum(found, torch.searchsorted(cumulated, total)[:, 0])
