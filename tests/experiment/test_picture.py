"""Lines that can be told apart, and pictures that can be drawn of whatever there is."""

import itertools
import math
import re

import pytest

from folkmoot.experiment.drawing import FORMS, LINES, STYLE, colour, stroke

LIGHT, _, DARK = STYLE.partition("prefers-color-scheme: dark")


def luminance(colour):
    """Relative luminance (WCAG 2) and CIE L*a*b* of #rrggbb."""
    r, g, b = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    )
    x, y, z = (
        0.4124 * r + 0.3576 * g + 0.1805 * b,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        0.0193 * r + 0.1192 * g + 0.9505 * b,
    )
    fx, fy, fz = (math.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x / 0.9505, y, z / 1.089))
    return y, (116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))


@pytest.mark.parametrize("style", [LIGHT, DARK])
def test_eight_lines_differ_from_each_other_from_monoliths_and_from_the_ground(style):
    shades = dict(re.findall(r"--(c\d|monolith|base|paper): (#\w{6})", style))
    ground, _ = luminance(shades.pop("paper"))
    assert len(shades) == LINES + 2 >= 10
    for name, shade in shades.items():
        y, _ = luminance(shade)
        assert (max(y, ground) + 0.05) / (min(y, ground) + 0.05) >= 3, name
    for a, b in itertools.combinations(shades, 2):
        assert math.dist(luminance(shades[a])[1], luminance(shades[b])[1]) > 25, (a, b)


def test_more_lines_than_colours_have_dashes_and_other_marks():
    looks = [(stroke(i), i % FORMS) for i in range(3 * LINES)]
    assert len(set(looks)) == len({look for look, _ in looks}) == 3 * LINES
    assert colour(0) == colour(LINES)
