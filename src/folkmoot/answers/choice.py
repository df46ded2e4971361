"""Multiple choice: which letter a reply concludes with.

Read are a letter or the exact text of an option (a) after an explicit marker, see claims.py; (b) in a sentence that
picks: "I choose B", "B is the correct answer", "Therefore, B."; (c) as the whole reply, its first line or its last. The
last conclusion counts. One that names two options, or an option by letter and another by text, abstains. Options that
are only listed or discussed are never read, and the article in "the answer is a ..." is no option.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from folkmoot.answers.claims import Reply, claims, finished, plain
from folkmoot.answers.options import GOOD, LETTERS, NOUN, Named, labels, name, only

MOST = len(LETTERS)
_RECENT = 40
"""Sentences of one kind that are looked at, from the end: a model that loops repeats itself a thousand times."""
_NOUNS = rf"answer|(?:{GOOD}|my|final) (?:one|{NOUN})|choice|conclusion"
_CHOOSE = re.compile(
    r"\b(?:i|we)(?:'ll|'d| will| would| must| should)?(?: have to)? (?:choose|chose|pick|select|go with|vote for) ",
    re.I,
)
_THEREFORE = re.compile(
    r"(?:^[ \t]*|(?<=[.,;:])\s+)(?:therefore|thus|hence|so|in conclusion)[,:]?\s+(?:it is |it's |it must be )?",
    re.I | re.M,
)
_IS = re.compile(
    r"\s+(?:is|are|seems|appears to be|would be|must be)\s+(?:clearly |definitely |probably |likely |therefore |thus )?"
    rf"(?:(?P<answer>(?:the|our|my)\s+(?:(?:{GOOD}|final)\s+)?(?:answer|choice|option|one|conclusion))\b(?! to part)"
    rf"|(?:the\s+)?{GOOD}\b)",
    re.I,
)
_CLAUSE = re.compile(
    r"(?<=[!?;:,])\s+|(?<=\w\w\.)\s+|\b(?:so|thus|therefore|hence|that|think|believe|say)\b,?\s+", re.I
)


def instruction(options: Sequence[str]) -> str:
    """The contract for the prompt."""
    known = labels(len(options))
    which = f"one of {', '.join(known)}" if len(known) <= 6 else f"a letter from {known[0]} to {known[-1]}"
    return f'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is {which}.'


def canonical(answer: str, options: Sequence[str]) -> str:
    """The letter; an answer that is no option stays as it is."""
    letter = answer.strip().upper()
    return letter if letter in labels(len(options)) else answer.strip()


def extract(text: str, options: Sequence[str], *, cut: bool = False) -> str | None:
    """The letter that a reply concludes with, or None.

    Args:
        text: The reply.
        options: The option texts.
        cut: The reply was stopped at its token limit: only a complete explicit conclusion is then read.
    """
    reply = plain(text)
    verdicts = list(_verdicts(reply.text, options))
    found = _picks(reply.text, options) + [(at, named) for at, named, firm in verdicts if firm]
    for c in claims(reply, _NOUNS)[:_RECENT]:
        named = name(c.text, options)
        if named or c.firm:
            whole = not cut or name(finished(c), options) == named  # "Answer: C" may have been going to be "Canada"
            found.append((c.at, named if whole else ()))
            break
    if found:
        named = max(found, key=lambda f: f[0])[1]
    elif verdicts:  # "B is right" of one option is an answer, of several a discussion
        named = tuple(dict.fromkeys(letter for _, letters, _ in verdicts for letter in letters))
    else:
        named = () if cut else _bare(reply, text, options)
    return named[0] if len(named) == 1 else None


def _picks(text: str, options: Sequence[str]) -> list[tuple[int, Named]]:
    """Sentences that pick: "I choose B", "Therefore, B."."""
    found: list[tuple[int, Named]] = []
    for m in (*list(_CHOOSE.finditer(text))[-_RECENT:], *list(_THEREFORE.finditer(text))[-_RECENT:]):
        rest = text[m.end() : m.end() + 200].split("\n")[0]
        named = name(rest, options) if m.re is _CHOOSE else only(rest, options)
        if named:
            found.append((m.end(), named))
    return found


def _verdicts(text: str, options: Sequence[str]) -> Iterator[tuple[int, Named, bool]]:
    """Options that are called right: place, option, and whether it is called the answer."""
    for m in list(_IS.finditer(text))[-_RECENT:]:
        line = text[max(0, m.start() - 200) : m.start()].split("\n")[-1]
        if only(
            line + text[m.start() : m.start() + 200].split("\n")[0], options
        ):  # the option itself says "is correct"
            continue
        for subject in (_CLAUSE.split(line)[-1], line):
            if named := only(subject, options):
                yield m.start(), named, bool(m["answer"])
                break


def _bare(reply: Reply, raw: str, options: Sequence[str]) -> Named:
    """The whole reply, its first line or its last, if it is nothing but an option."""
    lines = [line.strip() for line in reply.text.split("\n") if line.strip()]
    if not lines:
        return ()
    listed = [letter for line in lines if (letter := _begins(line, options))]
    inline = set(re.findall(rf"(?<!\w)\(?([A-{LETTERS[len(options) - 1]}])[).:]\s", lines[-1] + " "))
    first, last = only(lines[0], options), only(lines[-1], options)
    if first and set(listed) <= set(first):
        return first
    if last and (not _begins(lines[-1], options) or listed.count(last[0]) > 1 or len(set(listed)) == 1):
        return last
    if len(inline) > 1:
        return ()
    if len(lines) == 1 and (whole := name(lines[0], options)):
        return whole
    bold = re.findall(r"(?<=\S )\*\*\(?([A-Z])\)?[.):]?(?:\s[^*\n]*)?\*\*", raw.rstrip().split("\n")[-1])
    return tuple(dict.fromkeys(bold)) if set(bold) <= set(labels(len(options))) else ()


def _begins(line: str, options: Sequence[str]) -> str | None:
    """The letter with which a line of a listing begins: ``B) ...``, ``- (B) ...``, ``B. ...``."""
    m = re.match(rf"[-•\s]*(?:{NOUN}\s+)?\(?([A-{LETTERS[len(options) - 1]}])[).:]\s*\S", line, re.I)
    return m[1].upper() if m else None
