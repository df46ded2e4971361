"""Unseen characters are written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.visible import visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("windows\r\nline", "windows\nline"),
        ("\x1b[2Jgone", "⟨ESC⟩[2Jgone"),
        ("over\rwritten", "over⟨U+000D⟩written"),
        ("\u202e24 si rewsna\u202c", "⟨U+202E⟩24 si rewsna⟨U+202C⟩"),
        ("\u2066iso\u2069", "⟨U+2066⟩iso⟨U+2069⟩"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("half \ud83d", "half ⟨U+D83D⟩"),
        ("שלום नमस्ते می‌خواهم 👩‍👧", "שלום नमस्ते می‌خواهم 👩‍👧"),
        ("naïve café ✓ −1", "naïve café ✓ −1"),
    ],
)
def test_what_acts_unseen_is_shown(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(st.text(st.characters()))
def test_the_outcome_is_stable_and_can_be_written(text: str) -> None:
    once = visible(text)
    assert visible(once) == once
    once.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in once)
