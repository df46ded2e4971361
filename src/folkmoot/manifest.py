"""Manifests in, participants out: what a contributor says about a model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from folkmoot.answers.types import Kind
from folkmoot.documents import BadInput, Document, load, validate
from folkmoot.engines.contract import Engine, Sampling
from folkmoot.engines.placement.bases import Base, EngineSpec, folder, local_kind
from folkmoot.engines.placement.lora import examine
from folkmoot.engines.pool import Pool
from folkmoot.participant import Participant, check_name

MANIFEST = "participant.yaml"
"""Name of the manifest in a contribution's folder."""


EXAMPLES = 8
"""Questions of its own that a router is shown of a participant."""


class SamplingDocument(Document):
    """Sampling settings in a manifest or suite; what is left out keeps its default."""

    temperature: float = Field(default=0.0, ge=0, le=5)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    def sampling(self) -> Sampling:
        """As the value that engines take."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self.stop)


class Price(Document):
    """What tokens cost, per million, in the currency of the suite."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class Priority(Document):
    """A contributor's own priority test set: what the contribution is for, as questions with answers.

    Attributes:
        file: JSONL, relative to the manifest; rows as in a task file (``id``, ``split`` dev or test, ``question``,
            ``answer``, ``options``).
        answer: Kind of answer, as in a task file.
        metric, tolerance, labels, instruction: As in a task file.
    """

    file: str = "priority.jsonl"
    answer: Kind = "text"
    metric: Literal["exact", "f1"] = "exact"
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    labels: tuple[str, ...] = ()
    instruction: str = ""


