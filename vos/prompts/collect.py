"""Joining prompts: which fit the video, belong together, or contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from reprlib import repr as brief
from typing import Any, Literal

import numpy as np

from vos.errors import PromptError
from vos.prompts.absence import Absences
from vos.prompts.geometry import line_pieces, points_along, rasterise_polygon
from vos.prompts.kinds import (
    Absent,
    Box,
    MaskPrompt,
    ObjectPrompt,
    Points,
    Polygon,
    Prompt,
    Scribble,
)

Direction = Literal["forward", "backward", "both"]

EDGE_MARGIN_PX = 8.0
"""How far a box may reach over the frame's edge, where it is cut."""


def collect(
    prompts: Iterable[Prompt],
    size_hw: tuple[int, int],
    *,
    direction: Direction = "forward",
    known: Collection[int] = (),
) -> dict[int, dict[int, ObjectPrompt]]:
    """Join prompts by frame index and object id, both in ascending order.

    Points and scribbles of one object on one frame are joined in the order given, after the
    corners of its box. Polygons become masks, an absence an empty one on its first frame;
    `Absences` knows the others.

    size_hw: height and width of the displayed frame in pixels.
    direction: the way of tracking, which decides what an object's first prompt is.
    known: objects that are tracked already, which any prompt may correct.

    A box that ends a few pixels outside is cut at the frame's edge; `find_notes` says so.

    Raises PromptError: a coordinate outside the frame, a mask of another size or empty; coordinates
    that are fractions of the frame; a box thinner than a pixel; two boxes, two masks, or a mask
    together with a box or points for one object on one frame; a pixel both positive and negative;
    an object that starts with negative points only, is never shown, or is shown where it is absent.
    """
    prompts = tuple(prompts)
    grouped: defaultdict[tuple[int, int], list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        check_prompt(prompt)
        grouped[prompt.frame_idx, prompt.object_id].append(prompt)
    Absences.of(prompts)
    collected: dict[int, dict[int, ObjectPrompt]] = {}
    for (frame_idx, object_id), whole in sorted(grouped.items(), key=lambda item: item[0]):
        _refuse_fractions(whole, size_hw)
        group = [_fit(prompt, size_hw) for prompt in whole]
        collected.setdefault(frame_idx, {})[object_id] = _join(group, size_hw)
    _check_first_prompts(collected, direction, known)
    return collected


def check_prompt(prompt: Any) -> None:
    """Raise PromptError for what is no prompt."""
    if not isinstance(prompt, Prompt):
        raise PromptError(
            f"{brief(prompt)} is no prompt; give a Box, Points, Polygon, Scribble, MaskPrompt or "
            "Absent, such as vos.Box(1, (100, 50, 400, 300))"
        )


def check_prompts(prompts: Any) -> tuple[Prompt, ...]:
    """Return the prompts as a tuple. Raises PromptError for anything but prompts in a sequence."""
    try:
        # A 0-dimensional array calls itself an Iterable.
        checked = None if isinstance(prompts, Prompt) else tuple(prompts)
    except TypeError:
        checked = None
    if checked is None:
        raise PromptError(
            f"prompts {brief(prompts)}: not a list; give a list of prompts, such as "
            "[vos.Box(1, (100, 50, 400, 300))]"
        )
    for prompt in checked:
        check_prompt(prompt)
    return checked


def find_notes(prompts: Iterable[Prompt], size_hw: tuple[int, int]) -> list[str]:
    """Say which prompts were read in one of two ways or cut at the frame's edge, one line each."""
    height, width = size_hw
    notes: list[str] = []
    for prompt in prompts:
        note = prompt.note if isinstance(prompt, MaskPrompt) else ""
        if _fit(prompt, size_hw) is not prompt:
            note = f"{_name(prompt)} reaches outside the {width}x{height} frame: cut at its edge"
        if note and note not in notes:
            notes.append(note)
    return notes


def check_frame_range(prompts: Iterable[Prompt], frame_count: int) -> None:
    """Raise PromptError for the first prompt on a frame past the end of `frame_count` frames."""
    for prompt in prompts:
        if last_frame(prompt) >= frame_count:
            raise PromptError(
                f"{_name(prompt)} is past the end; the video has {frame_count} frames, "
                f"0 to {frame_count - 1}: choose one of them"
            )


def last_frame(prompt: Prompt) -> int:
    """Return the index of the last frame that a prompt names."""
    if isinstance(prompt, Absent) and isinstance(prompt.last_idx, int):
        return prompt.last_idx
    return prompt.frame_idx


def _name(prompt: Prompt) -> str:
    kinds = {MaskPrompt: "mask", Absent: "absence"}
    kind = kinds.get(type(prompt), type(prompt).__name__.lower())
    place = f"on frame {prompt.frame_idx}"
    if isinstance(prompt, Absent) and prompt.last_idx not in (prompt.frame_idx, "end"):
        place = f"from frame {prompt.frame_idx} to {prompt.last_idx}"
    return f"{kind} of object {prompt.object_id} {place}"


def _coordinates(prompt: Prompt) -> Sequence[tuple[float, float]]:
    match prompt:
        case Box(box_xyxy_px=(x1, y1, x2, y2)):
            return [(x1, y1), (x2, y2)]
        case Points():
            return prompt.points_xy_px
        case Polygon():
            return prompt.vertices_xy_px
        case Scribble():
            return prompt.stroke_xy_px
        case _:
            return []


def _fit(prompt: Prompt, size_hw: tuple[int, int]) -> Prompt:
    """Return the prompt; a box that reaches a few pixels outside is cut at the frame's edge.

    Raises PromptError for what does not fit the frame.
    """
    height, width = size_hw
    if isinstance(prompt, MaskPrompt):
        if prompt.mask.shape != size_hw:
            raise PromptError(
                f"{_name(prompt)} is {prompt.mask.shape[1]}x{prompt.mask.shape[0]}; it must have "
                f"the frame's size {width}x{height}: export it at that size"
            )
        return prompt
    # An outline may end on the frame's right and bottom edge, and detectors' boxes reach a little
    # over it. A click must be on a pixel.
    is_outline = isinstance(prompt, (Box, Polygon))
    margin = EDGE_MARGIN_PX if isinstance(prompt, Box) else 0.0
    cut: list[tuple[float, float]] = []
    for x, y in _coordinates(prompt):
        inside = -margin <= x <= width + margin and -margin <= y <= height + margin
        if not inside or (not is_outline and (x == width or y == height)):
            raise PromptError(
                f"{_name(prompt)}: {x:g},{y:g} is outside the frame; it is {width}x{height} "
                "pixels with 0,0 at the top left: move it inside"
            )
        cut.append((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))))
    if isinstance(prompt, Box):
        (x1, y1), (x2, y2) = cut
        if x2 - x1 < min(1, width) or y2 - y1 < min(1, height):
            raise PromptError(
                f"{_name(prompt)} is {x2 - x1:g} x {y2 - y1:g} pixels inside the frame; a box is "
                "one pixel at least, in pixels of the frame: draw it around the whole object"
            )
        if cut != list(_coordinates(prompt)):
            return replace(prompt, box_xyxy_px=(*cut[0], *cut[1]))
    return prompt


