"""YAML documents in, validated values out; every complaint names file, line and remedy.

Participants, teams, tasks, suites and the model catalogue are all read here. The documents are outside data: they are
parsed with PyYAML's safe loader and checked by pydantic models that refuse unknown keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from folkmoot.complaint import BadInput as BadInput
from folkmoot.complaint import did_you_mean as did_you_mean

M = TypeVar("M", bound=BaseModel)
Lines = dict[tuple[str | int, ...], int]

_MOST = 50_000  # keys and items in one document


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with dates left as text.

    No document here means a date by `2024-01-01`; and lm-format-enforcer, which vLLM imports, changes the constructor of
    dates for everybody who uses the safe loader itself.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document(BaseModel):
    """Base of everything read from YAML: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def read(path: Path, model: type[M]) -> M:
    """Read one YAML file as `model`.

    Raises:
        BadInput: The file is missing, is not YAML, or does not fit; one line per finding, each with file and line.
    """
    return validate(*load(path), model, path)


def load(path: Path) -> tuple[Any, Lines]:
    """Read one YAML file as plain data, with the line (from 1) of every key and item.

    Raises:
        BadInput: The file cannot be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except UnicodeDecodeError as e:
        raise BadInput(f"{path}: is not UTF-8 (byte {e.start + 1}); save it as UTF-8") from None
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror or e}") from None
    try:
        node = yaml.compose(text, Loader=_Loader)
        lines: Lines = {}
        if node is not None:
            _mark(node, (), lines, path)
        return yaml.load(text, Loader=_Loader), lines  # noqa: S506 - a safe loader
    except BadInput:
        raise
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        raise BadInput(f"{path}:{line}: not valid YAML: {e.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise BadInput(f"{path}: not valid YAML: {str(e).splitlines()[0]}") from None


def _mark(node: yaml.Node, at: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if len(lines) > _MOST:  # aliases of aliases can make a few lines as large as you like
        raise BadInput(f"{path}: more than {_MOST} values; split the file, and do not nest aliases")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:  # YAML would silently keep the last one
                raise BadInput(f"{path}:{line}: {name!r} stands here twice; remove one")
            seen.add(name)
            lines[(*at, name)] = line
            _mark(value, (*at, name), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _mark(value, (*at, i), lines, path)


def plain(text: str) -> Any:
    """One YAML value as plain data: what a document would read there.

    Raises:
        BadInput: Not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        raise BadInput("the value cannot be read; put text with odd characters in quotes") from None


def line_of(lines: Lines, at: tuple[str | int, ...]) -> int:
    """Line of a place in a document, or of the nearest place around it."""
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 1)


def validate(data: Any, lines: Lines, model: type[M], path: Path) -> M:
    """Check plain data against a model; complaints carry file and line.

    Raises:
        BadInput: One line per finding.
    """
    if data is None:
        raise BadInput(f"{path}: the file is empty; it needs {_fields(model)}")
    if not isinstance(data, dict):
        raise BadInput(f"{path}:1: expected names and values ({_fields(model)}), got {_kind(data)}")
    try:
        return model.model_validate(data)
    except ValidationError as e:
        findings = []
        errors = e.errors(include_url=False)
        for err in errors:
            # an entry that is wrong is complained of itself; that its list is then too short is no news
            if err["type"] == "too_short" and any(
                other is not err and other["loc"][: len(err["loc"])] == err["loc"] for other in errors
            ):
                continue
            at = _at(err["loc"], data, absent=err["type"] == "missing")
            findings.append(f"{path}:{line_of(lines, at)}: {_say(err, at, model)}")
        raise BadInput("\n".join(dict.fromkeys(findings))) from None


def _at(loc: tuple[int | str, ...], data: Any, *, absent: bool) -> tuple[str | int, ...]:
    """Drop what pydantic puts into a location that is no key of the document (names of union branches)."""
    at: list[str | int] = []
    here = data
    for i, part in enumerate(loc):
        if isinstance(here, dict) and (part in here or (absent and i == len(loc) - 1)):
            at.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            at.append(part)
            here = here[part]
    return tuple(at)


def _say(err: Any, at: tuple[str | int, ...], model: type[BaseModel]) -> str:
    where = ".".join(str(p) for p in at)
    if err["type"] == "extra_forbidden":
        owner = _model_at(model, at[:-1])
        hint = did_you_mean(str(at[-1]), owner.model_fields) if owner else ""
        return f"unknown key {str(at[-1])!r}; {hint}".rstrip("; ")
    if err["type"] == "missing":
        return f"{where!r} is missing"
    if err["type"] in ("value_error", "assertion_error"):
        message = str(err.get("ctx", {}).get("error", err["msg"]))
        return f"{where}: {message}" if where else message
    message = said(err)
    return f"{where}: {message}, got {_kind(err.get('input'))}" if where else message


_PLAIN = {
    "tuple_type": "expected a list ([a, b])",
    "list_type": "expected a list ([a, b])",
    "model_type": "expected names and values ({name: value})",
    "dict_type": "expected names and values ({name: value})",
}


def said(err: Any) -> str:
    """What pydantic complains of, in the words of a document instead of Python's."""
    message: str = err["msg"]
    return _PLAIN.get(err["type"]) or message[0].lower() + message[1:]


def _model_at(model: type[BaseModel], at: tuple[str | int, ...]) -> type[BaseModel] | None:
    here: Any = model
    for part in at:
        if isinstance(part, int) or not (isinstance(here, type) and issubclass(here, BaseModel)):
            continue
        field = here.model_fields.get(part)
        here = _find_model(field.annotation) if field else None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _find_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _find_model(a))), None)


def _fields(model: type[BaseModel]) -> str:
    return ", ".join(n for n, f in model.model_fields.items() if f.is_required()) or "at least one key"


def _kind(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
