"""Prompt templates: Markdown files with Jinja variables, shipped in ``prompts/`` and replaceable one by one.

A user's folder is looked into first: put a file with the same path there (``debate/revise.md``) and it is used instead.
Templates are rendered in Jinja's immutable sandbox; a name that the template should not use is an error, not a blank.

Variables: ``question``; ``contract`` (the form that the answer must have); ``own`` (the speaker's newest answer);
``peers`` (list of quoted texts, ready to print); ``labels`` (letters of the candidates, where a judge picks one).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from folkmoot.discussion import Discussion, Turn, answer_type, own
from folkmoot.documents import BadInput, did_you_mean
from folkmoot.participant import Participant
from folkmoot.views import Say, View, fence, fit, spoken

if TYPE_CHECKING:
    from jinja2 import Template

Mark: TypeAlias = Callable[[int], str]
"""The label of the i-th quoted text."""

SHIPPED = Path(__file__).parent / "prompts"
SAMPLE: Mapping[str, object] = {
    "question": "How many legs have two spiders?",
    "contract": 'End with a line of the form "Answer: N", where N is a number.',
    "own": "Two spiders have 2 * 8 = 16 legs.\nAnswer: 16",
    "peers": [fence("Eight and eight are 16.\nAnswer: 16", "Answer 1"), fence("Answer: 12", "Answer 2")],
    "labels": ["A", "B"],
}
"""Values with which every template of a suite is tried before a model is loaded."""


def template_names() -> list[str]:
    """Paths of the shipped templates, without ``.md``."""
    return sorted(str(p.relative_to(SHIPPED).with_suffix("")) for p in SHIPPED.rglob("*.md"))


def template(name: str, folder: str | None = None) -> Template:
    """Load a template by path without ``.md``, from `folder` if it has one, else the shipped one.

    Raises:
        BadInput: No such template or folder, or it does not parse; with file and line.
    """
    if folder is not None and not Path(folder).is_dir():
        raise BadInput(f"prompts folder {folder!r}: no such folder")
    path = next((p for d in (folder, SHIPPED) if d and (p := Path(d) / f"{name}.md").is_file()), None)
    if path is None:
        raise BadInput(f"no prompt template {name!r}; {did_you_mean(name, template_names())}")
    now = path.stat()
    return _compiled(path, now.st_mtime_ns, now.st_size)


@lru_cache(maxsize=256)
def _this_second(name: str, folder: str | None, second: int) -> Template:
    """A template looked for on the disk once a second, not for each of thousands of prompts."""
    return template(name, folder)


@lru_cache(maxsize=256)
def _compiled(path: Path, changed_ns: int, size: int) -> Template:
    """A template as it was at that time: one edited while a notebook or server runs is read again."""
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    for name in set(env.globals) - {"range"}:  # Jinja copies them each time it renders
        del env.globals[name]
    try:
        found = env.from_string(path.read_text(encoding="utf-8"))
    except TemplateSyntaxError as e:
        raise BadInput(f"{path}:{e.lineno}: template does not parse: {e.message}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot be read: {e}") from None
    found.filename = str(path)
    return found


def check_template(name: str, folder: str | None = None) -> None:
    """Render a template with sample values: for one peer, for two and for many.

    Raises:
        BadInput: It does not render, or leaves out the question; with file and line.
    """
    found = template(name, folder)
    texts = []
    for n in (2, 1, 5):
        peers = [fence("Answer: 12", f"Answer {i + 1}") for i in range(n)]
        try:
            texts.append(found.render(**{**SAMPLE, "peers": peers, "labels": [chr(65 + i) for i in range(n)]}))
        except Exception as e:  # Jinja passes on whatever its expressions raise
            raise BadInput(f"{found.filename}:{_line(e, found)}: template does not render: {e}") from None
    if not all(str(SAMPLE["question"]) in text for text in texts):
        raise BadInput(f"{found.filename}:1: the template never shows the question: add {{{{ question }}}}")


def _line(e: BaseException, found: Template) -> int:
    """Jinja rewrites tracebacks: frames of a template have its file name and its own lines."""
    line, at = 1, e.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == found.filename:
            line = at.tb_lineno
        at = at.tb_next
    return line


def fingerprint(names: tuple[str, ...], folder: str | None = None) -> str:
    """Content hash of templates: part of every sample's key, so that an edited prompt is a new sample."""
    h = hashlib.sha256()
    for name in names:
        h.update(Path(template(name, folder).filename or "").read_bytes() + b"\0")
    return h.hexdigest()[:16]


def numbered(label: str) -> Mark:
    """Labels "Answer 1", "Answer 2" and so on."""
    return lambda i: f"{label} {i + 1}"


def lettered(label: str) -> Mark:
    """Labels "Candidate A", "Candidate B" and so on."""
    return lambda i: f"{label} {chr(65 + i)}"


def render(
    name: str,
    d: Discussion,
    me: Participant,
    seen: Sequence[Turn] = (),
    *,
    held: Turn | None = None,
    mark: Mark | None = None,
    folder: str | None = None,
) -> str:
    """Fill a template for one speaker, with others' words cut to what the speaker's window leaves.

    Args:
        name: Template path without ``.md``.
        d: The discussion.
        me: Who will read it.
        seen: Turns to quote as ``peers``.
        held: The turn shown as ``own``.
        mark: Labels of the quoted turns.
        folder: A user's prompts, or None.

    Raises:
        PromptTooLong: The template with the question alone does not fit.
    """
    found = _this_second(name, folder, int(time.monotonic()))
    texts = [spoken(t.text) for t in ([held] if held else []) + list(seen)]
    mark = mark or numbered("Answer")

    def fill(words: Sequence[str]) -> str:
        mine, peers = (words[0], words[1:]) if held else ("", words)
        return found.render(
            question=d["question"],
            contract=answer_type(d).instruction(),
            own=mine,
            peers=[fence(w, mark(i)) for i, w in enumerate(peers)],
            labels=[chr(65 + i) for i in range(len(peers))],
        ).strip()

    whole, window = fill(texts), me.engine.context
    # No tokenizer makes more tokens than there are bytes: a short prompt need not be counted.
    if window is None or len((me.system + whole).encode("utf-8", "replace")) + me.sampling.max_tokens + 512 < window:
        return whole
    bare = fill([""] * len(texts))
    left = me.room(bare) or 0
    cut = fill(fit(texts, left, me.count))
    over = me.count(cut) - me.count(bare) - left  # marks and seams cost tokens that the parts alone do not show
    return cut if over <= 0 else fill(fit(texts, left - over, me.count))


def prompted(name: str, *, sees: View | None = None, mark: Mark | None = None, folder: str | None = None) -> Say:
    """What a speaker is asked, from a template: the `Say` of most rounds.

    Args:
        name: Template path without ``.md``.
        sees: Which turns are quoted as ``peers``; none if left out.
        mark: Labels of the quoted turns; "Answer 1" and so on if left out.
        folder: A user's prompts.
    """

    def say(d: Discussion, me: Participant) -> str:
        return render(name, d, me, sees(d, me) if sees else (), held=own(d, me.name), mark=mark, folder=folder)

    return say
