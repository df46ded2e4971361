r"""Where a reply says what its answer is: the ground that all kinds of answers share.

A claim is a stretch of text that follows an explicit marker: ``Answer:``, ``\boxed{}``, ``#### ``, ``<answer>``, or a
sentence like "the answer is". What is said about other people's answers, under a condition, or taken back is no claim.
What a claim *says* is read by choice.py, number.py and text.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

LONGEST = 20_000
"""Characters of a reply that are read, from its end: the last conclusion counts."""
_LINE = 2_000
"""Characters of a claim that are read: the longest options of the test sets have about 700."""

_MOST = 100
"""Marks that are followed, from the end: a model that loops repeats itself a thousand times."""

_THINK = re.compile(r"\A.*</think(?:ing)?>", re.S | re.I)
_UNFINISHED_THINK = re.compile(r"<think(?:ing)?>.*\Z", re.S | re.I)
_BOLD = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)")  # 2**3 is arithmetic
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])|(?<!\w)_{1,2}(?=\S)([^_\n]+?)(?<=\S)_{1,2}(?!\w)"
)
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox)\s*\{([^{}]*)\}")
_LATEX_FENCE = re.compile(r"\\[\[\]()]|\$\$")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")

_LABEL = re.compile(r"(?<![\w\"'“‘-])ans(?:wer)?\s*[:：=](?!=)[ \t]*", re.I)
_DASHED = re.compile(r"^[ \t]*(?:(?:the|my|final|correct) )*answer\s*[—–-][ \t]+(?=\S)", re.I | re.M)
_JSON = re.compile(
    r"[{,]\s*([\"'])(?:final_)?answer\1\s*:\s*"
    r"(?:([\"'])(?P<text>[^\"'\n]{1,400})\2|\[(?P<list>[^\]\n]{1,400})\]|(?P<bare>[^\s\"',}\[]{1,100}))",
    re.I,
)
_AGAIN = re.compile(rf"(?<=\S)\s+(?:(?:the|my|final|correct)\s+){{0,4}}{_LABEL.pattern}", re.I)
_HEADING = re.compile(r"^[ \t]*#{0,6}[ \t]*(?:the |my )?(?:final |correct )?answer[ \t]*$", re.I | re.M)
_HASHES = re.compile(r"^[ \t]*####[ \t]+(?=\S)", re.M)
_TAG = re.compile(r"<answer>(.{0,400}?)</answer>", re.S | re.I)
_RUN = re.compile(r"([^\w\s])\1{8,}")
# Chat tokens: nothing after the end of a turn is the speaker's. ``</s>`` may also end struck-out text.
_END_OF_TURN = re.compile(
    r"(?<=\S)\s*(?:<\|(?:im_end|eot_id|eom_id|endoftext|end_of_text|end|return)\|>|<(?:end_of_turn|eos)>|</s>(?=\s*(?:\Z|\n|<)))"
)
_CHAT_TOKEN = re.compile(r"<\|(?:im_start|start_header_id)\|>\w{0,20}|<\|\w{1,30}\|>|<bos>|\A\s*<s>")
_HTML = re.compile(r"<(b|strong|i|em|u|code|span|p|div)>([^<]*)</\1>", re.I)
_WRAPPED = re.compile(r"[<«‹]\s*((?<=[<])(?:[A-Z]|\d[\d.,]*)|(?<![<])[^<>«»‹›\n]{1,400}?)\s*[>»›](?=[\s.!]*\Z)")
_WIDE: dict[int, int | None] = {**{c: c - 0xFEE0 for c in range(0xFF01, 0xFF5F)}, 0x3000: 32}
_WIDE |= dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_RULE = re.compile(r"^[ \t]*\|[ \t]*:?-{3,}:?[ \t]*\|[ \t]*\n", re.M)
_CELL = re.compile(r"^[ \t]*\|([^|\n]*)\|[ \t]*$", re.M)
_UNDERLINE = re.compile(r"(answer[ \t]*\n)[ \t]*[=-]{3,}[ \t]*$", re.I | re.M)
_BLANKS = re.compile(r"[^\S\n]+")
_PARAGRAPH = re.compile(r"\s*\n\s*\n\s*")
_BE = r"(?:is|equals|would be|must be|should be|has to be)"
_ADVERBS = (
    r"(?:(?:thus|therefore|then|clearly|definitely|obviously|certainly|indeed|simply|actually|still|likely|probably|"
    r"most likely|most probably|in fact|given by|just|also|hence),?\s+)*"
)

# An answer that is somebody else's, or one among several, or only supposed.
_FOREIGN = re.compile(
    r"(?:\b(?!(?:it|that|what|here|there|let)')\w+'s|\b(?:their|his|her|your|previous|earlier|peer|other|others|wrong|"
    r"incorrect|initial|first|second|second-best|next|least|less|worst|naive|tempting|popular|possible|each|every|no|"
    r"another|alternative))\s+(?:[\w-]+\s+)?$",
    re.I,
)
_SUPPOSED = re.compile(
    r"\b(?:if|whether|suppose|supposing|assume|assuming|unless|(?<!\bi )(?<!\bi'd )(?<!would )says?|said|claims?|claimed|"
    r"argues?|argued|thinks|believes)\s+(?:that\s+)?(?:the\s+|my\s+)?(?:[\w-]+\s+)?$",
    re.I,
)
_DENIED = re.compile(
    r"(?:n't|\b(?:not|never|hardly|cannot|nobody|no one|no (?:way|reason|chance|evidence|proof)|none|few|doubts?|doubtful|den(?:y|ies)|disagree|reject|rejects|refutes?"
    r"|false|wrong|incorrect|untrue|unlikely|impossible|mistakes?|mistaken|myth|misconception|error|tempting|pretend"
    r"|(?:most|many|some) (?:people|students)|people|others))\b[^.,;:!?\n]*\Z",
    re.I,
)
_NO_DOUBT = re.compile(r"\b(?:no|not|never|without|without a|hardly|don't|cannot|can't) doubt\b|\bnot only\b", re.I)
_NEW_CLAUSE = re.compile(
    r"[.!?;:,]\s|\b(?:so|and|but|hence|thus|therefore|then|because|since|means|implies|shows)\b", re.I
)
_UNLESS = re.compile(r"\bunless\b", re.I)
_WERE = re.compile(r"\bif\b|(?:\A|, )\W*had\b", re.I)
_HAD_TO = re.compile(r"\bif (?:i|we|you) (?:had to|have to|must|were to|was to|wanted to|needed to)\b", re.I)
_WERE_ASKED = re.compile(r"\bif the (?:question|problem|statement) (?:were|was|had|asked|meant)\b", re.I)
_ONLY_IF = re.compile(r"[^.!?\n]{0,80}?\b(?:only (?:if|when)|unless|provided that|if and only if)\b", re.I)
_CHOOSE_ONE = re.compile(r"\b(?:choose|pick|select) (?:one|between|from)\b[^.!?\n]*\Z", re.I)
_OR = re.compile(r"[\s$.]*(?:,?\s*\b(?:or|and)\b|[,/|])[\s$]*", re.I)
_TAKEN_BACK = re.compile(
    r"\b(?:no|nope),? wait\b|\bwait,? no\b|\bactually,? no\b|"
    r"\bwait\s*[,.!…-]+\s*(?:no|that|actually|let|i|this|but)\b|\bwait\s*(?:\.\.\.|…)|\bon second thoughts?\b"
    r"|\bscratch that\b|\bi (?:made|have made) (?:a|an) (?:mistake|error)\b"
    r"|\blet me (?:re-?consider|re-?think|re-?do|start over|try again)\b|\b(?:no|oh), that(?:'s| is) (?:wrong|not right)\b",
    re.I,
)
_NEXT_QUESTION = re.compile(r"^[ \t#]*(?:question|q|user|human|problem)[ \t]*\d*[ \t]*:", re.I | re.M)
# A line that begins so is somebody's turn in a discussion. Words that head a part of one's own reply are no names.
_SPEAKER = re.compile(
    r"^[ \t]*(?:(?P<round>[A-Z][\w.-]{0,30}(?: [\w.-]{1,20})? \(round \d+\))"
    r"|(?P<peer>(?:Peer|Reply|Agent|Speaker|Person|Participant|Student|Debater|Expert|Member|Model|Assistant|Player) ?\d*)"
    r"|(?P<name>[A-Z][A-Za-z]{1,15}(?:[-.]?\d[\w.-]{0,15})?(?: \d[\w.-]{0,15})?)):(?=\s)",
    re.M,
)
_HEADS = re.compile(
    r"(?:ans|answer|final|finally|conclusion|solution|step|therefore|thus|hence|so|note|reasons?|reasoning|rationale|"
    r"option|choice|check|proof|result|summary|update|edit|analysis|thoughts?|given|case|part|first|second|third|next|then|now|"
    r"because|since|details|context|background|examples?|wait|however|but|yes|no|correct|true|false|hint|evidence|verdict|"
    r"vote|response|confidence|labels?|category|output|input|total|sum|work|review|facts?|key|code|python|recap|overall|"
    r"method|approach|here|also|why|how|what|where|who|hmm+|oh|ok|okay|well|ah|sorry|oops|again|instead|later|maybe|look|see|let|let's|my|our|the|in|at|if|is|as|for|to|of|and|or|not|it|this|that|we|original|new|tip|caution|remember|ps|rule|formula|goal|"
    r"think|claim|argument|critique|feedback|remark|comment|thought|decision|choose|pick|guess|best|critic|example|problem|"
    r"hypothesis|premise|sentence|text|title|source|reference|references|sources|links?|task|plan|stage|phase|notes|observe|"
    r"hence|compute|simplify|solve|verify|recall|compare|\w+(?:ing|ly|tion|sion|ment|ness|sis|ed|ity|ble|ive|ance|ence)) ?[\d.]*\Z",
    re.I,
)
_COMMITTED = re.compile(r"\bans(?:wer)?\s*(?:[:：=]|\bis\b)\s*\S|\\boxed\s*\{|^####\s", re.I | re.M)
_OWN_LABEL = re.compile(
    r"^[ \t#]*(?:(?:(?:the|my|so|thus|therefore|hence|in conclusion),? )?(?:final |correct )?answer\b"
    r"|(?:so|thus|therefore|hence|finally|in conclusion|i (?:choose|pick|select|vote|keep))\b)|\\boxed",
    re.I | re.M,
)
UNSURE = re.compile(
    r"\b(?:not sure|unsure|don't know|do not know|no idea|can(?:'t|not| not) (?:be determined|determine|answer|tell))\b",
    re.I,
)


DOUBTFUL = re.compile(
    rf"{UNSURE.pattern}|\b(?:if|perhaps|maybe|might|suppose|assum\w+|says?|said|claims?|claimed|previous|earlier|peer)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What stands after a marker.

    Attributes:
        at: Where its text begins in the plain reply.
        text: To the end of the line (of the box, of the tag).
        firm: The marker is one that the contract asks for (not a sentence): it counts even if it cannot be read.
        open: Nothing follows that shows the claim to be complete.
    """

    at: int
    text: str
    firm: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply without thoughts and markup, and the places of its boxes."""

    text: str
    boxes: tuple[tuple[int, int], ...]


def plain(reply: str) -> Reply:
    """Take off what carries no meaning: thoughts, emphasis, math fences, line-end forms.

    Thoughts that were never finished are no reply: what is left is what stood before them.
    """
    if "<" in reply:
        reply = _UNFINISHED_THINK.sub("", _THINK.sub("", reply))
        reply = _turn(reply)
    text = reply[-LONGEST:]
    # Models that loop write thousands of blanks or stars; reading must stay fast.
    text = _PARAGRAPH.sub("\n\n", _BLANKS.sub(" ", unmarked(_RUN.sub(r"\1\1\1", text))))
    if "---" in text or "===" in text:
        text = _UNDERLINE.sub(r"\1", text)
        text = _CELL.sub(lambda m: m[1].strip(), _RULE.sub("", text)) if _RULE.search(text) else text
    if own := _own_part(text):
        text = text[:own]
    return _open_boxes(_own_turn(text))


def unmarked(text: str) -> str:
    """A text without Markdown emphasis, LaTeX fences and text commands, with plain spaces, apostrophes and line ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").replace("\u202f", " ")
    text = text if text.isascii() else text.translate(_WIDE)
    text = text.replace("’", "'").replace("‘", "'").replace("`", "")
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub(lambda m: m[1] or m[2], _BOLD.sub("", text))
    return _LATEX_FENCE.sub(" ", _LATEX_TEXT.sub(r"\1", text)) if "\\" in text or "$" in text else text


