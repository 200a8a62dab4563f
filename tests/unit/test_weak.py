"""Masks that the model itself holds for bad, on series made up for it."""

from __future__ import annotations

import numpy as np

from vos.io.write.stats_file import ObjectSeries
from vos.suspicious import find_suspicious_spans
from vos.weak import find_weak_spans

FRAMES = 60


def series(iou: np.ndarray, area: np.ndarray | None = None) -> ObjectSeries:
    area = np.full(FRAMES, 1000) if area is None else area
    return ObjectSeries(np.arange(FRAMES), area, iou, np.full(FRAMES, 5.0))


def test_a_mask_that_is_always_bad_is_flagged_though_nothing_changes():
    one = {1: series(np.full(FRAMES, 0.3))}
    assert find_suspicious_spans(one) == []
    (span,) = find_weak_spans(one)
    assert (span.kind, span.first, span.last, span.amount) == ("low score", 0, FRAMES - 1, 0.3)


def test_good_gone_unknown_and_prompted_frames_are_none():
    iou = np.full(FRAMES, 0.9)
    iou[10], iou[20], iou[30] = 0.2, 0.1, np.nan
    area = np.full(FRAMES, 1000)
    area[20] = 0
    assert find_weak_spans({1: series(iou, area)}, prompted={1: {10}}) == []
    (span,) = find_weak_spans({1: series(iou, area)})
    assert (span.first, span.last, span.worst) == (10, 10, 10)


def test_neighbours_are_one_span_and_others_are_not():
    iou = np.full(FRAMES, 0.9)
    iou[[5, 8, 12, 40]] = 0.4, 0.2, 0.3, 0.1
    spans = find_weak_spans({1: series(iou)})
    assert [(one.first, one.last, one.worst) for one in spans] == [(5, 12, 8), (40, 40, 40)]
