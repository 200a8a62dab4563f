"""A delivery as MOTS takes it: a line of text per object and frame that it is seen on.

`frame object_id class_id height width rle`, with `object_id` class * 1000 + n. Classes are numbered
from 1 in the table beside it; 10 is left out, as evaluations take it for "ignore this".
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from vos.bounded import read_text
from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.annotations.labels import label_objects, list_labels, paint_masks
from vos.io.write.deliver.annotations.rle import decode_mask, encode_mask, load_pycocotools
from vos.io.write.deliver.format import Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.texts import TextDelivery

_IGNORED, _INSTANCES = 10, 1000
_SUFFIX, _CLASSES = ".txt", "_classes.csv"
_MOST_BYTES = 2**31


class MotsText(TextDelivery):
    """A text and a table of classes per target."""

    suffix, encoding = _SUFFIX, "ascii"

    def __init__(self, folder: Path, shot: Shot) -> None:
        load_pycocotools()
        self._ids = number_objects(shot)
        super().__init__(folder, shot)
        try:
            for target in shot.targets:
                with (folder / f"{target.stem}{_CLASSES}").open(
                    "x", encoding="utf-8", newline=""
                ) as file:
                    csv.writer(file).writerows([("class_id", "name"), *number_classes(shot)])
        except BaseException:
            self._abandon()
            raise

    def write(self, frame: ShotFrame) -> None:
        number = self._shot.number(frame.frame_idx)
        height, width = self._shot.size_hw
        for target, file in zip(self._shot.targets, self._files, strict=True):
            for object_id in target.objects:
                mask = frame.label_map == object_id
                if not mask.any():
                    continue
                identity = self._ids[object_id]
                text = encode_mask(mask)["counts"]
                class_id = identity // _INSTANCES
                file.write(f"{number} {identity} {class_id} {height} {width} {text}\n")


def number_classes(shot: Shot) -> list[tuple[int, str]]:
    """Return the number and the name of each class."""
    numbered = enumerate(list_labels(shot), 1)
    return [(one + (one >= _IGNORED), name) for one, name in numbered]


def number_objects(shot: Shot) -> dict[int, int]:
    """Return MOTS's object id of each of ours: instances of a class count from 1."""
    classes = {name: one for one, name in number_classes(shot)}
    counts: defaultdict[int, int] = defaultdict(int)
    ids = {}
    for object_id, label in label_objects(shot).items():
        class_id = classes[label]
        counts[class_id] += 1
        ids[object_id] = class_id * _INSTANCES + counts[class_id]
    return ids


def read_mots(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the texts back, masks with pycocotools: see `ReadBack`. A matte has ids as values."""
    load_pycocotools()
    for target in shot.targets:
        path = folder / f"{target.stem}{_SUFFIX}"
        try:
            with (folder / f"{target.stem}{_CLASSES}").open(encoding="utf-8", newline="") as file:
                rows = [(int(one["class_id"]), one["name"]) for one in csv.DictReader(file)]
            if rows != number_classes(shot):
                raise ValueError("its classes are others")
            yield from _read(path, shot, target, wanted)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: is not there or no such annotations ({error}): export "
                "again"
            ) from error


def _read(path: Path, shot: Shot, target: Target, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    ours = {theirs: one for one, theirs in number_objects(shot).items()}
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for line in read_text(path, _MOST_BYTES).splitlines():
        number, identity, class_id, height, width, rle = line.split(" ")
        position = int(number) - shot.start_number
        if not 0 <= position < len(shot.frames):
            raise ValueError(f"frame {number} is not one of it")
        if (int(height), int(width)) != shot.size_hw or int(class_id) != int(identity) // 1000:
            raise ValueError(f"a line of frame {number} is of another size or class")
        found[position].append((ours[int(identity)], rle))
    for position in range(len(shot.frames)):
        matte = None
        if wanted(position):
            masks = (
                (one, decode_mask({"size": list(shot.size_hw), "counts": rle}, shot.size_hw))
                for one, rle in found[position]
            )
            matte = paint_masks(shot.size_hw, masks)
        yield Seen(position, target, matte)
