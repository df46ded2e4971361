"""A suite: tasks, a team, and the systems to compare, in one YAML file.

Baselines are added to every suite: each member alone, the plain vote over first drafts, self-consistency and self-refine of
the member that was best on dev, at the budget of each graph; a random member and the oracle are computed from the members.
All systems get the same prompts and the same limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, field_validator, model_validator

from folkmoot.documents import BadInput, Document, did_you_mean, line_of, load, validate
from folkmoot.manifest import Manifest, SamplingDocument, beside
from folkmoot.team import Member, seated

SHIPPED = Path(__file__).parent.parent / "eval" / "suites"
PRIORITIES = "priorities"
"""The name under which a suite asks for the own test set of every member."""
Baseline = Literal["vote", "self_consistency", "self_refine"]
Against = Literal["monolith", "best", "vote", "self_consistency", "self_refine"]


class TaskUse(Document):
    """A task in a suite; a bare name takes the suite's limit.

    Attributes:
        name: A shipped task, a task file, or `PRIORITIES` for the own test set of every member that has one.
        limit: Most questions of it.
        split: ``test`` or ``dev``.
        whose: The member whose own test set it is; filled in by `read_suite`.
    """

    name: str
    limit: int | None = Field(default=None, ge=1)
    split: str = "test"
    whose: str = Field(default="", exclude=True)


class SystemDocument(Document):
    """A graph under test.

    Attributes:
        name: Name in the tables; the graph's name if left out.
        graph: A protocol, or ``package.module:function``.
        team: Names of members; all of the suite's team if left out.
        options: What the graph's function takes beside the team; participants (a judge) by name.
    """

    name: str = ""
    graph: str
    team: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict, alias="with")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"graph": data}
        if isinstance(data, dict) and data.get("graph") and not data.get("name"):
            data = {**data, "name": data["graph"]}
        return data


class _Picked(Document):
    """The part of a suite that says who is in the team, before picks from the registry are looked up."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    registry: str | None = None
    team: tuple[Member, ...] = Field(min_length=1)


class Dev(Document):
    """How the best member is chosen: on so many questions of the dev split of every task; 0 for not at all."""

    limit: int = Field(default=32, ge=0)


class Worth(Document):
    """Graphs of which it is to be said what each member of their teams is worth; a bare list names them.

    Attributes:
        systems: Their names in the suite.
        permutations: How many are sampled for a team of more than six; up to six members all coalitions are run.
    """

    systems: tuple[str, ...] = ()
    permutations: int = Field(default=20, ge=10, multiple_of=2)

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, data: Any) -> Any:
        return {"systems": data} if isinstance(data, list) else data


