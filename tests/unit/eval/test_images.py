"""Image metrics and the clicker against the definitions, written down the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from vos_eval.errors import EvalError
from vos_eval.image_sets import find_sets, read_label
from vos_eval.images import (
    SetScore,
    average,
    box_prompt,
    point_prompts,
    resize_label,
    score_image,
)
from vos_eval.metrics.boundary_iou import band_width_px, boundary_band, boundary_iou
from vos_eval.metrics.clicks import Click, click_ious, click_score, next_click
from vos_eval.metrics.distance import squared_distance


def random_mask(rng, size_hw):
    noise = ndimage.gaussian_filter(rng.normal(size=size_hw), rng.uniform(0, 4))
    return noise > np.quantile(noise, rng.choice([0, 0.1, 0.5, 0.9, 1]))


sizes = st.tuples(st.integers(1, 70), st.integers(1, 90))
seeds = st.integers(0, 2**32 - 1)


def slow_band(mask):
    """Pad with zeros, erode d times with a 3 x 3 square, take what was lost."""
    d = max(1, round(0.02 * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    eroded = np.pad(mask, 1)
    for _ in range(d):
        eroded = ndimage.binary_erosion(eroded, np.ones((3, 3)), border_value=0)
    return mask & ~eroded[1:-1, 1:-1]


@settings(max_examples=150, deadline=None)
@given(size_hw=sizes, seed=seeds)
def test_boundary_iou_equals_repeated_erosion(size_hw, seed):
    rng = np.random.default_rng(seed)
    gt, pred = random_mask(rng, size_hw), random_mask(rng, size_hw)
    assert (boundary_band(gt) == slow_band(gt)).all()
    a, b = slow_band(gt), slow_band(pred)
    union = (a | b).sum()
    assert boundary_iou(gt, pred) == ((a & b).sum() / union if union else 1)


def test_band_width():
    assert band_width_px((3, 4)) == 1
    assert band_width_px((480, 854)) == 20
    assert band_width_px((3000, 4000)) == 100
    large = np.zeros((600, 800), bool)
    large[100:500, 50:790] = True
    assert boundary_band(large).sum() == 400 * 740 - 360 * 700


@settings(max_examples=150, deadline=None)
@given(size_hw=sizes, seed=seeds)
def test_distance_is_exact(size_hw, seed):
    mask = random_mask(np.random.default_rng(seed), size_hw)
    expected = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert (squared_distance(mask) == np.round(expected**2)).all()


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


def put(path, shape=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, 200, np.uint8)).save(path)


def test_layouts(tmp_path):
    thin = tmp_path / "thin_object_detection"
    put(tmp_path / "DIS5K/DIS-VD/im/a.jpg", (6, 8, 3))
    put(tmp_path / "DIS5K/DIS-VD/gt/a.png")
    put(thin / "COIFT/images/b.jpg")
    put(thin / "COIFT/masks/b.png")
    put(thin / "HRSOD/images/c.jpg")
    put(thin / "HRSOD/masks/c.png")
    put(thin / "HRSOD/masks_max255/c.png")
    put(thin / "ThinObject5K/images_test/d.jpg")
    put(thin / "ThinObject5K/masks_test/d.png")
    sets = find_sets(tmp_path)
    assert [one.name for one in sets] == ["DIS-VD", "COIFT", "HRSOD", "ThinObject5K-test"]
    assert [one.expected for one in sets] == [470, 280, 287, 500]
    assert "masks_max255" in str(sets[2].pairs[0].label)
    assert [one.name for one in find_sets(thin)] == ["COIFT", "HRSOD", "ThinObject5K-test"]
    (plain,) = find_sets(tmp_path / "DIS5K/DIS-VD")
    assert plain.name == "DIS-VD"
    assert read_label(plain.pairs[0].label).shape == (6, 8)

    put(tmp_path / "mine/im/x.jpg")
    put(tmp_path / "mine/gt/y.png")
    with pytest.raises(EvalError) as error:
        find_sets(tmp_path / "mine")
    assert len(error.value.problems) == 2
    with pytest.raises(EvalError, match="no image set"):
        find_sets(tmp_path / "mine/im")
