"""The process in which a contributed model is loaded and asked: it may read what it needs, write nothing and reach nobody.

It is started by `folkmoot.contribute.check_trial` with the job on standard input, and writes a line of JSON for every step
to standard output. Endpoints are asked from here too; they need the network, so only memory and time are bounded then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl")
PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Read the job, import what runs weights, give everything else up, ask, tell."""
    job = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no part of the answer

    def tell(**told: Any) -> None:
        out.write(json.dumps(told) + "\n")
        out.flush()

    try:
        _bound(job["memory_mib"])
        tell(ready=True, isolated=_isolated(job) if job["isolate"] else [])
        tell(done=True, named=asyncio.run(_trial(job, tell)))
    except MemoryError:
        tell(fault=f"it takes more than {job['memory_mib']} MiB of memory")
    except Exception as e:  # a library that stumbles over the model: all of it is the model's fault here
        tell(fault=f"{type(e).__name__}: {e}"[:500])
    out.flush()
    os._exit(0)  # threads of the libraries may be anywhere


def _bound(memory_mib: int) -> None:
    for kind, most in (
        (resource.RLIMIT_DATA, memory_mib * 2**20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 2**20),
    ):
        hard = resource.getrlimit(kind)[1]
        low = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS knows some of these and refuses to set them
            resource.setrlimit(kind, (low, low))


def _isolated(job: dict[str, Any]) -> list[str]:
    """Give up writing, the network, starting programs, and reading what a model does not need. Says what is in force."""
    for name in ("torch", "transformers", "peft"):  # now: not everything can be read afterwards
        importlib.import_module(name)
    if sys.platform != "linux" or any(os.path.exists(g) for g in _GPUS):  # the drivers of GPUs need to write
        return []
    from folkmoot.sandbox.inside import landlock, seccomp

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = []
    package = Path(__file__).parents[1]  # in a checkout some of its folders are links
    own = [
        sys.prefix,
        sys.base_prefix,
        *sys.path,
        *(str(p.resolve()) for p in (package, *package.iterdir()) if p.is_dir()),
    ]
    if landlock.restrict(libc, [*_SYSTEM, *filter(os.path.isdir, own), *job["readable"]]):
        found.append("landlock")
    if seccomp.install(threads=True):
        found.append("seccomp")
    return found


async def _trial(job: dict[str, Any], tell: Callable[..., None]) -> list[str]:
    """Ask everything. Says which models the replies of an endpoint name."""
    from folkmoot.evaluation.tasks import examined, own_task
    from folkmoot.manifest import MANIFEST, read_manifest

    manifest = read_manifest(Path(job["folder"]) / MANIFEST)
    splits = {s.name: s.items for s in examined(own_task(manifest))}
    engine = _engine(manifest, job)
    me = manifest.participant(engine)
    me = replace(
        me, sampling=replace(me.sampling, temperature=0.0, max_tokens=min(me.sampling.max_tokens, job["tokens"]))
    )
    tests = splits["test"][: job["tests"]]
    await engine.start()
    for part, who, items in (
        ("dev", me, splits["dev"][: job["dev"]]),
        ("contribution", me, tests),
        ("base", replace(me, adapter=None), tests if manifest.adapter else ()),
    ):
        await _ask(part, who, items, tell)
    await engine.close()
    return list(getattr(engine, "named", ()))


def _engine(manifest: Any, job: dict[str, Any]) -> Any:
    if manifest.engine == "openai":
        from folkmoot.engines.openai import OpenAIEngine

        return OpenAIEngine(manifest.url, manifest.model, api_key_env=manifest.api_key_env)
    from folkmoot.engines.transformers import TransformersEngine

    # this process is the one that may die of the model, so that the engine needs no other
    return TransformersEngine(job["model"], process=False)


async def _ask(part: str, who: Any, items: Sequence[Any], tell: Callable[..., None]) -> None:
    from folkmoot.evaluation.runner import UNJUDGED, run_one
    from folkmoot.evaluation.samples import Sample
    from folkmoot.protocol import find

    panel = find("majority_vote").panel([who], {}, {}, None).compile()

    async def one(item: Any) -> None:
        state: Any = {"question": item.question, "answer_type": item.answer_type, "seed": 0}
        # scoring takes other processes for some kinds of answers, and is done where they may be started
        result = await run_one(Sample("", who.name, replace(item, metric="judge"), 0, state), panel)
        text = next((t.text for t in result.turns if t.text), "")
        error = next((t.error for t in result.turns if t.error), None if result.error == UNJUDGED else result.error)
        tell(part=part, item=item.id, answer=result.answer, said=bool(text.strip()), error=error, total=len(items))

    await asyncio.gather(*map(one, items))


if __name__ == "__main__":
    main()
