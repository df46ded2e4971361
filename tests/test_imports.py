"""Imports point one way, and nothing heavy is loaded before it is needed."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "folkmoot"

# A room may import itself and the rooms above its own line. A room is a module or folder of src/folkmoot; the contract
# of the engines is a room of its own.
LAYERS = [
    {"complaint", "progress", "door", "lean"},
    {"documents", "paths"},
    {"answers", "engines.contract"},
    {"discussion", "models", "sandbox"},
    {"participant", "engines"},
    {"views", "decide"},
    {"prompts", "follow"},
    {"nodes"},
    {"routing", "confidence"},
    {"protocol", "visible"},
    {"graphs"},
    {"manifest"},
    {"registry"},
    {"team"},
    {"evaluation"},
    {"contribute", "experiment"},
    {"bench"},
    {"cli", "serve"},
]
# These call participants, which call engines: of engines they know the contract and nothing else.
NO_ENGINES = {
    "discussion",
    "participant",
    "views",
    "decide",
    "prompts",
    "follow",
    "nodes",
    "routing",
    "confidence",
    "lean",
    "protocol",
    "visible",
    "graphs",
}
EXCEPTIONS = {
    ("protocol", "graphs"): "finds graphs by name, when it is asked for one",
    ("routing", "engines"): "loads the encoder of the catalogue, when it routes and was given none",
    ("registry", "contribute"): "holds the endpoints of a registry to the gate's rules of addresses and keys",
}
HEAVY = {"torch", "transformers", "vllm", "peft", "gguf", "datasets", "huggingface_hub"}


def level(room: str) -> int:
    return next(i for i, rooms in enumerate(LAYERS) if room in rooms)


def room_of(module: str) -> str:
    parts = module.split(".")[1:]
    return "engines.contract" if parts[:2] == ["engines", "contract"] else parts[0]


def modules() -> Iterator[tuple[str, Path]]:
    for folder, _, files in os.walk(PACKAGE, followlinks=True):
        for file in sorted(files):
            path = Path(folder, file)
            if path.suffix == ".py" and path != PACKAGE / "__init__.py":
                parts = path.relative_to(PACKAGE).with_suffix("").parts
                yield ".".join(("folkmoot", *parts)).removesuffix(".__init__"), path


def imports(module: str, source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every module of folkmoot that is imported, inside functions as well."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import; write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.startswith("folkmoot."))


def complaints(module: str, source: str) -> list[str]:
    me = room_of(module)
    found = []
    for line, name in imports(module, source):
        other = room_of(name)
        if other in (me, "__version__") or (me, other) in EXCEPTIONS:
            continue
        if level(other) >= level(me):
            found.append(f"{module}:{line}: {me} must not import {other}, which builds on it")
        elif me in NO_ENGINES and other == "engines":
            found.append(f"{module}:{line}: {me} must not know engines, only their contract")
    return found


def test_every_module_has_a_place_in_the_table():
    placed = set().union(*LAYERS)
    unplaced = sorted({room_of(module) for module, _ in modules()} - placed)
    assert not unplaced, f"say in LAYERS what these may import: {unplaced}"


@pytest.mark.parametrize(("module", "path"), [pytest.param(*m, id=m[0]) for m in modules()])
def test_imports_point_one_way(module, path):
    assert not complaints(module, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("folkmoot.engines.pool", "from folkmoot.models import sources", False),
        ("folkmoot.engines.pool", "from folkmoot import participant", True),
        ("folkmoot.engines.contract", "import folkmoot.engines.pool", True),
        ("folkmoot.graphs.debate", "from folkmoot.engines.contract import Message", False),
        ("folkmoot.graphs.debate", "from folkmoot.engines.pool import Pool", True),
        ("folkmoot.views", "def f():\n    import folkmoot.nodes", True),
        ("folkmoot.evaluation.run", "from folkmoot.cli import app", True),
    ],
)
def test_the_check_itself(module, source, wrong):
    assert bool(complaints(module, source)) is wrong


def loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh Python after running some code."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_any_module_loads_nothing_that_runs_weights():
    names = [module for module, _ in modules() if not module.endswith("__main__")]
    loaded = loaded_by(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert "folkmoot.graphs.debate" in loaded
    assert not loaded & HEAVY


def test_importing_the_package_loads_nothing_of_it():
    assert {m for m in loaded_by("import folkmoot") if m.startswith("folkmoot")} == {"folkmoot"}


def test_help_loads_only_what_it_shows():
    loaded = loaded_by(
        "from folkmoot.cli import main\nsys.argv = ['folkmoot', '--help']\n"
        "try: main()\nexcept SystemExit as e: assert not e.code, e.code"
    )
    assert "typer" in loaded
    slow = HEAVY | {"langgraph", "langchain_core", "aiohttp", "asyncio", "jinja2", "numpy", "pydantic", "rich", "yaml"}
    assert loaded & slow == set()
