"""How messages become token ids, for the engines that run weights themselves.

The chat template belongs to the model. What it cannot do (a system message, a conversation at all) is made up for
here, and text never turns into a control token: what people or other models wrote is only ever content.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from folkmoot.engines.contract import EngineError, Message, Missing
from folkmoot.engines.decoding.openmp import import_transformers

Style = Literal["native", "folded", "plain"]
"""What becomes of a system message: the template's own place, the first user turn, or just text before the rest."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A model's tokenizer together with its way of laying out a conversation. Safe to share between threads.

    Attributes:
        tokenizer: The tokenizer of transformers.
        style: See `Style`.
        eos_ids: Tokens that end a reply.
        controls: Text and id of every control token; a text that spells one is taken as plain characters.
        bos_id: The token every prompt begins with, or None if this model has none.
        end_id: The token that ends a reply in the template, or None if it is not known.
    """

    tokenizer: Any = field(repr=False)
    style: Style
    eos_ids: frozenset[int]
    controls: dict[str, int] = field(repr=False)
    bos_id: int | None
    end_id: int | None
    _spelt: re.Pattern[str] | None = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, up to where the reply begins.

        Raises:
            EngineError: The model's template refuses this conversation.
        """
        hidden: dict[str, str] = {}
        parts = [(m.role, self._hide(_sound(m.content), hidden)) for m in messages]
        if self.style == "plain":
            text = "\n\n".join(content for _, content in parts)
        else:
            text = _render(self.tokenizer, parts if self.style == "native" else _fold(parts))
        ids: list[int] = []
        for piece, control in _cut(text, hidden):
            ids += self._spell(piece) if control else self._ids(piece)
        return _begin(ids, self.bos_id)

    def text_ids(self, text: str) -> list[int]:
        """Token ids of a bare text: no template, no beginning or end token, no control tokens."""
        hidden: dict[str, str] = {}
        ids: list[int] = []
        for piece, control in _cut(self._hide(_sound(text), hidden), hidden):
            ids += self._spell(piece) if control else self._ids(piece)
        return ids

    def count(self, text: str) -> int:
        """Tokens of a bare text."""
        return len(self.text_ids(text))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, without special tokens; an unfinished character becomes U+FFFD."""
        with self._lock:
            return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _ids(self, text: str) -> list[int]:
        with self._lock:  # transformers may set options on the shared tokenizer in passing
            # verbose: it would warn of texts above the window, for which callers have a line of their own
            return list(self.tokenizer.encode(text, add_special_tokens=False, verbose=False)) if text else []

    def _hide(self, text: str, hidden: dict[str, str]) -> str:
        """Put an unguessable word in the place of everything that spells a control token; note it in `hidden`."""
        if self._spelt is None:
            return text

        def word(found: re.Match[str]) -> str:
            key = f"x{secrets.token_hex(16)}x"
            hidden[key] = found.group()
            return key

        return self._spelt.sub(word, text)

    def _spell(self, text: str) -> list[int]:
        """Ids of a control token's text as ordinary characters."""
        banned = set(self.controls.values())
        ids = self._ids(text[:1]) + self._ids(text[1:])
        if not banned.intersection(ids):
            return ids
        return [i for c in text for i in self._ids(c) if i not in banned]


def load_chat(folder: Path) -> Chat:
    """Load the tokenizer in a model folder; needs neither weights nor network and runs no code from the folder.

    Raises:
        Missing: transformers is not installed, or the folder has no tokenizer.
        EngineError: The chat template fails even for a single user message.
    """
    try:
        AutoTokenizer = import_transformers().AutoTokenizer  # noqa: N806 - a class
    except ImportError as e:
        raise Missing(f"transformers cannot be imported ({e}); install folkmoot with the extra 'local'") from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as e:
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise Missing(f"{folder}: no tokenizer can be loaded: {reason}; fetch the model again") from None
    return chat_of(tokenizer, (_json(folder / "generation_config.json"), _json(folder / "config.json")))


