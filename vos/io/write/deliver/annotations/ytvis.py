"""A delivery as YouTube-VIS takes it: a JSON with masks over time, and the frames beside it.

An object is one annotation: a list of run lengths, boxes and areas with an entry per frame, null
where it is not seen. One that is never seen has none. Images are `JPEGImages/VIDEO/00000.jpg`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vos.bounded import read_json
from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.annotations.coco import MOST_BYTES, SUFFIX, list_categories
from vos.io.write.deliver.annotations.jpeg import check_frame, write_frame
from vos.io.write.deliver.annotations.labels import label_objects, list_labels, paint_masks
from vos.io.write.deliver.annotations.rle import (
    decode_mask,
    encode_mask,
    load_pycocotools,
    measure_rle,
)
from vos.io.write.deliver.format import Delivery, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.stills.png import write_new

_IMAGES = "JPEGImages"


class YtvisFile(Delivery):
    """A JSON per target, which is a video of its own, and the images of its frames."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        load_pycocotools()
        self._folder, self._shot = folder, shot
        self._rles: dict[int, list[Any]] = {one: [] for one in shot.objects}
        self.warnings: list[str] = []
        for target in shot.targets:
            (folder / _IMAGES / target.stem).mkdir(parents=True)

    def write(self, frame: ShotFrame) -> None:
        assert frame.image is not None
        for target in self._shot.targets:
            name = _name_image(target, self._shot, frame.frame_idx)
            write_frame(self._folder / _IMAGES / name, frame.image)
        for object_id, rles in self._rles.items():
            mask = frame.label_map == object_id
            rles.append(encode_mask(mask) if mask.any() else None)

    def _finish(self) -> None:
        shot = self._shot
        height, width = shot.size_hw
        labels, names = label_objects(shot), list_labels(shot)
        for target in shot.targets:
            annotations: list[dict[str, Any]] = []
            for object_id in target.objects:
                rles = self._rles[object_id]
                if not any(rles):
                    continue
                places = [None if one is None else measure_rle(one) for one in rles]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "video_id": 1,
                        "category_id": names.index(labels[object_id]) + 1,
                        "segmentations": rles,
                        "areas": [None if one is None else one[0] for one in places],
                        "bboxes": [None if one is None else one[1] for one in places],
                        "iscrowd": 0,
                        "height": height,
                        "width": width,
                        "length": len(shot.frames),
                        "track_id": object_id,
                    }
                )
            video = {
                "id": 1,
                "width": width,
                "height": height,
                "length": len(shot.frames),
                "file_names": [_name_image(target, shot, one) for one in shot.frames],
            }
            content = {
                "info": {"description": target.stem, "version": "1.0"},
                "licenses": [],
                "videos": [video],
                "annotations": annotations,
                "categories": list_categories(shot),
            }
            write_new(self._folder / f"{target.stem}{SUFFIX}", json.dumps(content).encode())

    def _abandon(self) -> None:
        """Nothing is open between frames."""


def _name_image(target: Target, shot: Shot, frame_idx: int) -> str:
    return f"{target.stem}/{shot.number(frame_idx):05d}.jpg"


def read_ytvis(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the files back, masks with pycocotools: see `ReadBack`. A matte has ids as values."""
    load_pycocotools()
    for target in shot.targets:
        path = folder / f"{target.stem}{SUFFIX}"
        try:
            yield from _read(path, shot, target, wanted)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: is not there or no such annotations ({error}): export "
                "again"
            ) from error


def _read(path: Path, shot: Shot, target: Target, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    content = read_json(path, MOST_BYTES)
    (video,) = content["videos"]
    names = [_name_image(target, shot, one) for one in shot.frames]
    if (video["height"], video["width"], video["length"]) != (*shot.size_hw, len(names)):
        raise ValueError("its video is of another size or length")
    if video["file_names"] != names or content["categories"] != list_categories(shot):
        raise ValueError("its files or categories are others")
    annotations = content["annotations"]
    labels, classes = label_objects(shot), list_labels(shot)
    for one in annotations:
        if {len(one[key]) for key in ("segmentations", "bboxes", "areas")} != {len(names)}:
            raise ValueError(f"annotation {one['id']} is not as long as the video")
        if classes[one["category_id"] - 1] != labels[one["track_id"]]:
            raise ValueError(f"annotation {one['id']} is of another category")
    for position, (frame_idx, name) in enumerate(zip(shot.frames, names, strict=True)):
        check_frame(path.parent / _IMAGES / name, shot, frame_idx)
        matte = None
        if wanted(position):
            masks = []
            for one in annotations:
                rle = one["segmentations"][position]
                place = (one["areas"][position], one["bboxes"][position])
                if rle is None:
                    continue
                masks.append((one["track_id"], decode_mask(rle, shot.size_hw)))
                if place != measure_rle(rle):
                    raise ValueError(f"annotation {one['id']} does not fit its mask")
            matte = paint_masks(shot.size_hw, masks)
        yield Seen(position, target, matte)
