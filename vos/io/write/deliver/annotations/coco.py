"""A delivery as COCO takes it: one JSON of instances, and the frames in `images/`.

A mask is compressed run lengths and no crowd (`iscrowd` 0). `track_id` is the object's id, which
joins its masks over the frames; readers that do not know it pass over it.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vos.bounded import read_json
from vos.errors import VerificationError
from vos.io.paths import display_name
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

MOST_BYTES = 2**31
SUFFIX = "_instances.json"  # never that of the manifest
_IMAGES = "images"


class CocoFile(Delivery):
    """A JSON per target, and the images of its frames."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        load_pycocotools()
        self._folder, self._shot = folder, shot
        self._labels = label_objects(shot)
        self._categories = {one: i for i, one in enumerate(list_labels(shot), 1)}
        self._images: dict[Target, list[Any]] = {one: [] for one in shot.targets}
        self._annotations: dict[Target, list[Any]] = {one: [] for one in shot.targets}
        self.warnings: list[str] = []
        (folder / _IMAGES).mkdir()

    def write(self, frame: ShotFrame) -> None:
        assert frame.image is not None
        for target in self._shot.targets:
            images, annotations = self._images[target], self._annotations[target]
            name = name_image(target, self._shot, frame.frame_idx)
            write_frame(self._folder / _IMAGES / name, frame.image)
            height, width = self._shot.size_hw
            identity = len(images) + 1  # 0 is "unmatched" to pycocotools' evaluation
            images.append({"id": identity, "file_name": name, "width": width, "height": height})
            for object_id in target.objects:
                mask = frame.label_map == object_id
                if not mask.any():
                    continue
                rle = encode_mask(mask)
                area, box = measure_rle(rle)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": identity,
                        "category_id": self._categories[self._labels[object_id]],
                        "segmentation": rle,
                        "area": area,
                        "bbox": box,
                        "iscrowd": 0,
                        "track_id": object_id,
                    }
                )

    def _finish(self) -> None:
        for target in self._shot.targets:
            content = {
                "info": {"description": target.stem, "version": "1.0"},
                "licenses": [],
                "images": self._images[target],
                "annotations": self._annotations[target],
                "categories": list_categories(self._shot),
            }
            write_new(self._folder / f"{target.stem}{SUFFIX}", json.dumps(content).encode())

    def _abandon(self) -> None:
        """Nothing is open between frames."""


def list_categories(shot: Shot) -> list[dict[str, Any]]:
    """Return the table of categories, numbered from 1."""
    labels = list_labels(shot)
    return [{"id": i, "name": one, "supercategory": "object"} for i, one in enumerate(labels, 1)]


def name_image(target: Target, shot: Shot, frame_idx: int) -> str:
    """Return the file name of a frame's image."""
    return f"{target.stem}.{shot.number(frame_idx):04d}.jpg"


def read_coco(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the files back with pycocotools: see `ReadBack`. A matte has ids as its values."""
    load_pycocotools()
    for target in shot.targets:
        path = folder / f"{target.stem}{SUFFIX}"
        try:
            yield from _read(path, shot, target, wanted)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: is not there or no such annotations ({error}): export "
                "again"
            ) from error


def _read(path: Path, shot: Shot, target: Target, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from pycocotools.coco import COCO

    coco: Any = COCO()
    coco.dataset = read_json(path, MOST_BYTES)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how far it is
        coco.createIndex()
    if coco.loadCats(coco.getCatIds()) != list_categories(shot):
        raise ValueError("its categories are others")
    labels = label_objects(shot)
    names = {one["id"]: one["name"] for one in list_categories(shot)}
    for position, frame_idx in enumerate(shot.frames):
        image = coco.imgs.get(position + 1)
        name = name_image(target, shot, frame_idx)
        if image is None or (image["file_name"], image["height"], image["width"]) != (
            name,
            *shot.size_hw,
        ):
            raise ValueError(f"frame {frame_idx} is not there, or another")
        check_frame(path.parent / _IMAGES / name, shot, frame_idx)
        matte = None
        if wanted(position):
            found = coco.imgToAnns[position + 1]
            for one in found:
                decode_mask(one["segmentation"], shot.size_hw)  # refuses what is damaged
                place = (one["area"], one["bbox"])
                if place != measure_rle(one["segmentation"]) or one["iscrowd"]:
                    raise ValueError(f"annotation {one['id']} does not fit its mask")
                if labels[one["track_id"]] != names[one["category_id"]]:
                    raise ValueError(f"annotation {one['id']} is of another category")
            masks = ((one["track_id"], coco.annToMask(one)) for one in found)
            matte = paint_masks(shot.size_hw, masks)
        yield Seen(position, target, matte)
    if len(coco.imgs) != len(shot.frames):
        raise ValueError(f"it has {len(coco.imgs)} images, not {len(shot.frames)}")
