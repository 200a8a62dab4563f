"""A delivery as labelme takes it: a PNG of each frame and, beside it, its masks as JSON.

A mask is a shape of type `mask`: two points, the first and last pixel of its box, both inclusive,
and a PNG of 0 and 1 of that size in base64. Nothing is turned into polygons, so nothing is lost.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError

from vos.bounded import read_json
from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Delivery, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.stills.png import decode_png, encode_png, write_new
from vos.io.write.stats import measure_mask

_VERSION = "5.5.0"  # one that has shapes of this type
_IMAGE, _SUFFIX = ".png", ".json"
_MOST_BYTES = 2**28


class LabelmeFiles(Delivery):
    """An image and an annotation per frame and target; frames without objects have no shapes."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._folder, self._shot = folder, shot
        self.warnings: list[str] = []

    def write(self, frame: ShotFrame) -> None:
        assert frame.image is not None
        image = encode_png(frame.image)
        for target in self._shot.targets:
            stem = numbered(target.stem, self._shot.number(frame.frame_idx))
            height, width = self._shot.size_hw
            annotation = {
                "version": _VERSION,
                "flags": {},
                "shapes": list(self._shapes(frame, target)),
                "imagePath": f"{stem}{_IMAGE}",
                "imageData": None,
                "imageHeight": height,
                "imageWidth": width,
            }
            write_new(self._folder / f"{stem}{_IMAGE}", image)
            write_new(self._folder / f"{stem}{_SUFFIX}", json.dumps(annotation, indent=2).encode())

    def _shapes(self, frame: ShotFrame, target: Target) -> Iterator[dict[str, Any]]:
        for object_id in target.objects:
            mask = frame.label_map == object_id
            box = measure_mask(mask)["box_xyxy_px"]
            if not isinstance(box, list):
                continue
            left, top, right, bottom = map(int, box)
            inside = mask[top:bottom, left:right].astype(np.uint8)
            yield {
                "label": self._shot.objects[object_id],
                "points": [[left, top], [right - 1, bottom - 1]],
                "group_id": object_id,
                "description": "",
                "shape_type": "mask",
                "flags": {},
                "mask": base64.b64encode(encode_png(inside)).decode(),
            }

    def _finish(self) -> None:
        """Nothing is open between frames."""


def read_labelme(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read annotations back: see `ReadBack`. A matte has the object ids as its values."""
    for target in shot.targets:
        for position, frame_idx in enumerate(shot.frames):
            stem = numbered(target.stem, shot.number(frame_idx))
            path = folder / f"{stem}{_SUFFIX}"
            if not path.is_file() or not (folder / f"{stem}{_IMAGE}").is_file():
                raise VerificationError(
                    f"{display_name(stem)}: image or annotation of frame {frame_idx} is missing: "
                    "export again"
                )
            try:
                labels = _read(path, shot) if wanted(position) else None
            except (OSError, ValueError, KeyError, TypeError, FFmpegError) as error:
                raise VerificationError(
                    f"{display_name(path.name)}: the annotation of frame {frame_idx} cannot be "
                    f"read ({error}): export again"
                ) from error
            yield Seen(position, target, labels)


def keep_ids(label_map: np.ndarray, target: Target) -> np.ndarray:
    """Return the part of a label map that belongs to a target, as `read_labelme` gives it."""
    return np.where(np.isin(label_map, target.objects), label_map, 0).astype(np.uint8)


def _read(path: Path, shot: Shot) -> np.ndarray:
    annotation = read_json(path, _MOST_BYTES)
    if [annotation["imageHeight"], annotation["imageWidth"]] != list(shot.size_hw):
        raise ValueError("it is of another size")
    if path.with_suffix(_IMAGE).name != annotation["imagePath"]:
        raise ValueError("it names another image")
    labels = np.zeros(shot.size_hw, np.uint8)
    for shape in annotation["shapes"]:
        (left, top), (right, bottom) = shape["points"]
        inside = labels[top : bottom + 1, left : right + 1]
        inside[decode_png(base64.b64decode(shape["mask"])).to_ndarray().astype(bool)] = shape[
            "group_id"
        ]
    return labels
