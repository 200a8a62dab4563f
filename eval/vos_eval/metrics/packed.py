"""Binary masks as bits: 64 pixels to a word, so set operations cost a 64th.

Masks are cropped to where there is something, and several pairs of masks lie in one flat buffer, so
that one NumPy call serves them all. A row starts at a word border and ends in at least `gap` zero
bits; the buffer has zero words at both ends. Therefore a shift of the whole buffer by at most
`gap` pixels never moves a pixel into a neighbouring row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WORD_BITS = 64


def pack_mask(mask: np.ndarray) -> np.ndarray:
    """Pack bool H x W to uint8 H x ceil(W / 8); pixel x is bit x % 8 of byte x // 8."""
    return np.packbits(mask, axis=1, bitorder="little")


def pack_label(labels: np.ndarray, label: int) -> np.ndarray:
    """Pack the pixels of `labels` (uint8 H x W) that equal `label`."""
    return pack_mask(labels == label)


def pack_foreground(labels: np.ndarray) -> np.ndarray:
    """Pack the nonzero pixels of `labels` (uint8 H x W)."""
    return np.packbits(labels, axis=1, bitorder="little")


if hasattr(np, "bitwise_count"):

    def count_bits(rows: np.ndarray) -> np.ndarray:
        """Count the set bits of each pair: pairs x height x words to int64 counts."""
        return np.bitwise_count(rows).sum(axis=(1, 2), dtype=np.int64)

else:  # NumPy 1

    def count_bits(rows: np.ndarray) -> np.ndarray:
        """Count the set bits of each pair: pairs x height x words to int64 counts."""
        counts = [int.from_bytes(pair.tobytes(), "little").bit_count() for pair in rows]
        return np.array(counts, np.int64)


@dataclass(frozen=True, slots=True)
class CroppedPair:
    """A ground truth and a prediction of one object, cut to where either has pixels.

    The crop has one more row above and at least one more column to the left, because a contour
    also runs through the pixels before the mask.

    gt: packed bits, uint8 height x bytes.
    pred: the same.
    width_px: columns of the crop; bits behind them are zero.
    has_last_row: whether the crop reaches the bottom border of the image.
    has_last_column: whether the crop reaches the right border of the image.
    """

    gt: np.ndarray
    pred: np.ndarray
    width_px: int
    has_last_row: bool
    has_last_column: bool

    @property
    def height(self) -> int:
        return self.gt.shape[0]

    def count_gt(self) -> int:
        """Count the pixels of the ground truth."""
        return int.from_bytes(self.gt.tobytes(), "little").bit_count()


def crop_pair(
    gt_bits: np.ndarray, pred_bits: np.ndarray, width_px: int, *, reaches_bottom: bool = True
) -> CroppedPair | None:
    """Cut two packed masks of one image to their union's bounding box; None if both are empty.

    gt_bits: uint8 H x ceil(W / 8).
    pred_bits: the same.
    reaches_bottom: the last row given is the image's last row; else it lies above, and the rows
        left out below are empty.
    """
    union = gt_bits | pred_bits
    rows = np.flatnonzero(union.max(axis=1))
    if rows.size == 0:
        return None
    top, bottom = max(int(rows[0]) - 1, 0), int(rows[-1]) + 1
    columns = np.flatnonzero(union[top:bottom].max(axis=0))
    left, right = max(int(columns[0]) - 1, 0), int(columns[-1]) + 1
    return CroppedPair(
        gt=gt_bits[top:bottom, left:right].copy(),  # a view would keep the whole frame
        pred=pred_bits[top:bottom, left:right].copy(),
        width_px=min(right * 8, width_px) - left * 8,
        has_last_row=reaches_bottom and bottom == union.shape[0],
        has_last_column=right == union.shape[1],
    )


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Several pairs in one buffer, all padded to one size.

    pairs: the pairs in it.
    buffer: uint64: zero words, the rows of all ground truths, of all predictions, zero words.
    pad_words: number of zero words at each end.
    height: rows of the highest crop.
    stride_words: words per row.
    """

    pairs: Sequence[CroppedPair]
    buffer: np.ndarray
    pad_words: int
    height: int
    stride_words: int

    def rows(self, buffer: np.ndarray) -> np.ndarray:
        """View a buffer of this layout as 2 (truth, prediction) x pairs x height x words."""
        inner = buffer[self.pad_words : buffer.size - self.pad_words]
        return inner.reshape(2, len(self.pairs), self.height, self.stride_words)


def pack_batch(pairs: Sequence[CroppedPair], gap: int) -> PackedBatch:
    """Copy cropped pairs into one buffer, with `gap` zero bits behind each row."""
    height = max(pair.height for pair in pairs)
    stride_words = -(-(max(pair.width_px for pair in pairs) + gap) // WORD_BITS)
    pad_words = -(-gap // WORD_BITS)
    words = 2 * len(pairs) * height * stride_words + 2 * pad_words
    batch = PackedBatch(pairs, np.zeros(words, np.uint64), pad_words, height, stride_words)
    row_bytes = batch.rows(batch.buffer).view(np.uint8)
    for index, pair in enumerate(pairs):
        row_bytes[0, index, : pair.height, : pair.gt.shape[1]] = pair.gt
        row_bytes[1, index, : pair.height, : pair.pred.shape[1]] = pair.pred
    return batch
