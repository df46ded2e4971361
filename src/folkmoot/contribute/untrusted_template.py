"""Chat templates from somebody who is not trusted: rendered elsewhere, and what comes back is looked at as text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from folkmoot.contribute.findings import Finding, passed, refuse
from folkmoot.engines.contract import Missing

CPU_S, WALL_S, MEMORY_MIB = 0.5, 30.0, 256
"""What rendering may take: processor time, wall-clock time on a busy machine, and memory."""
_LONGEST = 100_000
_TOLD = 10_000_000
_TEMPLATES = ("chat_template.jinja", "tokenizer_config.json", "chat_template.json")
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_USUAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
_USER, _REPLY, _SYSTEM = "What is the seventh day called?", "It is called Sunday.", "Answer in one word."
_MORE = "And what is the day before it called?"
_CONVERSATIONS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": _USER}],
    [{"role": "user", "content": _USER}, {"role": "assistant", "content": _REPLY}, {"role": "user", "content": _MORE}],
    [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}],
)
_REMEDY = "use the chat template of the base model as it is"
_FAULTS = {
    "memory": ("template-memory", f"it takes more than {MEMORY_MIB} MiB, or writes without end"),
    "attribute": ("template-attributes", "it reaches into Python"),
    "refuses": ("template-raises", "it fails for a plain conversation"),
}


def templates(folder: Path) -> dict[str, str]:
    """The chat templates in a folder, by file and name.

    Raises:
        ValueError: A file that should hold one is not JSON, or holds something else; the text names it.
    """
    found = {}
    for name in _TEMPLATES:
        path = folder / name
        if not path.is_file():
            continue
        if path.suffix == ".jinja":
            found[name] = path.read_text(encoding="utf-8")
            continue
        held = json.loads(path.read_text(encoding="utf-8"))
        told = held.get("chat_template") if isinstance(held, dict) else None
        several = told if isinstance(told, list) else [] if told is None else [{"name": "", "template": told}]
        for entry in several:
            if not isinstance(entry, dict) or not isinstance(entry.get("template"), str):
                raise ValueError(f"{name}: its chat_template is no text")
            found[name + (f" ({entry['name']})" if entry.get("name") else "")] = entry["template"]
    return found


def tokens(folder: Path) -> list[dict[str, str]]:
    """The special tokens that a tokenizer of this folder may hand to its template: of either file, with usual ones or not.

    Raises:
        ValueError: A file that should hold them is not JSON.
    """
    held = [_tokens(folder / name) for name in ("special_tokens_map.json", "tokenizer_config.json")]
    found: list[dict[str, str]] = []
    for some in (held[0] | held[1], held[1] | held[0], _USUAL | held[0] | held[1]):
        if some not in found:
            found.append(some)
    return found


def _tokens(path: Path) -> dict[str, str]:
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {}
    for key in _SPECIAL if isinstance(said, dict) else ():
        value = said.get(key)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            found[key] = value
    return found


def check_templates(folder: Path, where: str) -> list[Finding]:
    """Render every chat template of a folder in a process of its own, with little time and memory.

    Args:
        folder: A private copy of a folder with a tokenizer.
        where: What to call it.
    """
    try:
        found, special = templates(folder), tokens(folder)
    except (ValueError, RecursionError) as e:
        return [refuse("template", f"a chat template cannot be read: {e}", where, _REMEDY)]
    wrong = [f for name, text in found.items() if (f := _fault(text, f"{where}/{name}" if where else name, special))]
    return wrong or ([passed("template", f"{', '.join(found)}: rendered, and says what was said")] if found else [])


def _fault(template: str, where: str, special: list[dict[str, str]]) -> Finding | None:
    if len(template) > _LONGEST:
        return refuse("template-size", f"a chat template of {len(template)} characters", where, _REMEDY)
    renderings: list[dict[str, Any]] = [
        {"messages": messages, "given": {"add_generation_prompt": generation, **some}}
        for some in special
        for generation in (True, False)
        for messages in _CONVERSATIONS
    ]
    told = render(template, renderings)
    if fault := told.get("fault"):
        check, what = _FAULTS.get(
            fault, ("template-time", f"it does not come to an end within {CPU_S:g} s of processor time")
        )
        why = f" ({told['why']})" if told.get("why") else ""
        return refuse(check, what + why, where, _REMEDY)
    for one, text in zip(renderings, told["texts"], strict=True):
        messages = one["messages"]
        lost = [m["content"] for m in messages if m["role"] == "user" and m["content"] not in (text or "")]
        if text is not None and lost:
            what = f"it leaves out what the user says in a conversation of {len(messages)} messages"
            return refuse("template-silence", what, where, _REMEDY)
    return None


def render(template: str, renderings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a template makes of conversations: ``texts`` (None where it knows no system message), or ``fault`` and ``why``.

    Args:
        template: Its text.
        renderings: ``messages``, and what else the template is ``given``.

    Raises:
        Missing: jinja2 is not installed.
    """
    limits = {"memory_mib": MEMORY_MIB, "cpu_seconds": 1, "file_kib": 0}
    job = {"template": template, "renderings": renderings, "limits": limits, "seconds": CPU_S}
    command = [sys.executable, "-I", "-m", "folkmoot.contribute.untrusted_render"]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONUTF8": "1"},
        cwd="/",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(json.dumps(job).encode(), timeout=WALL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"fault": "time"}
    if process.returncode < 0:
        return {"fault": "time"}
    try:
        told = json.loads(out[:_TOLD])
    except ValueError:
        said = err.decode(errors="replace").strip().splitlines()
        why = said[-1][:200] if said else f"exit status {process.returncode}"
        if "No module named" in why:
            raise Missing(f"chat templates cannot be rendered ({why}): pip install 'folkmoot[local]'") from None
        return {"fault": "memory", "why": why}
    return dict(told)
