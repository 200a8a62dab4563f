"""Numbers per frame and object, one JSON object per line: what to look at to find lost tracks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from vos.frame import Frame, FrameResult
from vos.io.disk import write_atomic
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState
from vos.io.write.sink import Sink


class StatsSink(Sink):
    """A sink for `stats.jsonl`: a row per frame and object, in ascending order of both.

    Keys: frame_idx, name, pts (exact seconds as a fraction, "1001/30000"), pts_s (the same as a
    float), object_id, area_px, box_xyxy_px (right and bottom edge exclusive) and centroid_xy_px
    (pixel centres at .5), both null where the object has no pixel, iou_pred (0-1), object_score
    (logit; <= 0 means absent), is_corrupt, is_scene_cut (a scene begins with this frame).

    resume: an earlier sink's state; rows written after it are removed. Raises ResumeError when
    earlier ones are missing.
    """

    name = "stats"

    def __init__(self, path: Path, *, resume: SavedState | None = None) -> None:
        super().__init__()
        self._path = path
        self._last_frame = -1 if resume is None else int(resume.values["last_frame"])
        self._is_sorted = resume is None or bool(resume.values["is_sorted"])
        self._file = AppendFile(path, resume and resume.values["file"])

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        self._is_sorted &= result.frame_idx > self._last_frame
        self._last_frame = result.frame_idx
        rows = (json.dumps(row, allow_nan=False) + "\n" for row in make_rows(result))
        self._file.append("".join(rows).encode())

    def checkpoint(self) -> SavedState:
        file = self._file.sync()
        return SavedState(
            {"file": file, "last_frame": self._last_frame, "is_sorted": self._is_sorted}
        )

    def check_resumed(self, count: int, last_frame: int) -> None:
        if self._last_frame != (last_frame if count else -1):
            raise ValueError("stats: other frames are saved than the run has done")

    def _finish(self) -> None:
        try:
            self._file.sync()
        finally:
            self._abandon()
        if not self._is_sorted:  # tracked backward
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            lines.sort(key=lambda line: _order(json.loads(line)))
            write_atomic(self._path, "".join(lines).encode())

    def _abandon(self) -> None:
        self._file.abandon()


def make_rows(result: FrameResult) -> list[dict[str, Any]]:
    """Make the rows of one frame, ascending by object id."""
    rows: list[dict[str, Any]] = []
    for object_id, scores in sorted(result.objects.items()):
        rows.append(
            {
                "frame_idx": result.frame_idx,
                "name": result.name,
                "pts": str(result.pts),
                "pts_s": float(result.pts),
                "object_id": object_id,
                **measure_mask(result.label_map == object_id),
                "iou_pred": _number(scores.iou_pred, digits=4),
                "object_score": _number(scores.object_score, digits=3),
                "is_corrupt": result.is_corrupt,
                "is_scene_cut": result.is_scene_cut,
            }
        )
    return rows


def measure_mask(mask: np.ndarray) -> dict[str, int | list[int] | list[float] | None]:
    """Return area, box and centroid of a bool H x W mask in pixels; the last two None if empty."""
    area = int(np.count_nonzero(mask))
    if not area:
        return {"area_px": 0, "box_xyxy_px": None, "centroid_xy_px": None}
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    inside = mask[top:bottom, left:right]
    x = inside.sum(axis=0) @ np.arange(left, right) / area + 0.5
    y = inside.sum(axis=1) @ np.arange(top, bottom) / area + 0.5
    return {
        "area_px": area,
        "box_xyxy_px": [left, top, right, bottom],
        "centroid_xy_px": [round(float(x), 2), round(float(y), 2)],
    }


def _number(value: float, *, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _order(row: dict[str, Any]) -> tuple[int, int]:
    return row["frame_idx"], row["object_id"]