def _turn(reply: str) -> str:
    """A reply up to the end of its turn, without the tokens of a chat template and the simplest HTML."""
    if end := _END_OF_TURN.search(reply):
        reply = reply[: end.start()]
    reply = _CHAT_TOKEN.sub("", reply)
    return _HTML.sub(r"\2", _HTML.sub(r"\2", reply)) if "</" in reply else reply


def _own_turn(text: str) -> str:
    """What the speaker says before inventing what others say; nothing where it cannot be told who concludes."""
    committed = next((m for m in _COMMITTED.finditer(text) if not disowned(text, m.start())), None)
    for m in _SPEAKER.finditer(text, committed.end()) if committed else ():
        if m["name"] and _HEADS.fullmatch(m["name"]):
            continue
        later = _OWN_LABEL.search(text, m.end())
        return (
            ""
            if later and not m["round"] and later.start() > m.end() + 1 and "\n" in text[m.end() : later.start()]
            else text[: m.start()]
        )
    return text


def _own_part(text: str) -> int:
    """Where a reply that has answered goes on to invent the next question; 0 if it does not."""
    label = _LABEL.search(text)
    for m in _NEXT_QUESTION.finditer(text):
        before = text[: m.start()].strip()
        answered = label is not None and label.start() < m.start()
        if before and (answered or ("\n" not in before and len(before.split()) <= 12)):
            return m.start()
    return 0


