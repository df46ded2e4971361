"""The report of a run: one HTML file with tables, drawings and the discussions, and nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from folkmoot.evaluation import page_view as view
from folkmoot.evaluation import words
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.page_data import Packed
from folkmoot.evaluation.plots import accuracy_scale, cost_plot
from folkmoot.evaluation.result import OUTCOMES, Result
from folkmoot.evaluation.worth import view as worth
from folkmoot.visible import visible

LABELS = {
    "suite": "Suite",
    "hash": "Suite hash",
    "date": "Date",
    "command": "Command",
    "machine": "Machine",
    "versions": "Versions",
    "hashes": "Hashes",
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
    "agreement",
    "options",
    "findings",
    "family",
    "teams",
    "worth",
)
"""Entries that have a place of their own on the page, or that the summary holds already."""
NOTHING: tuple[Any, ...] = (None, "", (), [], {})
LONG = 240
"""What would be a longer line than this is folded away: a nested value, or a cell in the table of members."""
STYLES = ("base", "tables", "plots", "participation", "explorer", "transcript", "print")
SCRIPTS = ("base", "theme", "forest", "filters", "matrix", "transcript", "start")
"""Concatenated in this order; they share one function scope."""


def render_page(
    analysis: Analysis,
    results: Iterable[Result],
    meta: Mapping[str, Any],
    items: Mapping[tuple[str, str], Item] = {},
    *,
    total: int,
) -> str:
    """The page as text, equal for equal input.

    It loads nothing: style, script and data are inside, and its content security policy forbids the rest. Tables and
    drawings need no script; the discussions do. Texts of models only ever become text nodes, with unseen characters
    (controls, direction overrides) written out.

    Args:
        analysis: The figures.
        results: Samples whose discussions are shown, those of one question one after the other; they are read once and
            not kept. Those of systems outside the summary are left out.
        meta: ``title``, ``about`` (a sentence below it), ``members`` or ``participants`` (a mapping of facts for each),
            ``scripted`` (true if the replies are made up), ``partial`` (in words, if more is to be said than how many
            samples are missing), ``agreement`` (of judges) and facts about the run: `LABELS` names the usual ones.
            Values are texts, numbers, lists or mappings.
        items: The questions, by task and id: how answers are compared, where it is told what an answer came from.
        total: Samples in the run; if fewer are shown, the page says so.
    """
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    from folkmoot.evaluation.verdicts import sentence

    style = "\n".join(_part(f"{name}.css") for name in STYLES)
    script = '\n"use strict";\n(() => {\n' + "\n".join(_part(f"{name}.js") for name in SCRIPTS) + "})();\n"
    summary = analysis.summary
    kinds = {r.system: r.kind for r in summary.overall}
    packed = Packed(results, {s: kind for s, kind in kinds.items() if kind != "bound"}, items)
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"plain": _plain, "minus": _minus}
    environment.globals |= {"w": words, "v": view, "p": worth}
    # S704: the parts are files of this package and base64
    return environment.get_template("page.html.j2").render(
        title=_plain(meta.get("title") or "Evaluation"),
        a=analysis,
        s=summary,
        kinds=kinds,
        meta=meta,
        facts=_facts(meta),
        members=_table(meta.get("members") or meta.get("participants") or ()),
        long=LONG,
        agreement=_agreement(meta.get("agreement")),
        outcomes=OUTCOMES,
        grid=view.Grid(analysis.contrasts),
        sentence=sentence,
        forests=view.forests(analysis),
        bars=accuracy_scale((r.interval for r in summary.overall if r.n), 8, 166),
        small=accuracy_scale((r.interval for rows in summary.by_task.values() for r in rows if r.n), 6, 108, few=True),
        costs=[(size, cost_plot(analysis.points, kinds, *box)) for size, box in PLOTS.items()],
        questions=max((row.n for row in summary.overall), default=0),
        packed=packed,
        total=total,
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
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


PLOTS = {"wide": (960, 440), "narrow": (380, 400)}
"""Width and height of the cost plot, in units of the drawing."""


def _part(name: str) -> str:
    return resources.files("folkmoot.evaluation").joinpath("page_parts", name).read_text(encoding="utf-8")


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


def _agreement(value: Any) -> tuple[list[str], list[list[str]]]:
    """The agreement of judges as a table: of a list of mappings, of a mapping of mappings, or of names and values."""
    if value in NOTHING:
        return [], []
    if isinstance(value, Mapping):
        nested = value and all(isinstance(v, Mapping) for v in value.values())
        return _table([{"": k, **v} if nested else {"": k, "value": v} for k, v in value.items()])
    if isinstance(value, (list, tuple)) and all(isinstance(v, Mapping) for v in value):
        return _table(value)
    return _table([{"": "agreement", "value": value}])
