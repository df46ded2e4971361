"""What contributors write about their models, and team files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from folkmoot.documents import BadInput
from folkmoot.engines.cache import Completions
from folkmoot.engines.contract import Capabilities, Sampling
from folkmoot.engines.placement.hardware import Gpu, Hardware
from folkmoot.engines.pool import EngineSpec, Pool
from folkmoot.manifest import Manifest, bases, participants, read_manifest, refusals
from folkmoot.participant import Participant
from folkmoot.team import read_team

Q = "model.layers.0.self_attn.q_proj"

FULL = """\
name: bo
model: org/model
engine: openai
revision: abc123
url: http://127.0.0.1:8001/v1
api_key_env: KEY
system: Be brief.
purpose: Dates and calendars.
contributor: Bo
licence: MIT
languages: [en, da]
tags: [dates]
priority: {answer: text}
sampling: {temperature: 0.7, max_tokens: 64, stop: ["##"]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "participant.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def pool() -> Pool:
    return Pool(Completions(None), scripted=True)


def test_a_manifest_becomes_a_participant(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, FULL))
    spec = EngineSpec("openai", "org/model", "abc123", "http://127.0.0.1:8001/v1", "KEY")
    assert manifest.engine_spec("transformers") == spec
    engine = pool().engine(spec)
    assert manifest.participant(engine) == Participant(
        "bo", engine, None, "Be brief.", "Dates and calendars.", Sampling(0.7, 1.0, 64, ("##",)), "Bo", "MIT"
    )
    common = Sampling(max_tokens=10)
    assert manifest.participant(engine, common).sampling == common, "a suite's limits hold for everybody"


def test_what_is_left_out_has_defaults(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, "name: ana\nmodel: smollm2\n"))
    assert manifest.engine_spec("vllm") == EngineSpec("vllm", "smollm2")
    assert manifest.participant(pool().engine(EngineSpec("scripted", "x"))).sampling == Sampling(max_tokens=512)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("modell: x", ":3: unknown key 'modell'; did you mean 'model'?"),
        (
            "engine: vlm",
            ":3: engine: input should be 'transformers', 'vllm', 'openai', 'scripted' or 'simulated', got 'vlm'",
        ),
        ("engine: openai", ":1: engine 'openai' needs a 'url', such as http://127.0.0.1:8000/v1"),
        (
            "url: http://x/v1",
            ":1: 'url', 'api_key_env', 'timeout' and 'max_concurrent' go with engine 'openai': set 'engine: openai'",
        ),
        (
            "engine: vllm\napi_key_env: KEY",
            ":1: 'url', 'api_key_env', 'timeout' and 'max_concurrent' go with engine 'openai'",
        ),
        ("sampling: {temprature: 1}", ":3: unknown key 'temprature'; did you mean 'temperature'?"),
        ("sampling:\n  top_p: 0", ":4: sampling.top_p: input should be greater than 0, got 0"),
        ("sampling:\n  max_tokens: 0", ":4: sampling.max_tokens: input should be greater than or equal to 1, got 0"),
        ("sampling:\n  temperature: -1", ":4: sampling.temperature: input should be greater than or equal to 0"),
        ('sampling:\n  stop: ["a", ""]', ":4: sampling.stop.1: string should have at least 1 character"),
        ("sampling:\n  stop: end", ":4: sampling.stop: expected a list ([a, b]), got 'end'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, change: str, said: str) -> None:
    path = write(tmp_path, f"name: ana\nmodel: x\n{change}\n")
    with pytest.raises(BadInput) as e:
        read_manifest(path)
    assert str(e.value).startswith(f"{path}{said}")


@pytest.mark.parametrize(
    ("name", "said"),
    [("judge", "taken by a node of the graph"), ("a:b", "use letters, digits"), ("''", "use letters, digits")],
)
def test_names_are_checked_where_they_are_written(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(BadInput, match=rf"participant\.yaml:2: name: .*{said}"):
        read_manifest(write(tmp_path, f"model: x\nname: {name}\n"))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    near = read_manifest(write(tmp_path, "name: ana\nmodel: ./weights\nadapter: lora/units\n"))
    assert (near.model, near.adapter) == (str(tmp_path / "weights"), str(tmp_path / "lora/units"))
    above = read_manifest(write(tmp_path, "name: ana\nmodel: ../weights\n"))
    assert above.model == str(tmp_path / "../weights")
    far = read_manifest(write(tmp_path, "name: ana\nmodel: org/model\nadapter: /srv/lora\n"))
    assert (far.model, far.adapter) == ("org/model", "/srv/lora"), "a hub id is no path"


def test_a_team_file_lists_members_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "members:\n- {name: bo, model: ./m}\n- {name: ana, model: x, adapter: units}\n")
    assert [(m.name, m.model, m.adapter) for m in read_team(path)] == [
        ("bo", str(tmp_path / "m"), None),
        ("ana", "x", str(tmp_path / "units")),
    ]


def test_one_manifest_is_a_team_of_one(tmp_path: Path) -> None:
    assert [m.name for m in read_team(write(tmp_path, "name: ana\nmodel: x\n"))] == ["ana"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("members: []\n", ":1: members: nobody is in it; name somebody, such as [all]"),
        ("members:\n- {name: ana}\n", ":2: 'members.0.model' is missing"),
        ("members:\n- {name: a, model: x}\n- {name: a, model: y}\n", ":3: two members are called 'a'"),
        ("membres:\n- {name: a, model: x}\n", ":1: 'members' is missing"),
    ],
)
def test_teams_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as e:
        read_team(path)
    assert str(e.value).startswith(f"{path}{said}")