def _open_boxes(text: str, nested: int = 4) -> Reply:
    r"""Replace every complete ``\boxed{...}`` (braces balanced) by its content, boxes in boxes as well."""
    out: list[str] = []
    boxes: list[tuple[int, int]] = []
    done = length = 0
    while m := _BOX.search(text, done):
        depth, end = 1, m.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0) if text[end - 1] != "\\" else 0
            end += 1
        if depth:  # the reply was cut inside the box: half of an answer is none
            text = text[: m.start()]
            break
        before, inside = text[done : m.start()], text[m.end() : end - 1]
        if nested:
            inside = _open_boxes(inside, nested - 1).text
        boxes.append((length + len(before), length + len(before) + len(inside)))
        out += [before, inside]
        length += len(before) + len(inside)
        done = end
    return Reply("".join(out) + text[done:], tuple(boxes))


def claims(reply: Reply, nouns: str = "answer", hashes: bool = False) -> list[Claim]:
    """The last claims of a reply, the very last one first; none if that one is taken back.

    Args:
        reply: From `plain`.
        nouns: Regular expression of what a sentence calls the answer ("the ... is").
        hashes: Whether ``#### `` marks an answer (it does in GSM8K; elsewhere it is a heading).
    """
    text = reply.text
    found = [Claim(a, text[a:b], True, False) for a, b in _joined(reply)]
    marks: list[
        tuple[re.Match[str], bool]
    ] = []  # a plain search first: most replies hold few of these forms, and patterns cost ten times as much
    if "ans" in text.lower():
        found += [Claim(m.start(1), m[1].strip(), True, False) for m in _TAG.finditer(text)] if "<" in text else []
        found += [Claim(m.start(g), m[g], True, False) for m in _JSON.finditer(text) if (g := m.lastgroup)]
        marks += [(m, True) for m in _LABEL.finditer(text)]
        marks += [(m, True) for m in _DASHED.finditer(text)]
        marks += [(m, True) for m in _HEADING.finditer(text)]
    marks += [(m, True) for m in _HASHES.finditer(text)] if hashes and "####" in text else []
    marks += [(m, False) for m in _sentence(nouns).finditer(text)]
    for m, firm in sorted(marks, key=lambda mark: -mark[0].end())[:_MOST]:
        if (not firm or m.re is _LABEL) and disowned(text, m.start(), m[0]):
            continue
        claim = _claim(text, m.end(), firm)
        if not firm and _ONLY_IF.match(claim.text):
            continue
        if firm or not (
            re.match(r"\s*(?:not\b|\(?(?:\d+|[A-HJ-Z])\)?\s)", m["mid"]) or re.match(r"not\b(?!-)", claim.text)
        ):
            found.append(claim)
    found = sorted((c for c in found if c.text.strip(" .…_-")), key=lambda c: -c.at)
    return [] if found and taken_back(text, found[0].at) else found


