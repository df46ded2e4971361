"""The page of an experiment: one HTML file with the picture, the tables and the command; nothing is fetched."""

from __future__ import annotations

from folkmoot.evaluation.report import REHEARSAL
from folkmoot.experiment.drawing import STYLE
from folkmoot.experiment.picture import NARROW, WIDE, picture
from folkmoot.experiment.sizes import told
from folkmoot.experiment.table import progress, tables
from folkmoot.experiment.values import Found, Meta

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ found.title|visible }}</title>
<style>
:root { color-scheme: light dark; --paper: light-dark(#faf9f5, #14161a); --ink: light-dark(#1c1e23, #e7e5e0); --soft: light-dark(#585c66, #a8adb8);
  --line: light-dark(#e2dfd5, #31363f); --sunk: light-dark(#f2f0e9, #22262d); --warn: light-dark(#fff3cf, #3d3414); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 960px; padding: 1.4rem clamp(12px, 4vw, 40px) 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1 { font: 600 clamp(1.5rem, 5vw, 2.2rem)/1.15 ui-serif, Palatino, Georgia, serif; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
.asks { font-size: 1.1rem; color: var(--soft); margin: 0 0 1rem; }
pre { background: var(--sunk); padding: .7rem .9rem; border-radius: 8px; overflow-x: auto; font: .85rem/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.banner { background: var(--warn); border-radius: 8px; padding: .6rem .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; } td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
svg.picture { max-width: 100%; height: auto; display: block; }
.narrow { display: none; }
li { margin: .25rem 0; }
@media (max-width: 640px) { .wide { display: none; } .narrow { display: block; } }
{{ style }}
</style>
</head>
<body>
<h1>{{ found.title|visible }}</h1>
<p class="asks">{{ found.asks }}</p>
{% if meta.scripted %}<p class="banner">{{ rehearsal }}</p>{% endif %}
{% if short %}<p class="banner">{{ short }}</p>{% endif %}
<div class="wide">{{ wide }}</div>
<div class="narrow">{{ narrow }}</div>
<pre>{{ meta.command|visible }}</pre>
{% for caption, heads, rows in tables %}
<h2>{{ caption }}</h2>
<div class="scroll"><table>
<thead><tr>{% for h in heads %}<th scope="col">{{ h|visible }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell|visible }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
<h2>How to read it</h2>
<ul>{% for n in found.notes %}<li>{{ n|visible }}</li>{% endfor %}</ul>
<p class="asks">{{ meta.date }}, Folkmoot {{ meta.versions.folkmoot }}, seed {{ meta.seed }}{% if together %}, {{ together }} parameters in all contributions{% endif %}</p>
</body>
</html>
"""


def page(found: Found, meta: Meta) -> str:
    """The page as text."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    from folkmoot.visible import visible

    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["visible"] = lambda value: visible(str(value))
    # S704: pictures escape every word of theirs
    return environment.from_string(_TEMPLATE).render(
        found=found,
        meta={
            "scripted": meta["scripted"],
            "command": meta["command"],
            "date": meta["date"],
            "seed": meta["seed"],
            "versions": meta["versions"],
        },
        wide=Markup(picture(found, meta["command"], WIDE)),  # noqa: S704
        narrow=Markup(picture(found, meta["command"], NARROW)),  # noqa: S704
        style=Markup(STYLE),  # noqa: S704
        tables=tables(found),
        short=progress(found),
        rehearsal=REHEARSAL,
        together=told(found.together) if found.together is not None else "",
    )
