"""COCO: a JSON of images and annotations, or a list of results. Boxes are left, top, width, height.

An annotation's track is `track_id`, `instance_id` or `object_id`, or `track_id` in its
`attributes`. A frame's number is `frame_idx`, `frame_index` or `frame_id` of its image; without, it
is the place of the image in the file, whose order must be that of the ids and of the names. Results
have no images: `frame_idx`, or else `image_id`, is the number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from vos import bounded
from vos.bounded import brief
from vos.errors import PromptError
from vos.prompts.detections.found import (
    Detection,
    Detections,
    are_left_out,
    first_number,
    from_xywh,
    track_or_none,
)

_TRACKS = ("track_id", "instance_id", "object_id")
_FRAMES = ("frame_idx", "frame_index", "frame_id")
_LAST_NUMBER = re.compile(r"(\d{1,9})\D*$", re.ASCII)


def read_coco(text: str, name: str, wants_numbers: bool = False) -> Detections:
    """Read a COCO file. Raises PromptError naming the line or the annotation.

    wants_numbers: whether frames are counted by the numbers in the images' names, not by place.
    """
    try:
        root = bounded.parse_json(text)
    except json.JSONDecodeError as error:
        raise PromptError(
            f"{name}:{error.lineno}: not JSON at column {error.colno} ({error.msg}): correct it"
        ) from None
    except bounded.UnfitError as error:
        raise PromptError(f"{name}: {error}: correct it") from None
    if isinstance(root, list):
        return _read_results(root, name)
    if not (
        isinstance(root, dict)
        and isinstance(root.get("images"), list)
        and isinstance(root.get("annotations"), list)
    ):
        hint = "; a prompt file goes to --prompts" if _is_prompt_file(root) else ""
        raise PromptError(
            f'{name}: no COCO file; it is an object with "images" and "annotations", or a list '
            f"of results{hint}"
        )
    return _read_annotations(root, name, wants_numbers)


def _is_prompt_file(root: Any) -> bool:
    return isinstance(root, dict) and "prompts" in root


def _read_results(items: list[Any], name: str) -> Detections:
    found, crowds = _read_boxes(items, f"{name}: result", _number_of_result, {})
    by_frame = all(any(key in item for key in _FRAMES) for item in items)
    first = 0 if by_frame else first_number((one.number for one in found), None)
    return Detections(name, "COCO results", tuple(found), first, notes=_crowd_notes(name, crowds))


def _number_of_result(item: Mapping[str, Any], where: str) -> int:
    key = next((key for key in (*_FRAMES, "image_id") if key in item), "image_id")
    return _whole(item.get(key), key, where)


def _read_annotations(root: Mapping[str, Any], name: str, wants_numbers: bool) -> Detections:
    images = root["images"]
    numbers, kind = _number_images(images, name, wants_numbers)
    labels = _read_labels(root.get("categories"))

    def number(item: Mapping[str, Any], where: str) -> int:
        image = item.get("image_id")
        if isinstance(image, bool) or not isinstance(image, (int, str)) or image not in numbers:
            raise PromptError(
                f"{where}: image_id {brief(image)} is no image of the file: correct it"
            )
        return numbers[image]

    found, crowds = _read_boxes(root["annotations"], f"{name}: annotation", number, labels)
    sizes = [(one.get("height"), one.get("width")) for one in images]
    sizes = [pair for pair in sizes if pair != (None, None)]
    size_hw = None
    if sizes:
        height, width = sizes[0]
        differ = any(pair != sizes[0] for pair in sizes)
        if differ or not (_is_side(height) and _is_side(width)):
            raise PromptError(
                f"{name}: its images do not have one width and height; those of a video do: "
                "correct them, or leave them out"
            )
        size_hw = (height, width)
    first = first_number((one.number for one in found), 0 if not wants_numbers else None)
    return Detections(
        name,
        f"COCO, {kind}",
        tuple(found),
        first,
        size_hw=size_hw,
        notes=_crowd_notes(name, crowds),
    )


def _is_side(value: Any) -> bool:
    return type(value) is int and value > 0


def _number_images(
    images: list[Any], name: str, wants_numbers: bool
) -> tuple[dict[int | str, int], str]:
    """Return the frame's number of each image, and how it is known."""
    ids: list[int | str] = []
    for place, image in enumerate(images, start=1):
        where = f"{name}: image {place}"
        identity = image.get("id") if isinstance(image, dict) else None
        if isinstance(identity, bool) or not isinstance(identity, (int, str)):
            raise PromptError(f'{where}: has no "id": add it')
        ids.append(identity)
    if len(set(ids)) < len(ids):
        raise PromptError(f"{name}: two images have one id; each has its own: correct it")
    videos = {repr(image.get("video_id")) for image in images}
    if len(videos) > 1:
        raise PromptError(
            f"{name}: its images are of {len(videos)} videos (video_id); give a file of one"
        )
    for key in _FRAMES:
        if images and all(key in image for image in images):
            numbers = [
                _whole(image[key], key, f"{name}: image {place}")
                for place, image in enumerate(images, start=1)
            ]
            return dict(zip(ids, numbers, strict=True)), f"frames by {key}"
    named = [_number_in(image.get("file_name")) for image in images]
    if wants_numbers:
        if None in named:
            raise PromptError(
                f"{name}: image {named.index(None) + 1} has no number in its file_name, which the "
                "@ behind the file's name is for: leave it out, or add frame_idx to the images"
            )
        known = [number for number in named if number is not None]
        return dict(zip(ids, known, strict=True)), "frames by the numbers in file_name"
    steps = [b - a for a, b in pairwise(named) if a is not None and b is not None]
    is_ordered = ids == sorted(ids, key=lambda one: (isinstance(one, str), one))
    if not is_ordered or any(step != 1 for step in steps):
        raise PromptError(
            f"{name}: which frame an image is of is not plain: ids and numbers in file_name do not "
            "both go up by one; add frame_idx (from 0) to each image, or write "
            f"{name}@N, N being the number in the first frame's name"
        )
    return {one: place for place, one in enumerate(ids)}, "frames in the order of its images"