def _refuse_fractions(group: Sequence[Prompt], size_hw: tuple[int, int]) -> None:
    """Refuse coordinates that all lie in the first pixel: they are fractions of the frame.

    The whole numbers 0 and 1 are pixels for points, but no box or outline.
    """
    height, width = size_hw
    drawn = [prompt for prompt in group if not isinstance(prompt, (MaskPrompt, Absent))]
    values = [value for prompt in drawn for xy in _coordinates(prompt) for value in xy]
    if not drawn or min(height, width) < 2 or not all(0 <= value <= 1 for value in values):
        return
    is_outline = any(isinstance(prompt, (Box, Polygon)) for prompt in drawn)
    if not is_outline and all(value in (0, 1) for value in values):
        return
    first = _coordinates(drawn[0])
    pixels = ",".join(f"{x * width:g},{y * height:g}" for x, y in first)
    raise PromptError(
        f"{_name(drawn[0])}: {','.join(f'{x:g},{y:g}' for x, y in first)} lies in one pixel; "
        f"coordinates are pixels of the {width}x{height} frame: normalised? pixels are {pixels}"
    )


def _join(group: Sequence[Prompt], size_hw: tuple[int, int]) -> ObjectPrompt:
    boxes = [prompt for prompt in group if isinstance(prompt, Box)]
    shapes = [prompt for prompt in group if isinstance(prompt, (MaskPrompt, Polygon))]
    where = f"object {group[0].object_id} on frame {group[0].frame_idx}"
    if len(boxes) > 1:
        raise PromptError(
            f"{where} has {len(boxes)} boxes; one object has one box per frame: "
            "keep one, or give the other its own id (2:x1,y1,x2,y2)"
        )
    if len(shapes) > 1:
        raise PromptError(
            f"{where} has {len(shapes)} masks or polygons; one object has one per frame: "
            "join them into one mask, or give the other its own id"
        )
    if shapes and len(group) > 1:
        raise PromptError(
            f"{where} has a mask or polygon and also a box, points or a scribble; "
            "a mask is taken as exact: keep one kind, or put the other on another frame"
        )
    is_absent = isinstance(group[0], Absent)
    if is_absent:
        mask = np.zeros(size_hw, dtype=bool)
    else:
        mask = _mask(shapes[0], size_hw) if shapes else None
    corners = np.asarray(boxes[0].box_xyxy_px if boxes else [], dtype=np.float64).reshape(-1, 2)
    points, labels = _points(group, where)
    segments, segment_labels = _segments(group)
    return ObjectPrompt(
        object_id=group[0].object_id,
        frame_idx=group[0].frame_idx,
        points_xy_px=np.concatenate([corners, points]).astype(np.float32),
        labels=np.concatenate([[2, 3][: len(corners)], labels]).astype(np.int32),
        mask=mask,
        segments_xy_px=segments.astype(np.float32),
        segment_labels=segment_labels,
        is_absent=is_absent,
    )


