"""Multiple choice: which option a reply concludes with.

Read are a key (a letter or a number) or the exact text of an option (a) after an explicit marker, see claims.py; (b) in a
sentence that picks: "I choose B", "B is the correct answer", "Therefore, B."; (c) as the whole reply, its first line or
its last. The last conclusion counts. One that names two options, or an option by key and another by text, abstains.
Options that are only listed or discussed are never read, and the article in "the answer is a ..." is no option.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from folkmoot.answers.claims import Reply, claims, disowned, finished, plain, sentences, taken_back, whole_words
from folkmoot.answers.options import (
    GOOD,
    LETTERS,
    NEGATED,
    NOUN,
    Named,
    Options,
    by_key,
    by_text,
    fold,
    folded,
    keyed,
    labels,
    name,
    only,
)

MOST = len(LETTERS)
_RECENT = 40
"""Sentences of one kind that are looked at, from the end: a model that loops repeats itself a thousand times."""
_NOUNS = rf"answer|(?:{GOOD}|my|final) (?:one|{NOUN})|choice|conclusion|solution"
_CHOOSE = re.compile(
    r"\b(?:i|we)(?:(?:'m| am|'re| are) (?:going with|choosing|picking)"
    r"|(?:'ll|'d| will| would| must| should)?(?: have to)? (?:choose|chose|pick|select|go with|vote for|say|answer|keep|stick with|stay with)):? ",
    re.I,
)
_AFTER_STOP = r"(?:^[ \t]*|(?<=[.,;:!?])\s+)"
_THINK = r"(?:(?:so )?i(?:'d| would)? (?:think|believe|guess|say) (?:that )?)?"
_THEREFORE = re.compile(
    rf"{_AFTER_STOP}(?:therefore|thus|hence|so|finally|in conclusion|definitely|clearly|yes|if i (?:had|have) to \w+),?:?\s+"
    r"(?:it is |it's |it must be )?",
    re.I | re.M,
)
_IT = re.compile(
    rf"{_AFTER_STOP}{_THINK}(?:it|that|this)(?:'s| is| must be| has to be| would be)\s+(?:clearly |definitely )?",
    re.I | re.M,
)
_MY = re.compile(
    r"^[ \t#]*(?:final|(?:my|final|my final) (?:choice|pick|vote|decision|verdict|option|guess)):\s*(?=\S)", re.I | re.M
)
_RATHER = re.compile(
    r"\b(?:answer|choice|option|it) ?(?:is|'s) not [^.,;:!?\n]{1,60}?,? but (?:rather |instead )?"
    r"|\b(?:i|we)(?:'ve| have)? (?:changed?|switch(?:ed)?) (?:my |our )?(?:answer |mind |vote |choice )?from [^.,;:!?\n]{1,60}? to "
    r"|\b(?:leaving|which leaves|that leaves)(?: us| me)?(?: with)?(?: only)? "
    r"|\bi (?:fully |completely |strongly )?agree with [^.:;,!?\n]{1,40}: ",
    re.I,
)
_SUPPOSES = re.compile(
    r"\b(?:if|when|unless|whether|suppose|before|initially|originally|first|earlier|should|would),? \Z", re.I
)
_NOT_MEANT = re.compile(  # after "B is the answer"
    r"[^.!?\n]{0,80}?(?:\b(?:only (?:if|when)|unless|provided)\b"
    r"|\bbut (?:it|that|this)(?:'s| is| was| would be) (?:wrong|incorrect|false|not\b|a mistake)"
    r"|[,–—-] ?(?:right|correct|yes|no|isn't it|is it)\s*\?)|[,]? (?:that|which) (?:most|many|some|people|everyone|others|students)\b",
    re.I,
)
_ELSEWHERE = re.compile(
    r",? (?:(?:if|under|when|were|had|only|with|elsewhere)\b|(?:in|for|on)\b(?! (?:this|the question|general|fact)))",
    re.I,
)
_WITHDRAWN = re.compile(  # after "Answer: B"
    r"[^.!?\n]{0,80}?(?:[(\[–—-] ?(?:that is |this is |it is )?(?:wrong|incorrect|false|not correct|not right|mistaken|an? (?:error|mistake))\b"
    r"|[,–—-] ?(?:right|correct|yes|no|isn't it|is it)\s*\?)|[✗✘❌]",
    re.I,
)
_MATCHES = re.compile(
    rf"\b(?:which is|corresponds to|corresponding to|matches|points to)\s+(?:the )?(?={NOUN}\b|\()", re.I
)
_IS = re.compile(
    r"\s+(?:is|are|seems|appears to be|would be|must be)\s+(?:clearly |definitely |probably |likely |therefore |thus )?"
    rf"(?:(?P<answer>(?:the|our|my)\s+(?:(?:{GOOD}|final)\s+)?(?:answer|choice|option|one|conclusion))\b(?! to part)"
    rf"|(?:the\s+)?{GOOD}\b)",
    re.I,
)
_NO_OPTION = re.compile(rf"(?:{NOUN}\s+)?\W*(?:[A-Z]|\d{{1,2}})\W*")  # "the answer is F" where F is none
_CLAUSE = re.compile(
    r"(?<=[!?;:,])\s+|(?<=\w\w\.)\s+|\b(?:so|thus|therefore|hence|that|think|believe|say|but)\b,?\s+", re.I
)


def instruction(o: Options) -> str:
    """The contract for the prompt."""
    which = f"one of {', '.join(o.keys)}"
    if len(o.keys) > 6 and o.keys in (labels(len(o.keys)), tuple(str(i + 1) for i in range(len(o.keys)))):
        which = f"a {'number' if o.keys[0] == '1' else 'letter'} from {o.keys[0]} to {o.keys[-1]}"
    return f'Say in one short sentence what is true. Then end with a line of the form "Answer: X", where X is {which}.'


def canonical(answer: str, o: Options) -> str:
    """The key; an answer that is no option stays as it is."""
    return by_key(answer.strip(), o) or answer.strip()


def equal(a: str, b: str) -> bool:
    """Whether two keys are the same, whatever the options: case and brackets do not count."""
    return folded(a) == folded(b)


def extract(text: str, o: Options, *, cut: bool = False) -> str | None:
    """The key of the option that a reply concludes with, or None.

    Args:
        text: The reply.
        o: The options.
        cut: The reply was stopped at its token limit: only a complete explicit conclusion is then read.
    """
    reply = plain(text)
    said = whole_words(reply.text) if cut else reply.text
    verdicts = list(_verdicts(said, o))
    found = _picks(said, o, _CHOOSE, _THEREFORE, _MY, _RATHER) + [(at, named) for at, named, firm in verdicts if firm]
    for c in claims(reply, _NOUNS)[:_RECENT]:
        named = name(c.text, o)
        if _WITHDRAWN.match(c.text) and not by_text(c.text, o):
            if not c.firm:
                continue
            named = ()
        elif not named and c.firm:
            named = _explained(c.text, o)
        elif len(named) == 1 and _listing(reply.text[c.at : c.at + 2000], named[0], o):
            named = ()
        if named or c.firm or _NO_OPTION.fullmatch(c.text):
            whole = not cut or name(finished(c), o) == named  # "Answer: C" may have been going to be "Canada"
            found.append((c.at, named if whole else ()))
            break
    if found or (found := _picks(said, o, _IT, _MATCHES)):
        at, named = max(found, key=lambda f: f[0])
        named = () if taken_back(reply.text, at) else named
    elif verdicts:  # "B is right" of one option is an answer, of several a discussion
        named = tuple(dict.fromkeys(key for _, keys, _ in verdicts for key in keys))
    else:
        named = () if cut else _bare(reply, text, o)
    return named[0] if len(named) == 1 else None


def _listing(said: str, key: str, o: Options) -> bool:
    """Whether a claim goes on to list the options: its own text is followed by the next key with its text."""
    at = o.keys.index(key) + 1
    if at >= len(o.keys) or not o.texts[at]:
        return False
    both = [rf"\(?{re.escape(o.keys[i])}[).:]\s*{re.escape(o.texts[i].strip())}" for i in (at - 1, at)]
    return bool(re.match(rf"\W*{both[0]}[\s,;.|]*{both[1]}\s*[,;.|]?\s*(?:\Z|\n|\(?\w{{1,2}}[).:]\s)", said, re.I))


def _explained(said: str, o: Options) -> Named:
    """The option that stands before a comma, where a few words follow that name no other: "Paris, France"."""
    first, _, rest = said.partition(",")
    named = by_text(first, o)
    others = (fold(t) for t in o.texts if fold(t))
    few = 0 < len(rest.split()) <= 4 and re.fullmatch(r" [A-Z][\w\s.'-]*", rest) and not NEGATED.search(rest)
    vague = re.search(r"\b(?:or|and|maybe|perhaps|possibly|but)\b", rest, re.I) or keyed(
        r"(?<!\w)KEY(?!\w)", o.keys, False
    ).search(rest)
    return named if few and not vague and not any(re.search(rf"\b{re.escape(t)}\b", fold(rest)) for t in others) else ()


def _picks(text: str, o: Options, *patterns: re.Pattern[str]) -> list[tuple[int, Named]]:
    """Sentences that pick: "I choose B", "Therefore, B.", "It is B."."""
    found: list[tuple[int, Named]] = []
    for m in (m for pattern in patterns for m in list(pattern.finditer(text))[-_RECENT:]):
        rest = text[m.end() : m.end() + 200].split("\n")[0]
        if _SUPPOSES.search(text, max(0, m.start() - 20), m.start()) or (m.re is _CHOOSE and _NOT_MEANT.match(rest)):
            continue
        named = (
            name(rest, o)
            if m.re in (_CHOOSE, _MY)
            else only(sentences(rest)[0] if m.re is _RATHER and rest.strip() else rest, o)
        )
        if named:
            found.append((m.end(), named))
    return found


def _verdicts(text: str, o: Options) -> Iterator[tuple[int, Named, bool]]:
    """Options that are called right: place, option, and whether it is called the answer."""
    for m in list(_IS.finditer(text))[-_RECENT:]:
        line = text[max(0, m.start() - 200) : m.start()].split("\n")[-1]
        if only(line + text[m.start() : m.start() + 200].split("\n")[0], o):  # the option itself says "is correct"
            continue
        unreal = "would" in m[0] and _ELSEWHERE.match(text, m.end())
        start = max(0, m.start() - len(_CLAUSE.split(line)[-1]))
        if unreal or _NOT_MEANT.match(text, m.end()) or disowned(text, start):
            continue
        for subject in (_CLAUSE.split(line)[-1], line):
            if named := only(subject, o):
                yield m.start(), named, bool(m["answer"])
                break


def _bare(reply: Reply, raw: str, o: Options) -> Named:
    """The whole reply, its first line or its last, if it is nothing but an option."""
    lines = [line.strip() for line in reply.text.split("\n") if line.strip()]
    if len(lines) == 1:
        lines = [re.sub(r"\A[-•*] (?=\S)", "", lines[0])]
    if not lines:
        return ()
    named = [only(line, o) or _small(line, o) for line in lines]
    begun = [_begins(line, o) for line in lines]
    rows = [n[0] if n else b for n, b in zip(named, begun, strict=True)]  # the option that a line stands for
    listed = [key for key in rows if key]
    first, last = named[0] or _opening(lines, o), named[-1]
    key_alone = not begun[0] and keyed(r"\(?KEY\)?\.?", o.keys).fullmatch(lines[0])
    why_not_others = key_alone and not any(n for n in named[1:] if n != first)
    if first and (why_not_others or set(listed) <= set(first)):
        return first
    apart = len(rows) == 1 or not (begun[-1] or rows[-2])
    if last and (apart or listed.count(last[0]) > 1 or len(set(listed)) == 1):
        return last
    inline = set(keyed(r"(?<!\w)\(?(KEY)[).:]\s", o.keys, False).findall(lines[-1] + " "))
    if len(inline) > 1:
        return ()
    if len(lines) == 1 and (whole := name(lines[0], o)):
        return () if _NOT_MEANT.match(lines[0]) or taken_back(lines[0], 0) else whole
    if (end := sentences(lines[-1])[-1]) != lines[-1] and keyed(r"[(\[]?KEY[)\]]?[.!]?", o.keys, False).fullmatch(end):
        return only(end.rstrip("!"), o)
    bold = keyed(r"(?<=\S )\*\*\(?(KEY)\)?[.):]?(?:\s[^*\n]*)?\*\*", o.keys, False).findall(
        raw.rstrip().split("\n")[-1]
    )
    return tuple(dict.fromkeys(k for b in bold if (k := by_key(b, o)) and not k.isdigit()))


def _small(line: str, o: Options) -> Named:
    """A line that is one small letter; the words "a" and "I" need brackets."""
    m = keyed(r"[(\[]?(?P<key>KEY)[)\]]?\.?", o.keys).fullmatch(line)
    key = by_key(m["key"], o) if m else None
    return (key,) if m and key and (m["key"] not in ("a", "i") or line != m["key"]) else ()


def _opening(lines: list[str], o: Options) -> Named:
    """The option with which a reply of several lines begins, where the rest explains it."""
    if len(lines) == 1:
        return ()
    if text := by_text(lines[0], o):
        return text
    form = rf"(?:{NOUN}\s+)?[(\[]?(?P<key>KEY)(?:[)\].:,]+\s|\s+(?:because|since|as)\b)"
    m = keyed(form, o.keys, False).match(lines[0])
    step = m is not None and m["key"].isdigit() and not re.search(r"\d,?\s+(?:because|since|as)\b", lines[0])
    return name(lines[0], o) if m and not step and not NEGATED.search(lines[0]) else ()


def _begins(line: str, o: Options) -> str | None:
    """The key with which a line of a listing begins: ``B) ...``, ``- (B) ...``, ``B. ...``."""
    m = keyed(rf"[-•\s]*(?:{NOUN}\s+)?\(?(?P<key>KEY)[).:]\s*\S", o.keys).match(line)
    return by_key(m["key"], o) if m else None
