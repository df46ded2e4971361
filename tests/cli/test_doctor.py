"""`folkmoot doctor`: engines are tried by loading them, and what is wrong comes with what to do."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from folkmoot.cli import doctor, probe
from folkmoot.cli.probe import EngineCheck, check

app = typer.Typer()
app.command()(doctor.doctor)

MACHINE = {
    "system": "Linux x86_64",
    "cpu": "a processor",
    "cores": 2,
    "bf16": True,
    "memory_gib": 8.0,
    "memory_free_gib": 7.0,
    "cache": "/some/cache",
    "cache_free_gib": 40.0,
}
WORKS = EngineCheck("transformers", True, "runs on the CPU")
BROKEN = EngineCheck(
    "transformers", False, "RuntimeError: operator [torchvision::nms] is gone", "pip uninstall torchvision"
)
ENDPOINT = EngineCheck("openai", True, "needs a model server's address")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run the command on invented findings, with an empty cache."""
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path))

    def run(*engines: EngineCheck, arguments: tuple[str, ...] = (), **machine: object):
        monkeypatch.setattr(probe, "engines", lambda *_, **__: engines)
        monkeypatch.setattr(probe, "machine", lambda _: MACHINE | machine)
        return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})

    return run


@pytest.mark.parametrize(
    ("script", "works", "detail", "remedy"),
    [
        ("print('a log line'); print('{\"device\": \"CPU\"}')", True, "runs on the CPU", ""),
        ("print('{}'); print('bye')", True, "needs a model server's address", ""),
        ("import no_such_thing", False, "ModuleNotFoundError: No module named 'no_such_thing'", "folkmoot[local]"),
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            False,
            "torchvision::nms",
            "uninstall torchvision",
        ),
        (
            "raise OSError('libnuma.so.1: cannot open shared object file')",
            False,
            "libnuma.so.1",
            "apt-get install libnuma1",
        ),
        ("import os; os._exit(9)", False, "ended with status 9", "folkmoot[local]"),
        ("import time; time.sleep(60)", False, "did not load within 3 s", "less busy"),
    ],
    ids=["works", "no device", "import", "torchvision", "libnuma", "killed", "hangs"],
)
def test_an_engine_is_tried_in_a_process_of_its_own(script, works, detail, remedy, monkeypatch):
    monkeypatch.setattr(probe, "PATIENCE_S", 3.0)
    seen = check("transformers", script, [])
    assert seen.works is works
    assert detail in seen.detail
    assert remedy in seen.remedy
    assert bool(seen.remedy) is not works


def test_nothing_is_tried_where_a_package_is_not_installed():
    seen = check("vllm", "raise SystemExit('must not run')", ["vllm"])
    assert (seen.works, seen.detail) == (False, "not installed: vllm")
    assert "folkmoot[vllm]" in seen.remedy


def test_trying_does_not_load_torch_into_this_process():
    before = "torch" in sys.modules
    check("transformers", "print('{}')", [])
    assert ("torch" in sys.modules) is before


def test_an_engine_that_runs_weights_is_enough(found):
    result = found(WORKS, ENDPOINT)
    assert result.exit_code == 0
    assert "runs on the CPU" in result.stdout
    assert "a processor, 2 cores, bf16" in result.stdout


def test_without_an_engine_that_runs_weights_it_ends_with_4_and_says_what_to_do(found):
    result = found(BROKEN, ENDPOINT)
    assert result.exit_code == 4
    assert "operator [torchvision::nms] is gone" in result.stdout, "square brackets are not taken for markup"
    assert "First thing to do: pip uninstall torchvision" in result.stdout


def test_json_is_all_there_is_on_standard_output(found):
    report = json.loads(found(BROKEN, ENDPOINT, arguments=("--json",)).stdout)
    assert report["ready"] is False
    assert report["engines"][0] == {
        "name": "transformers",
        "works": False,
        "detail": BROKEN.detail,
        "remedy": BROKEN.remedy,
        "earlier": None,
    }
    assert report["machine"]["cores"] == 2
    assert report["packages"]["langgraph"]
    assert {"name": "smollm2-135m-instruct", "ready": False} in report["models"]


@pytest.mark.parametrize(
    ("machine", "local", "fetched", "said"),
    [
        ({}, True, False, []),
        ({"cache_free_gib": 2.0}, True, False, ["FOLKMOOT_CACHE"]),
        ({"cache_free_gib": 2.0}, True, True, []),
        (
            {"memory_free_gib": 3.0},
            True,
            True,
            ["3 GiB of memory are free, and the quickstart takes about 6 at its peak"],
        ),
        ({"memory_free_gib": None}, True, True, []),
        ({"bf16": False}, True, True, ["bf16"]),
        ({"bf16": None}, True, True, []),
        ({"bf16": False, "memory_free_gib": 1.0}, False, True, []),
    ],
)
def test_advice(machine, local, fetched, said):
    lines = doctor.advice(MACHINE | machine, local=local, fetched=fetched)
    assert len(lines) == len(said)
    assert all(word in line for word, line in zip(said, lines, strict=True))


