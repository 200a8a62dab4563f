"""A delivery as one CSV table: a row per frame and object."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.format import OPAQUE, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.texts import TextDelivery
from vos.io.write.stats import measure_mask

SUFFIX = ".csv"
COLUMNS = (
    *("frame", "number", "time_s", "object_id", "object", "visible", "area_px"),
    *("left", "top", "right", "bottom", "centroid_x", "centroid_y", "iou_pred", "object_score"),
)


class CsvTable(TextDelivery):
    """Tables with a header, UTF-8, commas and a row per frame and object, absent ones too."""

    suffix, newline = SUFFIX, ""

    def __init__(self, folder: Path, shot: Shot) -> None:
        super().__init__(folder, shot)
        for file in self._files:
            csv.writer(file).writerow(COLUMNS)

    def write(self, frame: ShotFrame) -> None:
        for target, file in zip(self._shot.targets, self._files, strict=True):
            csv.writer(file).writerows(self._row(frame, one) for one in target.objects)

    def _row(self, frame: ShotFrame, object_id: int) -> list[object]:
        place = measure_mask(frame.label_map == object_id)
        scores = frame.scores.get(object_id, {})
        box, centroid = place["box_xyxy_px"], place["centroid_xy_px"]
        return [
            frame.frame_idx,
            self._shot.number(frame.frame_idx),
            "" if frame.pts is None else f"{float(frame.pts):.6f}",
            object_id,
            self._shot.objects[object_id],
            int(bool(place["area_px"])),
            place["area_px"],
            *(box if isinstance(box, list) else [""] * 4),
            *(centroid if isinstance(centroid, list) else [""] * 2),
            _text(scores.get("iou_pred")),
            _text(scores.get("object_score")),
        ]


def _text(value: object) -> object:
    return "" if value is None else value


def read_table(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the tables back: see `ReadBack`. A table has no matte, so its boxes are filled."""
    for target in shot.targets:
        path = folder / f"{target.stem}{SUFFIX}"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                yield from _read(path, csv.DictReader(file), shot, target, wanted)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: is not there or no such table ({error}): export again"
            ) from error


def _read(
    path: Path,
    rows: csv.DictReader[str],
    shot: Shot,
    target: Target,
    wanted: Callable[[int], bool],
) -> Iterator[Seen]:
    for position, frame_idx in enumerate(shot.frames):
        boxes = np.zeros(shot.size_hw, np.uint8)
        for object_id in target.objects:
            row = next(rows, None)
            if row is None or (int(row["frame"]), int(row["object_id"])) != (frame_idx, object_id):
                raise VerificationError(
                    f"{display_name(path.name)}: the row of frame {frame_idx} and object "
                    f"{object_id} is not where it should be: export again"
                )
            if int(row["visible"]):
                left, top, right, bottom = (
                    int(row[one]) for one in ("left", "top", "right", "bottom")
                )
                boxes[top:bottom, left:right] = OPAQUE
        yield Seen(position, target, boxes if wanted(position) else None)
    if next(rows, None) is not None:
        raise VerificationError(
            f"{display_name(path.name)}: has more rows than it should: export again"
        )


def fill_boxes(label_map: np.ndarray, target: Target) -> np.ndarray:
    """Return what a table says of a frame as `read_table` gives it, uint8 H x W."""
    boxes = np.zeros(label_map.shape, np.uint8)
    for object_id in target.objects:
        box = measure_mask(label_map == object_id)["box_xyxy_px"]
        if isinstance(box, list):
            left, top, right, bottom = map(int, box)
            boxes[top:bottom, left:right] = OPAQUE
    return boxes
