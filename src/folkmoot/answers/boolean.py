"""True or false, yes or no: which of the two a reply concludes with.

Read are the words (a) after an explicit marker, see claims.py; (b) in a sentence that judges: "the statement is not
true", "so the answer is no", "I would say yes"; (c) as the whole reply, its first line or its last, or the first word
before a comma: "No, because ...". The last conclusion counts. What is true of a part, under a condition, or only mostly
is no conclusion.
"""

from __future__ import annotations

import re

from folkmoot.answers.claims import DOUBTFUL, claims, disowned, finished, plain, sentences, taken_back, whole_words

__all__ = ["INSTRUCTION", "canonical", "extract"]

INSTRUCTION = 'End with a line of the form "Answer: X", where X is true or false.'

_TRUE = r"true|yes|correct|right"
_FALSE = r"false|no|incorrect|wrong|untrue"
_SAID = {**dict.fromkeys(_TRUE.split("|"), True), **dict.fromkeys(_FALSE.split("|"), False)}
_LETTERS = {"t": True, "y": True, "f": False, "n": False}

_SURE = r"(?:(?:definitely|clearly|certainly|absolutely|simply|probably|most likely|likely|indeed|thus|therefore),? +)*"
_THING = r"statement|claim|assertion|proposition|hypothesis|sentence|verdict"
_IT = rf"(?:it|this|that|(?:the|this|that|your|his|her|their)\s+(?:(?:given|whole|above)\s+)?(?:{_THING}|answer))"
_BE = r"(?:\s+(?:is|was|must be|has to be|should be|would be)|'s)"
_WORD = rf"(?P<not>not\s+)?(?P<word>{_TRUE}|{_FALSE})\b"
_ENDS = (
    r"(?=\W*\Z|\s*[,.;:!)\]}\n–—-]|\s*\(|\s+(?:because|since|as|due to|given that|he|she|it|they|we|you|there|this)\b)"
)
_NOUNS = "answer|response"

_HEAD = re.compile(
    rf"[\s\"'“‘(\[$]*(?:{_IT}{_BE}\s+)?{_SURE}(?:an? (?:clear |definite |firm |simple |resounding |strong )*)?"
    rf"[\"'“‘(\[]*{_WORD}[\"'”’)\]]*{_ENDS}",
    re.I,
)
_CLAUSE = r"(?:\s+(?:(?:that|about|of|in|on|regarding)\s[^.:?!\n]{1,80}?|[\"“][^\"”\n]{1,200}[\"”]))?"
_JUDGES = re.compile(
    rf"\b{_IT}{_CLAUSE}{_BE}\s+{_SURE}(?:an? )?[\"'“‘]?{_WORD}[\"'”’]?(?:\s+(?:{_THING})\b)?{_ENDS}", re.I
)
_SAY = re.compile(
    rf"\b(?:i|we)(?:'ll|'d| will| would| must| should)?(?: have to)? (?:say|answer|choose|pick|select|go with|vote|vote for)"
    rf":? +[\"'“‘(]*{_WORD}[\"'”’)]*{_ENDS}",
    re.I,
)
_THEREFORE = re.compile(
    r"(?:^[ \t]*|(?<=[.,;:!])\s+)(?:therefore|thus|hence|so|in conclusion|in short|overall)[,:]?\s+"
    rf"[\"'“‘(]*{_WORD}[\"'”’)]*(?=\s*[.!]|\s*$)",
    re.I | re.M,
)
_LABEL = re.compile(
    rf"(?:^[ \t#]*(?:(?:final )?(?:verdict|conclusion|result|decision)|true *(?:or|/) *false|yes *(?:or|/) *no)\s*[:?]\s*)"
    rf"[\"'“‘(\[]*{_WORD}[\"'”’)\]]*{_ENDS}",
    re.I | re.M,
)
_BOTH = re.compile(
    rf"(?:{_TRUE}|{_FALSE})[\"'”’)]*\s*(?:,?\s*\b(?:or|and|but)\b|/|\|)\s*[\"'“‘(]*(?:not\s+)?(?:{_TRUE}|{_FALSE})\b",
    re.I,
)
_PART = re.compile(
    r"\b(?:(?:true|false|yes|no|correct|incorrect)\W+(?:if|when|unless|only|in some|for some|to some)\b)", re.I
)
_ALONE = re.compile(rf"[\s\"'“‘(\[]*{_WORD}[\"'”’)\]]*\s*[.!]*\Z", re.I)
_STARTS = re.compile(
    rf"[\"'“‘(\[]*{_WORD}[\"'”’)\]]*(?:\s*[,.;:!–—]\s*|\s+-\s+|\s+(?=(?:because|since|as|it|he|she|they|this|that|there|we|you)\b))(?=\S|\Z)",
    re.I,
)
_DENIES = re.compile(
    r"\b(?:not|no|nobody|none|never|cannot|hardly|doubt\w*|den(?:y|ies|ied))\b|n't\b|\b(?:evidence|case|clear|proof) that\Z",
    re.I,
)
_PARTS = re.compile(r"[,;:]|\b(?:so|and|therefore|thus|hence|but)\b", re.I)
_I_SAY = re.compile(r"\b(?:i|we)(?:'d| would| can| must)? (?:say|claim)\b", re.I)
_TAKES_BACK = re.compile(r"\b(?:wait|no|oh|hmm)\W{1,4}\Z", re.I)
_MOST = 40
"""Sentences of one kind that are looked at, from the end: a model that loops repeats itself a thousand times."""


