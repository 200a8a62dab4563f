"""The fast J and F equal the definitions computed the slow way: boundary maps and dilation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_eval.metrics.boundary import Boundary, boundary_radius_px, f_measure, f_score
from vos_eval.metrics.jf import FramePair, Scorer
from vos_eval.metrics.region import jaccard


def slow_boundary(mask: np.ndarray, boundary: Boundary = Boundary.STANDARD) -> np.ndarray:
    """The definition, pixel arrays shifted by one; outside the image is zero."""
    east, south, south_east = (np.zeros_like(mask) for _ in range(3))
    east[:, :-1] = mask[:, 1:]
    south[:-1] = mask[1:]
    south_east[:-1, :-1] = mask[1:, 1:]
    if boundary is Boundary.STANDARD:
        contour = (mask ^ east) | (mask ^ south) | (mask ^ south_east)
    else:
        contour = mask ^ (east | south | south_east)
    contour[-1, :] = mask[-1, :] ^ east[-1, :]
    contour[:, -1] = mask[:, -1] ^ south[:, -1]
    contour[-1, -1] = False
    return contour


def slow_dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """Union of copies moved by every offset of the disk dx^2 + dy^2 <= r^2."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy > radius * radius or abs(dy) >= height or abs(dx) >= width:
                continue
            out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] |= mask[
                max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)
            ]
    return out


def slow_f(gt: np.ndarray, pred: np.ndarray, boundary: Boundary = Boundary.STANDARD) -> float:
    radius = math.ceil(0.008 * np.linalg.norm(gt.shape))
    gt_contour, pred_contour = slow_boundary(gt, boundary), slow_boundary(pred, boundary)
    n_gt, n_pred = int(gt_contour.sum()), int(pred_contour.sum())
    if n_gt == 0 or n_pred == 0:
        return float(n_gt == n_pred)
    precision = int((pred_contour & slow_dilate(gt_contour, radius)).sum()) / n_pred
    recall = int((gt_contour & slow_dilate(pred_contour, radius)).sum()) / n_gt
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def draw_mask(rng: np.random.Generator, size_hw: tuple[int, int], kind: str) -> np.ndarray:
    height, width = size_hw
    mask = np.zeros(size_hw, bool)
    if kind == "full":
        mask[:] = True
    elif kind == "pixel":
        mask[rng.integers(height), rng.integers(width)] = True
    elif kind == "noise":
        mask = rng.random(size_hw) < rng.choice([0.02, 0.5, 0.98])
    elif kind == "line":
        y, x = rng.integers(height, size=2), rng.integers(width, size=2)
        steps = 2 * max(height, width)
        mask[
            np.linspace(y[0], y[1], steps).round().astype(int),
            np.linspace(x[0], x[1], steps).round().astype(int),
        ] = True
    elif kind == "blob":
        rows, columns = np.ogrid[:height, :width]
        for _ in range(rng.integers(1, 4)):
            cy, cx = rng.integers(-2, height + 2), rng.integers(-2, width + 2)
            ry, rx = rng.uniform(0.5, height), rng.uniform(0.5, width)
            mask |= ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 <= 1
    elif kind == "border":
        side = rng.integers(4)
        depth = int(rng.integers(1, 4))
        start, stop = sorted(rng.integers(0, (width if side < 2 else height) + 1, size=2))
        if side == 0:
            mask[:depth, start:stop] = True
        elif side == 1:
            mask[-depth:, start:stop] = True
        elif side == 2:
            mask[start:stop, :depth] = True
        else:
            mask[start:stop, -depth:] = True
    else:
        assert kind == "empty"
    return mask


KINDS = ("blob", "line", "noise", "border", "full", "empty", "pixel")


