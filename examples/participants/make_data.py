"""Write the training rows and the priority test sets of the six demo contributors. Same seed, same files.

    python examples/participants/make_data.py            # all six
    python examples/participants/make_data.py village    # one

Everything is made up or worked out by rule: no text of a benchmark, nobody's data. Every test question is in a wording that
no training row has, and mostly about operands that none has; each module of ``interests`` says which.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

from interests import ledger, numerals, recipes, timetable, triage, village
from interests.question import Draw, Question

HERE = Path(__file__).parent
SEED = 11
TRAIN, DEV, TEST = 1700, 40, 60
INTERESTS: Mapping[str, Draw] = {
    "ledger": ledger.draw,
    "numerals": numerals.draw,
    "recipes": recipes.draw,
    "timetable": timetable.draw,
    "triage": triage.draw,
    "village": village.draw,
}


def rows(name: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Training rows and priority rows of one interest."""
    rng = Random(f"{name} {SEED}")
    seen: set[tuple[str, tuple[str, ...]]] = set()
    priority = _draw(INTERESTS[name], rng, True, DEV + TEST, seen)
    train = _draw(INTERESTS[name], rng, False, TRAIN, seen)
    splits = ["dev"] * DEV + ["test"] * TEST
    return [q.row() for q in train], [
        {"id": f"{name}-{i:03d}", "split": split, **q.row()}
        for i, (split, q) in enumerate(zip(splits, priority, strict=True), 1)
    ]


def _draw(draw: Draw, rng: Random, held: bool, count: int, seen: set[tuple[str, tuple[str, ...]]]) -> list[Question]:
    """Questions that differ from each other and from those seen."""
    found: list[Question] = []
    for _ in range(100 * count):
        q = draw(rng, held)
        key = (q.text.casefold(), tuple(sorted(q.options)))
        if key not in seen:
            seen.add(key)
            found.append(q)
        if len(found) == count:
            break
    return found


def jsonl(held: Iterable[Mapping[str, object]]) -> str:
    """The text of a JSONL file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in held)


def main(names: Iterable[str]) -> None:
    """Write the files of these interests."""
    for name in names:
        train, priority = rows(name)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        (folder / "train.jsonl").write_text(jsonl(train), encoding="utf-8")
        (folder / "priority.jsonl").write_text(jsonl(priority), encoding="utf-8")
        print(f"{folder.name}: {len(train)} training rows, {len(priority)} priority rows")


if __name__ == "__main__":
    main(sys.argv[1:] or INTERESTS)
