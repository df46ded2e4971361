"""What contributors write about their models, and team files."""

from pathlib import Path

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.cache import Completions
from folkmoot.engines.contract import Sampling
from folkmoot.engines.pool import EngineSpec, Pool
from folkmoot.manifest import Manifest, participants, read_manifest, read_team
from folkmoot.participant import Participant

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
priorities: [dates]
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
        ("engine: vlm", ":3: engine: input should be 'transformers', 'vllm', 'openai' or 'scripted', got 'vlm'"),
        ("engine: openai", ":1: engine 'openai' needs a 'url', such as http://127.0.0.1:8000/v1"),
        ("url: http://x/v1", ":1: 'url' and 'api_key_env' go with engine 'openai': set 'engine: openai'"),
        ("engine: vllm\napi_key_env: KEY", ":1: 'url' and 'api_key_env' go with engine 'openai'"),
        ("sampling: {temprature: 1}", ":3: unknown key 'temprature'; did you mean 'temperature'?"),
        ("sampling:\n  top_p: 0", ":4: sampling.top_p: input should be greater than 0, got 0"),
        ("sampling:\n  max_tokens: 0", ":4: sampling.max_tokens: input should be greater than or equal to 1, got 0"),
        ("sampling:\n  temperature: -1", ":4: sampling.temperature: input should be greater than or equal to 0"),
        ('sampling:\n  stop: ["a", ""]', ":4: sampling.stop.1: string should have at least 1 character"),
        ("sampling:\n  stop: end", ":4: sampling.stop: input should be a valid tuple, got 'end'"),
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
        ("members: []\n", ":1: members: tuple should have at least 1 item"),
        ("members:\n- {name: ana}\n", ":2: 'members.0.model' is missing"),
        ("members:\n- {name: a, model: x}\n- {name: a, model: y}\n", ":1: members: two members are called 'a'"),
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