def _number_in(file_name: Any) -> int | None:
    if not isinstance(file_name, str):
        return None
    stem = file_name.rpartition("/")[2].rpartition(".")[0]
    match = _LAST_NUMBER.search(stem)
    return None if match is None else int(match[1])


def _read_boxes(
    items: list[Any], what: str, number: Any, labels: Mapping[int, str]
) -> tuple[list[Detection], int]:
    """Read the boxes, and count those of crowds, which are no objects."""
    found: list[Detection] = []
    crowds = 0
    for place, item in enumerate(items, start=1):
        where = f"{what} {place}"
        if not isinstance(item, dict):
            raise PromptError(f"{where}: {brief(item)} is not an object with a bbox: correct it")
        if item.get("iscrowd") in (1, True):
            crowds += 1
            continue
        box = from_xywh(_box(item.get("bbox"), where), where)
        frame = number(item, where)
        if frame < 0:
            raise PromptError(f"{where}: frame {frame} is negative; frames count from 0")
        category = item.get("category_id")
        label = labels.get(category, "") if type(category) is int else ""
        found.append(Detection(where, frame, _track(item, where), box, label))
    return found, crowds


def _box(values: Any, where: str) -> tuple[float, float, float, float]:
    is_box = isinstance(values, list) and len(values) == 4
    if not is_box or any(
        isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
        for value in values
    ):
        raise PromptError(
            f"{where}: bbox {brief(values)} is not [left, top, width, height] in pixels: correct it"
        )
    return float(values[0]), float(values[1]), float(values[2]), float(values[3])


def _track(item: Mapping[str, Any], where: str) -> int | None:
    attributes = item.get("attributes")
    inner = attributes if isinstance(attributes, dict) else {}
    for source, keys in ((item, _TRACKS), (inner, _TRACKS[:1])):
        for key in keys:
            if source.get(key) is not None:
                return track_or_none(_whole(source[key], key, where))
    return None


def _whole(value: Any, key: str, where: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PromptError(f"{where}: {key} {brief(value)} is not a whole number: correct it")
    return value


def _read_labels(categories: Any) -> dict[int, str]:
    labels: dict[int, str] = {}
    for one in categories if isinstance(categories, list) else ():
        if (
            isinstance(one, dict)
            and type(one.get("id")) is int
            and isinstance(one.get("name"), str)
        ):
            labels[one["id"]] = one["name"]
    return labels


def _crowd_notes(name: str, crowds: int) -> tuple[str, ...]:
    return (f"{name}: {are_left_out(crowds, 'crowd', 'crowds')} (iscrowd)",) if crowds else ()
