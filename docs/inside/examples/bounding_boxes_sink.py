"""A sink that writes the bounding box of each object on each frame, as CSV.

In the library this file would be `vos/io/write/bounding_boxes.py`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vos.frame import Frame, FrameResult
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState
from vos.io.write.registry import OutputPlace
from vos.io.write.sink import Sink

COLUMNS = ("frame_idx", "name", "object_id", "left_px", "top_px", "right_px", "bottom_px")


class BoundingBoxSink(Sink):
    """A sink for a CSV file: one row per frame and object that has pixels there.

    The right and the bottom edge are exclusive: a box of one pixel has a width of 1.

    resume: an earlier sink's state; rows written after it are removed.
    """

    name = "bounding_boxes"

    def __init__(self, path: Path, *, resume: SavedState | None = None) -> None:
        super().__init__()
        self._file = AppendFile(path, resume and resume.values)
        if resume is None:
            self._file.append(_encode_row(COLUMNS))

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        for object_id, mask in sorted(result.masks.items()):
            box = find_box(mask)
            if box is not None:
                self._file.append(_encode_row((frame.frame_idx, frame.name, object_id, *box)))

    def checkpoint(self) -> SavedState:
        return SavedState(self._file.sync())

    def _finish(self) -> None:
        try:
            self._file.sync()
        finally:
            self._file.abandon()

    def _abandon(self) -> None:
        self._file.abandon()


def find_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of a bool H x W mask; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def open_bounding_boxes(place: OutputPlace, resume: SavedState | None) -> BoundingBoxSink:
    """Open the sink for a run. This is what `vos.io.write.registry.SINKS` holds."""
    return BoundingBoxSink(place.folder / "bounding_boxes.csv", resume=resume)


def _encode_row(values: Iterable[object]) -> bytes:
    """Write one row; a frame's name may hold commas and quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue().encode()
