"""The process that holds the untrusted program and nothing else: it is called over a pipe, and knows neither tests nor token."""

from __future__ import annotations

import sys
import types
from typing import Any

from folkmoot.sandbox.inside import wire


def solve(job: dict[str, Any], layers: dict[str, bool]) -> None:
    """Run the program, then answer calls until the other side is gone.

    Args:
        job: ``program``, ``requests`` and ``replies`` (descriptors), ``most`` (bytes of a frame).
        layers: What confines this process; told to the checker before the program runs.
    """
    requests, replies, most = job["requests"], job["replies"], job["most"]
    wire.send(replies, {"layers": layers})
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    try:
        exec(compile(job["program"], "<program>", "exec"), module.__dict__)  # noqa: S102 - what this process is for
    except BaseException as e:
        wire.send(replies, {"ended": _ended(e)})
        return
    wire.send(replies, {"defined": True})
    kept: list[Any] = []
    while True:
        try:
            request = wire.receive(requests, most)
        except EOFError:
            return
        wire.send(replies, _call(module.__dict__, kept, request))


def _ended(e: BaseException) -> str:
    if isinstance(e, SystemExit):
        return "the program tried to exit"
    text = wire.describe(e)["text"]
    return f"{type(e).__name__}: {text}" if text else type(e).__name__


def _call(names: dict[str, Any], kept: list[Any], request: dict[str, Any]) -> dict[str, Any]:
    def keep(value: Any) -> dict[str, Any]:
        kept.append(value)
        # a match says by its truth whether there was one; nothing else is asked for its truth
        found: dict[str, Any] = {"k": "ref", "v": len(kept) - 1, "n": type(value).__name__}
        return found | ({"truth": True} if found["n"] == "Match" else {})

    def same(data: dict[str, Any]) -> Any:
        return kept[data["v"]]

    name = request["name"]
    if isinstance(name, str) and name not in names:
        return {"missing": name}
    target = names[name] if isinstance(name, str) else kept[name]
    args, kwargs = wire.decode(request["args"], same), wire.decode(request["kwargs"], same)
    try:
        value = target(*args, **kwargs)
        reply = {"value": wire.encode(value, keep)}
    except wire.Unplain as e:
        return {"ended": f"the program returned {e}"}
    except Exception as e:
        reply = {"raised": wire.describe(e)}
    except BaseException as e:
        return {"ended": _ended(e)}
    try:
        after = wire.encode(args, keep)
    except wire.Unplain:
        after = request["args"]
    # what the program did to its arguments is seen by the tests
    return reply if after == request["args"] else reply | {"args": after}
