"""Label sets: one or several labels, in any order. One that is not allowed makes the reply abstain.

Read are labels (a) after an explicit marker, see claims.py, on its line or as a list below it; (b) as the whole reply, its
last line or its first. The last conclusion counts. Case, blanks, hyphens and underscores do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from folkmoot.answers.claims import DOUBTFUL, claims, finished, plain, unmarked

_NOUNS = r"answer|labels?|categor(?:y|ies)|class(?:es)?|tags?|intents?|topics?"
_LONGEST = 6
"""Words that a label may have where any is allowed."""
_FEW = 2
_MOST = 40
_EDGE = " \t\n.,;:!\"'“”‘’*_$()[]{}|"
_ITEM = re.compile(r"[ \t]*(?:[-*•+]|\(?\d{1,2}[.)])[ \t]+(?P<item>\S.*)")
_AND = re.compile(r"\s*(?:[,;|/&+\n]\s*(?:and\b|&)?|\band\b)\s*", re.I)
_STOP = re.compile(  # what may follow a set of labels: its end, a reason, a next sentence
    r"[\s\"'”’)\]}]*(?:\Z|[.!](?:\s|\Z)|\n|[,;]?\s*(?:because|since|as|due to|given)\b|\s*[(–—]|\s+-\s)", re.I
)
_REASON = re.compile(
    r"[,;]?\s+(?:because|since|as|due to|given)\b.*|\s+[(–—].*|\s+-\s.*|(?<=\w{3})[.!](?:\s.*|\Z)", re.S | re.I
)
_OPEN = re.compile(r"[\s\"'“‘(\[{]*")
_WHAT = re.compile(
    r"\A\W*(?:both\s+(?=.*\band\b)|(?:the )?(?:labels?|categor(?:y|ies)|class(?:es)?|tags?|intents?|topics?)\s*:?\s+(?!is\b|are\b))",
    re.I,
)
_PICK = re.compile(
    r"(?:^[ \t]*|(?<=[.,;:])\s+)(?:therefore|thus|hence|so|(?:i|we)(?:'d| would)? (?:choose|pick|select|say|go with))[,:]?\s+"
    r"|\b(?:falls under|belongs to|a case of|(?:labell?ed|classified|described) as)\s+",
    re.I | re.M,
)
_UNSURE = re.compile(r"\b(?:not|or|neither|nor|either|maybe|perhaps|unsure|unclear|unknown)\b|\?", re.I)


def instruction(allowed: Sequence[str]) -> str:
    """The contract for the prompt."""
    if not allowed:
        return 'End with a line of the form "Answer: L", where L is one or several labels, separated by commas.'
    which = ", ".join(allowed)
    return f'End with a line of the form "Answer: L", where L is one or several of {which}, separated by commas.'


def canonical(answer: str, allowed: Sequence[str] = ()) -> str:
    """The labels, folded, sorted and without repeats, joined by commas; what is no label set is only folded.

    >>> canonical("Uses and Extends; uses"), canonical("b, A", ["A", "B"])
    ('extends, uses', 'a, b')
    """
    found = _labels(answer, allowed)
    return _join(found, allowed) if found else fold(answer)


def extract(text: str, allowed: Sequence[str] = (), *, cut: bool = False) -> str | None:
    """The labels that a reply concludes with, in canonical form, or None.

    Args:
        text: The reply.
        allowed: The labels there are; empty: any of a few words each.
        cut: The reply was stopped at its token limit: only a complete explicit conclusion is then read.
    """
    reply = plain(text)
    for c in claims(reply, _NOUNS)[:_MOST]:
        said = _list(reply.text[c.at :]) or c.text
        found = _labels(said, allowed)
        if cut and _labels(finished(c), allowed) != found:
            return None
        if (
            c.firm or found or (len(c.text.split()) <= _FEW and _any(c.text))
        ):  # a few words: a label that is not allowed
            return _join(found, allowed) if found else None
    if cut:
        return None
    found = _picked(reply.text, allowed) or _bare(reply.text, allowed)
    return _join(found, allowed) if found else None


def fold(label: str) -> str:
    """A label for comparison: case, blanks, hyphens, underscores and marks around it do not count."""
    return " ".join(re.sub(r"[-‐-―_]", " ", unmarked(label).casefold()).split()).strip(_EDGE)


def _tight(label: str) -> str:
    """Folded without blanks: "compare or contrast" may be written CompareOrContrast."""
    return fold(label).replace(" ", "")


def _join(found: Sequence[str], allowed: Sequence[str]) -> str:
    known = {_tight(a): fold(a) for a in allowed}
    return ", ".join(sorted({known.get(_tight(f), fold(f)) for f in found}))


def _list(text: str) -> str:
    """The items of a list that begins here, with commas between them; empty if none does."""
    items: list[str] = []
    for line in text.split("\n"):
        m = _ITEM.fullmatch(line.rstrip())
        if not m:
            break
        items.append(m["item"].strip(" ,;"))
    return ", ".join(items)


def _labels(said: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The labels that a text consists of; none if it holds anything that is no label."""
    said = _WHAT.sub("", unmarked(said).strip())
    return _known(said, allowed) if allowed else _any(said)


