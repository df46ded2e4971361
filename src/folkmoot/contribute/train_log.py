"""What a training leaves to look at: the loss curve and its figures."""

from __future__ import annotations

import json
from pathlib import Path

from folkmoot.contribute.curve import curve
from folkmoot.contribute.train_state import FOLDER, Progressed, replace_bytes

_POINTS = 40


def draw(folder: Path, name: str, far: Progressed) -> None:
    """The loss curve and its figures, in the folder ``training``."""
    train = smooth(far.train)
    lines = [{"step": s, "train": round(v, 5)} for s, v in train] + [
        {"step": s, "held_out": round(v, 5)} for s, v in far.held
    ]
    lines.sort(key=lambda at: at["step"])
    text = "".join(json.dumps(line) + "\n" for line in lines)
    picture = curve(f"{name}: loss while training", train, far.held, far.best if far.held else None)
    replace_bytes(folder, f"{FOLDER}/loss.svg", picture.encode())
    replace_bytes(folder, f"{FOLDER}/log.jsonl", text.encode())


def smooth(points: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
    """At most so many points, each the mean of neighbours."""
    width = max(1, -(-len(points) // _POINTS))
    parts = [points[i : i + width] for i in range(0, len(points), width)]
    return [(round(sum(s for s, _ in p) / len(p)), sum(v for _, v in p) / len(p)) for p in parts]
