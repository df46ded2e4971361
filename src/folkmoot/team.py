"""Team files: members spelled out, or picked from a registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, Tag

from folkmoot.documents import BadInput, Document, Lines, line_of, load, validate
from folkmoot.manifest import MANIFEST, Manifest, beside
from folkmoot.registry import LOCK, Registry


class Tagged(Document):
    """A pick from a registry: everybody in it with this tag."""

    tag: str


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
    members: tuple[Member, ...] = Field(min_length=1)


def read_team(path: Path) -> tuple[Manifest, ...]:
    """Read a team file (``members:``), or a single manifest as a team of one; a folder is a contribution or a registry.

    Raises:
        BadInput: With file and line.
    """
    if path.is_dir():
        if (path / LOCK).is_file():
            return Registry.read(path).members()
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

    Args:
        members: As the document has them.
        registry: As the document has it: a folder relative to `path`, or None.
        path: The document.
        lines: Line of every key in it.
        at: Where in it the members are.

    Raises:
        BadInput: A name or tag that the registry does not have, a registry that cannot be read, two members with one name.
    """
    found: list[Manifest] = []
    wrong: list[str] = []
    known = None
    for i, member in enumerate(members):
        where = f"{path}:{line_of(lines, (*at, i))}"
        if isinstance(member, Manifest):
            found.append(member)
            continue
        if registry is None:
            wrong.append(f"{where}: {_pick(member)} is a pick from a registry; name its folder: 'registry: ./folder'")
            continue
        try:
            known = known or Registry.read(path.parent / registry)
            if isinstance(member, Tagged):
                found += known.members(tag=member.tag, home=path.parent)
            else:
                found += known.members(member, home=path.parent)
        except BadInput as e:
            wrong.append(f"{where}: {e}")
    names = [m.name for m in found]
    if twice := next((n for n in names if names.count(n) > 1), None):
        wrong.append(
            f"{path}:{line_of(lines, at)}: {'.'.join(map(str, at))}: two members are called {twice!r}; names must differ"
        )
    if wrong:
        raise BadInput("\n".join(wrong))
    return tuple(found)


def _pick(member: Member) -> str:
    return repr(member) if isinstance(member, str) else f"tag {member.tag!r}" if isinstance(member, Tagged) else ""