def _mask(shape: MaskPrompt | Polygon, size_hw: tuple[int, int]) -> np.ndarray:
    if isinstance(shape, MaskPrompt):
        return shape.mask
    mask = rasterise_polygon(shape.vertices_xy_px, size_hw)
    if not mask.any():
        raise PromptError(
            f"{_name(shape)} contains no pixel centre; it is thinner than a pixel: "
            "draw it larger, or use a point"
        )
    return mask


def _points(group: Sequence[Prompt], where: str) -> tuple[np.ndarray, np.ndarray]:
    points, labels = [np.zeros((0, 2))], [np.zeros(0, dtype=np.int32)]
    for prompt in group:
        if isinstance(prompt, Points):
            points.append(np.asarray(prompt.points_xy_px))
            labels.append(np.asarray(prompt.labels, dtype=np.int32))
        elif isinstance(prompt, Scribble):
            points.append(points_along(prompt.stroke_xy_px))
            labels.append(np.full(len(points[-1]), int(prompt.positive), dtype=np.int32))
    joined, marks = np.concatenate(points), np.concatenate(labels)
    label_at: dict[tuple[int, int], int] = {}
    for (x, y), mark in zip(np.floor(joined).astype(int).tolist(), marks.tolist(), strict=True):
        if label_at.setdefault((x, y), mark) != mark:
            raise PromptError(
                f"{where} has pixel {x},{y} both as object and as not the object; "
                "a pixel is one or the other: remove one of the two points"
            )
    return joined, marks


def _segments(group: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray]:
    pieces, labels = [np.zeros((0, 2, 2))], [np.zeros(0, dtype=np.int32)]
    for prompt in group:
        if isinstance(prompt, Polygon):
            pieces.append(line_pieces(prompt.vertices_xy_px, closed=True))
            labels.append(np.ones(len(pieces[-1]), dtype=np.int32))
        elif isinstance(prompt, Scribble):
            pieces.append(line_pieces(prompt.stroke_xy_px, closed=False))
            labels.append(np.full(len(pieces[-1]), int(prompt.positive), dtype=np.int32))
    return np.concatenate(pieces), np.concatenate(labels)


def _check_first_prompts(
    collected: dict[int, dict[int, ObjectPrompt]], direction: Direction, known: Collection[int]
) -> None:
    by_object: defaultdict[int, list[ObjectPrompt]] = defaultdict(list)
    for objects in collected.values():
        for prompt in objects.values():
            if prompt.object_id not in known:
                by_object[prompt.object_id].append(prompt)
    for object_id, every in sorted(by_object.items()):
        own = [prompt for prompt in every if not prompt.is_absent]
        if not own:
            raise PromptError(
                f"object {object_id} is only said to be absent, and nothing shows it: prompt it on "
                "a frame where it is seen, or leave it out"
            )
        starts = {"forward": own[:1], "backward": own[-1:], "both": own}[direction]
        if not any(prompt.mask is not None or prompt.labels.any() for prompt in starts):
            raise PromptError(
                f"object {object_id} starts on frame {starts[0].frame_idx} with negative points "
                "only; its first prompt must show the object: add a positive point, a box or a "
                "mask there"
            )
