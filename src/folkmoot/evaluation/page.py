"""The report of a run: one HTML file with tables, drawings and every transcript, and nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from folkmoot.evaluation import words
from folkmoot.evaluation.page_data import to_script, transcripts
from folkmoot.evaluation.plots import accuracy_scale, cost_plot, difference_scale
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.evaluation.summary import Summary
from folkmoot.visible import visible

LABELS = {
    "suite": "Suite",
    "hash": "Suite hash",
    "date": "Date",
    "command": "Command",
    "machine": "Machine",
    "versions": "Versions",
    "seed": "Seed",
    "seeds": "Seeds",
    "sampling": "Sampling",
}
"""What is known about a run, in this order; other entries follow under their own names."""
ELSEWHERE = (
    "title",
    "about",
    "members",
    "participants",
    "partial",
    "scripted",
    "kinds",
    "reference",
    "planned",
    "samples",
)
"""Entries that have a place of their own on the page, or that the summary holds already."""
NOTHING: tuple[Any, ...] = (None, "", (), [], {})
LONG = 240
"""A nested value whose line would be longer than this is folded away."""


def render_page(summary: Summary, results: Sequence[Result], meta: Mapping[str, Any]) -> str:
    """The page as text, equal for equal input.

    It loads nothing: style, script and data are inside, and its content security policy forbids the rest. Tables and
    drawings need no script; the transcripts do. Texts of models only ever become text nodes, with unseen characters
    (controls, direction overrides) written out.

    Args:
        summary: The figures.
        results: Samples whose discussions are shown; those of systems outside the summary are left out.
        meta: ``title``, ``about`` (a sentence below it), ``members`` or ``participants`` (a mapping of facts for each),
            ``scripted`` (true if the replies are made up), ``partial`` (in words, if more is to be said than how many
            samples are missing) and facts about the run: `LABELS` names the usual ones. Values are texts, numbers,
            lists or mappings.
    """
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    style, script = _part("page.css"), _part("page.js")
    kinds = {r.system: r.kind for r in summary.overall}
    data = transcripts(results, list(kinds), kinds)
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"plain": _plain, "minus": _minus}
    # S704: the three parts are files of this package and JSON that to_script has made inert
    return environment.get_template("page.html.j2").render(
        title=_plain(meta.get("title") or "Evaluation"),
        s=summary,
        w=words,
        meta=meta,
        facts=_facts(meta),
        members=_table(meta.get("members") or meta.get("participants") or ()),
        outcomes=OUTCOMES,
        bars=accuracy_scale(summary.overall, 8, 166),
        small=accuracy_scale([r for rows in summary.by_task.values() for r in rows], 6, 108, few=True),
        gaps=difference_scale(summary.overall, 14, 236),
        costs=[("wide", cost_plot(summary.overall, 860, 400)), ("narrow", cost_plot(summary.overall, 380, 360))],
        questions=max((row.n for row in summary.overall), default=0),
        shown=len({(r.task, r.item) for r in results}),
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(to_script(data)),  # noqa: S704
        policy="; ".join(
            (
                "default-src 'none'",
                f"script-src {_hash(script)}",
                f"style-src {_hash(style)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


def _part(name: str) -> str:
    return resources.files("folkmoot.evaluation").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _finalize(value: Any) -> Any:
    """Whatever the template prints is made visible first; parts that are markup by intention stay as they are."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _minus(text: str) -> str:
    """Real minus signs before numbers, not in names.

    >>> _minus("coder-3: -1.5 points [-3.0, +1.0]")
    'coder-3: −1.5 points [−3.0, +1.0]'
    """
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _plain(value: Any) -> str:
    """Any fact as one line of text; what is empty inside it is left out."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if v not in NOTHING)
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value if v not in NOTHING)
    return "yes" if value is True else "no" if value is False else "-" if value is None else str(value)


def _facts(meta: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Label, text and form (``text``, ``code`` or ``folded``), in the order of `LABELS`."""
    known = [k for k in LABELS if meta.get(k) not in NOTHING]
    rest = [k for k in meta if k not in LABELS and k not in ELSEWHERE]
    return [(LABELS.get(k, k), *_fact(k, meta[k])) for k in (*known, *rest)]


def _fact(key: str, value: Any) -> tuple[str, str]:
    text = _plain(value)
    if len(text) > LONG and isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str), "folded"
    return text, "code" if key in ("command", "hash") else "text"


def _table(entries: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Mappings as a table: the keys that have a value anywhere, and a line of texts for each."""
    keys = dict.fromkeys(key for e in entries for key in e)
    heads = [k for k in keys if any(e.get(k) not in NOTHING for e in entries)]
    return heads, [["" if e.get(h) in NOTHING else _plain(e[h]) for h in heads] for e in entries]
