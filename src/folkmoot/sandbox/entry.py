"""Which function of a program its tests are about."""

from __future__ import annotations

import ast
import builtins
import re

_DEF = re.compile(r"^(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*\(", re.MULTILINE)
_ASSERT = re.compile(r"\bassert\b[^\n]*")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)[ \t]*\(")


def entry_of(question: str, tests: str) -> str:
    """The name of the function under test: as the tests have it, else the last that the question begins, else as its asserts.

    Args:
        question: With code, or with an assertion that shows how the function is called.
        tests: Python source.

    Returns:
        The name; empty if nobody tells it.
    """
    return _tested(tests) or (_DEF.findall(question) or [""])[-1] or _asserted(question)


def _tested(tests: str) -> str:
    try:
        tree = ast.parse(tests)
    except SyntaxError:
        return ""
    for line in tree.body:  # check(name) after its definition
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call) and ast.unparse(line.value.func) == "check":
            names = [a.id for a in line.value.args if isinstance(a, ast.Name)]
            if names and names[0] != "candidate":
                return names[0]
    if any(isinstance(n, ast.Name) and n.id == "candidate" for n in ast.walk(tree)):
        return ""
    defined = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            for call in ast.walk(node.test):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                    name = call.func.id
                    if name not in defined and not hasattr(builtins, name):
                        return name
    return ""


def _asserted(question: str) -> str:
    names = (name for line in _ASSERT.findall(question) for name in _CALL.findall(line))
    return next((n for n in names if not hasattr(builtins, n) and n != "assert"), "")
