"""MOSEv2's numbers equal its definition, computed the slow way and written down independently."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.eval.drawing import random_mask, seeds
from unit.eval.made_sets import disc, save, write_video
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.metrics.boundary import adaptive_radii_px
from vos_eval.metrics.jf import FramePair, Scorer


def slow_contour(mask):
    """A pixel that differs from its right, lower or lower right one; the last edges look along."""
    padded = np.pad(mask, ((0, 1), (0, 1)))
    contour = np.zeros_like(mask)
    for neighbour in (padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]):
        contour |= mask ^ neighbour
    contour[-1] = mask[-1] ^ padded[-2, 1:]
    contour[:, -1] = mask[:, -1] ^ padded[1:, -2]
    contour[-1, -1] = False
    return contour


def slow_near(contour, radius):
    """Pixels that see a contour pixel through the kernel: points at -r, -r + 1, ... on both axes.

    The kernel's middle is its entry number length // 2; it takes points within the exact radius.
    """
    axis = -radius + np.arange(math.ceil(2 * radius + 1))
    middle, reach = len(axis) // 2, len(axis)
    padded = np.pad(contour, reach)
    height, width = contour.shape
    near = np.zeros_like(contour)
    for row, y in enumerate(axis):
        for column, x in enumerate(axis):
            if y * y + x * x <= radius * radius:
                top, left = reach + row - middle, reach + column - middle
                near |= padded[top : top + height, left : left + width]
    return near


def slow_f(gt, pred, radius):
    gt_contour, pred_contour = slow_contour(gt), slow_contour(pred)
    n_gt, n_pred = int(gt_contour.sum()), int(pred_contour.sum())
    if not n_gt or not n_pred:
        return float(n_gt == n_pred)
    precision = int((pred_contour & slow_near(gt_contour, radius)).sum()) / n_pred
    recall = int((gt_contour & slow_near(pred_contour, radius)).sum()) / n_gt
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def slow_scores(gt, pred):
    """J, F-dot and F of one frame."""
    diagonal = np.linalg.norm(gt.shape)
    area = int(gt.sum())
    own = math.ceil(0.1 * math.sqrt(area)) if area else math.inf
    if own < 0.008 * diagonal:
        f_dot, f = slow_f(gt, pred, own), slow_f(gt, pred, math.ceil(0.008 * diagonal))
    else:
        f_dot = f = slow_f(gt, pred, 0.008 * diagonal)
    return (int((gt & pred).sum()) + 1) / (int((gt | pred).sum()) + 1), f_dot, f


@settings(max_examples=60, deadline=None)
@given(height=st.integers(40, 420), width=st.integers(40, 560), seed=seeds)
def test_a_frame_equals_the_definition(height, width, seed):
    rng = np.random.default_rng(seed)
    gt = random_mask(rng, (height, width))
    if rng.integers(2):  # small objects, whose own tolerance counts
        gt[: rng.integers(height)] = False
        gt[:, rng.integers(1, width) :] = False
    pred = np.roll(gt, rng.integers(-9, 10, 2), (0, 1)) if rng.integers(3) else ~gt
    pair, scorer = FramePair(gt.astype(np.uint8), pred.astype(np.uint8)), Scorer(smooths_j=True)
    cropped = pair.crop(1)
    if cropped is None:
        return
    assert cropped.count_gt() == gt.sum()
    scorer.add(cropped, *adaptive_radii_px(pair.size_hw, cropped.count_gt()))
    (score,) = scorer.scores()
    assert (score.j, score.f, score.f_fixed) == slow_scores(gt, pred)


def test_a_large_object_has_the_tolerance_of_the_image_not_rounded_up():
    assert adaptive_radii_px((480, 854), 40_000) == (0.008 * math.hypot(480, 854),) * 2
    assert adaptive_radii_px((480, 854), 0) == (0.008 * math.hypot(480, 854),) * 2
    assert adaptive_radii_px((480, 854), 2_500) == (5, 8)
    assert adaptive_radii_px((480, 854), 1) == (1, 8)


# There on frames 0-2, gone on 3-5, back on 6-7, gone on 8-10; the first and the last do not count.
THERE = [True] * 3 + [False] * 3 + [True] * 2 + [False] * 3


@pytest.fixture
def data(tmp_path):
    write_video(
        tmp_path / "gt/Annotations/cat",
        [{1: disc(20 + n)} | ({4: disc(45, 12, 6)} if t else {}) for n, t in enumerate(THERE)],
    )
    write_video(
        tmp_path / "pred/cat",
        [{1: disc(21 + n)} | ({4: disc(47, 12, 6)} if n % 4 else {}) for n in range(len(THERE))],
    )
    meta = {"videos": {"cat": {"length": len(THERE), "objects": {"1": {}, "4": {}}}}}
    (tmp_path / "gt/meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_absence_and_return(data):
    score = evaluate("mosev2", data / "gt", data / "pred")
    first, fourth = score.objects
    assert fourth.frames == tuple(f"{n:05d}" for n in range(1, 10))
    both = [(fourth.j[n - 1], fourth.f[n - 1]) for n in range(1, 10)]
    gone = [np.mean(both[2:5], axis=0), np.mean(both[7:9], axis=0)]
    back = [np.mean(both[5:7], axis=0)]
    numbers = fourth.numbers()
    assert numbers["J&Fdot_d"] == pytest.approx(np.mean(np.mean(gone, axis=0)), abs=1e-15)
    assert numbers["J&Fdot_r"] == pytest.approx(np.mean(np.mean(back, axis=0)), abs=1e-15)
    assert math.isnan(first.numbers()["J&Fdot_d"])
    assert score.totals["J&Fdot_d"] == numbers["J&Fdot_d"]  # object 1 has none
    assert 0 < score.totals["J&Fdot_d"] < 1
    assert score.totals["J"] == pytest.approx((first.j_mean + fourth.j_mean) / 2, abs=1e-15)


def test_one_that_begins_absent_returns_but_has_not_disappeared(data):
    for number in (0, 1):
        save(data / f"gt/Annotations/cat/{number:05d}.png", disc(20).astype(np.uint8))
    numbers = evaluate("mosev2", data / "gt", data / "pred").objects[1].numbers()
    for number in (3, 4, 5, 8, 9):
        (data / f"pred/cat/{number:05d}.png").unlink()
        save(data / f"pred/cat/{number:05d}.png", disc(20).astype(np.uint8))
    better = evaluate("mosev2", data / "gt", data / "pred").objects[1].numbers()
    assert better["J&Fdot_d"] == 1 > numbers["J&Fdot_d"]
    assert better["J&Fdot_r"] == numbers["J&Fdot_r"]


def test_without_metadata_the_first_annotation_decides_and_that_is_said(data):
    (data / "gt/meta.json").unlink()
    save(data / "gt/Annotations/cat/00000.png", disc(20).astype(np.uint8))
    notes = []
    score = evaluate("mosev2", data / "gt", data / "pred", on_note=notes.append)
    assert [item.object_id for item in score.objects] == [1]
    assert any("no meta.json" in text for text in score.plan.readings)
    assert any("not scored" in text and "cat id 4 from 00001" in text for text in notes)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"length": 12, "objects": {"1": {}}}, "12 frames"),
        ({"length": 11, "objects": {}}, "at least one"),
        ({"length": 11, "objects": {"300": {}}}, "1-255"),
        ({"objects": {"1": {}}}, "length"),
        ([], "cat"),
    ],
)
def test_metadata_that_does_not_fit(data, entry, expected):
    (data / "gt/meta.json").write_text(json.dumps({"videos": {"cat": entry}}))
    with pytest.raises(EvalError, match=expected):
        evaluate("mosev2", data / "gt", data / "pred")


def test_a_video_that_the_metadata_lacks(data):
    write_video(data / "gt/Annotations/dog", [{1: disc(20)}] * 4)
    write_video(data / "pred/dog", [{1: disc(20)}] * 4)
    with pytest.raises(EvalError, match="dog: not in the metadata"):
        evaluate("mosev2", data / "gt", data / "pred")
