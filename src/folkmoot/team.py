"""Team files: members spelled out, or picked from a registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Tag, field_validator, model_validator

from folkmoot.documents import BadInput, Document, Lines, line_of, load, validate
from folkmoot.manifest import MANIFEST, Manifest, beside
from folkmoot.registry import LOCK, Registry


class Tagged(Document):
    """A pick from a registry: everybody in it with this tag."""

    tag: str

    @model_validator(mode="before")
    @classmethod
    def _one_tag(cls, v: Any) -> Any:
        if isinstance(v, dict) and (set(v) != {"tag"} or not isinstance(v["tag"], str)):
            raise ValueError(
                "a pick by tag is {tag: word}: one word, and no other key; several tags are several entries"
            )
        return v


def _form(entry: object) -> str:
    if isinstance(entry, str):
        return "name"
    tagged = isinstance(entry, Tagged) or (isinstance(entry, dict) and "tag" in entry)
    return "tag" if tagged else "manifest"


Member: TypeAlias = Annotated[
    Annotated[Manifest, Tag("manifest")] | Annotated[Tagged, Tag("tag")] | Annotated[str, Tag("name")],
    Discriminator(_form),
]
"""An entry of a team: a participant spelled out, or a pick from the registry: a name, a tag, or ``all``."""


class Team(Document):
    """A team file: members in order.

    Attributes:
        registry: Folder of a registry, relative to the file, from which members can be picked.
        members: See `Member`.
    """

    registry: str | None = None
    members: tuple[Member, ...]

    @field_validator("members", mode="before")
    @classmethod
    def _listed(cls, v: Any) -> Any:
        if not isinstance(v, (list, tuple)):
            raise ValueError(f"write a list: [{v}]" if isinstance(v, str) else "write a list, such as [all]")
        if not v:
            raise ValueError("nobody is in it; name somebody, such as [all]")
        return v


def read_team(path: Path) -> tuple[Manifest, ...]:
    """Read a team file (``members:``), or a single manifest as a team of one; a folder is a contribution or a registry.

    Raises:
        BadInput: With file and line.
    """
    if path.is_dir():
        if (path / LOCK).is_file():
            return Registry.read(path).members()
        if not (path / MANIFEST).is_file():
            raise BadInput(f"{path}: neither a contribution ({MANIFEST}) nor a registry ({LOCK}) is in this folder")
        path = path / MANIFEST
    data, lines = load(path)
    if isinstance(data, dict) and "members" not in data and "model" in data:
        return (beside(validate(data, lines, Manifest, path), path.parent),)
    team = validate(data, lines, Team, path)
    return tuple(beside(m, path.parent) for m in seated(team.members, team.registry, path, lines, ("members",)))


def seated(
    members: Sequence[Member], registry: str | None, path: Path, lines: Lines, at: tuple[str | int, ...]
) -> tuple[Manifest, ...]:
    """The members of a team with picks from the registry looked up; paths are relative to the folder of `path`.

    Tags and ``all`` take whom the team does not have yet: ``[bo, all]`` is everybody, Bo first.

    Args:
        members: As the document has them.
        registry: As the document has it: a folder relative to `path`, or None.
        path: The document.
        lines: Line of every key in it.
        at: Where in it the members are.

    Raises:
        BadInput: A name or tag that the registry does not have, a registry that cannot be read, two members with one name.
    """
    found: dict[str, Manifest] = {}
    picked: set[str] = set()
    wrong: list[str] = []
    known = None
    for i, member in enumerate(members):
        where = f"{path}:{line_of(lines, (*at, i))}"
        if isinstance(member, Manifest):
            if member.name in found:
                wrong.append(f"{where}: {_twice(member.name)}")
            found[member.name] = member
            continue
        if registry is None:
            wrong.append(f"{where}: {_pick(member)} is a pick from a registry; name its folder: 'registry: ./folder'")
            continue
        try:
            known = known or Registry.read(path.parent / registry)
            names = known.picked(tag=member.tag) if isinstance(member, Tagged) else known.picked(member)
        except BadInput as e:
            wrong += [f"{where}: {line}" for line in str(e).split("\n")]
            continue
        for name in names:
            if name in found:
                if name == member or name not in picked:
                    wrong.append(f"{where}: {_twice(name)}")
                continue
            try:
                found[name] = known.members(name, home=path.parent)[0]
                picked.add(name)
            except BadInput as e:
                wrong += [f"{where}: {line}" for line in str(e).split("\n")]
    if wrong:
        raise BadInput("\n".join(dict.fromkeys(wrong)))
    return tuple(found.values())


def _twice(name: str) -> str:
    return f"two members are called {name!r}; names must differ"


def _pick(member: str | Tagged) -> str:
    return f"tag {member.tag!r}" if isinstance(member, Tagged) else repr(member)
