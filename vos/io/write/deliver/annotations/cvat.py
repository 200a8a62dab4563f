"""A delivery as CVAT takes it: XML of "CVAT for video 1.1", to upload to a task of the same clip.

CVAT has no tracks of masks: of a track's masks it keeps the first. So every mask is a track of its
own, as CVAT's own exports have it, closed by `outside="1"` on the next frame; `group_id` is the
object's id. A mask's run lengths go along the rows of its box and begin with the background, which
is not COCO's way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.annotations.labels import label_objects, paint_masks
from vos.io.write.deliver.format import Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.texts import TextDelivery
from vos.io.write.stats import measure_mask

_SUFFIX = ".xml"
_NOTHING = 'rle="1" left="0" top="0" width="1" height="1" z_order="0"'  # one pixel of background


class CvatFile(TextDelivery):
    """An XML per target, written frame after frame."""

    suffix = _SUFFIX

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._labels = label_objects(shot)
        self._tracks = 0
        super().__init__(folder, shot)
        for target, file in zip(shot.targets, self._files, strict=True):
            file.write(_head(target, shot))

    def write(self, frame: ShotFrame) -> None:
        number = self._shot.number(frame.frame_idx)
        for target, file in zip(self._shot.targets, self._files, strict=True):
            for object_id in target.objects:
                mask = frame.label_map == object_id
                box = measure_mask(mask)["box_xyxy_px"]
                if not isinstance(box, list):
                    continue
                left, top, right, bottom = map(int, box)
                rle = ",".join(map(str, encode_rows(mask[top:bottom, left:right])))
                label = quoteattr(self._labels[object_id])
                file.write(
                    f'  <track id="{self._tracks}" label={label} source="file" '
                    f'group_id="{object_id}">\n'
                    f'    <mask frame="{number}" keyframe="1" outside="0" occluded="0" '
                    f'rle="{rle}" left="{left}" top="{top}" width="{right - left}" '
                    f'height="{bottom - top}" z_order="0"></mask>\n'
                    f'    <mask frame="{number + 1}" keyframe="1" outside="1" occluded="0" '
                    f"{_NOTHING}></mask>\n"
                    "  </track>\n"
                )
                self._tracks += 1

    def _end(self, file: TextIO) -> None:
        file.write("</annotations>\n")


def _head(target: Target, shot: Shot) -> str:
    height, width = shot.size_hw
    labels = "".join(
        f"        <label><name>{escape(one)}</name><type>mask</type><attributes></attributes>"
        "</label>\n"
        for one in _labels_of(target, shot)
    )
    first = shot.start_number
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<annotations>\n"
        "  <version>1.1</version>\n"
        "  <meta>\n"
        "    <task>\n"
        f"      <name>{escape(target.stem)}</name>\n"
        f"      <size>{len(shot.frames)}</size>\n"
        "      <mode>interpolation</mode>\n"
        f"      <start_frame>{first}</start_frame>\n"
        f"      <stop_frame>{first + len(shot.frames) - 1}</stop_frame>\n"
        f"      <labels>\n{labels}      </labels>\n"
        "      <original_size>\n"
        f"        <width>{width}</width>\n"
        f"        <height>{height}</height>\n"
        "      </original_size>\n"
        "    </task>\n"
        "  </meta>\n"
    )


def _labels_of(target: Target, shot: Shot) -> list[str]:
    labels = label_objects(shot)
    return list(dict.fromkeys(labels[one] for one in target.objects))


def encode_rows(inside: np.ndarray) -> list[int]:
    """Encode a bool mask: lengths of runs along its rows, background and object in turn."""
    flat = inside.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=flat.size).tolist()
    return [0, *lengths] if flat[0] else lengths


def read_cvat(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the files back by the documented schema: see `ReadBack`. A matte has ids as values."""
    for target in shot.targets:
        path = folder / f"{target.stem}{_SUFFIX}"
        try:
            yield from _read(path, shot, target, wanted)
        except (OSError, ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
            raise VerificationError(
                f"{display_name(path.name)}: is not there or no such annotations ({error}): export "
                "again"
            ) from error


def _read(path: Path, shot: Shot, target: Target, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    position, masks = 0, []

    def see() -> Seen:
        return Seen(
            position, target, paint_masks(shot.size_hw, masks) if wanted(position) else None
        )

    with path.open("rb") as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag == "meta":
                _check_meta(element, shot, target)
            if element.tag != "track":
                continue
            one, closing = element.iter("mask")
            frame = int(one.attrib["frame"]) - shot.start_number
            if not position <= frame < len(shot.frames):
                raise ValueError(f"frame {one.attrib['frame']} is not one of it, or out of order")
            if one.get("outside") != "0" or closing.get("outside") != "1":
                raise ValueError(f"a mask of frame {one.attrib['frame']} is not closed")
            while position < frame:
                yield see()
                position, masks = position + 1, []
            object_id = int(element.attrib["group_id"])
            if element.get("label") != label_objects(shot).get(object_id):
                raise ValueError(f"object {object_id} has another label")
            if wanted(position):
                masks.append((object_id, _decode(one, shot.size_hw)))
            element.clear()
    while position < len(shot.frames):
        yield see()
        position, masks = position + 1, []


def _check_meta(meta: ElementTree.Element, shot: Shot, target: Target) -> None:
    height, width = shot.size_hw
    expected = {
        "task/size": [str(len(shot.frames))],
        "task/original_size/width": [str(width)],
        "task/original_size/height": [str(height)],
        "task/labels/label/name": _labels_of(target, shot),
    }
    for path, values in expected.items():
        if [one.text for one in meta.findall(path)] != values:
            raise ValueError(f"its {path} is another")


def _decode(element: ElementTree.Element, size_hw: tuple[int, int]) -> np.ndarray:
    """Decode a mask, pixel by pixel of its box, into one of the whole frame."""
    place = [int(element.attrib[one]) for one in ("left", "top", "width", "height")]
    left, top, width, height = place
    runs = [int(one) for one in element.attrib["rle"].split(",")]
    is_inside = left + width <= size_hw[1] and top + height <= size_hw[0]
    if min(place) < 0 or min(runs) < 0 or not is_inside or sum(runs) != width * height:
        raise ValueError("a mask does not fit its box")
    values = np.arange(len(runs)) % 2
    mask = np.zeros(size_hw, np.uint8)
    mask[top : top + height, left : left + width] = values.repeat(runs).reshape(height, width)
    return mask