@cache
def _sentence(nouns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{nouns})s?(?P<mid>\b[^.:=?!\n]{{0,60}}?)\s(?:{_BE}|(?<=s )are)\b\s*:?\s*{_ADVERBS}", re.I)


def disowned(text: str, at: int, said: str = "") -> bool:
    """Whether what begins at a place is said of somebody else's answer, or denied, or only supposed.

    Args:
        text: The reply.
        at: The place.
        said: What stands there, for "if it were ..., the answer would be".
    """
    before = text[max(0, at - 80) : at].split("\n")[-1]
    if _FOREIGN.search(before) or _SUPPOSED.search(before):
        return True
    sentence = re.split(r"[.!?]\s", text[max(0, at - 160) : at].split("\n")[-1])[-1]
    if _UNLESS.search(sentence) or _CHOOSE_ONE.search(sentence):
        return True
    if (_WERE.search(sentence) if "would" in said else _WERE_ASKED.search(sentence)) and not _HAD_TO.search(sentence):
        return True
    if _LABEL.match(said):
        return False  # "Answer: false Answer: true"
    return bool(_DENIED.search(_NO_DOUBT.sub("", _NEW_CLAUSE.split(sentence)[-1])))


def _joined(reply: Reply) -> list[tuple[int, int]]:
    """The places of the boxes; those that are joined by "or" or "and" are one."""
    out: list[tuple[int, int]] = []
    for start, end in reply.boxes[-_MOST:]:
        joined = out and 0 <= start - out[-1][1] <= 20 and _OR.fullmatch(reply.text, out[-1][1], start)
        out.append((out.pop()[0] if joined else start, end))
    return out


