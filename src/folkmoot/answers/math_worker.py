"""The process that compares two expressions with math-verify: ``python -m folkmoot.answers.math_worker``.

Lines of JSON come in (``{"same": [a, b], "seconds": s}`` or ``{"value": a, "seconds": s}``), one line goes out for each. An
expression can be a bomb, so the process has a memory limit, and the kernel ends it when a pair takes longer than its
deadline, even if whoever asked is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from typing import Any

MEMORY = 1 << 30
"""Bytes of address space."""
_DECIMALS = 12
_CLOSE = 1e-9


def main() -> None:
    """Answer until the other side closes the pipe."""
    with contextlib.suppress(OSError, ValueError):  # not every system has them
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing but answers goes into the pipe
    _expressions("1")  # imports, and builds the grammar
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        try:
            said = _same(*asked["same"]) if "same" in asked else _value(asked["value"])
        except (Exception, RecursionError, MemoryError):  # the libraries raise anything
            said = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(said), file=out, flush=True)


def _expressions(latex: str) -> list[Any]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    found = list(parse(f"\\boxed{{{latex}}}", extraction_config=targets, parsing_timeout=None))
    if found and not isinstance(found[0], str):
        found[0] = _closed(found[0])
    return found


def _closed(expression: Any) -> Any:
    """An expression in which the only unknown, i, is the imaginary unit: e^{i pi}; any other as it is."""
    from sympy import I

    with contextlib.suppress(Exception):
        if [str(s) for s in expression.free_symbols] == ["i"] and expression.subs(
            next(iter(expression.free_symbols)), I
        ).is_number:
            return expression.subs(next(iter(expression.free_symbols)), I)
    return expression


def _same(a: str, b: str) -> bool:
    from math_verify import verify

    ours, theirs = _expressions(a), _expressions(b)
    if not ours or not theirs or isinstance(ours[0], str) or isinstance(theirs[0], str):
        return False
    x, y = _number(ours[0]), _number(theirs[0])
    if x is not None and y is not None and abs(x - y) > _CLOSE * max(abs(x), abs(y)):
        return False  # math-verify rounds: 3e-7 would be 0
    if x is not None and y is not None and _exactly(ours[0], theirs[0]):
        return True
    ask = {"float_rounding": _DECIMALS, "timeout_seconds": None}
    return bool(verify(ours, theirs, **ask)) or bool(verify(theirs, ours, **ask))


def _exactly(one: Any, two: Any) -> bool:
    """True if two values agree in 50 digits: what algebra does not reduce, such as a sum or a power of e."""
    from sympy import Float, Rational

    with contextlib.suppress(Exception):
        if one.is_number and two.is_number:
            x, y = (said.xreplace({f: Rational(str(f)) for f in said.atoms(Float)}).evalf(60) for said in (one, two))
            return bool(x.is_finite and y.is_finite and abs(x - y) <= 10**-50 * max(1, abs(y)))
    return False


def _number(expression: Any) -> complex | None:
    """The value of an expression without unknowns."""
    with contextlib.suppress(Exception):
        if getattr(expression, "is_Relational", False) and not expression.lhs.is_number:  # x = 5
            expression = expression.rhs
        if expression.is_number:
            return complex(expression.evalf(20))
    return None


def _value(latex: str) -> str | None:
    found = _expressions(latex)
    x = _number(found[0]) if found and not isinstance(found[0], str) else None
    return repr(x.real) if x is not None and not x.imag and abs(x.real) != float("inf") else None


if __name__ == "__main__":
    main()
