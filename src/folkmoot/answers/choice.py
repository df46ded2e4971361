"""Multiple choice: which letter a reply concludes with.

Read are a letter or the exact text of an option (a) after an explicit marker, see claims.py, (b) in a sentence that picks
("I choose B", "B is the correct answer", "Therefore, B."), (c) as the whole reply, its first or its last line. The last
conclusion counts; a conclusion that names two options, or an option by letter and another by text, abstains. Options
that are only listed or discussed are never read, and the article in "the answer is a ..." is no option.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from folkmoot.answers.claims import Reply, claims, plain, sentences

MOST = 26
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NOUN = r"(?:option|choice|letter|candidate|answer|response|alternative|statement)"
_GOOD = r"(?:correct|right|best|better|most accurate|most appropriate|most likely|strongest|stronger|true|proper|only)"
_NOUNS = rf"answer|(?:{_GOOD}|my|final) (?:one|{_NOUN})|choice|conclusion"
_HEAD = re.compile(
    rf"(?:(?:the )?(?:{_GOOD} )?{_NOUN}\s*:?\s+)?(?P<open>[(\[{{]?)(?P<letter>[A-Za-z])(?P<close>[)\]}}]?)(?P<rest>.*)",
    re.S | re.I,
)
_NEGATED = re.compile(r"\b(?:not|never|no|neither|nor|except|incorrect|wrong|unlike|if|whether|cannot)\b|n't\b", re.I)
_VERDICT = rf"(?:is|are|seems|appears to be|would be|must be)\s+(?:clearly |definitely |probably |likely )?(?:the\s+)?{_GOOD}\b"
_EDGE = " \t\n.,;:!\"'“”‘*_$()[]{}"

Named = tuple[str, ...]
"""The options that a text names: one, several (no conclusion), or none (it says nothing about options)."""


def labels(n: int) -> tuple[str, ...]:
    """The first n letters."""
    return tuple(_LETTERS[:n])


def instruction(options: Sequence[str]) -> str:
    """The contract for the prompt."""
    known = labels(len(options))
    which = f"one of {', '.join(known)}" if len(known) <= 6 else f"a letter from {known[0]} to {known[-1]}"
    return f'End with a line of the form "Answer: X", where X is {which}.'


def canonical(answer: str, options: Sequence[str]) -> str:
    """The letter; an answer that is no option stays as it is."""
    letter = answer.strip().upper()
    return letter if letter in labels(len(options)) else answer.strip()


def extract(text: str, options: Sequence[str], *, cut: bool = False) -> str | None:
    """The letter that a reply concludes with, or None.

    Args:
        text: The reply.
        options: The option texts.
        cut: The reply was stopped at its token limit: a last line without an explicit conclusion is then not read.
    """
    reply = plain(text)
    found: list[tuple[int, Named]] = []
    for c in claims(reply, _NOUNS):
        named = name(c.text, options)
        if cut and c.open and not re.search(r"[.)\]!]\W*$", c.text):
            named = ()  # "Answer: C" may have been going to be "Answer: Canada"
        if named or c.firm:
            found.append((c.at, named))
    found += _picks(reply, options)
    if found:
        named = max(found, key=lambda f: f[0])[1]
    else:
        named = _verdicts(reply.text, options) or (() if cut else _bare(reply, text, options))
    return named[0] if len(named) == 1 else None


def name(claim: str, options: Sequence[str]) -> Named:
    """The options that a claim names at its beginning.

    >>> name("(B) because it is larger", ["Mars", "Venus"]), name("A or B", ["Mars", "Venus"]), name("a matter of", ["x", "y"])
    (('B',), ('A', 'B'), ())
    """
    known = labels(len(options))
    claim = re.sub(r"\A(?:either|both|between)\s+", "", claim.strip().lstrip("\"'“‘$* "), flags=re.I)
    if claim.strip(_EDGE).upper() in known:
        return () if claim.rstrip(" $\"'").endswith("?") else (claim.strip(_EDGE).upper(),)
    if by_text := _by_text(claim, options):
        return by_text
    m = _HEAD.match(claim)
    if m and m["letter"].upper() in known and (m["letter"].isupper() or m["close"]):
        return _by_letter(m["letter"].upper(), m["rest"], bool(m["close"]), options)
    said = sentences(claim.split("\n")[0])
    return _stated(said[0], options) if said else ()


def _by_letter(letter: str, rest: str, closed: bool, options: Sequence[str]) -> Named:
    """What a letter and the text after it name."""
    known = labels(len(options))
    own = options[ord(letter) - 65]
    tail = rest.lstrip(" \t\"'”*$")
    if fold(own) and fold(tail.lstrip(" ).:,;-–—")).startswith(fold(own)):
        at = tail.lower().find(own.strip(_EDGE).lower())
        tail = tail[at + len(own.strip(_EDGE)) :] if at >= 0 else ""
        closed = True
    second = re.match(
        rf"[).\]\"'”:]*\s*(?:,?\s*\b(?:or|and|and/or)\b|/|&|\+|,)\s*(?:{_NOUN}\s+)?[(\[]?([A-{known[-1]}])(?![\w'’-])(?=(.*))",
        tail,
    )
    if second and second[1] != letter:
        listed = re.match(r"[)\].!\"']*(?:$|\s*(?:,|or\b|and\b|are\b|is\b|both\b|seem))", second[2])
        joined = bool(re.search(r"\bor\b|\band\b|/|&|\+", second[0]))
        if listed or joined and not re.match(r"\s+[a-z]", second[2]):
            return (letter, second[1])
    if re.match(r"\?", tail):
        return ()
    if closed or re.match(r"$|[.!:,;\])](?:\s(?!\s*[A-Z]\.)|[\"')\]$*]|$)|\s*[–—→]|\s+-\s|\s*\(", rest.rstrip()):
        return _agreeing(letter, tail, options)
    if re.match(rf"\s+(?:because|since|as|due to|given)\b|\s+{_VERDICT}", rest):
        return (letter,)
    return ()


def _agreeing(letter: str, tail: str, options: Sequence[str]) -> Named:
    """The letter, and the other option whose text is given with it, if there is one."""
    text = tail.lstrip(" ).:,;-–—→")
    other = _by_text(text, options) if text else ()
    if len(other) == 1 and other[0] != letter and fold(options[ord(letter) - 65]) != fold(options[ord(other[0]) - 65]):
        return (letter, *other)
    return (letter,)


def fold(text: str) -> str:
    """An option text for comparison: case, spaces, an article before it and marks around it do not count."""
    return re.sub(r"\A(?:a|an|the) (?=.)", "", " ".join(text.casefold().split()).strip(_EDGE))


def _by_text(claim: str, options: Sequence[str]) -> Named:
    """The option whose text is the whole claim or its first sentence."""
    first = claim.split("\n")[0]
    for said in dict.fromkeys((claim, first, *sentences(first)[:1])):
        if said.rstrip().endswith("?") or not fold(said):
            continue
        same = [i for i, o in enumerate(options) if fold(o) == fold(said)]
        if len(same) > 1:  # options that differ in case only
            same = [i for i in same if options[i].strip(_EDGE) == said.strip(_EDGE)]
        if len(same) == 1:
            return (_LETTERS[same[0]],)
    return ()


def _stated(sentence: str, options: Sequence[str]) -> Named:
    """The option whose text ends a plain statement: "The capital of France is Paris." """
    said = fold(sentence)
    if _NEGATED.search(said) or sentence.rstrip().endswith("?"):
        return ()
    ends = [
        (len(f), i, m.start())
        for i, o in enumerate(options)
        if (f := fold(o))
        and (m := re.search(rf"\b(?:is|are|was|were|be|called)\s+(?:the |an? )?{re.escape(f)}\Z", said))
    ]
    if not ends:
        return ()
    _, best, at = max(ends)
    others = [i for i, o in enumerate(options) if i != best and re.search(rf"\b{re.escape(fold(o))}\b", said[:at])]
    return () if others else (_LETTERS[best],)


def _picks(reply: Reply, options: Sequence[str]) -> list[tuple[int, Named]]:
    """Sentences that pick: "I choose B", "(B) is the correct answer", "Therefore, B."."""
    letter = rf"(?:{_NOUN}\s+)?[(\[]?(?P<letter>[A-{labels(len(options))[-1]}])(?![\w'’-])[)\]]?"
    forms = (
        rf"\b(?i:i|we)(?i:'ll|'d| will| would| must| should)?(?i: have to)? (?i:choose|pick|select|go with|vote for|chose) (?i:the )?{letter}",
        rf"(?<![\w-])[(\[]?{letter}\.?(?:\s+[^.\n]{{0,80}}?)?\s+(?i:is|would be|must be)\s+(?i:therefore |thus |clearly )?"
        rf"(?i:the|our|my)\s+(?:(?i:{_GOOD}|final) )?(?i:answer|choice|option|one|conclusion)\b(?! (?i:to|for) (?i:question|part))",
        rf"(?:^|[.,;:]\s+|\n\s*)(?i:therefore|thus|hence|so|in conclusion)[,:]?\s+(?i:it is |it's |it must be )?{letter}\s*[.!]?[ \t]*$",
    )
    found: list[tuple[int, Named]] = []
    for form in forms:
        for m in re.finditer(form, reply.text, re.M):
            before = reply.text[max(0, m.start() - 30) : m.start()]
            inside = reply.text[m.start("letter") + 1 : m.end()]
            if re.search(r"\b(?:if|whether|not|than|that|or|and)\s+\W*$", before, re.I) or _NEGATED.search(inside):
                continue
            more = re.match(rf"\s*(?:or|and|/|&)\s*{letter}", reply.text[m.end() :])
            found.append((m.start("letter"), (m["letter"], more["letter"]) if more else (m["letter"],)))
    return found


def _verdicts(text: str, options: Sequence[str]) -> Named:
    """Options called right, when nothing is concluded: one alone is an answer, several are a discussion."""
    last = labels(len(options))[-1]
    form = rf"(?<![\w-])(?P<before>(?:\w+\s+)?)[(\[]?(?P<letter>[A-{last}])(?![\w'’])[).\]]?(?:\s+[^.\n]{{0,80}}?)?\s+{_VERDICT}"
    right = [
        m["letter"]
        for m in re.finditer(form, text)
        if m["before"].strip().lower() not in ("if", "whether", "or", "and", "nor", "neither")
        and not _NEGATED.search(m[0][len(m["before"]) + 1 :])
        and not (m["letter"] in "AI" and re.match(r"[AI]\s+[a-z]+\s+[a-z]", m[0][len(m["before"]) :]))
    ]
    return tuple(dict.fromkeys(right))


def _bare(reply: Reply, raw: str, options: Sequence[str]) -> Named:
    """The whole reply, its first line or its last, if it is nothing but an option."""
    lines = [line.strip() for line in reply.text.split("\n") if line.strip()]
    if not lines:
        return ()
    begun = [b for line in lines if (b := _begins(line, options))]
    if len(lines) == 1:
        inline = re.findall(rf"(?<!\w)\(?([A-{labels(len(options))[-1]}])[).:]\s", lines[0] + " ")
        return name(lines[0], options) if len(set(inline)) <= 1 else ()
    first, last = _only(lines[0], options), _only(lines[-1], options)
    if first and set(begun) <= set(first):
        return first
    if last and (not _begins(lines[-1], options) or begun.count(last[0]) > 1 or len(set(begun)) == 1):
        return last
    bold = {
        m[1] for m in re.finditer(r"(?<=\S )\*\*\(?([A-Z])\)?[.):]?(?:\s[^*\n]*)?\*\*", raw.rstrip().split("\n")[-1])
    }
    return tuple(bold) if bold <= set(labels(len(options))) else ()


def _begins(line: str, options: Sequence[str]) -> str | None:
    """The letter with which a line of a listing begins: ``B) ...``, ``- (B) ...``, ``B. ...``."""
    m = re.match(rf"[-•\s]*(?:{_NOUN}\s+)?\(?([A-{labels(len(options))[-1]}])[).:]\s*\S", line, re.I)
    return m[1].upper() if m else None


def _only(line: str, options: Sequence[str]) -> Named:
    """The option that a line consists of, by letter, by text or by both."""
    letter = re.fullmatch(rf"(?:{_NOUN}\s+)?[(\[]?([A-Z])[)\]]?[.:)]?", line, re.I)
    if letter and letter[1] in labels(len(options)):
        return (letter[1],)
    m = re.match(r"(?:option\s+)?[(\[]?([A-Z])[)\].:]+\s+(.+)", line, re.I)
    if m and m[1] in labels(len(options)):
        return (m[1],) if fold(m[2]) == fold(options[ord(m[1]) - 65]) else ()
    return _by_text(line, options) if len(sentences(line)) == 1 else ()