def test_the_machine_is_described_within_its_container(monkeypatch, tmp_path):
    files = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu avx512_bf16\n",
        "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:   12582912 kB\nHugePages_Total:       0\n",
        "/sys/fs/cgroup/memory.max": "6442450944\n",
        "/sys/fs/cgroup/memory.current": "2147483648\n",
        "/sys/fs/cgroup/cpu.max": "50000 100000\n",
    }
    monkeypatch.setattr(probe.hardware, "read", lambda path: files.get(path, ""))
    here = probe.machine(tmp_path / "not" / "there" / "yet")
    assert (here["cpu"], here["bf16"], here["cores"]) == ("Fast One", True, 0.5)
    assert (here["memory_gib"], here["memory_free_gib"]) == (6.0, 4.0)
    assert here["cache_free_gib"] > 0
    assert not (tmp_path / "not").exists()


def test_what_cannot_be_read_is_unknown_and_no_error(monkeypatch):
    monkeypatch.setattr(probe.hardware, "read", lambda path: "")
    here = probe.machine(Path("/"))
    assert here["bf16"] is None
    assert here["cores"] >= 1


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Probe with pretended results; returns what was tried each time, and the file of what is remembered."""
    memo = tmp_path / "cache" / "doctor.json"
    works = {"transformers": True, "vllm": True, "openai": True}
    seen: list[str] = []

    def pretend(name, script, lacking):
        seen.append(name)
        return EngineCheck(name, works[name], "detail", "" if works[name] else "remedy", gpus=("a GPU",))

    monkeypatch.setattr(probe, "check", pretend)

    def run(installed=None, **options):
        seen.clear()
        checks = probe.engines(installed or probe.packages(), memo, **options)
        return sorted(seen), {c.name: c for c in checks}

    return run, works, memo


def test_what_loaded_is_not_loaded_again_while_nothing_changes(tried):
    run, _, memo = tried
    assert run()[0] == ["openai", "transformers", "vllm"]
    names, checks = run(said=lambda: pytest.fail("it says that it loads"))
    assert names == []
    assert checks["vllm"].works
    assert checks["vllm"].earlier
    assert checks["transformers"].gpus == ("a GPU",)
    assert run(fresh=True)[0] == ["openai", "transformers", "vllm"]
    memo.write_text("{")
    assert run()[0] == ["openai", "transformers", "vllm"]


def test_what_did_not_load_is_tried_again(tried):
    run, works, _ = tried
    works["vllm"] = False
    run()
    assert run()[0] == ["vllm"]
    works["vllm"] = True
    assert run()[1]["vllm"].works
    assert run()[0] == []


def test_a_changed_package_is_loaded_again(tried, monkeypatch, tmp_path):
    run, _, _ = tried
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    run()
    (site / "torchvision-0.1.dist-info").mkdir()  # nobody asked for it, and it can break transformers
    assert run()[0] == ["openai", "transformers", "vllm"]
    assert run()[0] == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert run()[0] == ["openai", "transformers", "vllm"]


def test_a_cache_that_cannot_be_written_only_costs_time(monkeypatch, tmp_path):
    monkeypatch.setattr(probe, "check", lambda name, *_: EngineCheck(name, True, ""))
    (tmp_path / "file").touch()
    assert all(c.works for c in probe.engines(probe.packages(), tmp_path / "file" / "doctor.json"))


def test_when_it_was_loaded_is_said(found):
    earlier = EngineCheck("transformers", True, "runs on the CPU", earlier="2026-01-02T03:04+00:00")
    assert "Loaded on 2026-01-02T03:04+00:00" in found(earlier).stdout
    assert "Loaded on" not in found(WORKS).stdout


@pytest.mark.real
def test_the_engines_of_this_environment_work(tmp_path):
    checks = {c.name: c for c in probe.engines(probe.packages(), tmp_path / "doctor.json")}
    assert checks["transformers"].works, checks["transformers"]
    assert checks["vllm"].works, checks["vllm"]
    assert checks["openai"].works
    assert checks["scripted"].works


@pytest.mark.parametrize(
    ("ok", "why", "said"),
    [
        (True, "", "run isolated with bubblewrap: namespaces, seccomp"),
        (False, "no user namespaces", "not run, as they cannot be isolated: no user namespaces; install bubblewrap"),
    ],
)
def test_it_says_what_isolates_programs_here(ok, why, said, found, monkeypatch):
    seen = {"name": "bubblewrap", "layers": ["namespaces", "seccomp"], "ok": ok, "why": why}
    monkeypatch.setattr(probe, "isolation", lambda: seen)
    assert said in " ".join(found(WORKS).stdout.split())
    assert json.loads(found(WORKS, arguments=("--json",)).stdout)["isolation"] == seen
