"""Scores and prompts of single images."""

import numpy as np
import pytest

from vos_eval.images import (
    SetScore,
    average,
    box_prompt,
    point_prompts,
    resize_label,
    score_image,
)


def test_resize_as_torch_does():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    for size_hw in ((37, 90), (1500, 700), (1, 5)):
        label = rng.integers(0, 256, size_hw).astype(np.uint8)
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(label)[None, None].double(), (1024, 1024), mode="bilinear"
        )[0, 0].numpy()
        assert np.abs(resize_label(label) - expected).max() < 1e-9


def test_prompts():
    label = np.zeros((300, 500), np.uint8)
    label[60:120, 250:400] = 255
    x1, y1, x2, y2 = box_prompt(label)
    assert (x1, y1) == pytest.approx((250, 60), abs=1)
    assert (x2, y2) == pytest.approx((400, 120), abs=1)
    points = point_prompts(label, 10, seed=1)
    assert points.shape == (10, 2)
    assert (label[points[:, 1].astype(int), points[:, 0].astype(int)] == 255).all()
    assert len({tuple(p) for p in points}) == 10
    assert (points == point_prompts(label, 10, seed=1)).all()
    assert (points != point_prompts(label, 10, seed=2)).any()
    empty = np.zeros((10, 10), np.uint8)
    assert box_prompt(empty) is None
    assert point_prompts(empty, 5, seed=0).shape == (0, 2)


def test_threshold_and_averages():
    label = np.array([[128, 129]], np.uint8)
    score = score_image("a", label, np.array([[False, True]]))
    assert (score.iou, score.biou) == (1, 1)
    sets = [SetScore("a", 0.5, 0.25, 10), SetScore("b", 1.0, 0.75, 1)]
    assert average(sets) == SetScore("average", 0.75, 0.5, 11)
