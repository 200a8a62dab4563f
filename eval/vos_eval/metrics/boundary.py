"""F: contour accuracy, exact and fast.

The official definition dilates both contours with a disk. Here a contour pixel matches iff the
squared distance to the other contour is <= r^2: the disk is a union of row runs, and runs are
grown on packed bits, 64 pixels at a time.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

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
AREA_TOLERANCE = 0.1  # of the square root of the object's area


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


def adaptive_radii_px(size_hw: tuple[int, int], gt_px: int) -> tuple[float, float]:
    """Return MOSEv2's match radii: of F-dot, which a small object makes smaller, and of F.

    Where the object does not make it smaller, both are 0.008 * diagonal itself, not rounded up:
    this F is then not that of DAVIS.

    gt_px: pixels of the object in the ground truth; 0 makes nothing smaller.
    """
    height, width = size_hw
    largest = BOUNDARY_TOLERANCE * math.sqrt(height * height + width * width)
    own = math.ceil(AREA_TOLERANCE * math.sqrt(gt_px))
    if gt_px and own < largest:
        return own, math.ceil(largest)
    return largest, largest


def gap_px(radius_px: float) -> int:
    """Return the zero bits a packed row needs behind it: no dilation may reach the next row."""
    return math.ceil(radius_px) + 1


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
    batch: PackedBatch, radius_px: float, boundary: Boundary = Boundary.STANDARD
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


@lru_cache(maxsize=256)
def _disk_runs(radius_px: float) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """Return the disk as runs of pixels, from the shortest to the longest.

    Each is (first, last horizontal offset, the vertical offsets of the rows it lies on). A whole
    radius gives a disk. Another gives what scikit-image makes of it and OpenCV applies: points one
    pixel apart from -r on, tested against the exact radius and counted from the middle one, so that
    the disk lies up to a pixel to the left and above.
    """
    axis = np.arange(-radius_px, radius_px + 1)
    inside = axis[:, None] ** 2 + axis**2 <= radius_px**2
    middle = len(axis) // 2
    rows = []
    for row, line in enumerate(inside):
        columns = np.flatnonzero(line)
        if columns.size:
            rows.append((int(columns[0]) - middle, int(columns[-1]) - middle, row - middle))
    rows.sort(key=lambda one: (one[1] - one[0], one))
    return tuple(
        (first, last, tuple(dy for _, _, dy in group))
        for (first, last), group in groupby(rows, key=lambda one: one[:2])
    )


def _dilate(batch: PackedBatch, contours: np.ndarray, radius_px: float) -> np.ndarray:
    """Dilate all contours with the disk: a union of row runs, grown from narrow to wide."""
    near = np.zeros_like(contours)
    near_rows = batch.rows(near)
    runs, grown, moved = contours.copy(), np.empty_like(contours), np.empty_like(contours)
    first = last = 0
    for run_first, run_last, offsets in _disk_runs(radius_px):
        if run_first > first or run_last < last:  # the shortest run lies beside the middle
            _move(contours, -run_first, runs)
            first = last = run_first
        while (first, last) != (run_first, run_last):
            # A run united with itself moved by its own length has no hole.
            most = min(last - first + 1, WORD_BITS - 1)
            back, ahead = min(first - run_first, most), min(run_last - last, most)
            _grow(runs, back, ahead, grown, moved)
            runs, grown = grown, runs
            first, last = first - back, last + ahead
        rows = batch.rows(runs)
        for dy in offsets:
            if dy == 0:
                near |= runs
            elif 0 < dy < batch.height:
                near_rows[:, :, :-dy] |= rows[:, :, dy:]
            elif -batch.height < dy < 0:
                near_rows[:, :, -dy:] |= rows[:, :, :dy]
    return near


def _grow(bits: np.ndarray, back: int, ahead: int, grown: np.ndarray, moved: np.ndarray) -> None:
    """Write bits | bits moved right by `back` pixels | bits moved left by `ahead` into `grown`.

    A pixel is near a run that begins `back` pixels further back, or ends `ahead` pixels further on.
    """
    if not back:
        np.copyto(grown, bits)
    else:
        np.left_shift(bits, np.uint64(back), out=grown)
        grown |= bits
        np.right_shift(bits, np.uint64(WORD_BITS - back), out=moved)
        grown[1:] |= moved[:-1]
    if ahead:
        grown |= np.right_shift(bits, np.uint64(ahead), out=moved)
        np.left_shift(bits, np.uint64(WORD_BITS - ahead), out=moved)
        grown[:-1] |= moved[1:]


def _move(bits: np.ndarray, step: int, moved: np.ndarray) -> None:
    """Write the bits moved right by `step` pixels, 1 to 63, into `moved`."""
    np.left_shift(bits, np.uint64(step), out=moved)
    moved[1:] |= bits[:-1] >> np.uint64(WORD_BITS - step)
