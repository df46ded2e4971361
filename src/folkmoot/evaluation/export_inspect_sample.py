"""One sample as inspect_ai stores it: messages, model events with speaker and prompt, score and usage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from folkmoot.discussion import Turn
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.show import marked

SCORER = "folkmoot"
_STOPS = {"stop": "stop", "length": "max_tokens", "refused": "content_filter", "limit": "model_length"}
_REASONS = {"unparsed": "invalid_response_format", "refused": "refusal"}
_THIN = 1024
_LONG = 5120


def name_of(item: str) -> str:
    """An id that can be the name of a file in an archive: what cannot is written as ``%XX``.

    >>> name_of("algebra/12"), name_of("50 %")
    ('algebra%2F12', '50 %25')
    """
    return re.sub(r"[\x00-\x1f\x7f/\\%]|^\.+", lambda m: "".join(f"%{ord(c):02X}" for c in m.group()), item)


def sample_document(
    r: Result, item: Item | None, kind: str, about: Mapping[str, Any], *, letters: bool
) -> dict[str, Any]:
    """A sample as an ``EvalSample``.

    Args:
        r: The sample.
        item: Its question.
        kind: Kind of its system.
        about: The log's ``eval`` section.
        letters: Scores are all 0 or 1 and are told as ``C`` and ``I`` (``N`` without an answer), which the viewer colours.
    """
    model = about["model"]
    usage: dict[str, dict[str, int]] = {}
    roles: dict[str, dict[str, int]] = {}
    for t in r.turns:
        add_usage(usage, t.speaker, _usage(t))
        add_usage(roles, t.role, _usage(t))
    score = _score(r, letters)
    target = list(r.gold) if len(r.gold) != 1 else r.gold[0]
    document = {
        "id": name_of(r.item),
        "epoch": r.draw + 1,
        "input": r.question,
        "target": target,
        "messages": [
            {"id": f"{r.key[:16]}-q", "role": "user", "source": "input", "content": r.question},
            *(_message(r, i, t, mark) for i, (t, mark) in enumerate(marked(r))),
        ],
        "output": _output(model, r),
        "scores": {SCORER: score},
        "metadata": _metadata(r, kind),
        "store": {},
        "events": list(_events(r, score, target, about["created"])),
        "model_usage": usage,
        "role_usage": roles,
        "total_time": r.seconds,
        "working_time": r.seconds,
        "uuid": r.key[:22],
        "turn_count": len(r.turns),
    }
    if item and item.answer_type.options:
        document["choices"] = list(item.answer_type.options)
    if r.outcome == "error":
        document["error"] = {"message": r.error or "calls failed", "traceback": "", "traceback_ansi": ""}
    return document


def summary_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The ``EvalSampleSummary`` of a sample: what lists of samples show, long texts cut."""
    same = ("id", "epoch", "choices", "model_usage", "role_usage", "total_time", "working_time", "uuid", "turn_count")
    score = document["scores"][SCORER]
    target = document["target"]
    short = {k: _cut(v, _THIN) if isinstance(v, str) else v for k, v in score.items() if k != "metadata"}
    return {k: document[k] for k in same if k in document} | {
        "input": _cut(document["input"], _LONG),
        "target": [_cut(t, _LONG) for t in target] if isinstance(target, list) else _cut(target, _LONG),
        "metadata": {k: v for k, v in document["metadata"].items() if isinstance(v, str | int) and len(str(v)) < _THIN},
        "scores": {SCORER: short},
        "error": _cut(document["error"]["message"], _THIN) if "error" in document else None,
        "completed": True,
        "message_count": len(document["messages"]),
    }


def add_usage(total: dict[str, dict[str, int]], name: str, usage: Mapping[str, int]) -> None:
    """Add tokens to those of a name."""
    mine = total.setdefault(name, {})
    for k, n in usage.items():
        mine[k] = mine.get(k, 0) + n


def _usage(t: Turn) -> dict[str, int]:
    return {
        "input_tokens": t.prompt_tokens - t.cached_tokens,
        "input_tokens_cache_read": t.cached_tokens,
        "output_tokens": t.completion_tokens,
        "total_tokens": t.prompt_tokens + t.completion_tokens,
    }


def _score(r: Result, letters: bool) -> dict[str, Any]:
    scored = r.outcome == "scored"
    value: str | float = r.score if scored else 0.0
    if letters:
        value = "C" if value else "I" if r.answer is not None else "N"
    said = [f"{r.decision.by}: {r.decision.why}"] if r.decision else []
    said += [text for text in (r.why, r.error, "" if scored else r.outcome) if text]
    score: dict[str, Any] = {
        "value": value,
        "answer": r.answer,
        "explanation": "\n".join(said),
        "metadata": {
            "outcome": r.outcome,
            "score": r.score,
            "judgements": [{"judge": j.judge, "first": j.first, "second": j.second} for j in r.judgements],
        },
    }
    return score | ({"reason": _REASONS[r.outcome]} if r.outcome in _REASONS else {})