def extract(text: str, *, cut: bool = False) -> str | None:
    """``true`` or ``false``, as the reply concludes; or None.

    Args:
        text: The reply.
        cut: The reply was stopped at its token limit: only a complete explicit conclusion is then read.
    """
    reply = plain(text)
    found: list[tuple[int, bool | None]] = []
    for c in claims(reply, _NOUNS)[:_MOST]:
        said = _claimed(c.text)
        if c.firm or (said is not None and not _DENIES.search(_clause(reply.text, c.at))):
            whole = not cut or _claimed(finished(c)) == said
            found.append((c.at, said if whole else None))
            break
    text = whole_words(reply.text) if cut else reply.text
    judged = (m for p in (_JUDGES, _SAY, _THEREFORE, _LABEL) for m in list(p.finditer(text))[-_MOST:])
    found += [(m.start("word"), None if _retracts(text, m) else _value(m)) for m in judged if not _unsure(text, m)]
    at, said = max(found, key=lambda f: f[0]) if found else (0, None if cut else _bare(reply.text))
    if found and taken_back(reply.text, at):
        return None
    return None if said is None else str(said).lower()


def canonical(answer: str) -> str:
    """``true`` or ``false``; anything else stays as it is, in small letters.

    >>> canonical("Yes."), canonical("not true"), canonical("F"), canonical("maybe")
    ('true', 'false', 'false', 'maybe')
    """
    m = _ALONE.match(answer)
    words = " ".join(answer.casefold().split())
    said = _value(m) if m else _LETTERS.get(words.strip(".()[]\"'"))
    return words if said is None else str(said).lower()


def _value(m: re.Match[str]) -> bool:
    return _SAID[m["word"].lower()] is not bool(m["not"])


def _claimed(claim: str) -> bool | None:
    """What the text after a marker says, if it says one thing."""
    first = sentences(claim)[0] if claim.strip() else ""
    if _BOTH.search(first) or _PART.search(first) or first.rstrip(" \"'").endswith("?"):
        return None
    if first.strip(" .()[]\"'*$").lower() in _LETTERS:
        return _LETTERS[first.strip(" .()[]\"'*$").lower()]
    m = _HEAD.match(first) or _JUDGES.search(first)
    return _value(m) if m else None


def _retracts(text: str, m: re.Match[str]) -> bool:
    """Whether a sentence is the second half of "No, that is wrong.", said after something else."""
    no = _TAKES_BACK.search(text[: m.start()], max(0, m.start() - 12))
    return no is not None and bool(text[: no.start()].strip())


def _sentence(text: str, at: int) -> str:
    """What stands before a place in its sentence."""
    return re.split(r"[.!?\n]\s", text[max(0, at - 80) : at])[-1]


def _clause(text: str, at: int) -> str:
    """What stands before a place in its part of the sentence."""
    return _PARTS.split(_sentence(text, at))[-1].strip()


def _unsure(text: str, m: re.Match[str]) -> bool:
    """Whether a sentence supposes, denies, asks, or reports what somebody else says."""
    before = _sentence(text, m.start())
    asks = re.match(r"[^.!\n]*\?", text[m.end("word") : m.end("word") + 40])
    doubtful = DOUBTFUL.search(_I_SAY.sub("", before)) or _DENIES.search(_clause(text, m.start()))
    return bool(disowned(text, m.start()) or _BOTH.match(text, m.start("word")) or asks or doubtful)


def _bare(text: str) -> bool | None:
    """The last line or the first, if it is nothing but the word; or the word with which a reply begins."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines or lines[-1].endswith(":"):
        return None
    for line in (lines[-1], lines[0], sentences(lines[-1])[-1]):
        if (m := _ALONE.match(line)) is not None:
            return _value(m)
    if len(lines) == 1 and lines[0].lower().strip(".") in _LETTERS:
        return _LETTERS[lines[0].lower().strip(".")]
    m = _STARTS.match(lines[0])
    return None if m is None or _BOTH.match(lines[0]) or _PART.match(lines[0]) else _value(m)
