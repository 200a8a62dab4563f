"""Reading `stats.jsonl`, and replacing the rows of some frames without touching the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos.bounded import parse_json, read_bytes
from vos.errors import OutputError, Parameter
from vos.io.paths import display_name

_MAX_BYTES = 2**30  # a day of video with ten objects
_WHOLE = ("frame_idx", "object_id", "area_px")
_NUMBERS = ("iou_pred", "object_score")


@dataclass(frozen=True, slots=True)
class ObjectSeries:
    """One object's numbers over time; all arrays have one length, frames ascend.

    frame_idx: int64.
    area_px: int64, 0 where it has no pixel.
    iou_pred: float64 as in `ObjectResult`, NaN where the model gave no number.
    object_score: the same.
    """

    frame_idx: np.ndarray
    area_px: np.ndarray
    iou_pred: np.ndarray
    object_score: np.ndarray

    def as_json(self) -> dict[str, list[int] | list[float | None]]:
        """Return lists of equal length; null where there is no number."""
        return {
            "frame_idx": self.frame_idx.tolist(),
            "area_px": self.area_px.tolist(),
            "iou_pred": _plain(self.iou_pred),
            "object_score": _plain(self.object_score),
        }


class StatsFile:
    """The rows of a `stats.jsonl` by frame, as their very bytes.

    length: bytes to read; None for all of them.

    Raises OutputError where the file is missing, damaged, or not in ascending order of frames.
    """

    def __init__(self, path: Path, length: int | None = None) -> None:
        self._lines: dict[int, bytes] = {}
        name, last = display_name(path), -1
        try:
            data = read_bytes(path, _MAX_BYTES)[:length]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{name}: cannot be read ({reason}); correcting needs masks and "
                "stats: track again with ",
                Parameter("save", "masks,stats,overlay"),
            ) from error
        for line in data.splitlines(keepends=True):
            row = parse_row(line)
            frame_idx = -1 if row is None else row["frame_idx"]
            if row is None or frame_idx < last or not line.endswith(b"\n"):
                raise OutputError(
                    f"{name}: damaged after frame {last}; it has one JSON object per line, in "
                    "ascending order of frames: track again"
                )
            last = frame_idx
            self._lines[frame_idx] = self._lines.get(frame_idx, b"") + line

    def rows(self, frame_idx: int) -> list[dict[str, Any]]:
        """Return the rows of one frame, ascending by object id; none where no object exists."""
        return [json.loads(line) for line in self._lines.get(frame_idx, b"").splitlines()]

    def series(self) -> dict[int, ObjectSeries]:
        """Return the numbers of each object, by ascending id."""
        columns: dict[int, list[tuple[float, ...]]] = {}
        for row in self._all_rows():
            numbers = (row["frame_idx"], row["area_px"], row["iou_pred"], row["object_score"])
            numbers = tuple(np.nan if number is None else number for number in numbers)
            columns.setdefault(row["object_id"], []).append(numbers)
        return {i: _series(np.array(columns[i], dtype=np.float64)) for i in sorted(columns)}

    def replace_rows(self, rows: Mapping[int, list[dict[str, Any]]]) -> bytes:
        """Return the file's content with other rows on these frames."""
        lines = dict(self._lines)
        for frame_idx, those in rows.items():
            lines[frame_idx] = b"".join(encode_row(row) for row in those)
        return b"".join(lines[frame_idx] for frame_idx in sorted(lines))

    def _all_rows(self) -> Iterator[dict[str, Any]]:
        for lines in self._lines.values():
            yield from map(json.loads, lines.splitlines())


def parse_row(line: str | bytes) -> dict[str, Any] | None:
    """Read one row; return None where it is none, or lacks one of the numbers every row has."""
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    is_row = all(type(row.get(key)) is int and 0 <= row[key] < 2**40 for key in _WHOLE) and all(
        type(row.get(key, "")) in (int, float, type(None)) for key in _NUMBERS
    )
    return row if is_row else None


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Write one row as the file has it."""
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def _series(table: np.ndarray) -> ObjectSeries:
    return ObjectSeries(
        frame_idx=table[:, 0].astype(np.int64),
        area_px=table[:, 1].astype(np.int64),
        iou_pred=table[:, 2],
        object_score=table[:, 3],
    )


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