class Manifest(Document):
    """What a contributor says about a model: the file ``participant.yaml``, or an entry of a team.

    `model` is a name from ``folkmoot model list``, a hub id (``org/name``), a local folder, or, with ``engine: openai``,
    the name that the endpoint at `url` knows. `adapter` is a folder, relative to the manifest.

    Attributes:
        tags: Words by which a team picks members from a registry.
        priority: Its own test set.
        trained: How it was trained, and its scores before and after: written by ``contribute train``.
        hashes: SHA-256 of its files by path, and of its base model under ``base``.
    """

    name: str
    model: str = Field(min_length=1)
    engine: Literal["transformers", "vllm", "openai", "scripted", "simulated"] | None = None
    revision: str | None = None
    url: str | None = None
    api_key_env: str | None = None
    timeout: float | None = Field(default=None, gt=0, le=86_400)
    max_concurrent: int | None = Field(default=None, ge=1, le=4096)
    adapter: str | None = None
    system: str = ""
    purpose: str = ""
    contributor: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()
    priority: Priority | None = None
    trained: dict[str, Any] = Field(default_factory=dict)
    hashes: dict[str, str] = Field(default_factory=dict)
    sampling: SamplingDocument | None = None
    price: Price | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, v: str) -> str:
        return check_name(v)

    @model_validator(mode="after")
    def _fits(self) -> Manifest:
        if self.engine == "openai" and not self.url:
            raise ValueError("engine 'openai' needs a 'url', such as http://127.0.0.1:8000/v1")
        if self.engine != "openai" and (self.url or self.api_key_env or self.timeout or self.max_concurrent):
            raise ValueError(
                "'url', 'api_key_env', 'timeout' and 'max_concurrent' go with engine 'openai': set 'engine: openai'"
            )
        return self

    def engine_spec(self, default: str) -> EngineSpec:
        """Which engine it asks for; `default` is the kind where it names none."""
        return EngineSpec(
            self.engine or default,
            self.model,
            self.revision,
            self.url,
            self.api_key_env,
            self.timeout,
            self.max_concurrent,
        )

    def participant(self, engine: Engine, sampling: Sampling | None = None) -> Participant:
        """The participant on a running engine; `sampling` overrides the manifest's own."""
        own = self.sampling.sampling() if self.sampling else Sampling(max_tokens=512)
        return Participant(
            self.name,
            engine,
            self.adapter,
            self.system,
            self.purpose,
            sampling or own,
            self.contributor,
            self.licence,
            self.examples(),
        )

    def examples(self, most: int = EXAMPLES) -> tuple[str, ...]:
        """Questions of the dev part of its own test set, spread over it; none if there is no set or it cannot be read."""
        if self.priority is None:
            return ()
        questions = []
        try:
            for line in Path(self.priority.file).read_text(encoding="utf-8-sig").split("\n"):
                row = json.loads(line) if line.strip() else {}
                if isinstance(row, dict) and row.get("split") == "dev" and isinstance(row.get("question"), str):
                    questions.append(row["question"])
        except (OSError, ValueError, RecursionError):
            return ()
        return tuple(questions[:: max(1, len(questions) // most)][:most])


def read_manifest(path: Path, *, move: bool = True) -> Manifest:
    """Read ``participant.yaml``; paths in it are relative to the file.

    Args:
        path: The file.
        move: Make the paths relative to the working folder.

    Raises:
        BadInput: With file and line.
    """
    manifest = validate(*load(path), Manifest, path)
    return beside(manifest, path.parent) if move else manifest


def beside(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with its adapter, its test set (and a model folder given as ./ or ../) made relative to `folder`.

    A model folder stays one that begins with a dot or a slash: ``ana/model`` would be a model of the hub.
    """
    changes: dict[str, Any] = {}
    if manifest.priority and not Path(manifest.priority.file).is_absolute():
        changes["priority"] = manifest.priority.model_copy(update={"file": str(folder / manifest.priority.file)})
    if manifest.adapter and not Path(manifest.adapter).is_absolute():
        changes["adapter"] = str(folder / manifest.adapter)
    if manifest.model.startswith(("./", "../")):
        path = str(folder / manifest.model)
        changes["model"] = path if path.startswith(("/", "./", "../")) else f"./{path}"
    return manifest.model_copy(update=changes)


def weights(manifest: Manifest) -> tuple[PurePosixPath, ...]:
    """Folders from which weights of its own are loaded, as written: its adapter, its model."""
    own = manifest.engine != "openai" and manifest.model.startswith((".", "/", "~"))
    return tuple(PurePosixPath(p) for p in (manifest.adapter, manifest.model if own else None) if p)


def inside(folder: Path, path: str) -> bool:
    """Whether a path in somebody's manifest stays in its folder, links and all."""
    if path.startswith("~") or "\0" in path:
        return False
    return Path(os.path.realpath(folder / path)).is_relative_to(os.path.realpath(folder))


def bases(manifests: Sequence[Manifest], engine: str) -> dict[EngineSpec, Base]:
    """The different models that participants use, each with the folders of all adapters on it.

    Args:
        manifests: Who.
        engine: Kind of engine for those that name none.
    """
    found: dict[EngineSpec, dict[str, None]] = {}
    for m in manifests:
        used = found.setdefault(m.engine_spec(engine), {})
        if m.adapter:
            used[m.adapter] = None
    return {spec: Base(spec, tuple(used)) for spec, used in found.items()}


def refusals(manifests: Sequence[Manifest], engine: str) -> list[str]:
    """What is wrong with the adapters of participants, a line for each fault, by name. Loads and fetches nothing.

    Whether an adapter fits its base is seen where the base is on this machine.

    Args:
        manifests: Who.
        engine: Kind of engine for those that name none.
    """
    found = []
    for m in manifests:
        if not m.adapter:
            continue
        spec = m.engine_spec(engine)
        kind = local_kind(spec)
        if kind is not None:
            faults = examine(m.adapter, folder(spec), engine=kind)[1]
            found += [f"participant {m.name!r}: adapter {m.adapter}: {fault}." for fault in faults]
        elif spec.kind == "openai":
            found.append(
                f"participant {m.name!r}: adapter {m.adapter}: an endpoint takes no adapter folders. Name the model under "
                "which the endpoint serves it, and leave the adapter out."
            )
    return found


def participants(
    manifests: Sequence[Manifest], pool: Pool, engine: str, sampling: Sampling | None = None
) -> dict[str, Participant]:
    """Everybody on an engine of the pool, by name; who asks for the same model shares one engine.

    Args:
        manifests: Who.
        pool: Where engines come from.
        engine: Kind of engine for those that name none.
        sampling: Overrides everybody's own.

    Raises:
        BadInput: Adapters cannot be used; one line for everything that is wrong with any of them.
        Missing: A model is larger than this machine's memory.
    """
    if not pool.scripted:
        _refuse(manifests, engine)
        asked = bases(manifests, engine).values()
        if pool.fetch(asked):
            _refuse(manifests, engine)  # now that there are bases to compare them with
        pool.seat(asked)
    return {m.name: m.participant(pool.engine(m.engine_spec(engine)), sampling) for m in manifests}


def _refuse(manifests: Sequence[Manifest], engine: str) -> None:
    if wrong := refusals(manifests, engine):
        raise BadInput("\n".join(wrong))
