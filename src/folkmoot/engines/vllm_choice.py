"""How likely options are as replies, asked one token at a time.

vLLM can also tell the probabilities of a prompt's own tokens, but then it computes the whole prompt anew for every option,
with the whole vocabulary at each place. Asking for the next token after every beginning of an option gives the same
figures, leaves the prompt in the prefix cache, and needs a single request where every option is one token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

Ids = Sequence[int]
Beginning = tuple[int, ...]

_TOKENS = 128
"""Tokens that one request may ask about in vLLM."""


def questions(options: Sequence[Ids]) -> Iterator[tuple[Beginning, list[int]]]:
    """What to ask: after which beginning of options which next tokens are to be weighed.

    Args:
        options: Token ids of each option, none of them empty.
    """
    following: dict[Beginning, dict[int, None]] = {}
    for option in options:
        for place, token in enumerate(option):
            following.setdefault(tuple(option[:place]), {})[token] = None
    for beginning, tokens in following.items():
        asked = list(tokens)
        for start in range(0, len(asked), _TOKENS):
            yield beginning, asked[start : start + _TOKENS]


def shares(options: Sequence[Ids], logprobs: Mapping[tuple[Beginning, int], float]) -> list[float] | None:
    """Probabilities of the options: mean log-probability per token, normalised over the options.

    Args:
        options: Token ids of each option.
        logprobs: Log-probability of each token after each beginning, natural logarithm.

    Returns:
        One for each option, adding up to 1; None if all are impossible.
    """
    means = [sum(logprobs[tuple(o[:place]), token] for place, token in enumerate(o)) / len(o) for o in options]
    top = max(means)
    if not math.isfinite(top):
        return None
    weights = [math.exp(mean - top) for mean in means]
    return [weight / sum(weights) for weight in weights]
