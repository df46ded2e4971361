"""The transformers engine against what one would write by hand, and what adapters cost in memory."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from folkmoot.bench.figure import Figure, figure, ratios
from folkmoot.bench.work import on_loop, question
from folkmoot.engines.contract import Message, Request, Sampling

MODEL = "smollm2-135m-instruct"
REQUESTS, REPLY = 64, 48
ADAPTERS, RANK = 8, 8


def _requests(adapters: list[str] | None = None) -> list[Request]:
    wearing: list[str | None] = [*adapters] if adapters else [None]
    return [
        Request((Message("user", question(n)[0]),), Sampling(max_tokens=REPLY), adapter=wearing[n % len(wearing)])
        for n in range(REQUESTS)
    ]


async def _together(engine: Any, requests: list[Request]) -> float:
    """Tokens per second of requests that are all asked at once."""
    began = time.perf_counter()
    replies = await asyncio.gather(*map(engine.complete, requests))
    return float(sum(r.completion_tokens for r in replies)) / (time.perf_counter() - began)


def batcher(times: int) -> Figure:
    """Tokens/s of 64 short requests at once over those of one hand-written static batch of the same 64."""
    from folkmoot.engines.transformers import TransformersEngine

    async def measure() -> tuple[list[float], list[float]]:
        engine, by_hand = TransformersEngine(MODEL), _by_hand()
        ours, theirs = [], []
        try:
            await _together(engine, _requests())
            by_hand()
            for _ in range(times):
                theirs.append(by_hand())
                ours.append(await _together(engine, _requests()))
        finally:
            await engine.close()
        return ours, theirs

    ours, theirs = on_loop(measure())
    return figure(ratios(ours, theirs), engine_tokens_per_s=ours, static_batch_tokens_per_s=theirs, model=MODEL)


def _by_hand() -> Callable[[], float]:
    """The same requests as one call of `generate`; a function that says its tokens per second."""
    from folkmoot.engines.decoding.openmp import import_transformers
    from folkmoot.models import resolve

    transformers = import_transformers()
    import torch

    folder = resolve(MODEL).path
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), padding_side="left")
    dtype = torch.bfloat16 if _computes_bf16(torch) else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype)
    if torch.cuda.is_available():
        model = model.to("cuda")
    else:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": r.messages[0].content}], add_generation_prompt=True, tokenize=False
        )
        for r in _requests()
    ]
    stops = {tokenizer.eos_token_id, tokenizer.pad_token_id}

    def run() -> float:
        began = time.perf_counter()
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=REPLY, do_sample=False)
        seconds = time.perf_counter() - began
        replies = out[:, inputs["input_ids"].shape[1] :].tolist()
        ends = (next((i + 1 for i, t in enumerate(r) if t in stops), len(r)) for r in replies)
        return sum(ends) / seconds

    return run


def _computes_bf16(torch: Any) -> bool:
    from folkmoot.engines.decoding.model import placed

    return placed(None, "auto")[1] == "bfloat16"


def adapters(times: int) -> Figure:
    """Peak memory of the engine with 8 adapters in use on one base over that of the base alone."""
    from folkmoot.engines.transformers import TransformersEngine
    from folkmoot.models import resolve

    base = resolve(MODEL).path

    async def once(folders: list[str]) -> tuple[float, float]:
        engine = TransformersEngine(MODEL)
        try:
            await _together(engine, _requests(folders))
            speed = await _together(engine, _requests(folders))
            return _children_peak_mib(), speed
        finally:
            await engine.close()

    alone, mixed = [], []
    with TemporaryDirectory(prefix="folkmoot-bench-") as folder:
        folders = [make_adapter(base, Path(folder) / f"adapter{i}", seed=i) for i in range(ADAPTERS)]
        for _ in range(times):
            alone.append(on_loop(once([])))
            mixed.append(on_loop(once(folders)))
    return figure(
        ratios([m for m, _ in mixed], [m for m, _ in alone]),
        base_mib=[m for m, _ in alone],
        with_adapters_mib=[m for m, _ in mixed],
        base_tokens_per_s=[s for _, s in alone],
        mixed_tokens_per_s=[s for _, s in mixed],
        speed_ratio=ratios([s for _, s in mixed], [s for _, s in alone]),
        adapters=f"{ADAPTERS} of rank {RANK} on all linear layers of {MODEL}",
    )


def make_adapter(base: Path, folder: Path, seed: int, rank: int = RANK) -> str:
    """An adapter of small random numbers on all linear layers of a model; its folder."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    kinds = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    dice = torch.Generator().manual_seed(seed)
    tensors = {}
    for file in sorted(base.glob("*.safetensors")):
        with safe_open(str(file), "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                module = name.removesuffix(".weight")
                if module.endswith(kinds):
                    out, into = weights.get_slice(name).get_shape()
                    tensors[f"base_model.model.{module}.lora_A.weight"] = 0.02 * torch.randn(rank, into, generator=dice)
                    tensors[f"base_model.model.{module}.lora_B.weight"] = 0.02 * torch.randn(out, rank, generator=dice)
    folder.mkdir()
    save_file(tensors, str(folder / "adapter_model.safetensors"))
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank, "bias": "none"}
    config |= {"target_modules": list(kinds), "lora_dropout": 0.0, "base_model_name_or_path": MODEL}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


def _children_peak_mib() -> float:
    """Largest peak of resident memory among the processes that this one has started, in MiB (Linux)."""
    peaks = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            known = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        except OSError:  # it has ended meanwhile
            continue
        if int(known["PPid"]) == os.getpid() and "VmHWM" in known:
            peaks.append(int(known["VmHWM"].split()[0]) / 1024)
    return max(peaks)