def _claim(text: str, at: int, firm: bool) -> Claim:
    """The rest of the line, or the next line that holds anything."""
    while at < len(text) and text[at].isspace():
        at += 1
    end = text.find("\n", at)
    line = text[at : min(end if end >= 0 else len(text), at + 420)]
    if line[:1] in "<«‹" and (wrapped := _WRAPPED.match(line)):
        return Claim(at + wrapped.start(1), wrapped[1], firm, False)
    stop = min(end if end >= 0 else len(text), at + _LINE)
    if again := _AGAIN.search(text, at, stop):  # the next claim is one of its own
        return Claim(at, text[at : again.start()].strip(), firm, False)
    return Claim(at, text[at:stop].strip(), firm, stop == len(text))


def taken_back(text: str, at: int) -> bool:
    """Whether a reply takes back what it concluded at a place."""
    return bool(_TAKEN_BACK.search(text, at))


def finished(claim: Claim) -> str:
    """The text of a claim without its last word, if the reply may have been cut in the middle of that word."""
    return whole_words(claim.text) if claim.open else claim.text


def whole_words(text: str) -> str:
    """A text that was cut off, without the last word if it may be half of one."""
    if not text or text[-1] in ")]!}":
        return text
    if text[-1].isspace():
        return text.rstrip()
    parts = text.rsplit(None, 1)
    return parts[0] if len(parts) == 2 else ""


def sentences(line: str) -> list[str]:
    """A line cut into sentences. A full stop ends one only before a space and a capital, a quote or a bracket."""
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'(\[$])", line) if s.strip()]
