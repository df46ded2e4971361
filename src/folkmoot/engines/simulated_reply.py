"""What the simulated engine says: made-up words, in the form and about the length that a reply would have."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from statistics import NormalDist

from folkmoot.engines.contract import Request

CHARACTERS = 4
"""Characters per token."""

_FILLER = (
    "mora tilu keppa sond verali nuro tash fenwik olare bindu, sarro melt iva kondu prel asti gorum. lenta vosk irru "
    "dalme pito, yerra sulm kavo netti broun. ampelo risk thal demu, corva istil wen hurra mosk elda. "
) * 8
_STARTS = len(_FILLER) // 2
_ONE_OF = re.compile(r"one of ([A-Z](?:, [A-Z])*)|a letter from A to ([A-Z])")
_NORMAL = NormalDist()


def tokens_of(text: str) -> int:
    """Tokens of a text, four characters each, rounded up."""
    return (len(text) + CHARACTERS - 1) // CHARACTERS


def made_up(name: str, request: Request, median: int, sigma: float) -> str:
    """Words and a last line ``Answer: X`` as the prompt asks for it; the same for the same name and request.

    Args:
        name: Of the model.
        request: What is asked.
        median: Of the log-normal length, in tokens.
        sigma: Standard deviation of the length's logarithm.
    """
    thrown = dice(name, request)
    answer = f"\nAnswer: {answer_to(request.messages[-1].content, thrown[0])}"
    luck = (int.from_bytes(thrown[1:5], "big") + 0.5) / 2**32
    length = median * math.exp(sigma * _NORMAL.inv_cdf(luck))
    # The limit cuts the answer off whole, as that of a real reply that has not come to its end.
    most = request.sampling.max_tokens + tokens_of(answer)
    words = max(0, CHARACTERS * round(min(length, most)) - len(answer))
    start = int.from_bytes(thrown[5:7], "big") % _STARTS
    filler = _FILLER if words <= _STARTS else _FILLER * (words // len(_FILLER) + 2)
    return filler[start : start + words] + answer


def odds(name: str, request: Request, options: Sequence[str]) -> tuple[float, ...]:
    """A probability for each option, adding up to 1; the same for the same name, request and options."""
    thrown = dice(name, request)
    weights = [1 + hashlib.blake2b(thrown + o.encode("utf-8", "replace"), digest_size=1).digest()[0] for o in options]
    return tuple(w / sum(weights) for w in weights)


def dice(name: str, request: Request) -> bytes:
    """A hash of all that determines a reply: what `Request.canonical` holds, at a small part of its cost."""
    s = request.sampling
    drawing = s.temperature, s.top_p, s.max_tokens, s.stop, s.seed, request.adapter, request.draw
    parts = [name, repr(drawing)]
    for message in request.messages:
        parts += message.role, message.content
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).digest()


def answer_to(prompt: str, die: int) -> str:
    """An answer of the kind that a prompt asks for: one of its letters, else a number."""
    # What to answer is said at the end; finding the plain words from there spares the pattern a walk through the prompt.
    at = max(prompt.rfind("one of "), prompt.rfind("a letter from A"))
    if at >= 0 and (asked := _ONE_OF.match(prompt, at)):
        letters = asked[1].split(", ") if asked[1] else [chr(i) for i in range(ord("A"), ord(asked[2]) + 1)]
        return letters[die % len(letters)]
    return str(die % 20)