def _known(said: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Labels that are allowed, the longest at each place: a label may hold a comma or an "and"."""
    forms = [(a, _form(a)) for a in sorted(allowed, key=lambda a: -len(a)) if fold(a)]
    found: list[str] = []
    at = 0
    while True:
        at = _begin(said, at)
        ends = ((label, m.end()) for label, form in forms if (m := form.match(said, at)))
        label, end = next(((k, e) for k, e in ends if _STOP.match(said, e) or _joint(said, e)), ("", 0))
        if not label:
            return ()
        found.append(label)
        if _STOP.match(said, end):
            return tuple(found)
        at = _joint(said, end)


def _form(label: str) -> re.Pattern[str]:
    r"""How a label may be written: blanks, hyphens and underscores in it may be missing or stand for one another."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\w\s]|[^\W_]", label)
    inside = r"[\s_‐-―-]*".join(re.escape(p) for p in parts)
    return re.compile(rf"(?:(?:the|an?) )?{inside}(?!\w)", re.I)


def _begin(said: str, at: int) -> int:
    m = _OPEN.match(said, at)
    return m.end() if m else at


def _joint(said: str, at: int) -> int:
    """Where the next label begins; 0 if no further one is joined."""
    end = re.compile(r"[\"'”’)\]}]*").match(said, at)
    m = _AND.match(said, end.end() if end else at)
    return m.end() if m and m.end() < len(said) else 0


def _any(said: str) -> tuple[str, ...]:
    """Labels where any is allowed: short stretches between commas."""
    said = _REASON.sub("", said.split("\n")[0]).strip(" .")
    if _UNSURE.search(said):
        return ()
    parts = [p.strip(_EDGE) for p in _AND.split(said)]
    return tuple(parts) if parts and all(p and len(p.split()) <= _LONGEST for p in parts) else ()


def _picked(text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The labels of the last sentence that picks some: "Therefore, Uses.", "It falls under Uses."."""
    for m in list(_PICK.finditer(text))[:-_MOST:-1] if allowed else ():
        before = text[max(0, m.start() - 80) : m.end()].split("\n")[-1]
        found = _labels(text[m.end() : m.end() + 200].split("\n")[0], allowed)
        if found and not (_UNSURE.search(before) or DOUBTFUL.search(before)):
            return found
    return ()


def _bare(text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The whole reply, its last line or its first, if it consists of labels."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return ()
    if len(lines) > 1 and (listed := _list("\n".join(lines))) and listed.count(", ") >= len(lines) - 1:
        return _labels(listed, allowed)
    each = [_labels(line, allowed) for line in lines] if allowed else []
    if each and all(each):
        return tuple(label for found in each for label in found)
    for line in (lines[-1], lines[0]):
        if not line.endswith(("?", ":")) and (allowed or len(lines) == 1) and (found := _labels(line, allowed)):
            return found
    return ()
