"""`folkmoot doctor --team`: the plan with its arithmetic, and what is wrong with adapters."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from folkmoot.cli import doctor, seating
from folkmoot.cli.seating import as_data, as_text, show_team, survey
from folkmoot.engines.placement.hardware import Gpu, Hardware
from folkmoot.engines.placement.needs import GIB
from folkmoot.manifest import Manifest

app = typer.Typer()
app.command()(doctor.doctor)
CPU = Hardware((), 16 * GIB, 15 * GIB, "cpu", "cpu")


def gpu(*sizes: int) -> Hardware:
    return Hardware(
        tuple(Gpu(i, "Card", s * GIB, s * GIB) for i, s in enumerate(sizes)), 64 * GIB, 60 * GIB, "gpu", "gpu"
    )


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "cache"))


def write_model(folder: Path, gib: float) -> str:
    """A model of one matrix, with 8 KiB of keys and values a token; its weights are a hole in the file."""
    folder.mkdir()
    config = {
        "model_type": "llama", "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 2,
        "head_dim": 64, "hidden_size": 1024,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    size = int(gib * GIB)
    header = json.dumps(
        {"x.weight": {"dtype": "BF16", "shape": [size // 2048, 1024], "data_offsets": [0, size]}}
    ).encode()
    with (folder / "model.safetensors").open("wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + size)
    return str(folder)


def told(members: list[Manifest], here: Hardware, engine: str = "vllm") -> tuple[str, int]:
    seen = survey(members, engine, here, tokens=2048, in_flight=64)
    text = "\n".join(as_text(seen))
    json.dumps(as_data(seen))
    return text, seen.code


def test_the_arithmetic_adds_up(tmp_path: Path) -> None:
    team = [Manifest(name=n, model=write_model(tmp_path / n, 2)) for n in ("ana", "bo")]
    data = as_data(survey(team, "vllm", gpu(24), tokens=2048, in_flight=64))
    for base in data["bases"]:
        parts = dict(base["per_device"])
        assert parts.pop("total") == sum(parts.values())
    assert sum(b["per_device"]["total"] for b in data["bases"]) <= data["bases"][0]["room"] == int(23.5 * GIB)
    assert sum(b["share"] for b in data["bases"]) <= 23.5 / 24
    text, code = told(team, gpu(24))
    assert code == 0
    for words in (
        "GPU 0: Card, 24.0 GiB, 24.0 GiB free", "vllm on GPU 0, for ana", "weights         2.0 GiB", "8.0 KiB a token",
        "gpu_memory 0.4", "GPU 0: ", " of 23.5 GiB",
    ):  # fmt: skip
        assert words in text, words


def test_two_bases_on_one_small_gpu_work_in_shifts(tmp_path: Path) -> None:
    team = [Manifest(name=n, model=write_model(tmp_path / n, 6)) for n in ("ana", "bo")]
    text, code = told(team, gpu(12))
    assert code == 0
    assert "They do not fit into memory together, so they work in shifts" in text
    assert "shift 1, GPU 0: " in text
    assert "shift 2, GPU 0: " in text


def test_a_70b_on_24_gib_says_what_would_help(tmp_path: Path) -> None:
    huge = Manifest(name="mono", model=write_model(tmp_path / "huge", 131))
    text, code = told([huge], gpu(24))
    assert code == 4
    assert "huge does not fit into any GPU here: it needs" in text
    assert "too little. What would help: " in text
    assert "8 GPUs like this one" in text
    text, code = told([huge], gpu(*[24] * 8))
    assert code == 0
    assert "GPU 0 + 1 + 2 + 3 + 4 + 5 + 6 + 7, for mono" in text
    assert "split over 8 GPUs" in text


def test_without_a_gpu_all_run_on_the_cpu(tmp_path: Path) -> None:
    text, code = told([Manifest(name="ana", model=write_model(tmp_path / "a", 2))], CPU, "transformers")
    assert code == 0
    assert "No GPU seen: everything runs on the CPU" in text
    assert "transformers on the CPU, for ana" in text


def test_models_that_are_not_here(tmp_path: Path) -> None:
    team = [
        Manifest(name="ana", model="smollm2-135m-instruct"),
        Manifest(name="bo", model="org/absent"),
        Manifest(name="cy", model="served", engine="openai", url="http://127.0.0.1:9/v1"),
        Manifest(name="di", model="h100-8b", engine="simulated"),
    ]
    text, code = told(team, CPU)
    assert code == 0
    assert "keys, values      0 MiB   not known before the model is fetched" in text
    assert "weights         257 MiB" in text, "the catalogue knows it"
    assert "size unknown: org/absent is not on this machine yet" in text
    assert "served: openai, at http://127.0.0.1:9/v1, for cy" in text


def test_gguf_folders_and_unknown_names_are_told(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "g" / "config.json").write_text("{}")
    team = [Manifest(name="ana", model=str(tmp_path / "g")), Manifest(name="bo", model="smollm")]
    text, code = told(team, CPU)
    assert code == 2
    assert "GGUF is converted only for models of the catalogue" in text
    assert "participant 'bo': unknown model 'smollm'" in text


@pytest.mark.parametrize(("as_json", "engine"), [(False, "vllm"), (True, "vllm"), (True, "transformers")])
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool, engine: str) -> None:
    monkeypatch.setattr(seating, "detect", lambda: CPU)
    write_model(tmp_path / "base", 1)
    (tmp_path / "team.yaml").write_text(
        "members:\n- {name: ana, model: ./base, adapter: lora}\n- {name: bo, model: ./base}\n"
    )
    arguments = ["--team", str(tmp_path / "team.yaml"), "--engine", engine, *(["--json"] if as_json else [])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    if as_json:
        report: dict[str, Any] = json.loads(result.stdout)
        assert [(b["engine"], b["participants"]) for b in report["bases"]] == [(engine, ["ana", "bo"])]
        [refused] = report["refused"]
    else:
        assert "Refused (1):" in result.stdout
        refused = result.stdout.splitlines()[-1]
    assert refused.startswith(f"participant 'ana': adapter {tmp_path / 'lora'}: no such folder")


def test_a_wrong_engine_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("members:\n- {name: ana, model: x}\n")
    result = CliRunner().invoke(app, ["--team", str(tmp_path / "team.yaml"), "--engine", "vlm"])
    assert "did you mean 'vllm'?" in str(result.exception)


def test_a_model_folder_that_cannot_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "team.yaml").write_text("members: [{name: ana, model: ./empty}]\n", encoding="utf-8")
    assert show_team(tmp_path / "team.yaml", "transformers", tokens=2048, in_flight=8, as_json=False) == 2
    assert "participant 'ana': " in capsys.readouterr().out
