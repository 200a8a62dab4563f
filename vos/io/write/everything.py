"""What was found on an image: a label PNG, COCO's JSON with run lengths, and an overlay."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vos.io.disk import output_errors
from vos.io.write.mask_png import encode_label_png
from vos.io.write.overlay.draw import draw_overlay

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FoundMask:
    """One object of an image.

    object_id: from 1 on, its label.
    mask: bool H x W, packed into bits as `numpy.packbits` does, row after row.
    scores: numbers by their names, written as they are.
    """

    object_id: int
    bits: np.ndarray
    scores: dict[str, Any]

    @classmethod
    def of(cls, object_id: int, mask: np.ndarray, scores: dict[str, Any]) -> FoundMask:
        """Pack a mask."""
        return cls(object_id, np.packbits(mask), scores)

    def mask(self, size_hw: tuple[int, int]) -> np.ndarray:
        """Return the mask, bool H x W."""
        count = size_hw[0] * size_hw[1]
        return np.unpackbits(self.bits, count=count).reshape(size_hw).astype(bool)


def write_found(
    folder: Path, name: str, image: np.ndarray, found: Sequence[FoundMask]
) -> tuple[str, ...]:
    """Write the three files of an image into a folder of our own; return their names.

    The label PNG has smaller objects over larger ones, which the JSON has whole.

    image: uint8 H x W x 3, RGB. found: at most 255. Raises OutputError.
    """
    size_hw = (image.shape[0], image.shape[1])
    annotations = [_annotate(one, size_hw) for one in found]
    labels = np.zeros(size_hw, dtype=np.uint8)
    by_area = sorted(zip(annotations, found, strict=True), key=lambda pair: -pair[0]["area"])
    for _, one in by_area:
        labels[one.mask(size_hw)] = one.object_id
    picture = io.BytesIO()
    Image.fromarray(draw_overlay(image, labels)).save(picture, format="JPEG", quality=92)
    content = {
        "schema": SCHEMA,
        "images": [
            {"id": 1, "file_name": name, "width": size_hw[1], "height": size_hw[0], "frame_idx": 0}
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "object"}],
    }
    files = {
        f"{name}.png": encode_label_png(labels),
        f"{name}.json": json.dumps(content).encode("utf-8", "surrogateescape"),
        f"{name}.overlay.jpg": picture.getvalue(),
    }
    for file, data in files.items():
        with output_errors(folder / file), (folder / file).open("xb") as handle:
            handle.write(data)
    return tuple(files)


def _annotate(one: FoundMask, size_hw: tuple[int, int]) -> dict[str, Any]:
    mask = one.mask(size_hw)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "id": one.object_id,
        "image_id": 1,
        "category_id": 1,
        "track_id": one.object_id,
        "segmentation": {"size": list(size_hw), "counts": run_lengths(mask)},
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "iscrowd": 0,
        **one.scores,
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed run lengths, column by column, background first."""
    flat = np.concatenate([[False], mask.T.reshape(-1), [False]])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([[0], turns, [mask.size]])
    runs = np.diff(ends)
    if runs[-1] == 0:  # the last pixel is of the object
        runs = runs[:-1]
    return runs.tolist()
