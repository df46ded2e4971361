"""The loss curve is a whole, well-formed picture."""

import re
from xml.etree import ElementTree

import pytest

from folkmoot.contribute.curve import curve

TRAIN = [(i, 4 / (i + 1)) for i in range(1, 61)]
HELD = [(0, 3.9), (15, 0.6), (30, 0.31), (45, 0.3), (60, 0.35)]


def texts(svg):
    return [t.text for t in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_both_curves_their_names_and_the_kept_step_are_there():
    svg = curve("ana & bo: loss", TRAIN, HELD, 45)
    words = texts(svg)
    assert {"ana & bo: loss", "training", "held out", "kept: step 45, held-out 0.300", "step"} <= set(words)
    assert len(re.findall('<path class="line', svg)) == 2
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")  # it fetches nothing


@pytest.mark.parametrize(("train", "held"), [([(1, 2.0)], []), (TRAIN, []), (TRAIN, HELD), ([(1, 0.0)], [(0, 0.0)])])
def test_everything_lies_inside_the_frame(train, held):
    svg = curve("x", train, held, held[-1][0] if held else None)
    for path in re.findall(r' d="M([^"]+)"', svg):
        for point in path.split("L"):
            x, y = map(float, point.split())
            assert 64 <= x <= 696
            assert 64 <= y <= 348
