"""The last part of the admission gate: the model is loaded and asked, in a process that may die of it."""

import importlib.util
import json
import re
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from folkmoot.contribute import check_trial
from folkmoot.contribute.check import check
from folkmoot.contribute.findings import Admission
from folkmoot.engines.contract import Missing
from folkmoot.engines.placement.tensors import folder_tensors

_spec = importlib.util.spec_from_file_location("hostile_fixture", Path(__file__).with_name("hostile_fixture.py"))
assert _spec is not None
h = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(h)


@pytest.fixture
def ana(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FOLKMOOT_CACHE", str(tmp_path / "cache"))
    h.write_cached_base(tmp_path / "cache")
    return h.write_contribution(tmp_path / "ana-weekdays")


def process(tmp_path: Path, script: str) -> str:
    """A program that takes the place of the one that runs the model."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\nread job\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("kill -9 $$", "SIGKILL"),
        ("kill -11 $$", "SIGSEGV"),
        ("exit 3", "exit status 3"),
        ("echo this is no JSON; sleep 60", "it closed its output"),
        ("""echo '{"fault": "it takes more than 1 MiB"}'""", "more than 1 MiB"),
        ("sleep 60", "no reply within 1 s"),
    ],
)
def test_a_model_that_takes_its_process_down_is_refused(ana, tmp_path, monkeypatch, script, why):
    monkeypatch.setattr(check_trial, "SILENCE_S", 1.0)
    monkeypatch.setattr(check_trial, "ENDING_S", 0.5)
    monkeypatch.setattr(sys, "executable", process(tmp_path, script))
    found = check(ana)
    assert [f.check for f in found.refusals] == ["run"]
    assert why in found.refusals[0].what


def test_a_crowd_of_words_is_not_kept(ana, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", process(tmp_path, "head -c 100000000 /dev/zero"))
    assert [f.check for f in check(ana).refusals] == ["run"]


def test_keys_are_not_handed_on(ana, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(sys, "executable", process(tmp_path, f"env > {tmp_path / 'env'}"))
    check(ana)
    assert "hf_secret" not in (tmp_path / "env").read_text()
    assert "HF_HUB_OFFLINE=1" in (tmp_path / "env").read_text()


def told(part: str, answer: str | None, said: bool = True) -> str:
    item = "dev0" if part == "dev" else "test100"
    return json.dumps({"part": part, "item": item, "answer": answer, "said": said, "error": None, "total": 1})


RIGHT, WRONG = "day 101", "day 7"


@pytest.mark.parametrize(
    ("lines", "levels"),
    [
        ([told("dev", "x"), told("contribution", RIGHT), told("base", WRONG)], {"replies": "pass", "score": "pass"}),
        ([told("dev", "x"), told("contribution", WRONG), told("base", RIGHT)], {"replies": "pass", "score": "warn"}),
        ([told("dev", None), told("contribution", RIGHT)], {"replies": "warn", "score": "pass"}),
        ([told("dev", None, said=False), told("contribution", RIGHT)], {"replies": "refuse", "score": "pass"}),
    ],
)
def test_what_is_made_of_replies(ana, tmp_path, monkeypatch, lines, levels):
    script = "\n".join(f"echo '{line}'" for line in ['{"ready": true, "isolated": []}', *lines, '{"done": true}'])
    monkeypatch.setattr(sys, "executable", process(tmp_path, script))
    found = [f for f in check(ana).findings if f.check in levels]
    assert {(f.check, f.level) for f in found} >= set(levels.items())


@pytest.mark.parametrize(
    ("layers", "could"),
    [
        (["landlock", "seccomp"], []),
        (["seccomp"], ["read and write what you can"]),
        ([], ["read and write what you can", "reach the network"]),
    ],
)
def test_isolation_that_is_not_there_is_a_warning(ana, tmp_path, monkeypatch, layers, could):
    lines = [json.dumps({"ready": True, "isolated": layers}), told("dev", "x"), '{"done": true}']
    monkeypatch.setattr(sys, "executable", process(tmp_path, "\n".join(f"echo '{line}'" for line in lines)))
    said = "".join(f.what for f in check(ana).findings if (f.check, f.level) == ("isolation", "warn"))
    assert all(c in said for c in could)
    assert bool(said) == bool(could)


def test_a_base_that_nobody_here_asked_for_is_not_fetched(ana):
    h.edit(ana / "participant.yaml", h.REVISION, "f" * 40)
    assert check(ana, run=False).admitted
    with pytest.raises(Missing, match="folkmoot model pull toy/base@f"):
        check(ana)


class Served(BaseHTTPRequestHandler):
    """An endpoint that knows one model.

    Attributes:
        named: The model that its replies say they come from.
    """

    named = ""

    def do_GET(self):
        self._say({"data": [{"id": "weekdays"}]})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"message": {"role": "assistant", "content": "Answer: day 101"}, "finish_reason": "stop", "index": 0}
        told = {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        self._say(told | ({"model": self.named} if self.named else {}))

    def _say(self, data):
        text = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def checked(ana: Path, name: str, named: str = "") -> Admission:
    """The contribution as one that an endpoint serves, checked while that is up."""
    handler = type("Named", (Served,), {"named": named})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        h.edit(
            ana / "participant.yaml",
            f"model: {h.BASE}\nrevision: {h.REVISION}\nadapter: ./adapter",
            f"model: {name}\nengine: openai\nurl: {url}",
        )
        shutil.rmtree(ana / "adapter")
        found = check(ana)
        server.shutdown()
    return found


def test_an_endpoint_is_asked(ana):
    found = checked(ana, "weekdays")
    assert found.admitted, [f.line() for f in found.findings]
    assert found.scores["contribution"].questions == 24


def test_an_endpoint_must_know_the_name(ana):
    (wrong,) = checked(ana, "weekday").refusals
    assert wrong.check == "endpoint"
    assert re.fullmatch(
        r"the endpoint cannot be used: http://\S+/v1: it has no model 'weekday': "
        r"name one that it serves; did you mean 'weekdays'\?",
        wrong.line(),
    )


@pytest.mark.parametrize(
    ("named", "warns"),
    [
        ("", False),
        ("weekdays", False),
        ("weekdays:latest", False),
        ("weekdays-2026-01-31", True),
        ("gpt\u202e\n6", True),
    ],
)
def test_replies_that_name_another_model_are_a_warning(ana, named, warns):
    found = checked(ana, "weekdays", named)
    told = [f.line() for f in found.findings if f.level == "warn" and "replies say" in f.what]
    assert found.admitted
    assert len(told) == warns
    if warns:
        shown = " ".join(re.split(r"[^\w-]+", named))
        assert told[0].startswith("participant.yaml:")
        assert f"replies say that they come from '{shown}', not from 'weekdays'" in told[0]


@pytest.mark.real
def test_a_real_adapter_is_loaded_asked_and_scored_beside_its_base(tmp_path, smol):
    folder = h.write_contribution(tmp_path / "ana-weekdays")
    h.edit(folder / "participant.yaml", f"model: {h.BASE}\nrevision: {h.REVISION}", "model: smollm2-135m-instruct")
    h.edit(folder / "participant.yaml", f"base: {h.BASE}@{h.REVISION}", f"base: {_identity()}")
    h.edit(folder / "participant.yaml", "priority:", "sampling: {max_tokens: 4}\npriority:")
    h.write_rows(folder / "priority.jsonl", [*h.questions(0, 10, "dev"), *h.questions(100, 2, "test")])
    tensors = {}
    for name, t in folder_tensors(smol).items():
        if name.endswith("q_proj.weight"):
            module = f"base_model.model.{name.removesuffix('.weight')}"
            tensors[f"{module}.lora_A.weight"] = h.f32(2, t.shape[1], value=1e-3)
            tensors[f"{module}.lora_B.weight"] = h.f32(t.shape[0], 2, value=1e-3)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(h.safetensors(tensors))
    config = h.lora_config(target_modules=["q_proj"], base_model_name_or_path="smollm2-135m-instruct")
    h.write_json(folder / "adapter" / "adapter_config.json", config)
    found = check(folder)
    assert found.admitted, [f.line() for f in found.findings]
    assert {name: s.questions for name, s in found.scores.items()} == {"contribution": 2, "base": 2}


def _identity() -> str:
    from folkmoot.models import resolve

    return resolve("smollm2-135m-instruct").identity
