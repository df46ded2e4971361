"""Short free answers: the words after the last marker, or a reply that is nothing but a few words.

Small models like to answer in a sentence. Of one short plain statement without a marker ("The capital of France is
Paris.") the end is the answer; where it may as well be the beginning ("The Nile is the longest river") nothing is cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from folkmoot.answers.claims import UNSURE, claims, plain, unmarked

INSTRUCTION = 'End with a line "Answer:" and a short answer of a few words.'
LONGEST = 12
"""Words that a reply without a marker may have and still be the answer itself."""

_FURTHER = re.compile(  # what follows the answer on its line: a reason, or a next sentence
    r",\s+(?:because|since|as)\s.*|(?<=\S)[.!]\s+(?:It|This|That|These|He|She|They|There|Because|I|We|You|The|In)\s+\w+.*",
    re.S,
)
_NEXT_SENTENCE = re.compile(r"(?<=[a-z]{3})[.!]\s+(?=[A-Z])")
_NO_ANSWER = re.compile(rf"\A(?:(?:i|we|it|this)\b.*)?(?:{UNSURE.pattern})", re.I | re.S)
_REFUSAL = re.compile(
    r"\b(?:as an ai\b|as a (?:large )?language model\b)|\A(?:i(?:'m| am) (?:very |so )?sorry,? (?:but|i)\b"
    r"|(?:sorry, (?:but )?)?i (?:can(?:not|'t| not)|am (?:not able|unable) to|'m (?:not able|unable) to)"
    r"(?: (?:help|assist|answer|provide|fulfill|comply|give|say|find|access)\b.*)?\W*\Z)",
    re.I | re.S,
)
_PLACEHOLDER = re.compile(
    r"[\[<({]\s*(?:(?:insert|put|write|your|the|my|an?|short|final|correct)\s+)*answer(?:\s+(?:goes )?here)?\s*[\])>}]"
    r"|(?:(?:insert|put|write) )?your (?:short |final )?answer(?: (?:goes )?here)?|a short answer of a few words"
    r"|unknown|n/a|not (?:given|specified|stated|provided|available|applicable)|none (?:given|provided|specified|stated)"
    r"|no answer(?: given)?",
    re.I,
)
_STATEMENT = re.compile(  # "The capital of France is Paris"; not "The Nile is the longest river"
    r"(?:The (?:\S+ ){2,9}|(?:It|This|That|He|She) )(?:is|are|was|were) (?:in )?"
    r"(?!(?:the|a|an|not|in|on|at|also|very|known|called)\b)(?P<said>(?:(?!is\b|are\b|was\b|were\b)[^\s,;:]+ ?){1,5})\Z"
)
_ARTICLES = frozenset(("a", "an", "the"))
_PAIRS = ('""', "''", "“”", "‘’", "«»", "$$")


def extract(text: str, *, cut: bool = False) -> str | None:
    """The words of the answer, without quotes, markup and closing full stop, or None.

    Args:
        text: The reply.
        cut: The reply was stopped at its token limit: words that run to its very end may be unfinished and are not read.
    """
    reply = plain(text)
    if found := claims(reply):
        last = found[0]
        said = last.text if last.firm else _NEXT_SENTENCE.split(last.text)[0]
        kept = _FURTHER.sub("", said)
        unfinished = cut and last.open and len(kept) > len(last.text) - 3
        return None if unfinished else clean(kept)
    whole = reply.text.strip()
    long = "\n" in whole or len(whole.split()) > LONGEST
    if cut or long or whole.endswith(("?", ":")) or re.search(r"\banswer\b", whole, re.I):
        return None
    words = clean(whole)
    stated = _STATEMENT.match(words) if words else None
    return clean(stated["said"]) if stated else words


def clean(words: str) -> str | None:
    """Take quotes and a closing full stop off; None if nothing is left or the words say that there is no answer."""
    words = " ".join(words.split())
    while words and (trimmed := _trim(words)) != words:
        words = trimmed
    return None if not words or nothing(words) else words


def nothing(words: str) -> bool:
    """True for words that give no answer: doubts, refusals, and placeholders such as "[your answer]" or "N/A"."""
    return bool(_NO_ANSWER.search(words) or _REFUSAL.search(words) or _PLACEHOLDER.fullmatch(words))


def _trim(words: str) -> str:
    if len(words) > 1 and words[0] + words[-1] in _PAIRS:
        return words[1:-1].strip()
    if words.endswith(".") and not words.endswith(".."):
        return words[:-1].rstrip()
    if words.endswith(")") and "(" not in words and re.search(r"\w", words):
        return words[:-1].rstrip()
    return words if words.strip(" .…_") else ""


def canonical(answer: str) -> str:
    """An answer for comparison.

    Case, accents, articles, quotes and punctuation do not count; hyphens and slashes part words. Minus signs, decimal
    points, fraction bars, and the signs in names such as C++ and C# do count. What consists of nothing else (brackets,
    an article) is compared as it stands, without spaces.

    >>> canonical("The  Café-Bar."), canonical("-3"), canonical("1,500.0"), canonical("A"), canonical(") ]")
    ('cafe bar', '-3', '1500', 'a', ')]')
    """
    answer = unmarked(answer)
    while (shorter := _normal(answer)) != answer:
        answer = shorter
    return answer


def _normal(answer: str) -> str:
    text = unicodedata.normalize("NFD", answer.casefold().translate({0x2212: "-", 0: None, 1: None, 2: None}))
    text = unicodedata.normalize("NFC", "".join(c for c in text if not "\u0300" <= c <= "\u036f"))
    if not re.search(r"[^\W_]", text):
        return "".join(text.split())
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.replace("&", " and "))
    # The marks that count are put out of reach of what is taken away.
    text = re.sub(r"(?<![\w.])-(?=\.?\d)", "\x00", text)
    text = re.sub(r"(?<=\d)\.(?=\d)|(?<!\w)\.(?=\d)", "\x01", text)
    text = re.sub(r"(?<=\d)/(?=\d)", "\x02", text)
    text = re.sub(r"[-‐-―/_]", " ", text)
    text = "".join(c for c in text if c in "\x00\x01\x02#" or not (unicodedata.category(c)[0] == "P" or c in "$€£`"))
    words = text.translate({0: "-", 1: ".", 2: "/"}).split()
    said = " ".join([w for w in words if w not in _ARTICLES] or words)
    return re.sub(r"\A(-?\d+)\.0+\Z", r"\1", said)


def f1(answer: str, gold: str) -> float:
    """Harmonic mean of the shares of common words (SQuAD, arXiv 1606.05250), after normalisation.

    >>> f1("the big red house", "red house")
    0.8
    """
    a, b = Counter(canonical(answer).split()), Counter(canonical(gold).split())
    common = sum((a & b).values())
    return 2 * common / (a.total() + b.total()) if common else float(a == b)
