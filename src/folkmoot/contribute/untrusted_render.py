"""The process in which a chat template of somebody's is rendered: it has no files, no network and little time and memory.

It is started by `folkmoot.contribute.untrusted_template` with the job on standard input, and writes what it found to
standard output. All of it happens after the process has given up everything it could do harm with.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

LONGEST = 1_000_000
"""Characters that the rendered messages may have."""

_FAMILIAR = """{% macro f(x) %}{{ x | tojson }}{{ 'a\\n' ~ x }}{% endmacro %}
{% set s = namespace(a='b' * 2) %}{% for m in messages %}{% if loop.first %}{{ f(m['role']) | trim }}{% endif %}
{% generation %}{{ m.content.split('.')[0] | upper }}{% endgeneration %}{% break %}{% endfor %}
{{ strftime_now('%d %b %Y') }}{{ '%3d' % 1 }}{{ '{:d}'.format(1) }}{{ messages | selectattr('role', 'equalto', 'user') | list }}
{{ raise_exception('so that the paths of failure are known, too') }}"""


def main() -> None:
    """Read the job, give everything up, render, tell."""
    import jinja2.debug  # it is wanted where a template fails, when no file can be read any more
    import jinja2.ext
    import jinja2.sandbox

    from folkmoot.sandbox.inside.confine import confine

    job = json.loads(sys.stdin.buffer.read())
    environment = _environment(jinja2)
    with contextlib.suppress(Exception):  # what is imported on the way cannot be imported afterwards
        environment.from_string(_FAMILIAR).render(messages=[{"role": "user", "content": "a"}], tokens=[])
    signal.setitimer(signal.ITIMER_PROF, job["seconds"])  # nobody handles its signal: the process ends
    confine({"keep": [1], "limits": job["limits"], "scratch": "", "threads": False, "landlock": [], "strict": False})
    try:
        told = _rendered(environment, job)
    except MemoryError:
        told = {"fault": "memory"}
    except RecursionError:
        told = {"fault": "refuses", "why": "it calls itself without end"}
    except jinja2.exceptions.SecurityError as e:
        told = {"fault": "attribute", "why": str(e)[:200]}
    except Exception as e:  # the template is a program of somebody else's: anything may come out of it
        told = {"fault": "refuses", "why": f"{type(e).__name__}: {e}"[:200]}
    data = memoryview(json.dumps(told).encode())
    while data:
        data = data[os.write(1, data) :]
    os._exit(0)  # nothing that the template has left behind is tidied up


def _environment(jinja2: Any) -> Any:
    """What the libraries offer a template when a model is used, and refusals instead of silence."""

    class Generation(jinja2.ext.Extension):  # type: ignore[misc]
        tags = {"generation"}  # noqa: RUF012 - as jinja2 wants it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Strict(jinja2.sandbox.ImmutableSandboxedEnvironment):  # type: ignore[misc]
        def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
            raise jinja2.exceptions.SecurityError(f"it reads the attribute {attribute!r} of a {type(obj).__name__}")

    def refuse(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    def tojson(
        x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: Any = False
    ) -> str:
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = Strict(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now(UTC).strftime(form)
    return made


def _rendered(environment: Any, job: dict[str, Any]) -> dict[str, Any]:
    if hidden := _private(environment.parse(job["template"])):
        return {"fault": "attribute", "why": f"it reads the attribute {hidden[:80]!r}"}
    template = environment.from_string(job["template"])
    return {"texts": [_text(template, one) for one in job["renderings"]]}


def _text(template: Any, one: dict[str, Any]) -> str | None:
    """One conversation rendered, with all that a tokenizer hands to its template when the model is used."""
    try:
        text = str(template.render(**one["given"], messages=one["messages"], tools=None, documents=None))
    except Exception:
        if one["messages"][0]["role"] == "system":  # many templates know no system text; the engine folds it then
            return None
        raise
    if len(text) > LONGEST:
        raise MemoryError
    return text


def _private(tree: Any) -> str:
    """A name with an underscore at its front that a template asks an object for, on any path through it."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        if isinstance(node, nodes.Getattr):
            asked: Any = node.attr
        elif isinstance(node, nodes.Getitem):
            asked = node.arg.value if isinstance(node.arg, nodes.Const) else ""
        else:
            first = node.args[0] if node.name in ("attr", "map", "selectattr") and node.args else None
            asked = first.value if isinstance(first, nodes.Const) else ""
        if isinstance(asked, str) and asked.startswith("_"):
            return asked
    return ""


if __name__ == "__main__":
    main()
