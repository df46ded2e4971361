"""How likely texts are as replies: mean log-probabilities of options after prompts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from folkmoot.engines.decoding.memory import left_padded

Prompts = Sequence[Sequence[int]]
Options = Sequence[Sequence[Sequence[int]]]

SCORED_TOKENS = 128
"""Option tokens whose probabilities over the whole vocabulary are in memory at once."""


def mean_likelihoods(model: Any, prompts: Prompts, options: Options, pad: int) -> list[list[float]]:
    """Mean log-probability per token of each option after its prompt; every prompt is computed once.

    Args:
        model: A causal language model of transformers, under `torch.inference_mode`.
        prompts: Token ids.
        options: For each prompt, the token ids of its options.
        pad: Token to fill up with.
    """
    import torch
    from transformers import DynamicCache

    device = model.device
    flat = [(row, list(option)) for row, some in enumerate(options) for option in some]
    owner = torch.tensor([row for row, _ in flat], device=device)
    first = torch.tensor([option[0] for _, option in flat], device=device)
    cache = DynamicCache(config=model.config)
    inputs = left_padded(prompts, pad, device)
    logits = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
    total = logits.float().log_softmax(dim=-1)[owner, first]
    longest = max(len(option) for _, option in flat)
    if longest > 1:
        mask = inputs["attention_mask"]
        mask = torch.ones_like(inputs["input_ids"]) if mask is None else mask
        after = inputs["position_ids"][:, -1].expand(len(prompts)) + 1
        some = max(1, SCORED_TOKENS // longest)
        for begin in range(0, len(flat), some):
            part = slice(begin, begin + some)
            own = cache if begin + some >= len(flat) else copy.deepcopy(cache)  # a pass changes it
            own.reorder_cache(owner[part])
            rest = [option for _, option in flat[part]]
            total[part] += _rest(model, rest, own, mask[owner[part]], after[owner[part]], pad)
    means = (total / torch.tensor([len(option) for _, option in flat], device=device)).tolist()
    return [[m for m, (row, _) in zip(means, flat, strict=True) if row == r] for r in range(len(prompts))]


def mean_likelihoods_alone(model: Any, prompts: Prompts, options: Options, pad: int) -> list[list[float]]:
    """The same for models that cannot share a prompt between options: each pair is computed by itself."""
    import torch

    def mean(prompt: Sequence[int], option: Sequence[int]) -> float:
        ids = torch.tensor([[*prompt, *option]], device=model.device)
        logits = model(ids, logits_to_keep=len(option) + 1).logits[0, :-1].float().log_softmax(dim=-1)
        return float(logits.gather(-1, ids[0, len(prompt) :, None]).mean())

    return [[mean(prompt, option) for option in some] for prompt, some in zip(prompts, options, strict=True)]


def _rest(model: Any, options: list[list[int]], cache: Any, mask: Any, after: Any, pad: int) -> Any:
    """Log-probabilities of all tokens but the first, added up, after the prompts in the cache."""
    import torch

    device = model.device
    width = max(map(len, options)) - 1
    if not width:
        return torch.zeros(len(options), device=device)
    fed = torch.tensor([(o[:-1] + [pad] * width)[:width] for o in options], device=device)
    wanted = torch.tensor([(o[1:] + [pad] * width)[:width] for o in options], device=device)
    real = torch.tensor([[i < len(o) - 1 for i in range(width)] for o in options], device=device)
    logits = model(
        input_ids=fed,
        attention_mask=torch.cat([mask, torch.ones_like(fed)], dim=1),
        position_ids=after[:, None] + torch.arange(width, device=device),
        past_key_values=cache,
        use_cache=True,
    ).logits.float()
    likely = logits.gather(-1, wanted[:, :, None])[:, :, 0] - logits.logsumexp(dim=-1)
    return (likely * real).sum(dim=-1)
