"""A result with changes that are not made yet: what is new lies in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vos.frame import Frame, FrameResult, ObjectResult
from vos.io.disk import output_errors
from vos.io.results.layout import MASKS_NAME, MATTES_NAME, STATS_NAME
from vos.io.write.mask_png import encode_label_png, read_label_png
from vos.io.write.mattes import encode_matte, matte_name, read_matte
from vos.io.write.stats import make_rows
from vos_cli.fix.result import Result


class Draft:
    """Holds the rows of changed frames, some 250 bytes each, and no mask.

    folder: for the new files. changed: indices of the frames whose mask differs so far.
    """

    def __init__(self, result: Result, folder: Path) -> None:
        self._result = result
        self._folder = folder
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._mattes: set[tuple[int, int]] = set()
        self.changed: set[int] = set()
        with output_errors(folder):
            (folder / MASKS_NAME).mkdir()

    def labels(self, frame_idx: int) -> np.ndarray:
        """The label map as changed so far."""
        if frame_idx in self.changed:
            return read_label_png(self._new_path(frame_idx))
        return self._result.labels(frame_idx)

    def matte(self, frame_idx: int, object_id: int) -> np.ndarray:
        """The soft matte as changed so far."""
        if (frame_idx, object_id) in self._mattes:
            path = self._new_matte_path(frame_idx, object_id)
            return read_matte(path, self._result.source.info.size_hw)
        return self._result.matte(frame_idx, object_id)

    def scores(self, frame_idx: int) -> dict[int, ObjectResult]:
        """Of the objects that exist on this frame."""
        rows = self._rows.get(frame_idx)
        rows = self._result.stats.rows(frame_idx) if rows is None else rows
        return {
            row["object_id"]: ObjectResult(_number(row["iou_pred"]), _number(row["object_score"]))
            for row in rows
        }

    def put(
        self,
        frame: Frame,
        label_map: np.ndarray,
        scores: Mapping[int, ObjectResult],
        mattes: Mapping[int, np.ndarray],
    ) -> None:
        """A frame's new masks, the scores of all objects that exist on it, and the new mattes of a
        soft result.
        """
        frame_idx = frame.frame_idx
        for object_id, matte in mattes.items():
            self._put_matte(frame_idx, object_id, matte)
        if not np.array_equal(label_map, self.labels(frame_idx)):
            path = self._new_path(frame_idx)
            with output_errors(path):
                path.write_bytes(encode_label_png(label_map))
            self.changed.add(frame_idx)
        result = FrameResult(
            frame_idx,
            frame.pts,
            frame.name,
            label_map,
            scores,
            is_corrupt=frame.is_corrupt,
            is_scene_cut=frame_idx in self._result.cuts,
        )
        self._rows[frame_idx] = make_rows(result)

    def finish(self) -> None:
        """Write the statistics, after the last `put`."""
        path = self._folder / STATS_NAME
        with output_errors(path):
            path.write_bytes(self._result.stats.replace_rows(self._rows))

    def _put_matte(self, frame_idx: int, object_id: int, matte: np.ndarray) -> None:
        is_there = self._result.matte_path(frame_idx, object_id).is_file()
        if is_there and np.array_equal(matte, self.matte(frame_idx, object_id)):
            return
        path = self._new_matte_path(frame_idx, object_id)
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_matte(matte))
        self._mattes.add((frame_idx, object_id))

    def _new_matte_path(self, frame_idx: int, object_id: int) -> Path:
        name = matte_name(object_id, self._result.name(frame_idx))
        return self._folder / MATTES_NAME / name

    def _new_path(self, frame_idx: int) -> Path:
        return self._folder / MASKS_NAME / f"{self._result.name(frame_idx)}.png"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
