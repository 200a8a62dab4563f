"""J and F of the objects of frames, from label maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vos_eval.metrics.boundary import Boundary, boundary_radius_px, f_packed, gap_px
from vos_eval.metrics.packed import CroppedPair, crop_pair, pack_batch, pack_foreground, pack_label
from vos_eval.metrics.region import jaccard_packed

_ROWS_PER_PROBE = 32
_BATCH_BYTES = 1 << 18  # of mask bits: the few buffers of a dilation then stay in a core's cache
_MAX_WASTE = 1.5  # a batch pads its pairs to one size; start a new one before that costs more


@dataclass(frozen=True, slots=True)
class JF:
    """The two scores of one object on one frame, both 0-1.

    j: region similarity.
    f: contour accuracy.
    """

    j: float
    f: float


BOTH_EMPTY = JF(1.0, 1.0)


class FramePair:
    """A ground-truth and a predicted label map of one frame.

    gt: uint8 H x W; pixel value = object id, 0 = background.
    pred: the same, of the same size.
    """

    def __init__(self, gt: np.ndarray, pred: np.ndarray) -> None:
        height, self._width = gt.shape
        top, bottom = _row_range(gt, pred)
        self._reaches_bottom = bottom == height
        self._gt, self._pred = gt[top:bottom], pred[top:bottom]
        self.radius_px = boundary_radius_px((height, self._width))

    def crop(self, object_id: int) -> CroppedPair | None:
        """Return the pixels labelled `object_id`; None where neither map has any."""
        return self._crop(pack_label(self._gt, object_id), pack_label(self._pred, object_id))

    def crop_foreground(self) -> CroppedPair | None:
        """Return all nonzero pixels as one object; None where neither map has any."""
        return self._crop(pack_foreground(self._gt), pack_foreground(self._pred))

    def object_ids(self) -> tuple[frozenset[int], frozenset[int]]:
        """Return the labels present in (ground truth, prediction), without 0."""
        return _labels_in(self._gt), _labels_in(self._pred)

    def _crop(self, gt_bits: np.ndarray, pred_bits: np.ndarray) -> CroppedPair | None:
        return crop_pair(gt_bits, pred_bits, self._width, reaches_bottom=self._reaches_bottom)


class Scorer:
    """A queue of pairs that scores them in batches: many small NumPy calls become few larger ones.

    `add` may defer the work; `scores` does what is left and returns everything in order.
    """

    def __init__(self, boundary: Boundary = Boundary.STANDARD) -> None:
        self._boundary = boundary
        self._scores: list[JF] = []
        self._waiting: list[tuple[int, CroppedPair]] = []
        self._radius_px = 0
        self._largest = (0, 0)
        self._bytes = 0

    def add(self, pair: CroppedPair | None, radius_px: int) -> None:
        """Queue one pair; None is a pair of empty masks."""
        index = len(self._scores)
        self._scores.append(BOTH_EMPTY)
        if pair is None:
            return
        height, width = pair.gt.shape
        largest = max(height, self._largest[0]), max(width, self._largest[1])
        padded = largest[0] * largest[1] * (len(self._waiting) + 1)
        if self._waiting and (
            radius_px != self._radius_px
            or padded > _BATCH_BYTES
            or padded > _MAX_WASTE * (self._bytes + height * width)
        ):
            self._flush()
            largest = height, width
        self._radius_px, self._largest = radius_px, largest
        self._bytes += height * width
        self._waiting.append((index, pair))

    def scores(self) -> Sequence[JF]:
        """Return J and F of everything added, in order."""
        self._flush()
        return self._scores

    def _flush(self) -> None:
        if not self._waiting:
            return
        batch = pack_batch([pair for _, pair in self._waiting], gap_px(self._radius_px))
        found = zip(
            jaccard_packed(batch), f_packed(batch, self._radius_px, self._boundary), strict=True
        )
        for (index, _), (j, f) in zip(self._waiting, found, strict=True):
            self._scores[index] = JF(j, f)
        self._waiting, self._largest, self._bytes = [], (0, 0), 0


def _row_range(gt: np.ndarray, pred: np.ndarray) -> tuple[int, int]:
    """Return rows [top, bottom) that hold every labelled pixel and one row above them."""
    height = gt.shape[0]

    def is_labelled(top: int, bottom: int) -> bool:
        return bool(gt[top:bottom].max() or pred[top:bottom].max())

    top, bottom = 0, height
    while top < height and not is_labelled(top, min(top + _ROWS_PER_PROBE, height)):
        top += _ROWS_PER_PROBE
    while bottom > top and not is_labelled(max(bottom - _ROWS_PER_PROBE, 0), bottom):
        bottom -= _ROWS_PER_PROBE
    return max(min(top, height) - 1, 0), max(bottom, 0)


def _labels_in(labels: np.ndarray) -> frozenset[int]:
    """Return the values of a uint8 label map, without 0."""
    found: set[int] = set()
    left = pack_foreground(labels)
    while left.any():
        row, byte = np.unravel_index(int(left.argmax()), left.shape)
        group = labels[row, int(byte) * 8 : int(byte) * 8 + 8]
        for value in {int(v) for v in group} - found - {0}:
            found.add(value)
            left &= ~pack_label(labels, value)
    return frozenset(found)
