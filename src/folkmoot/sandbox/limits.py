"""What a program may use, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Attributes:
        seconds: Of wall-clock time for all tests of it together, from when both processes stand ready.
        cpu_seconds: Of processor time.
        memory_mib: Address space, that of Python itself (about 30 MiB) included.
        output_kib: Longest argument list or return value, as it is sent.
        file_kib: Room for files, in all.
    """

    seconds: float = 10.0
    cpu_seconds: int = 10
    memory_mib: int = 512
    output_kib: int = 4096
    file_kib: int = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program passed its tests.

    Attributes:
        passed: All assertions held, and the token came back.
        why: Why not, one line; empty if it passed.
        seconds: Wall-clock time from when both processes stood ready.
    """

    passed: bool
    why: str
    seconds: float
