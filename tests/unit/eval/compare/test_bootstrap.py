"""Intervals over videos: the same on every run, paired, and about as wide as theory says."""

import numpy as np
import pytest

from vos_eval.compare.bootstrap import Interval, interval, resample_totals
from vos_eval.protocols.base import ObjectScore, Score
from vos_eval.protocols.davis import DAVIS
from vos_eval.protocols.lvos import LVOS


def score_of(values, protocol=DAVIS, seen=lambda _: None):
    """One object per video whose J and F are the value, on three frames."""
    objects = tuple(
        ObjectScore(
            f"v{n}", 1, ("0", "1", "2"), *[np.full(3, value)] * 2, *[value] * 2, 0, 1, 1, 0, 0,
            is_seen=seen(n),
        )
        for n, value in enumerate(values)
    )  # fmt: skip
    return Score(protocol, protocol.totals(objects), objects)


def test_width_is_that_of_the_mean():
    values = np.random.default_rng(1).uniform(0.2, 0.9, 60)
    (drawn,) = resample_totals([score_of(values)])
    found = interval(drawn["J&F"])
    error = values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.01)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.01)


def test_the_same_every_time():
    score = score_of(np.linspace(0.1, 0.9, 12))
    first, second = (resample_totals([score], 50)[0]["J"] for _ in range(2))
    assert (first == second).all()


def test_differences_are_paired():
    values = np.random.default_rng(2).uniform(0.1, 0.8, 30)
    worse, better = resample_totals([score_of(values), score_of(values + 0.05)], 200)
    assert better["J"] - worse["J"] == pytest.approx(0.05, abs=1e-12)
    assert interval(better["J"] - worse["J"]).excludes_zero()
    assert not interval(worse["J"] - worse["J"]).excludes_zero()


def test_seen_and_unseen_videos_are_drawn_apart():
    values = [0.2, 0.3, 0.9]
    (drawn,) = resample_totals([score_of(values, LVOS, lambda n: n < 2)], 100)
    assert not np.isnan(drawn["J&F"]).any()
    assert set(drawn["Ju"]) == {0.9}
    assert len(set(drawn["Js"])) == 3


def test_numbers_that_some_draws_lack():
    assert np.isnan(interval(np.full(5, np.nan)).low)
    assert interval(np.array([np.nan, 0.5, 0.5])) == Interval(0.5, 0.5)
