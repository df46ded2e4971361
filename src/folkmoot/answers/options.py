"""Which options a few words name: by key, by their exact text, or by both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from folkmoot.answers.claims import sentences, unmarked

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOUN = r"(?:option|choice|letter|candidate|answer|response|alternative|statement)"
GOOD = r"(?:correct|right|best|better|most (?:accurate|appropriate|likely)|strongest|stronger|true|proper|only)"

_HEAD = (
    rf"(?:(?:the )?(?:{GOOD} )?{NOUN}\s*:?\s+)?(?P<open>[(\[{{]?)(?P<key>KEY)(?![\w'’])(?P<close>[)\]}}]?)(?P<rest>.*)"
)
_ALONE = rf"(?:{NOUN}\s+)?[(\[]?(?P<key>KEY)[)\]]?[.:)]?"
_WITH_TEXT = rf"(?:{NOUN}\s+)?[(\[]?(?P<key>KEY)[)\].:]*,?\s+(?P<text>.+)"
_KEY_LAST = rf"(?P<text>.+?)[\s,]*[(\[]\s*(?:{NOUN}\s+)?(?P<key>KEY)\s*[)\]]\W*"
_JOINED = (
    rf"[).\]\"'”:]*\s*(?P<by>,?\s*\b(?:or|and|and/or)\b|/|&|\+|,|→|⇒|-+>|=+>)\s*(?:{NOUN}\s+)?"
    r"[(\[]?(?P<key>KEY)(?![\w'’-])(?P<rest>.*)"
)
_AFTER_KEY = re.compile(  # ends it; not in C-section, D.C., C. S. Lewis, 3.5, 1,200
    r"\Z|[.!:,;\])](?:\s(?!\s*[A-Z]\.)|[\"')\]$*]|\Z)|\s*[–—→]|\s+-\s|\s*\("
)
_WORD_AFTER = re.compile(r"\s*[–—→(]|\s+-\s")  # may follow the article too
_REASON = re.compile(
    rf"\s+(?:because|since|as|due to|given|(?:and )?not|rather than|instead of)\b|\s+(?:is|seems|would be)\s+(?:the\s+)?{GOOD}\b"
)
_BECAUSE = re.compile(r",?\s+(?:because|since|as|due to)\b", re.I)
NEGATED = re.compile(r"\b(?:not|never|no|neither|nor|except|incorrect|wrong|unlike|if|whether|cannot)\b|n't\b", re.I)
_EDGE = " \t\n.,;:!\"'“”‘*_$()[]{}"

Named = tuple[str, ...]
"""Keys of the options that a text names: one, several (no conclusion), or none (it says nothing about options)."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options as a task shows them.

    Attributes:
        texts: What they say; all empty if that is not known.
        keys: What they are called, letters or digits.
    """

    texts: tuple[str, ...]
    keys: tuple[str, ...]

    def text(self, key: str) -> str:
        """What the option says."""
        return self.texts[self.keys.index(key)]


def labels(n: int) -> tuple[str, ...]:
    """The first n letters."""
    return tuple(LETTERS[:n])


def as_shown(options: Sequence[str], keys: Sequence[str] = ()) -> Options:
    """Options with their keys; A, B, C and so on where none are given."""
    return Options(tuple(options), tuple(keys) or labels(len(options)))


def by_key(said: str, o: Options) -> str | None:
    """The key that is written so, in large letters or small ones."""
    return next((k for k in o.keys if k == said), None) or next(
        (k for k in o.keys if k.casefold() == said.casefold()), None
    )


@lru_cache(maxsize=256)
def keyed(form: str, keys: tuple[str, ...], loose: bool = True) -> re.Pattern[str]:
    """A pattern in which KEY stands for any of the keys.

    Args:
        form: The pattern.
        keys: The keys.
        loose: Letters may be large or small; else large, or as the key is written.
    """
    known = {*keys, *(k.upper() for k in keys)}
    either = "|".join(re.escape(k) for k in sorted(known, key=lambda k: (-len(k), k)))
    return re.compile(form.replace("KEY", f"(?:{either})"), re.S | (re.I if loose else re.NOFLAG))


def folded(key: str) -> str:
    """A key for comparison without its options."""
    return key.strip(_EDGE).casefold()


def fold(text: str) -> str:
    """An option text for comparison: case, spaces, an article before it and marks around it do not count."""
    return re.sub(r"\A(?:a|an|the) (?=.)", "", " ".join(unmarked(text).casefold().split()).strip(_EDGE))


def name(claim: str, o: Options) -> Named:
    """The options that a claim names at its beginning.

    >>> planets = as_shown(["Mars", "Venus"])
    >>> name("(B) because it is larger", planets), name("A or B", planets), name("a matter of taste", planets)
    (('B',), ('A', 'B'), ())
    """
    claim = claim.strip().lstrip("\"'“‘$* ")
    if alone := by_key(claim.strip(_EDGE), o):
        return () if claim.rstrip(" $\"'").endswith("?") else (alone,)
    if text := by_text(claim, o):
        return text
    if last := _key_last(claim.split("\n")[0], o):
        return last
    m = keyed(_HEAD, o.keys).match(re.sub(r"\A(?:either|both|between)\s+", "", claim, flags=re.I))
    if m and not _article(m):
        found = _by_key(by_key(m["key"], o) or "", m["rest"], bool(m["close"]), o)
        if found:
            return found
    said = sentences(claim.split("\n")[0])
    return _stated(said[0], o) if said else ()


def _key_last(line: str, o: Options) -> Named:
    """The option whose text and then key end a statement: "Venus (B)", "The largest is Venus (option B)."."""
    m = keyed(_KEY_LAST, o.keys).fullmatch(line)
    key = by_key(m["key"], o) if m else None
    if not m or not key:
        return ()
    if any(o.texts):
        fits = key in (by_text(m["text"], o) or _stated(m["text"], o))
    else:
        others = keyed(r"(?<!\w)KEY(?!\w)", o.keys, False).search(m["text"])
        fits = len(m["text"].split()) < 6 and not others and not NEGATED.search(line)
    return (key,) if fits and "?" not in line else ()


def _article(head: re.Match[str]) -> bool:
    """A small letter without a bracket is more often a word, unless what follows it can follow no article."""
    small = head["key"].islower() and not head["close"]
    ends = _AFTER_KEY.match(head["rest"]) or _REASON.match(head["rest"])
    return small and (not ends or bool(_WORD_AFTER.match(head["rest"])))


def only(line: str, o: Options) -> Named:
    """The option that a line consists of, by key, by text, or by a key with its own text."""
    line = line.strip()
    alone = keyed(_ALONE, o.keys, False).fullmatch(line) or keyed(_ALONE, o.keys).fullmatch(line)
    if alone and (alone["key"] in o.keys or alone["key"] == alone["key"].upper()):
        return (by_key(alone["key"], o) or "",)
    both = keyed(_WITH_TEXT, o.keys).fullmatch(line)
    key = by_key(both["key"], o) if both else None
    if both and key and both["key"] in (key, key.upper()) and fold(both["text"]) == fold(o.text(key)):
        return (key,)
    return by_text(line, o) if len(sentences(line)) == 1 else ()


def by_text(claim: str, o: Options) -> Named:
    """The option whose text is the whole claim, its first line, its first sentence, or that before a reason."""
    first = claim.split("\n")[0]
    reasons = [first[: m.start()] for m in list(_BECAUSE.finditer(first))[:8]]
    for said in dict.fromkeys((claim, first, *sentences(first)[:1], *reversed(reasons))):
        if not fold(said) or (said != claim and (by_key(fold(said), o) or re.fullmatch(r"[^\W\d]", fold(said)))):
            continue  # "C. O2" is not the option "C", and in "2, because" the key counts
        asks = said.rstrip().endswith("?")
        same = [i for i, t in enumerate(o.texts) if fold(t) == fold(said) and t.rstrip().endswith("?") >= asks]
        if len(same) > 1:  # options that differ in case only
            same = [i for i in same if o.texts[i].strip(_EDGE) == said.strip(_EDGE)]
        if len(same) == 1:
            return (o.keys[same[0]],)
    return ()


def _by_key(key: str, rest: str, closed: bool, o: Options) -> Named:
    """What a key and the text after it name."""
    own = o.text(key).strip(_EDGE)
    tail = rest.lstrip(" \t\"'”*$")
    text = re.sub(r"\A[\s).:,;\]]*(?:[-–—→]\s+)?", "", tail)
    spelt = bool(own) and text.casefold().startswith(own.casefold())
    after = text[len(own) :] if spelt else tail
    if second := _second(key, after, o):
        return (key, second)
    if re.match(r"\W*\?", after):
        return ()
    if spelt or closed or _AFTER_KEY.match(rest.rstrip()):
        other = by_text(text, o) if text else ()
        if other and fold(o.text(other[0])) != fold(own):
            return (key, *other)  # "A) Paris" where Paris is B
        return (key,)
    return (key,) if _REASON.match(rest) else ()


def _second(first: str, after: str, o: Options) -> str | None:
    """Another key that is joined to the first one: "A or B", "A, B and C", "A/B"."""
    m = keyed(_JOINED, o.keys, False).match(after)
    if not m or (key := by_key(m["key"], o)) == first:
        return None
    if m["by"] == ",":  # "C, A is too small" is no list
        return key if re.match(r"[)\].!\"']*(?:\Z|\s*(?:,|or\b|and\b|are\b|both\b))", m["rest"]) else None
    return None if re.match(r"\s+(?!is\b|are\b)[a-z]", m["rest"]) else key


def _stated(sentence: str, o: Options) -> Named:
    """The option whose text ends a plain statement, as in "The capital of France is Paris."."""
    said = fold(sentence)
    if NEGATED.search(said) or sentence.rstrip().endswith("?"):
        return ()
    ends: list[tuple[int, int, int]] = []
    for i, option in enumerate(o.texts):
        text = fold(option)
        m = re.search(rf"\b(?:is|are|was|were|be|called)\s+(?:the |an? )?{re.escape(text)}\Z", said) if text else None
        if m:
            ends.append((len(text), i, m.start()))
    if not ends:
        return ()
    _, best, at = max(ends)
    others = (t for i, t in enumerate(o.texts) if i != best and fold(t))
    return () if any(re.search(rf"\b{re.escape(fold(t))}\b", said[:at]) for t in others) else (o.keys[best],)
