"""``folkmoot contribute train``: what it refuses before anything is written, and a real small training."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from folkmoot.cli.contribute_train import _command
from folkmoot.cli.contribute_train import train as cli
from folkmoot.contribute import train_state
from folkmoot.contribute.init import Plan, init
from folkmoot.contribute.train import Job, _begun, _write_adapter, train
from folkmoot.contribute.train_recipe import Recipe
from folkmoot.documents import BadInput
from folkmoot.engines.contract import Missing
from folkmoot.manifest import Manifest
from folkmoot.models.folder import sha256

SMOL = "smollm2-135m-instruct"
MANIFEST = {
    "name": "doubler",
    "model": SMOL,
    "purpose": "Doubles numbers.",
    "sampling": {"max_tokens": 8},
    "priority": {"answer": "number"},
}


def contribution(path, rows=40, **changes):
    path.mkdir(exist_ok=True)
    (path / "participant.yaml").write_text("# mine\n" + yaml.safe_dump({**MANIFEST, **changes}, sort_keys=False))
    asked = [{"question": f"Double {n}.", "answer": 2 * n} for n in range(rows + 3)]
    (path / "train.jsonl").write_text("".join(json.dumps(a) + "\n" for a in asked[3:]))
    tests = [{"id": str(i), "split": "test", **a} for i, a in enumerate(asked[:3])]
    (path / "priority.jsonl").write_text("".join(json.dumps(a) + "\n" for a in tests))
    return path


def command(folder, *options):
    return [sys.executable, "-m", "folkmoot.cli", "contribute", "train", str(folder), "--threads", "1", *options]


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"engine": "openai", "url": "http://127.0.0.1:1/v1"},
            "served elsewhere ('url'), so there are no weights here to train: train it where it is served, or name a base",
        ),
        ({"engine": "simulated"}, "engine 'simulated' has no weights"),
        ({"adapter": "elsewhere"}, "write 'adapter: adapter'"),
        ({"priority": {"answer": "number", "file": "none.jsonl"}}, "none.jsonl"),
        ({"model": "smolm2-135m-instruct"}, "did you mean 'smollm2-135m-instruct'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_line_and_nothing_is_written(tmp_path, changes, says):
    folder = contribution(tmp_path / "c", **changes)
    before = files(folder)
    with pytest.raises(BadInput) as e:
        train(Job(folder, folder / "train.jsonl"))
    assert says in str(e.value)
    assert len(str(e.value).splitlines()) == 1
    assert files(folder) == before


def test_rows_that_are_test_questions_are_refused(tmp_path):
    folder = contribution(tmp_path / "c")
    with (folder / "train.jsonl").open("a") as f:
        f.write(json.dumps({"question": "double  2.", "answer": 4}) + "\n")
    with pytest.raises(BadInput, match=r"train.jsonl:41: holds test question 2 of .*: remove this row"):
        train(Job(folder, folder / "train.jsonl"))


def test_an_adapter_of_unknown_origin_is_not_overwritten(tmp_path, monkeypatch):
    folder = contribution(tmp_path / "c")
    (folder / "adapter").mkdir()
    monkeypatch.setattr("folkmoot.contribute.train._material", lambda *_: type("M", (), {"terms": {}}))
    with pytest.raises(BadInput, match=r"there is an adapter already, .*--restart"):
        train(Job(folder, folder / "train.jsonl"))


def test_what_an_adapter_was_trained_with_and_now_is_not(tmp_path, monkeypatch):
    folder = contribution(tmp_path / "c")
    told = {"rank": 4, "learning_rate": 0.002, "data": {"sha256": sha256(folder / "train.jsonl")}, "terms": "other"}
    contribution(folder, trained=told)
    monkeypatch.setattr("folkmoot.contribute.train._material", lambda *_: type("M", (), {"terms": {}}))
    for recipe, says in (
        (Recipe(rank=8, lr=0.001), "trained otherwise (rank 4 -> 8, lr 0.002 -> 0.001): --restart"),
        (Recipe(), "trained otherwise (other held-out share, system text"),
    ):
        with pytest.raises(BadInput) as e:
            train(Job(folder, folder / "train.jsonl", recipe))
        assert says in str(e.value)
    (folder / "train.jsonl").write_text((folder / "train.jsonl").read_text() + "\n")
    with pytest.raises(BadInput, match=r"trained otherwise \(other rows\)"):
        train(Job(folder, folder / "train.jsonl"))


def test_restart_goes_on_with_the_same_and_begins_anew_with_another(tmp_path):
    import torch

    job = Job(tmp_path, tmp_path / "train.jsonl", restart=True)
    train_state.write(tmp_path, train_state.Progressed({"lr": 1}, step=2), {"now/w": torch.zeros(1)})
    assert _begun(job, {"lr": 1})[0].step == 2
    assert _begun(job, {"lr": 2}) is None
    assert train_state.read(tmp_path) is None, "the other one is forgotten"
    place = train_state.checkpoint(tmp_path) / "state.safetensors"
    place.write_bytes(b"damaged")
    assert _begun(job, {"lr": 1}) is None
    assert not place.exists()


def test_a_new_contribution_is_told_what_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    init(Path("c"), Plan("c", "Ana", "Sums.", "MIT", SMOL, answer="number"))
    with pytest.raises(BadInput, match=r'^c/priority\.jsonl: it is empty: write .* such as {"id": "1"'):
        train(Job(Path("c"), Path("c/train.jsonl")))


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "CPU"])
def test_a_device_that_nobody_knows(tmp_path, device):
    with pytest.raises(BadInput, match=f"^--device '{device}': known: cpu, cuda, mps$"):
        cli(contribution(tmp_path / "c"), device=device)


def test_rows_above_the_bases_window(tmp_path):
    folder = contribution(tmp_path / "c")
    with pytest.raises(BadInput, match=r"^--max-tokens 9000: smollm2-135m-instruct reads 8192 tokens at most"):
        train(Job(folder, folder / "train.jsonl", Recipe(max_tokens=9000)))


def test_missing_packages_are_named(tmp_path, monkeypatch):
    folder = contribution(tmp_path / "c")
    monkeypatch.setattr("folkmoot.contribute.train.util.find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(Missing, match=r"^peft not installed, which train: pip install 'folkmoot\[local\]'"):
        train(Job(folder, folder / "train.jsonl"))


def wait_for(path, process, seconds=90):
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.real
def test_a_killed_training_goes_on_to_the_same_adapter_as_one_that_was_not(tmp_path, smol):
    from safetensors.torch import load_file

    options = ("--epochs", "1", "--batch", "8", "--json")
    killed, whole = contribution(tmp_path / "killed", rows=20), contribution(tmp_path / "whole", rows=20)
    first = subprocess.Popen(command(killed, *options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(killed / "training" / "checkpoint" / "state.safetensors", first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (killed / "adapter").exists()
    assert "trained" not in yaml.safe_load((killed / "participant.yaml").read_text())

    other = subprocess.run(command(killed, *options, "--lr", "0.001"), capture_output=True, text=True)
    assert other.returncode == 2
    assert "lr 0.002 -> 0.001" in other.stderr
    assert "--restart" in other.stderr.splitlines()[-1]

    again = subprocess.run(command(killed, *options), capture_output=True, text=True)
    assert "from step" in again.stderr
    told = json.loads(again.stdout)
    subprocess.run(command(whole, *options, "--no-score"), capture_output=True, check=True)
    manifest = yaml.safe_load((killed / "participant.yaml").read_text())
    assert manifest["trained"] == {k: v for k, v in told.items() if k not in ("folder", "adapter")}
    assert manifest["adapter"] == "adapter"
    assert (told["steps"], told["examples"], told["held_out"], told["rank"]) == (3, 18, 2, 4)
    assert {n: told["score"][n]["items"] for n in ("before", "after")} == {"before": 3, "after": 3}
    done = Job(killed, killed / "train.jsonl", Recipe(epochs=1, batch=8))
    assert train(done) == manifest["trained"]  # nothing is left to do
    assert (killed / "participant.yaml").read_text().startswith("# mine\nname: doubler\n")
    mine, its = (load_file(f / "adapter" / "adapter_model.safetensors") for f in (killed, whole))
    assert all(mine[name].equal(its[name]) for name in its)
    assert (killed / "training" / "loss.svg").read_text().startswith("<svg")
    assert sorted(p.name for p in (killed / "training").iterdir()) == ["log.jsonl", "loss.svg"]
    size = sum(p.stat().st_size for p in (killed / "adapter").iterdir())
    assert size <= 2_500_000
    config = (killed / "adapter" / "adapter_config.json").read_text()
    assert json.loads(config)["base_model_name_or_path"] == SMOL
    assert str(tmp_path) not in config
    assert str(smol.parent) not in config


def full_disk(path):
    """A file system of 8 MiB at `path`, or a reason to skip."""
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")


def test_a_disk_that_fills_costs_one_line_and_the_checkpoint_before_stays(tmp_path):
    import torch

    place = tmp_path / "full"
    full_disk(place)
    try:
        small, large = {"now/w": torch.zeros(10)}, {"now/w": torch.zeros(4_000_000)}
        train_state.write(place, train_state.Progressed({"lr": 1}, step=1), small)
        with pytest.raises(Missing, match=r"No space left on device; what was there before is whole\. Make room") as e:
            train_state.write(place, train_state.Progressed({"lr": 1}, step=2), large)
        assert len(str(e.value).splitlines()) == 1
        assert train_state.read(place)[0].step == 1
        assert os.listdir(train_state.checkpoint(place)) == ["state.safetensors"]
        assert str(e.value).endswith("training goes on from its last checkpoint")
        train_state.forget(place)
        with pytest.raises(Missing, match=r"same command again: training begins anew, there is no checkpoint yet$"):
            train_state.write(place, train_state.Progressed({"lr": 1}, step=2), large)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EACCES, "Mend the permissions there"), (errno.EIO, "See to that")]
)
def test_room_is_not_asked_for_where_it_does_not_lack(tmp_path, number, remedy):
    said = str(train_state.unwritable(tmp_path, "adapter", OSError(number, os.strerror(number))))
    assert f"{remedy} and give the same command again" in said
    assert "Make room" not in said


def test_the_command_that_is_written_down_can_be_typed_again(tmp_path):
    said = _command(tmp_path / "my things", Path("o'clock.jsonl"), Recipe(epochs=1))
    assert shlex.split(said)[2:] == ["train", "my things", "--data", "o'clock.jsonl", "--epochs", "1"]


def test_a_full_disk_is_told_from_what_the_writer_of_weights_says(tmp_path):
    from safetensors.torch import save_file
    from torch import zeros

    place = tmp_path / "full"
    full_disk(place)
    try:
        fit = type(
            "Fit", (), {"save": lambda self, to, *_: [to.mkdir(), save_file({"w": zeros(4_000_000)}, to / "w")]}
        )()
        with pytest.raises(Missing, match=r"No space left on device; .*Make room"):
            _write_adapter(place, fit, Manifest(name="c", model=SMOL), None)
        assert os.listdir(place) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)
