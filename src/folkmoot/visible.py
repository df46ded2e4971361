"""Text from models and data, made safe to look at: what acts unseen on a terminal or a page is shown instead."""

from __future__ import annotations

import re

# Controls, direction marks and overrides, zero-width and tag characters, soft hyphen, surrogates, byte order marks.
# Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    r"""The text with every unseen character written out; line breaks and tabs stay.

    Terminal escapes lose their effect, bidirectional overrides cannot turn an answer around, and a lone surrogate can be
    written as UTF-8. Windows line ends become plain ones.

    >>> visible("red\x1b[31m \u202e42")
    'red⟨ESC⟩[31m ⟨U+202E⟩42'
    """
    return _UNSEEN.sub(_write_out, text.replace("\r\n", "\n"))


def _write_out(found: re.Match[str]) -> str:
    code = ord(found.group())
    return "⟨ESC⟩" if code == 0x1B else f"⟨U+{code:04X}⟩"