def chat_of(tokenizer: Any, configs: Iterable[dict[str, Any]] = ()) -> Chat:
    """The same for a tokenizer in memory and the model's configurations as plain data."""
    special = {str(t): int(i) for t, i in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)}
    added = tokenizer.added_tokens_decoder
    # Some models leave the mark off tokens that look like control tokens; looks decide then.
    special |= {a.content: int(i) for i, a in added.items() if a.special or re.fullmatch(r"<[|｜].*[|｜]>", a.content)}
    controls = {text: i for text, i in special.items() if text.strip()}
    style, bos, end = _probe(tokenizer, controls)
    eos = {i for config in (*configs, *_nested(configs)) for i in _as_ids(config.get("eos_token_id"))}
    # A model that writes the beginning of another text, or padding, has ended this one.
    eos |= {i for i in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id) if i is not None}
    if end is not None:
        eos.add(end)
    # Longest first: one control token may begin another.
    spelt = re.compile("|".join(map(re.escape, sorted(controls, key=len, reverse=True)))) if controls else None
    return Chat(tokenizer, style, frozenset(eos), controls, bos, tokenizer.eos_token_id if end is None else end, spelt)


def _probe(tokenizer: Any, controls: dict[str, int]) -> tuple[Style, int | None, int | None]:
    """Try the template out: what it does with a system message, with BOS, and what it writes after a reply."""
    bos_id: int | None = tokenizer.bos_token_id
    adds = bos_id is not None and list(tokenizer.encode("a"))[:1] == [bos_id]
    adds = adds or (bos_id is not None and getattr(tokenizer, "add_bos_token", None) is True)
    if not tokenizer.chat_template:
        return "plain", bos_id if adds else None, None
    system, user, reply = (f"x{secrets.token_hex(8)}x" for _ in range(3))
    text = _render(tokenizer, [("user", user)])
    writes = bos_id is not None and text.lstrip().startswith(tokenizer.bos_token)
    try:
        native = system in _render(tokenizer, [("system", system), ("user", user)])
    except EngineError:
        native = False
    try:
        rest = _render(tokenizer, [("user", user), ("assistant", reply)], generation=False).partition(reply)[2].lstrip()
    except EngineError:
        rest = ""
    after = max((c for c in controls if rest.startswith(c)), key=len, default=None)
    return (
        "native" if native else "folded",
        bos_id if adds or writes else None,
        controls[after] if after is not None else None,
    )


def _render(tokenizer: Any, parts: Sequence[tuple[str, str]], generation: bool = True) -> str:
    messages = [{"role": role, "content": content} for role, content in parts]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
    except Exception as e:  # the template is a program of somebody else's: anything may come out of it
        roles = ", ".join(role for role, _ in parts)
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise EngineError(
            f"the model's chat template refuses a conversation of {roles}: {reason}; "
            "use a prompt in which user and assistant take turns, or another model"
        ) from None
    return str(text)


def _fold(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Move system texts to the front of the user turn that follows."""
    out: list[tuple[str, str]] = []
    waiting: list[str] = []
    for role, content in parts:
        if role == "system":
            waiting.append(content)
        elif role == "user" and waiting:
            out.append((role, "\n\n".join([*waiting, content])))
            waiting = []
        else:
            out.append((role, content))
    return out


def _cut(text: str, hidden: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """The pieces of a text: as they are (False), and those that were hidden, restored (True)."""
    if not hidden:
        yield text, False
        return
    for piece in re.split(f"({'|'.join(hidden)})", text):
        if piece:
            yield hidden.get(piece, piece), piece in hidden


def _begin(ids: list[int], bos: int | None) -> list[int]:
    """Make the ids begin with BOS exactly once, or not at all where there is none."""
    if bos is None:
        return ids
    start = 0
    while start < len(ids) and ids[start] == bos:
        start += 1
    return [bos, *ids[start:]]


def _sound(text: str) -> str:
    """Text that can be encoded: halves of a character that stand alone become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # many models have no generation_config.json; a broken config.json is told by whoever loads weights
    return data if isinstance(data, dict) else {}


def _nested(configs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [c["text_config"] for c in configs if isinstance(c.get("text_config"), dict)]


def _as_ids(value: Any) -> list[int]:
    """`eos_token_id` of a configuration: a number, a list of them, or nothing."""
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int) and v >= 0]
