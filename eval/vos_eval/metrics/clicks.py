"""The simulated clicker of interactive segmentation, and the numbers it gives: NoC and NoF.

Each click lands on the pixel that lies deepest inside the larger error region, as in RITM and
SegNext.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vos_eval.metrics.distance import squared_distance
from vos_eval.metrics.region import jaccard

MAX_CLICKS = 20
MIN_CLICKS = 5
TARGETS = (0.90, 0.95)
PROBABILITY_THRESHOLD = 0.49


@dataclass(frozen=True, slots=True)
class Click:
    """One simulated click.

    x_px: column.
    y_px: row.
    is_positive: whether it means "this is the object", or else "this is not".
    """

    x_px: int
    y_px: int
    is_positive: bool


Predictor = Callable[[Sequence[Click]], np.ndarray]
"""A segmenter: all clicks so far -> object probability, float H x W, 0-1."""


def next_click(gt_mask: np.ndarray, pred_mask: np.ndarray, clicks: Sequence[Click]) -> Click | None:
    """Return the deepest pixel of the larger error region; None when no error is left to click.

    Both regions are measured before pixels already clicked are taken out of the choice.
    """
    missed = squared_distance(gt_mask & ~pred_mask)
    surplus = squared_distance(~gt_mask & pred_mask)
    for click in clicks:
        missed[click.y_px, click.x_px] = 0
        surplus[click.y_px, click.x_px] = 0
    is_positive = bool(missed.max() > surplus.max())
    depth = missed if is_positive else surplus
    if depth.max() == 0:
        return None
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(int(x), int(y), is_positive)


def click_ious(
    gt_mask: np.ndarray, predict: Predictor, *, max_clicks: int = MAX_CLICKS
) -> np.ndarray:
    """Return the IoU after each of `max_clicks` clicks.

    The last value repeats once nothing is wrong, or once the table below can no longer change.

    gt_mask: bool H x W.
    """
    clicks: list[Click] = []
    ious: list[float] = []
    pred_mask = np.zeros_like(gt_mask)
    while len(ious) < max_clicks:
        click = next_click(gt_mask, pred_mask, clicks)
        if click is None:
            break
        clicks.append(click)
        pred_mask = predict(clicks) > PROBABILITY_THRESHOLD
        ious.append(jaccard(gt_mask, pred_mask))
        if len(ious) >= MIN_CLICKS and max(ious) >= TARGETS[1]:
            break
    ious += [ious[-1] if ious else 1.0] * (max_clicks - len(ious))
    return np.array(ious)


@dataclass(frozen=True, slots=True)
class ClickScore:
    """SegNext's table for a set of images; as there, success with the 20th click is a failure.

    iou_at_5: mean IoU after 5 clicks over all images pooled, 0-1.
    noc90: mean number of clicks to IoU 0.90, 20 where it is never reached.
    noc95: mean number of clicks to IoU 0.95, 20 where it is never reached.
    nof95: number of images that did not reach 0.95 before click 20.
    images: number of images.
    """

    iou_at_5: float
    noc90: float
    noc95: float
    nof95: int
    images: int


def click_score(ious: Sequence[np.ndarray]) -> ClickScore:
    """Summarise the IoU curves of all images."""
    if not ious:
        nan = float("nan")
        return ClickScore(nan, nan, nan, 0, 0)
    to_90 = [_clicks_to(curve, TARGETS[0]) for curve in ious]
    to_95 = [_clicks_to(curve, TARGETS[1]) for curve in ious]
    return ClickScore(
        iou_at_5=float(np.mean([curve[min(MIN_CLICKS, len(curve)) - 1] for curve in ious])),
        noc90=float(np.mean(to_90)),
        noc95=float(np.mean(to_95)),
        nof95=sum(n == len(curve) for n, curve in zip(to_95, ious, strict=True)),
        images=len(ious),
    )


def _clicks_to(curve: np.ndarray, target: float) -> int:
    reached = np.flatnonzero(curve >= target)
    return int(reached[0]) + 1 if reached.size else len(curve)
