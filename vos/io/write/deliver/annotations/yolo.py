"""A delivery as YOLO takes it: a data set of images, and of polygons in a text beside each.

A line is an object: its class and one polygon, `class x1 y1 x2 y2 ...`, from 0 to 1 of the frame's
width and height. Holes and parts are joined by bridges, as Ultralytics' own converter joins parts.
The text of a frame without objects is empty. Labels are found by putting `labels` for `images`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import yaml

from vos.bounded import read_text
from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.annotations.jpeg import check_frame, write_frame
from vos.io.write.deliver.annotations.labels import label_objects, list_labels
from vos.io.write.deliver.annotations.polygons import fill_polygons, join_polygons, trace_polygons
from vos.io.write.deliver.format import Delivery, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.stills.png import write_new

_IMAGES, _LABELS, _DATA = "images", "labels", "data.yaml"
_HEAD = "# Training and validation are the same images here: divide them before you measure.\n"
_MOST_BYTES = 2**28


class YoloFiles(Delivery):
    """An image and a text per frame and target, and `data.yaml` for all of them."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._folder, self._shot = folder, shot
        self._classes = class_ids(shot)
        self._in_parts = self._longest_px = 0
        self.warnings: list[str] = []
        (folder / _IMAGES).mkdir()
        (folder / _LABELS).mkdir()
        content = {"train": _IMAGES, "val": _IMAGES, "names": dict(enumerate(list_labels(shot)))}
        text = _HEAD + yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        write_new(folder / _DATA, text.encode())

    def write(self, frame: ShotFrame) -> None:
        assert frame.image is not None
        for target in self._shot.targets:
            stem = numbered(target.stem, self._shot.number(frame.frame_idx))
            lines = "".join(self._lines(frame, target))
            write_frame(self._folder / _IMAGES / f"{stem}.jpg", frame.image)
            write_new(self._folder / _LABELS / f"{stem}.txt", lines.encode())

    def _lines(self, frame: ShotFrame, target: Target) -> Iterator[str]:
        scale = np.array(self._shot.size_hw[::-1])
        for object_id in target.objects:
            polygons = trace_polygons(frame.label_map == object_id)
            if not polygons:
                continue
            polygon, bridges_px = join_polygons(polygons)
            self._in_parts += len(polygons) > 1
            self._longest_px = max(self._longest_px, bridges_px)
            values = " ".join(f"{one:.6f}" for one in (polygon / scale).ravel().tolist())
            yield f"{self._classes[object_id]} {values}\n"

    def _finish(self) -> None:
        if self._in_parts:
            self.warnings.append(
                f"{self._in_parts} masks are in several parts, which a line of YOLO joins by "
                "bridges without width; programs that draw the outline of a polygon too, such as "
                f"Ultralytics and OpenCV, draw those: at most {self._longest_px} pixels of a mask"
            )

    def _abandon(self) -> None:
        """Nothing is open between frames."""


def class_ids(shot: Shot) -> dict[int, int]:
    """Return the class of each object, counted from 0."""
    names = list_labels(shot)
    return {one: names.index(label) for one, label in label_objects(shot).items()}


def read_yolo(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the data set back: see `ReadBack`. A matte has classes, counted from 1, as its values.

    Polygons are filled as `fill_polygons` does: bridges between parts have no width.
    """
    path = folder / _DATA
    try:
        names = yaml.safe_load(read_text(path))["names"]
        if names != dict(enumerate(list_labels(shot))):
            raise ValueError("its names are others")
        for target in shot.targets:
            for position, frame_idx in enumerate(shot.frames):
                stem = numbered(target.stem, shot.number(frame_idx))
                path = folder / _LABELS / f"{stem}.txt"
                check_frame(folder / _IMAGES / f"{stem}.jpg", shot, frame_idx)
                if not path.is_file():
                    raise ValueError(f"no labels of frame {frame_idx}")
                yield Seen(position, target, _read(path, shot) if wanted(position) else None)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise VerificationError(
            f"{display_name(path.name)}: is not there or no such labels ({error}): export again"
        ) from error


def _read(path: Path, shot: Shot) -> np.ndarray:
    polygons: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    scale = np.array(shot.size_hw[::-1])
    for line in read_text(path, _MOST_BYTES).splitlines():
        name, *values = line.split(" ")
        points = np.array(values, np.float64).reshape(-1, 2)
        if len(points) < 3 or not (points >= 0).all() or not (points <= 1).all():
            raise ValueError("a line is no polygon")
        polygons[int(name)].append(points * scale)
    classes = np.zeros(shot.size_hw, np.uint8)
    for one, some in polygons.items():
        if not 0 <= one < len(list_labels(shot)):
            raise ValueError(f"there is no class {one}")
        classes[fill_polygons(some, shot.size_hw)] = one + 1
    return classes


def keep_classes(label_map: np.ndarray, target: Target, shot: Shot) -> np.ndarray:
    """Return the classes of a label map, counted from 1, as `read_yolo` gives them."""
    values = np.zeros(256, np.uint8)
    for object_id, one in class_ids(shot).items():
        if object_id in target.objects:
            values[object_id] = one + 1
    return values[label_map]
