"""Attention for one new token per row that does not copy shared keys and values for every head that reads them."""

from __future__ import annotations

from typing import Any

NAME = "folkmoot_grouped"
"""Under which transformers knows it."""


def use_grouped_attention(model: Any) -> None:
    """Let a model attend this way, if it uses torch's attention."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model.config._attn_implementation != "sdpa":
        return  # the model asks for something of its own
    AttentionInterface.register(NAME, grouped)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def grouped(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **kwargs: Any
) -> tuple[Any, None]:
    """Attention as transformers calls it; tensors of rows, heads, tokens and head width.

    Where several query heads share a key head, and one token is asked, the sharing heads take the place of tokens:
    the same numbers, and nothing is repeated in memory. Everything else goes the usual way.
    """
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rows, heads, tokens, width = query.shape
    shared = key.shape[1]
    plain = attention_mask is None or attention_mask.shape[1] == 1
    if tokens != 1 or heads == shared or not plain or kwargs.get("position_bias") is not None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
        return out, None
    out = scaled_dot_product_attention(
        query.reshape(rows, shared, heads // shared, width), key, value, attn_mask=attention_mask, scale=scaling
    )
    return out.reshape(rows, 1, heads, value.shape[-1]), None
