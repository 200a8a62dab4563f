"""When corrected masks count as the old ones again."""

from __future__ import annotations

import numpy as np
import pytest

from vos_cli.fix.agreement import AGREEING_FRAMES, Agreement
from vos_eval.metrics.region import jaccard


def mask(width: int) -> np.ndarray:
    """`width` of 1000 pixels."""
    row = np.zeros((1, 1000), dtype=bool)
    row[0, :width] = True
    return row


OLD = mask(1000)


@pytest.mark.parametrize(
    ("correction_iou", "least"), [(0.0, 0.95), (0.5, 0.95), (0.88, 0.97), (0.99, 0.98), (1, 0.98)]
)
def test_a_smaller_correction_asks_for_closer_masks(correction_iou, least):
    assert Agreement.after(correction_iou).least_iou == pytest.approx(least)


def run(widths: list[int]) -> Agreement:
    agreement = Agreement.after(0.5)
    for width in widths:
        agreement = agreement.seen(OLD if width else mask(0), mask(width))
    return agreement


def test_it_takes_frames_in_a_row():
    assert not run([990] * (AGREEING_FRAMES - 1)).is_reached
    assert run([990] * AGREEING_FRAMES).is_reached
    assert not run([990] * (AGREEING_FRAMES - 1) + [900] + [990] * 3).is_reached


def test_frames_without_the_object_say_nothing():
    half = AGREEING_FRAMES // 2
    assert not run([0] * 100).is_reached
    assert run([990] * half + [0] * 9 + [990] * (AGREEING_FRAMES - half)).is_reached


def test_one_empty_mask_is_a_disagreement():
    agreement = run([990] * (AGREEING_FRAMES - 1)).seen(OLD, mask(0))
    assert agreement.count == 0


def test_jaccard():
    assert jaccard(mask(0), mask(0)) == 1
    assert jaccard(mask(500), mask(1000)) == 0.5
    assert jaccard(mask(0), mask(10)) == 0