def _message(r: Result, i: int, t: Turn, mark: float | None) -> dict[str, Any]:
    """A turn as a message; `mark` is the score of its answer."""
    about = {
        "speaker": t.speaker,
        "role": t.role,
        "round": t.round + 1,
        "about": t.about,
        "sample": t.draw + 1,
        "answer": t.answer,
        "score": mark,
        "cached": t.hit,
    }
    return {
        "id": f"{r.key[:16]}-{i}",
        "role": "assistant",
        "source": "generate",
        "model": t.speaker,
        "content": t.text if t.error is None else f"[{t.error}]",
        "metadata": {k: v for k, v in about.items() if v is not None},
    }


def _output(model: str, r: Result) -> dict[str, Any]:
    """The answer of the whole system."""
    text = r.answer if r.answer is not None else ""
    message = {"id": f"{r.key[:16]}-out", "role": "assistant", "source": "generate", "model": model, "content": text}
    return {
        "model": model,
        "choices": [{"message": message, "stop_reason": "stop" if r.answer is not None else "unknown"}],
        "completion": text,
        "time": r.seconds,
    }


def _metadata(r: Result, kind: str) -> dict[str, Any]:
    nodes: dict[tuple[str, str], dict[str, Any]] = {}
    for t in r.turns:
        empty = {
            "speaker": t.speaker,
            "role": t.role,
            "calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "seconds": 0.0,
        }
        node = nodes.setdefault((t.speaker, t.role), empty)
        node["calls"] += 1
        node["prompt_tokens"] += t.prompt_tokens
        node["completion_tokens"] += t.completion_tokens
        node["seconds"] = round(node["seconds"] + t.service_s, 6)
    d = r.decision
    return {
        "item": r.item,
        "system": r.system,
        "kind": kind,
        "outcome": r.outcome,
        "decided_by": d.by if d else None,
        "decision": d.why if d else None,
        "tally": [list(t) for t in d.tally] if d else [],
        "nodes": list(nodes.values()),
        "key": r.key,
    }


def _events(r: Result, score: Mapping[str, Any], target: Any, created: str) -> Iterator[dict[str, Any]]:
    """A span for every turn, named by its speaker, with the call inside; then the score.

    Times are the run's own plus service times: samples do not keep when they were made, only how long it took.
    """
    began, seconds, steps = datetime.fromisoformat(created), 0.0, 0.0
    step: tuple[int, str] | None = None

    def base(n: str, at: float) -> dict[str, Any]:
        moment = (began + timedelta(seconds=at)).isoformat()
        return {"uuid": f"{r.key[:16]}-{n}", "timestamp": moment, "working_start": at}

    for i, (t, mark) in enumerate(marked(r)):
        if step != (t.round, t.role):  # turns of one step run side by side
            step, seconds = (t.round, t.role), steps
        about = f" on {t.about}" if t.about else ""
        span = f"{r.key[:16]}-span{i}"
        name = f"{t.speaker}: {t.role}{about}, round {t.round + 1}"
        yield base(f"b{i}", seconds) | {
            "event": "span_begin",
            "id": span,
            "type": "agent",
            "name": name,
            "span_id": span,
        }
        stop = _STOPS.get(t.finish or "", "unknown")
        message = _message(r, i, t, mark)
        call = base(f"m{i}", seconds) | {
            "event": "model",
            "span_id": span,
            "model": t.speaker,
            "role": t.role,
            "input": [{"role": _role(m.role), "content": m.content} for m in t.prompt],
            "tools": [],
            "tool_choice": "none",
            "config": {},
            "output": {
                "model": t.speaker,
                "choices": [{"message": message, "stop_reason": stop}],
                "completion": message["content"],
                "usage": _usage(t),
                "time": t.service_s,
            },
            "working_time": t.service_s,
        }
        yield call | ({"error": t.error} if t.error else {}) | ({"cache": "read"} if t.hit else {})
        steps = max(steps, seconds + t.service_s)
        yield base(f"e{i}", seconds + t.service_s) | {"event": "span_end", "id": span, "span_id": span}
    yield base("s", steps) | {"event": "score", "score": dict(score), "target": target, "scorer": SCORER}


def _role(role: str) -> str:
    return role if role in ("system", "user", "assistant") else "user"


def _cut(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else text[:most] + "...\n(content truncated)"
