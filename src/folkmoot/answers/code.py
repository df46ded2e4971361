"""Programs: the Python code in a reply. It is only read here, never run (that is what folkmoot.sandbox is for).

Of several fenced blocks those that define something (functions, classes, imports) are joined in their order, so that a
helper in one block serves the solution in the next, and a later version of a function replaces an earlier one. A block
without definitions, or with nothing but tests and a ``main``, is example usage and left out, as are blocks of other
languages. From all blocks but the last only definitions and constants are taken: the trials between them are not.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from folkmoot.answers.free import spoken

INSTRUCTION = "Answer with the complete Python program in one fenced code block, without tests or example usage."
LONGEST = 50_000
"""Characters of a program; a longer one is not taken apart."""

_MOST = 50
"""Blocks of a reply that are looked at, from the end."""
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n`]*$", re.M)
_INLINE = re.compile(r"```(?:python|py)?[ \t]*(?P<code>(?:def|class|import|from|lambda)\b[^`\n]*)```")
_PYTHON = frozenset(["", "python", "python3", "py", "py3", "python2", "ipython", "ipython3", "sage", "code", "text"])
_BEGINS = re.compile(r"(?:async\s+def|def|class|import|from|@\w|if __name__|[A-Za-z_]\w*\s*(?::\s*[\w\[\], ]+)?=[^=])")
_TESTING = re.compile(r"(?i:test)_?\w*|main|run_tests|check|example\w*|demo\w*")
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DEFINITIONS = (*_DEFINING, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True)
class _Block:
    code: str
    python: bool
    open: bool


def extract(text: str, *, cut: bool = False) -> str | None:
    r"""The program of a reply, or None.

    Args:
        text: The reply: fenced blocks; a reply that is itself Python, with or without prose around it; or the indented
            rest of a function whose beginning the prompt gave (`complete` joins the two).
        cut: The reply was stopped at its token limit: an unfinished block counts only if it parses.

    Returns:
        Source text, without the fence. It may still be no valid program; that is for the tests to say.

    >>> extract("Here it is:\n```python\ndef f():\n    return 1\n```\nIt is fast.\n```python\nprint(f())\n```")
    'def f():\n    return 1'
    """
    if len(text) > 4 * LONGEST:
        return None  # no reply, a loop
    said = spoken(text)
    blocks = _blocks(said)[-_MOST:]
    if blocks:
        return _chosen(blocks, cut)
    if inline := _INLINE.findall(said):
        return str(inline[-1]).strip()
    return _bare(said, cut)


def canonical(answer: str) -> str:
    """A program without comments, docstrings and layout; the stripped text if it does not parse."""
    tree = _parsed(answer)
    if tree is None:
        return answer.strip()
    try:
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(node, (*_DEFINING, ast.Module)) and body and _is_text(body[0]):
                node.body = body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return ast.unparse(tree)
    except (RecursionError, MemoryError, ValueError):
        return answer.strip()


def complete(program: str, prompt_code: str, entry: str) -> str:
    r"""A full program from a reply and the code that its prompt gave.

    What the reply does not define itself is taken from the prompt: imports and helper functions; and the head of the
    function if the reply is only its body.

    Args:
        program: From `extract`.
        prompt_code: The prompt, or its code: imports, helpers, and the signature of the function with its docstring.
        entry: The name that the tests call.

    >>> complete("    return a + b", "def add(a, b):\n    '''Add.'''\n", "add")
    "def add(a, b):\n    '''Add.'''\n    return a + b\n"
    """
    given = _code_of(prompt_code)
    tree = _parsed(program)
    if given and _may_be_body(tree, program) and (body := _body(program)) is not None:
        whole = f"{given.rstrip()}\n{body.rstrip()}\n"
        if _parsed(whole) is not None:
            return whole
    head = _parsed(given)
    if tree is None or head is None:
        return program.rstrip() + "\n"
    own = _names(tree)
    lines = given.split("\n")
    lent = [
        _source(lines, n)
        for n in head.body
        if isinstance(n, (*_DEFINITIONS, ast.Assign, ast.AnnAssign)) and not _names_of(n) <= own | {entry}
    ]
    future = [line for line in program.split("\n") if line.startswith("from __future__")]
    rest = (
        "\n".join(line for line in program.split("\n") if not line.startswith("from __future__")) if future else program
    )
    return "\n".join([*future, *lent, rest.rstrip()]) + "\n"


def _blocks(text: str) -> list[_Block]:
    found: list[_Block] = []
    opening: re.Match[str] | None = None
    for fence in (*_FENCE.finditer(text), None):
        if opening is None:
            opening = fence
            continue
        if fence is not None and not fence["marks"].startswith(opening["marks"]):  # shorter, or of the other kind
            continue
        code = text[opening.end() + 1 : fence.start() if fence else len(text)]
        code = re.sub(rf"^{opening['indent']}", "", code, flags=re.M).strip("\n").rstrip()  # a block inside of a list
        if code:
            found.append(_Block(code, opening["language"].lower() in _PYTHON, fence is None))
        opening = fence if fence and fence["language"] else None  # a block that was never closed before the next one
    return found


def _chosen(blocks: Sequence[_Block], cut: bool) -> str | None:
    trees = [(b, _parsed(b.code)) for b in blocks if b.python]
    defining = [(b, t) for b, t in trees if t is not None and (_defines(t) or _constants(t))]
    solutions = [(b, t) for b, t in defining if not _tests_only(t)] or defining
    while solutions and not _defines(solutions[-1][1]):  # constants after the solution are example data
        solutions.pop()
    if solutions and not any(isinstance(n, _DEFINING) or _is_lambda(n) for _, t in solutions for n in t.body):
        bodies = [b for b, t in trees if t is None and _is_body(b.code)]  # imports, and then the rest of a function
        if bodies:
            return bodies[-1].code
    if solutions:
        return _joined(solutions)
    rest = [b for b, t in trees if t is not None or _is_body(b.code) or not (b.open and cut)]
    for good in (_is_body, lambda code: "def " in code, lambda code: _parsed(code) is not None):
        for block in reversed(rest):
            if good(block.code) and not block.code.lstrip().startswith(">>>"):
                return block.code
    return None


def _joined(solutions: Sequence[tuple[_Block, ast.Module]]) -> str:
    own = {n.name for _, t in solutions for n in t.body if isinstance(n, _DEFINING)}
    pieces: list[str] = []
    for i, (block, tree) in enumerate(solutions[:-1]):
        later = set().union(*(_names(t) for _, t in solutions[i + 1 :]))
        lines = block.code.split("\n")
        kept = [_source(lines, n) for n in tree.body if _is_kept(n, own) and not _names_of(n) <= later]
        pieces += ["\n".join(kept)] if kept else []
    return "\n\n".join([*pieces, solutions[-1][0].code])


def _bare(text: str, cut: bool) -> str | None:
    """A reply without fences that is Python, or holds some between sentences."""
    said = text.strip("\n").rstrip()
    tree = _parsed(said)
    if tree is not None and _defines(tree):
        return said
    body = said if _is_body(said) else None if cut else _longest(said, _is_body)
    if body and (body[0].isspace() or body == said):
        return body
    kept: list[str] = []
    inside = False
    for line in said.split("\n"):
        if line[:1].strip() and line[0] not in ")]}":
            inside = bool(_BEGINS.match(line)) or (
                inside and line.startswith(("else", "elif", "#", "except", "finally"))
            )
        if inside:
            kept.append(line)
    code = "\n".join(kept).rstrip()
    return (code if _is_program(code) else None) if cut else _longest(code, _is_program)


def _longest(said: str, good: Callable[[str], bool], tries: int = 60) -> str | None:
    """The most lines from the beginning that are good."""
    lines = said.split("\n")
    ends = [
        len(lines),
        *(i for i in range(len(lines) - 1, 0, -1) if lines[i][:1].strip()),
        *range(len(lines) - 1, 0, -1),
    ]
    for end in list(dict.fromkeys(ends))[:tries]:
        if (part := "\n".join(lines[:end]).rstrip()) and good(part):
            return part
    return None


def _is_body(code: str) -> bool:
    return _body(code) is not None


def _may_be_body(tree: ast.Module | None, program: str) -> bool:
    """False for a program with functions at the top: another name than the one asked for is no nested helper."""
    if tree is None or any(isinstance(n, ast.Return) for n in tree.body):
        return True
    return program[:1].isspace() or not any(isinstance(n, _DEFINING) or _is_lambda(n) for n in tree.body)


def _body(code: str) -> str | None:
    """The rest of a function, indented; None if it is something else. The first line may have lost its indent."""
    code = code.strip("\n")
    indented = code[:1].isspace()
    for variant in (code,) if indented else (f"    {code}", textwrap.indent(code, "    ")):
        tree = _parsed(f"def _():\n{variant}\n")
        head = tree.body[0] if tree and tree.body else None
        if isinstance(head, ast.FunctionDef) and any(
            isinstance(n, (ast.Return, ast.Yield, ast.YieldFrom, ast.Raise)) for n in ast.walk(head)
        ):
            return variant
    return None


def _parsed(code: str) -> ast.Module | None:
    if len(code) > LONGEST:
        return None
    try:
        if "\\" not in code:
            return ast.parse(code)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" in a reply is not our mistake
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defines(tree: ast.Module) -> bool:
    return any(isinstance(n, _DEFINITIONS) or _is_lambda(n) for n in tree.body)


def _is_program(code: str) -> bool:
    tree = _parsed(code)
    return tree is not None and _defines(tree)


def _constants(tree: ast.Module) -> bool:
    return bool(tree.body) and all(
        isinstance(n, ast.Assign) and not any(isinstance(c, ast.Call) for c in ast.walk(n)) for n in tree.body
    )


def _is_kept(node: ast.stmt, own: set[str]) -> bool:
    """True for definitions; not for ``result = solve(3)``, which is a trial."""
    called = {c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}
    return isinstance(node, _DEFINITIONS) or (isinstance(node, (ast.Assign, ast.AnnAssign)) and not called & own)


def _tests_only(tree: ast.Module) -> bool:
    defined = [n.name for n in tree.body if isinstance(n, _DEFINING)]
    return bool(defined) and all(_TESTING.fullmatch(name) for name in defined)


def _is_lambda(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _names(tree: ast.Module) -> set[str]:
    return set().union(*(_names_of(n) for n in tree.body)) if tree.body else set()


def _names_of(node: ast.stmt) -> set[str]:
    """The names that a statement at the top defines."""
    if isinstance(node, _DEFINING):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] if a.name != "*" else f"*{ast.dump(node)}" for a in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def _source(lines: Sequence[str], node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _code_of(prompt: str) -> str:
    """The code at the end of a prompt, without the sentences before it."""
    lines = prompt.split("\n")
    for i, line in enumerate(lines):
        if re.match(r"(?:from|import|def|class|async|@|#|[A-Za-z_]\w*\s*=)", line) and _parsed(
            rest := "\n".join(lines[i:])
        ):
            return rest
    return ""
