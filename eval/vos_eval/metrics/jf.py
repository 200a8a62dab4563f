"""J and F of the objects of frames, from label maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vos_eval.metrics.boundary import Boundary, boundary_radius_px, f_packed, gap_px
from vos_eval.metrics.packed import CroppedPair, crop_pair, pack_batch, pack_foreground, pack_label
from vos_eval.metrics.region import count_regions, ratio, smoothed_ratio

_ROWS_PER_PROBE = 32
_BATCH_BYTES = 1 << 18  # of mask bits: the few buffers of a dilation then stay in a core's cache
_MAX_WASTE = 1.5  # a batch pads its pairs to one size; start a new one before that costs more


@dataclass(frozen=True, slots=True)
class JF:
    """The scores of one object on one frame, 0-1, and its size.

    j: region similarity.
    f: contour accuracy.
    gt_px: pixels of the object in the ground truth.
    f_fixed: contour accuracy by a tolerance that depends on the image alone; `f` where that does.
    """

    j: float
    f: float
    gt_px: int = 0
    f_fixed: float = 1.0


BOTH_EMPTY = JF(1.0, 1.0)


class FramePair:
    """A ground-truth and a predicted label map of one frame.

    gt: uint8 H x W; pixel value = object id, 0 = background.
    pred: the same, of the same size.
    """

    def __init__(self, gt: np.ndarray, pred: np.ndarray) -> None:
        height, self._width = self.size_hw = gt.shape
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

    def highest(self) -> int:
        """Return the highest label of the two maps, 0 where they have none."""
        return max(int(labels.max(initial=0)) for labels in (self._gt, self._pred))

    def _crop(self, gt_bits: np.ndarray, pred_bits: np.ndarray) -> CroppedPair | None:
        return crop_pair(gt_bits, pred_bits, self._width, reaches_bottom=self._reaches_bottom)


@dataclass(slots=True)
class _Queue:
    """Pairs that wait to be scored with one radius.

    waiting: (index of the score, pair, whether it is `f_fixed` that is asked for).
    largest: height and bytes per row of the largest pair.
    filled_bytes: of all pairs.
    """

    waiting: list[tuple[int, CroppedPair, bool]] = field(default_factory=list)
    largest: tuple[int, int] = (0, 0)
    filled_bytes: int = 0


class Scorer:
    """A queue of pairs that scores them in batches: many small NumPy calls become few larger ones.

    `add` may defer the work; `scores` does what is left and returns everything in order.
    """

    def __init__(self, boundary: Boundary = Boundary.STANDARD, *, smooths_j: bool = False) -> None:
        """Begin with no pair.

        boundary: contour rule.
        smooths_j: J is (intersection + 1) / (union + 1), as in MOSEv2.
        """
        self._boundary = boundary
        self._region_score = smoothed_ratio if smooths_j else ratio
        self._queues: dict[float, _Queue] = {}
        self._regions: list[tuple[float, int]] = []  # J, and pixels of the ground truth
        self._contours: list[float] = []
        self._fixed: dict[int, float] = {}  # where it differs from F

    def add(
        self, pair: CroppedPair | None, radius_px: float, fixed_radius_px: float | None = None
    ) -> None:
        """Queue one pair; None is a pair of empty masks.

        radius_px: how far a contour pixel may lie from its match.
        fixed_radius_px: the same for `f_fixed`; None where it is `radius_px`.
        """
        index = len(self._contours)
        self._regions.append((BOTH_EMPTY.j, 0))
        self._contours.append(BOTH_EMPTY.f)
        if pair is None:
            return
        self._queue(index, pair, radius_px, is_fixed=False)
        if fixed_radius_px is not None and fixed_radius_px != radius_px:
            self._queue(index, pair, fixed_radius_px, is_fixed=True)

    def scores(self) -> Sequence[JF]:
        """Return the scores of everything added, in order."""
        for radius_px, queue in self._queues.items():
            self._flush(queue, radius_px)
        return [
            JF(j, f, gt_px, self._fixed.get(index, f))
            for index, ((j, gt_px), f) in enumerate(zip(self._regions, self._contours, strict=True))
        ]

    def _queue(self, index: int, pair: CroppedPair, radius_px: float, *, is_fixed: bool) -> None:
        queue = self._queues.setdefault(radius_px, _Queue())
        height, width = pair.gt.shape
        largest = max(height, queue.largest[0]), max(width, queue.largest[1])
        padded = largest[0] * largest[1] * (len(queue.waiting) + 1)
        if queue.waiting and (
            padded > _BATCH_BYTES or padded > _MAX_WASTE * (queue.filled_bytes + height * width)
        ):
            self._flush(queue, radius_px)
            largest = height, width
        queue.largest = largest
        queue.filled_bytes += height * width
        queue.waiting.append((index, pair, is_fixed))

    def _flush(self, queue: _Queue, radius_px: float) -> None:
        if not queue.waiting:
            return
        batch = pack_batch([pair for _, pair, _ in queue.waiting], gap_px(radius_px))
        contours = f_packed(batch, radius_px, self._boundary)
        for (index, _, is_fixed), f, (intersection, union, gt_px) in zip(
            queue.waiting, contours, count_regions(batch), strict=True
        ):
            if is_fixed:
                self._fixed[index] = f
            else:
                self._contours[index] = f
                self._regions[index] = self._region_score(intersection, union), gt_px
        queue.waiting, queue.largest, queue.filled_bytes = [], (0, 0), 0


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