@settings(max_examples=300, deadline=None)
@given(
    height=st.integers(1, 140),
    width=st.integers(1, 200),
    gt_kind=st.sampled_from(KINDS),
    pred_kind=st.sampled_from((*KINDS, "shifted")),
    boundary=st.sampled_from(Boundary),
    seed=st.integers(0, 2**32 - 1),
)
def test_fast_equals_slow(height, width, gt_kind, pred_kind, boundary, seed):
    rng = np.random.default_rng(seed)
    gt = draw_mask(rng, (height, width), gt_kind)
    if pred_kind == "shifted":
        pred = np.roll(gt, rng.integers(-4, 5, size=2), axis=(0, 1))
    else:
        pred = draw_mask(rng, (height, width), pred_kind)
    assert f_measure(gt, pred, boundary) == slow_f(gt, pred, boundary)

    gt_labels, pred_labels = gt.astype(np.uint8) * 7, pred.astype(np.uint8) * 7
    gt_labels[(gt_labels == 0) & (rng.random(gt.shape) < 0.1)] = 9  # another object
    pair, scorer = FramePair(gt_labels, pred_labels), Scorer(boundary)
    scorer.add(pair.crop(7), pair.radius_px)
    (score,) = scorer.scores()
    assert score.f == slow_f(gt, pred, boundary)
    union = int((gt | pred).sum())
    assert score.j == (int((gt & pred).sum()) / union if union else 1.0)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 150)), min_size=1, max_size=3),
    boundary=st.sampled_from(Boundary),
    seed=st.integers(0, 2**32 - 1),
)
def test_batches_of_many_objects_and_frames_equal_slow(sizes, boundary, seed):
    rng = np.random.default_rng(seed)
    scorer, expected = Scorer(boundary), []
    for size_hw in sizes:
        for _ in range(3):
            maps = np.zeros((2, *size_hw), np.uint8)
            for label in (1, 2, 255):
                for labels in maps:
                    labels[draw_mask(rng, size_hw, str(rng.choice(KINDS)))] = label
            pair = FramePair(*maps)
            assert pair.object_ids() == tuple(frozenset(np.unique(m)) - {0} for m in maps)
            for label in (2, 1, 255, 7):
                scorer.add(pair.crop(label), pair.radius_px)
                expected.append(slow_f(maps[0] == label, maps[1] == label, boundary))
    assert [score.f for score in scorer.scores()] == expected


@pytest.mark.parametrize(
    ("size_hw", "kinds"),
    [
        ((480, 854), ("blob", "blob")),
        ((1, 4096), ("noise", "line")),
        ((4096, 1), ("noise", "border")),
        ((2160, 3840), ("blob", "shifted")),
        ((2160, 3840), ("noise", "line")),
    ],
)
def test_large_sizes(size_hw, kinds):
    rng = np.random.default_rng(5)
    gt = draw_mask(rng, size_hw, kinds[0])
    pred = (
        np.roll(gt, (9, -23), axis=(0, 1))
        if kinds[1] == "shifted"
        else draw_mask(rng, size_hw, kinds[1])
    )
    from scipy.ndimage import distance_transform_edt

    radius = boundary_radius_px(size_hw)
    gt_contour, pred_contour = slow_boundary(gt), slow_boundary(pred)
    near_gt = np.round(distance_transform_edt(~gt_contour) ** 2) <= radius**2
    near_pred = np.round(distance_transform_edt(~pred_contour) ** 2) <= radius**2
    expected = f_score(
        int((pred_contour & near_gt).sum()),
        int(pred_contour.sum()),
        int((gt_contour & near_pred).sum()),
        int(gt_contour.sum()),
    )
    assert 0 < expected < 1
    assert f_measure(gt, pred) == expected


@pytest.mark.parametrize(
    ("size_hw", "radius"),
    [
        ((360, 640), 6),
        ((480, 853), 8),
        ((480, 854), 8),
        ((540, 960), 9),
        ((720, 1280), 12),
        ((1080, 1920), 18),
        ((1080, 2048), 19),
        ((2160, 3840), 36),
        ((1, 1), 1),
    ],
)
def test_radius(size_hw, radius):
    assert boundary_radius_px(size_hw) == radius


def test_precision_recall_table():
    full, empty, dot = np.ones((9, 9), bool), np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    dot[4, 4] = True
    assert f_measure(empty, empty) == 1
    assert f_measure(full, empty) == 1  # neither has a contour
    assert jaccard(full, empty) == 0
    assert f_measure(full, dot) == 0
    assert f_measure(dot, empty) == f_measure(empty, dot) == 0
    assert f_measure(dot, dot) == 1
    assert jaccard(empty, empty) == 1
    far = np.zeros((200, 200), bool)
    far[10, 10] = True
    assert f_measure(far, far[::-1, ::-1]) == 0


def test_a_square_has_sixteen_contour_pixels_and_the_cython_rule_sees_ten():
    square = np.zeros((12, 12), bool)
    square[4:8, 4:8] = True
    assert int(slow_boundary(square).sum()) == 16
    assert int(slow_boundary(square, Boundary.LVOS_CYTHON).sum()) == 10
