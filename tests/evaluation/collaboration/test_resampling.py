"""Resamples of several columns at once."""

import math

import numpy as np
import pytest

from folkmoot.evaluation.collaboration.resampling import resampled_sums

ITEMS = [(task, f"{i:02}") for task in ("sums", "words") for i in range(20)]
WORDS = [float(task == "words") for task, _ in ITEMS]
TENS = [float(int(i) >= 10) for _, i in ITEMS]
COLUMNS = np.array([[1.0] * 40, WORDS, TENS]).T


def test_as_many_items_of_every_task_as_there_are() -> None:
    drawn = resampled_sums(ITEMS, COLUMNS, {}, seed=1)
    assert drawn.shape == (2000, 3)
    assert (drawn[:, 0] == 40).all()
    assert (drawn[:, 1] == 20).all()
    # Half of the items, each drawn or not: binomial
    assert drawn[:, 2].mean() == pytest.approx(20, abs=0.4)
    assert drawn[:, 2].std() == pytest.approx(math.sqrt(40 / 4), rel=0.1)


def test_clusters_are_drawn_as_a_whole() -> None:
    tens = {item: str(int(item[1]) >= 10) for item in ITEMS}
    drawn = resampled_sums(ITEMS, COLUMNS, tens, seed=1)
    # Two clusters of ten in each task: from neither to both of each task are of the upper ten
    assert set(drawn[:, 2]) == {0.0, 10.0, 20.0, 30.0, 40.0}
    assert (drawn[:, 1] == 20).all()  # a cluster of one task is not that of the other


def test_columns_meet_the_same_resamples_and_the_order_of_items_has_no_say() -> None:
    twice = np.hstack([COLUMNS, COLUMNS])
    drawn = resampled_sums(ITEMS, twice, {}, seed=1)
    assert (drawn[:, :3] == drawn[:, 3:]).all()
    assert (resampled_sums(ITEMS[::-1], COLUMNS[::-1], {}, seed=1) == drawn[:, :3]).all()
    assert (resampled_sums(ITEMS, COLUMNS, {}, seed=2) != drawn[:, :3]).any()
    assert (resampled_sums(ITEMS, COLUMNS, {}, seed=1, name="other") != drawn[:, :3]).any()


def test_many_items_are_drawn_in_several_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = resampled_sums(ITEMS, COLUMNS, {}, seed=1, resamples=50)
    monkeypatch.setattr("folkmoot.evaluation.collaboration.resampling._AT_ONCE", 100)
    parts = resampled_sums(ITEMS, COLUMNS, {}, seed=1, resamples=50)
    assert (parts[:, 0] == 40).all()
    assert parts.shape == drawn.shape
