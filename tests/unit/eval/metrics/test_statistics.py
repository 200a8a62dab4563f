"""Recall, decay and V, with and without the official tools' quirks."""

import math

import numpy as np
import pytest

from vos_eval.metrics.statistics import decay, instability, mean, recall


def test_recall_is_strict():
    assert recall(np.array([0.5, 0.5000001, 1, 0])) == 0.5
    assert math.isnan(recall(np.array([])))


def test_decay_bins_share_their_edges():
    x = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert decay(x) == pytest.approx(np.mean(x[0:3]) - np.mean(x[6:9]))
    assert decay(np.array([0.3])) == 0


def test_decay_wraps_beyond_256_frames():
    rng = np.random.default_rng(0)
    for n in (1, 5, 104, 256):
        x = rng.random(n)
        assert decay(x) == decay(x, wraps=False)
    for n in (258, 298):  # an edge wraps below the one before it: nothing is left of the bin
        x = rng.random(n)
        assert math.isnan(decay(x))
        assert not math.isnan(decay(x, wraps=False))
    falling = np.linspace(1, 0, 1032)
    assert decay(falling, wraps=False) == pytest.approx(0.75, abs=0.01)
    assert decay(falling) != pytest.approx(0.75, abs=0.01)


def test_instability_rounds_the_variance():
    j = np.array([0.5, 0.52, 0.5, 0.53])
    f = np.array([0.4, 0.42, 0.41, 0.43])
    assert instability(j, f, rounds=False) == pytest.approx(np.std((j + f) / 2), abs=1e-15)
    assert instability(j, f) in (0.01, math.sqrt(0.0002))
    assert instability(np.ones(3), np.ones(3)) == 0
    assert math.isnan(instability(np.array([]), np.array([])))
    assert math.isnan(mean(np.array([])))