class Suite(Document):
    """What a suite file says. See ``eval/suites/quickstart.yaml`` for a commented example.

    Attributes:
        name, about, seed, limit, in_flight, engine, sampling, prompts, tasks, monoliths, guests, systems: As in the example.
        registry: Folder of a registry, relative to the file, from which the team can be picked.
        team: The members; `read_suite` looks picks from the registry up.
        draws: How often every question is asked, each time with other seeds.
        dev: See `Dev`.
        baselines: Which of the baselines at matched budgets are run.
        family: What every graph is compared with; these comparisons together are the family that Holm's correction is for.
        margin: Difference, 0 to 1, up to which two systems count as equivalent.
        judges: Participants that judge replies to open questions.
        missing: What happens to a task whose data are not here: ``error`` or ``skip``.
        currency: Of the prices of participants.
        worth: See `Worth`.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = ""
    seed: int = 0
    draws: int = Field(default=1, ge=1)
    limit: int | None = Field(default=None, ge=1)
    in_flight: int = Field(default=256, ge=1, le=4096)
    engine: Literal["transformers", "vllm", "openai", "scripted", "simulated"] = "transformers"
    sampling: SamplingDocument = SamplingDocument()
    prompts: str | None = None
    tasks: tuple[TaskUse, ...] = Field(min_length=1)
    registry: str | None = None
    team: tuple[Manifest, ...] = Field(min_length=1)
    monoliths: tuple[Manifest, ...] = ()
    guests: tuple[Manifest, ...] = ()
    systems: tuple[SystemDocument, ...] = ()
    baselines: tuple[Baseline, ...] = get_args(Baseline)
    family: tuple[Against, ...] = get_args(Against)
    dev: Dev = Dev()
    margin: float = Field(default=0.05, gt=0, lt=1)
    judges: tuple[str, ...] = ()
    missing: Literal["error", "skip"] = "error"
    currency: str = "USD"
    worth: Worth = Worth()

    @field_validator("tasks", mode="before")
    @classmethod
    def _bare_names(cls, v: Any) -> Any:
        return [{"name": t} if isinstance(t, str) else t for t in v] if isinstance(v, list) else v

    @property
    def chooses(self) -> bool:
        """The best member has to be chosen on dev."""
        return self.dev.limit > 0 and len(self.team) > 1

    @property
    def people(self) -> dict[str, Manifest]:
        """Everybody who can speak: members, guests (judges, finishers from outside) and monoliths."""
        return {m.name: m for m in (*self.team, *self.guests, *self.monoliths)}


def suite_names() -> list[str]:
    """Names of the shipped suites."""
    return sorted(p.stem for p in SHIPPED.glob("*.yaml"))


def find_suite(name: str) -> Path:
    """The file of a shipped suite, or the path itself.

    Raises:
        BadInput: Neither.
    """
    if (shipped := SHIPPED / f"{name}.yaml").is_file():
        return shipped
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise BadInput(f"{path}: no such suite file")
    raise BadInput(f"no suite {name!r}; {did_you_mean(name, suite_names())}")


def read_suite(
    path: Path, team: tuple[Manifest, ...] | None = None
) -> tuple[Suite, Mapping[tuple[str | int, ...], int]]:
    """Read a suite; paths in it are relative to the file.

    Args:
        path: The file.
        team: Takes the place of the suite's own; every system is then of all of it.

    Returns:
        The suite and the line of every key in it.

    Raises:
        BadInput: With file and line, one line per finding.
    """
    data, lines = load(path)
    if team is not None and isinstance(data, dict):
        data = {**data, "team": team}
    elif isinstance(data, dict) and _picks(data.get("team")):
        picked = validate(data, lines, _Picked, path)
        data = {**data, "team": seated(picked.team, picked.registry, path, lines, ("team",))}
    suite = validate(data, lines, Suite, path)
    home = path.parent
    if team is not None:
        suite = suite.model_copy(update={"systems": tuple(s.model_copy(update={"team": ()}) for s in suite.systems)})
    changes: dict[str, Any] = {
        group: tuple(beside(m, home) for m in getattr(suite, group)) for group in ("team", "guests", "monoliths")
    }
    if team is not None:
        changes["team"] = team
    if suite.prompts and not Path(suite.prompts).is_absolute():
        changes["prompts"] = str(home / suite.prompts)
    changes["tasks"] = tuple(own for use in suite.tasks for own in _expanded(use, changes["team"]))
    findings = [f"{path}:{line_of(lines, at)}: {what}" for at, what in _findings(suite)]
    if findings:
        raise BadInput("\n".join(findings))
    return suite.model_copy(update=changes), lines


def _expanded(use: TaskUse, team: tuple[Manifest, ...]) -> list[TaskUse]:
    """A use of `PRIORITIES` as one task for each member that has a test set; any other use as it is."""
    if use.name != PRIORITIES:
        return [use]
    return [use.model_copy(update={"name": f"priority-{m.name}", "whose": m.name}) for m in team if m.priority]


def _picks(team: Any) -> bool:
    """Whether a team as written picks anybody from a registry."""
    return isinstance(team, list) and any(isinstance(m, str) or (isinstance(m, dict) and "tag" in m) for m in team)


def _findings(suite: Suite) -> list[tuple[tuple[str | int, ...], str]]:
    """What no single field can know."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    seen: set[str] = set()
    for group in ("team", "guests", "monoliths"):
        for i, m in enumerate(getattr(suite, group)):
            if m.name in seen:
                found.append(((group, i, "name"), f"two participants are called {m.name!r}; names must differ"))
            seen.add(m.name)
    names: set[str] = set()
    for i, s in enumerate(suite.systems):
        if s.name in names:
            found.append((("systems", i), f"two systems are called {s.name!r}; give one a name of its own"))
        names.add(s.name)
        for j, who in enumerate(s.team):
            if who not in suite.people:
                found.append(
                    (("systems", i, "team", j), f"nobody is called {who!r}; {did_you_mean(who, suite.people)}")
                )
    found += [
        (("judges", i), f"nobody is called {who!r}; {did_you_mean(who, suite.people)}")
        for i, who in enumerate(suite.judges)
        if who not in suite.people
    ]
    found += [
        (("tasks", i), "nobody in the team has a priority test set; give one under 'priority' in a participant.yaml")
        for i, t in enumerate(suite.tasks)
        if t.name == PRIORITIES and not any(m.priority for m in suite.team)
    ]
    found += [
        (("worth",), f"no system is called {name!r}; {did_you_mean(name, names)}")
        for name in suite.worth.systems
        if name not in names
    ]
    tasks = [(t.name, t.split) for t in suite.tasks]
    found += [
        (("tasks", i), f"task {t[0]!r} stands here twice; remove one") for i, t in enumerate(tasks) if t in tasks[:i]
    ]
    return found
