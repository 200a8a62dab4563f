"""F: contour accuracy, exact and fast.

The official definition dilates both contours with a disk. Here a contour pixel matches iff the
squared distance to the other contour is <= r^2: the disk is a union of row runs, and runs are
grown on packed bits, 64 pixels at a time.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache

import numpy as np

from vos_eval.metrics.packed import (
    WORD_BITS,
    CroppedPair,
    PackedBatch,
    count_bits,
    crop_pair,
    pack_batch,
    pack_mask,
)

BOUNDARY_TOLERANCE = 0.008  # of the image diagonal


class Boundary(StrEnum):
    """The rule for which pixels make up a contour.

    STANDARD: a pixel that differs from its right, lower or lower right neighbour.
    LVOS_CYTHON: a pixel that differs from the union of the three, which loses two sides of a mask.

    The second is the rule of the LVOS evaluator's optional compiled operator.
    """

    STANDARD = "standard"
    LVOS_CYTHON = "lvos-cython"


def boundary_radius_px(size_hw: tuple[int, int]) -> int:
    """Return the match radius of an image: ceil(0.008 * diagonal)."""
    return math.ceil(BOUNDARY_TOLERANCE * math.hypot(*size_hw))


def gap_px(radius_px: int) -> int:
    """Return the zero bits a packed row needs behind it: no dilation may reach the next row."""
    return radius_px + 1


def f_measure(
    gt_mask: np.ndarray, pred_mask: np.ndarray, boundary: Boundary = Boundary.STANDARD
) -> float:
    """Return F of two bool H x W masks."""
    height, width = gt_mask.shape
    radius_px = boundary_radius_px((height, width))
    pair = crop_pair(pack_mask(gt_mask), pack_mask(pred_mask), width)
    if pair is None:
        return 1.0
    return f_packed(pack_batch([pair], gap_px(radius_px)), radius_px, boundary)[0]


def f_packed(
    batch: PackedBatch, radius_px: int, boundary: Boundary = Boundary.STANDARD
) -> list[float]:
    """Return F of each pair of a batch whose rows are `gap_px(radius_px)` bits apart."""
    contours = _contours(batch, boundary)
    gt, pred = batch.rows(contours)
    near_gt, near_pred = batch.rows(_dilate(batch, contours, radius_px))
    near_gt &= pred
    near_pred &= gt
    counts = (count_bits(near_gt), count_bits(pred), count_bits(near_pred), count_bits(gt))
    return [f_score(*one) for one in zip(*(c.tolist() for c in counts), strict=True)]


def f_score(pred_matched: int, pred_count: int, gt_matched: int, gt_count: int) -> float:
    """Return the harmonic mean of precision and recall of contour pixels.

    A missing contour has nothing wrong in it: with only one of the two empty, its own ratio is 1
    and the other's 0; with both empty F is 1.
    """
    if pred_count == 0 or gt_count == 0:
        return 1.0 if pred_count == gt_count else 0.0
    precision, recall = pred_matched / pred_count, gt_matched / gt_count
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _contours(batch: PackedBatch, boundary: Boundary) -> np.ndarray:
    """Return the contour bits in the layout of the batch's buffer."""
    flat_east = batch.buffer >> np.uint64(1)
    flat_east[:-1] |= batch.buffer[1:] << np.uint64(WORD_BITS - 1)
    mask, east = batch.rows(batch.buffer), batch.rows(flat_east)
    contours = np.zeros_like(batch.buffer)
    rows = batch.rows(contours)

    # Below the last row of the buffer there is nothing, as below the crop of any pair.
    if boundary is Boundary.STANDARD:
        np.bitwise_xor(mask, east, out=rows)
        rows[:, :, :-1] |= mask[:, :, :-1] ^ mask[:, :, 1:]
        rows[:, :, :-1] |= mask[:, :, :-1] ^ east[:, :, 1:]
        rows[:, :, -1] |= mask[:, :, -1]
    else:
        neighbours = east.copy()
        neighbours[:, :, :-1] |= mask[:, :, 1:]
        neighbours[:, :, :-1] |= east[:, :, 1:]
        np.bitwise_xor(mask, neighbours, out=rows)

    valid = np.zeros((len(batch.pairs), 1, batch.stride_words), np.uint64)
    for index, pair in enumerate(batch.pairs):
        full_words, rest_bits = divmod(pair.width_px, WORD_BITS)
        valid[index, 0, :full_words] = ~np.uint64(0)
        if rest_bits:
            valid[index, 0, full_words] = (1 << rest_bits) - 1
        if pair.has_last_row or pair.has_last_column:
            _fix_borders(rows[:, index], mask[:, index], east[:, index], pair)
    rows &= valid
    return contours


def _fix_borders(rows: np.ndarray, mask: np.ndarray, east: np.ndarray, pair: CroppedPair) -> None:
    """Correct the image's last row, which looks right only, and last column, which looks down only.

    The corner where both meet is never a contour.

    rows: contours to correct; rows, mask, east: 2 x height x words of one pair.
    """
    last = pair.height - 1
    if pair.has_last_row:
        rows[:, last] = mask[:, last] ^ east[:, last]
    if pair.has_last_column:
        word, bit_index = divmod(pair.width_px - 1, WORD_BITS)
        bit = np.uint64(1 << bit_index)
        column = mask[:, : last + 1, word]
        changes = column.copy()
        changes[:, :-1] ^= column[:, 1:]
        if pair.has_last_row:
            changes[:, -1] = 0
        rows[:, : last + 1, word] &= ~bit
        rows[:, : last + 1, word] |= changes & bit


@lru_cache(maxsize=64)
def _disk_half_widths(radius_px: int) -> tuple[int, ...]:
    """Return the half-width of the disk's row at each vertical distance 0 ... r."""
    return tuple(math.isqrt(radius_px**2 - dy**2) for dy in range(radius_px + 1))


def _dilate(batch: PackedBatch, contours: np.ndarray, radius_px: int) -> np.ndarray:
    """Dilate all contours with the disk: a union of row runs, grown from narrow to wide."""
    widths = _disk_half_widths(radius_px)
    near = np.zeros_like(contours)
    near_rows = batch.rows(near)
    runs, grown, moved = contours.copy(), np.empty_like(contours), np.empty_like(contours)
    half_width = 0
    for dy in range(radius_px, -1, -1):
        while half_width < widths[dy]:
            # A run of 2w + 1 pixels united with itself moved by d <= w + 1 has no hole, even
            # where one half of the run was cut off at the end of the buffer.
            step = min(widths[dy] - half_width, half_width + 1, WORD_BITS - 1)
            _grow(runs, step, grown, moved)
            runs, grown = grown, runs
            half_width += step
        rows = batch.rows(runs)
        if dy == 0:
            near |= runs
        elif dy < batch.height:
            near_rows[:, :, dy:] |= rows[:, :, :-dy]
            near_rows[:, :, :-dy] |= rows[:, :, dy:]
    return near


def _grow(bits: np.ndarray, step: int, grown: np.ndarray, moved: np.ndarray) -> None:
    """Write bits | bits moved right by `step` pixels | bits moved left by them into `grown`."""
    ahead, carried = np.uint64(step), np.uint64(WORD_BITS - step)
    np.left_shift(bits, ahead, out=grown)
    grown |= bits
    grown |= np.right_shift(bits, ahead, out=moved)
    np.right_shift(bits, carried, out=moved)
    grown[1:] |= moved[:-1]
    np.left_shift(bits, carried, out=moved)
    grown[:-1] |= moved[1:]