def test_who_asks_for_the_same_model_shares_an_engine() -> None:
    manifests = [Manifest(name=n, model=m) for n, m in [("ana", "x"), ("bo", "y"), ("cy", "x")]]
    people = participants(manifests, pool(), "transformers", Sampling(max_tokens=9))
    assert list(people) == ["ana", "bo", "cy"]
    assert people["ana"].engine is people["cy"].engine is not people["bo"].engine
    assert {p.sampling.max_tokens for p in people.values()} == {9}


def write_base(folder: Path, width: int = 16) -> str:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({f"{Q}.weight": np.zeros((width, width), "float32")}, folder / "model.safetensors")
    return str(folder)


def write_lora(folder: Path, width: int = 16, **config: Any) -> str:
    folder.mkdir()
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]} | config
    (folder / "adapter_config.json").write_text(json.dumps(told))
    shapes = {"A": (4, width), "B": (width, 4)}
    matrices = {f"base_model.model.{Q}.lora_{p}.weight": np.zeros(s, "float32") for p, s in shapes.items()}
    save_file(matrices, folder / "adapter_model.safetensors")
    return str(folder)


def test_a_team_is_refused_by_name_with_everything_that_is_wrong_before_anything_is_built(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    team = [
        Manifest(name="ana", model=base, adapter=write_lora(tmp_path / "good")),
        Manifest(name="bo", model=base, adapter=write_lora(tmp_path / "wide", width=24)),
        Manifest(name="cy", model=base, adapter=write_lora(tmp_path / "dora", use_dora=True, bias="all")),
        Manifest(name="di", model=base, adapter=str(tmp_path / "nowhere")),
        Manifest(name="ed", model="x", engine="openai", url="http://127.0.0.1:9/v1", adapter="a"),
        Manifest(name="fi", model=base),
    ]

    class Untouched(Pool):
        def engine(self, spec: EngineSpec) -> Any:
            pytest.fail("an engine was built")

    with pytest.raises(BadInput) as e:
        participants(team, Untouched(Completions(None)), "vllm")
    lines = str(e.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"participant '{n}'" for n in ("bo", "cy", "cy", "di", "ed")]
    for line, said in zip(
        lines,
        ["is 16 wide here and 24 there", "biases", "uses DoRA", "no such folder", "takes no adapter"],
        strict=True,
    ):
        assert said in line
    assert [line for line in refusals(team, "transformers") if "DoRA" in line] == [], "transformers has it"


def test_an_adapter_whose_base_is_not_here_is_checked_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "cache"))
    wide = Manifest(name="ana", model="org/absent", adapter=write_lora(tmp_path / "wide", width=24))
    pissa = Manifest(name="bo", model="org/absent", adapter=write_lora(tmp_path / "pissa", init_lora_weights="pissa"))
    assert ["participant 'bo'" in line for line in refusals([wide, pissa], "vllm")] == [True]


def test_a_rehearsal_needs_no_adapters(tmp_path: Path) -> None:
    people = participants([Manifest(name="ana", model="x", adapter=str(tmp_path / "none"))], pool(), "transformers")
    assert people["ana"].adapter == str(tmp_path / "none")


def test_bases_have_the_adapters_of_all_who_use_them() -> None:
    team = [Manifest(name=n, model=m, adapter=a) for n, m, a in [("a", "x", "1"), ("b", "y", None), ("c", "x", "2")]]
    found = bases([*team, Manifest(name="d", model="x", adapter="1")], "vllm")
    assert {s.model: b.adapters for s, b in found.items()} == {"x": ("1", "2"), "y": ()}


def test_the_engine_is_built_for_the_adapters_of_the_team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, built = write_base(tmp_path / "base"), {}

    def engine(model: str, **told: Any) -> Any:
        from folkmoot.engines.scripted import Scripted

        built.update(told)
        return Scripted(["x"], capabilities=Capabilities(adapters=True))

    monkeypatch.setattr("folkmoot.engines.vllm.VllmEngine", engine)
    team = [Manifest(name=n, model=base, adapter=write_lora(tmp_path / n)) for n in ("ana", "bo")]
    here = Hardware((Gpu(0, "card", 2**34, 2**34),), 2**34, 2**34, "gpu", "gpu")
    people = participants(team, Pool(Completions(None), hardware=lambda: here), "vllm")
    assert people["ana"].engine is people["bo"].engine
    assert (built["max_loras"], built["max_lora_rank"]) == (2, 8), "rank 4 takes vLLM's limit of 8"
