"""The simulated clicker against its definition, and the numbers it gives."""

import numpy as np
from hypothesis import given, settings
from scipy import ndimage

from unit.eval.drawing import random_mask, seeds, sizes
from vos_eval.metrics.clicks import Click, click_ious, click_score, next_click


def slow_click(gt, pred, clicks):
    free = np.ones(gt.shape)
    for click in clicks:
        free[click.y_px, click.x_px] = 0
    missed = ndimage.distance_transform_edt(np.pad(gt & ~pred, 1))[1:-1, 1:-1] * free
    surplus = ndimage.distance_transform_edt(np.pad(~gt & pred, 1))[1:-1, 1:-1] * free
    positive = missed.max() > surplus.max()
    depth = missed if positive else surplus
    y, x = np.argwhere(depth == depth.max())[0]
    return Click(int(x), int(y), bool(positive))


@settings(max_examples=100, deadline=None)
@given(size_hw=sizes, seed=seeds)
def test_next_click_equals_the_definition(size_hw, seed):
    rng = np.random.default_rng(seed)
    gt, pred = random_mask(rng, size_hw), random_mask(rng, size_hw)
    clicks = [
        Click(int(rng.integers(size_hw[1])), int(rng.integers(size_hw[0])), True) for _ in range(3)
    ]
    click = next_click(gt, pred, clicks)
    if click is not None:
        assert click == slow_click(gt, pred, clicks)


def test_clicker_improves_a_disk_painter():
    """A predictor that paints a disk at each positive click needs several clicks for a bar."""
    gt = np.zeros((40, 120), bool)
    gt[10:30, 5:115] = True
    rows, columns = np.ogrid[:40, :120]

    def predict(clicks):
        out = np.zeros(gt.shape)
        for click in clicks:
            assert click.is_positive == gt[click.y_px, click.x_px]
            near = (rows - click.y_px) ** 2 + (columns - click.x_px) ** 2 < 150
            out[near] = float(click.is_positive)
        return out * 0.5

    ious = click_ious(gt, predict)
    assert len(ious) == 20
    assert ious[0] < 0.3 < 0.6 < ious[5]
    score = click_score([ious])
    assert score.iou_at_5 == ious[4]
    assert 3 <= score.noc90 <= 20


def test_noc_and_nof():
    reach = [np.array([0.5] * (n - 1) + [0.96] * (21 - n)) for n in (1, 4, 20)]
    never = np.full(20, 0.94)
    score = click_score([*reach, never])
    assert score.noc90 == (1 + 4 + 20 + 1) / 4
    assert score.noc95 == (1 + 4 + 20 + 20) / 4
    assert score.nof95 == 2  # success at exactly the last click counts as failure
    assert score.iou_at_5 == np.mean([0.96, 0.96, 0.5, 0.94])
    assert click_ious(np.zeros((3, 3), bool), lambda clicks: np.zeros((3, 3))).tolist() == [1] * 20
