"""The kinds of prompt. Each checks what it can check without knowing the video.

Coordinates are pixels of the displayed (rotated) frame, origin at the top left corner, fractions
allowed: pixel (column 3, row 0) covers x in [3, 4), y in [0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from operator import index
from reprlib import repr as brief
from typing import Any, Literal

import numpy as np

from vos.errors import PromptError

MAX_OBJECT_ID = 255
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around one object.

    object_id: 1-255, the label in the output masks.
    box_xyxy_px: left, top, right, bottom.
    frame_idx: 0-based frame that the prompt belongs to.

    Raises PromptError when a value is out of range, or the box is inverted or has no area.
    """

    object_id: int
    box_xyxy_px: tuple[float, float, float, float]
    frame_idx: int = 0

    def __post_init__(self) -> None:
        _check_ids(self)
        values = _numbers(self.box_xyxy_px, "box")
        if len(values) != 4:
            raise PromptError(
                f"box {_show(values)} has {len(values)} numbers; a box is x1,y1,x2,y2: "
                "give the left, top, right and bottom edge in pixels"
            )
        x1, y1, x2, y2 = values
        if x2 < x1 or y2 < y1:
            ordered = _show((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
            sized = f"{_show((x1, y1, x1 + x2, y1 + y2))} (for x,y,width,height), or "
            raise PromptError(
                f"box {_show(values)} is inverted; a box is x1,y1,x2,y2 with x1 < x2 and y1 < y2: "
                f"did you mean {sized if x2 > 0 and y2 > 0 else ''}{ordered}?"
            )
        if x1 == x2 or y1 == y2:
            raise PromptError(
                f"box {_show(values)} has no area; x1 < x2 and y1 < y2 must hold: "
                "draw it around the whole object"
            )
        object.__setattr__(self, "box_xyxy_px", values)


@dataclass(frozen=True, slots=True)
class Points:
    """Clicks on one object.

    object_id: 1-255, the label in the output masks.
    points_xy_px: one or more (x, y).
    labels: one per point, 1 = on the object, 0 = not the object.
    frame_idx: 0-based frame that the prompt belongs to.

    Raises PromptError when there is no point, a value is out of range, or labels do not match.
    """

    object_id: int
    points_xy_px: tuple[XY, ...]
    labels: tuple[int, ...]
    frame_idx: int = 0

    def __post_init__(self) -> None:
        _check_ids(self)
        points = _pairs(self.points_xy_px, "points")
        labels = tuple(_integer(label, "label") for label in _listed(self.labels, "labels"))
        if not points:
            raise PromptError(
                f"points prompt of object {self.object_id} is empty; it needs one (x, y) or more: "
                "add a point on the object"
            )
        if len(labels) != len(points):
            raise PromptError(
                f"points prompt of object {self.object_id} has {len(points)} points and "
                f"{len(labels)} labels; each point needs one: give 1 (object) or 0 (not) per point"
            )
        if wrong := sorted(set(labels) - {0, 1}):
            raise PromptError(
                f"point label {wrong[0]} of object {self.object_id} is unknown; "
                "labels are 1 (object) or 0 (not the object): use one of them"
            )
        object.__setattr__(self, "points_xy_px", points)
        object.__setattr__(self, "labels", labels)


@dataclass(frozen=True, slots=True)
class Polygon:
    """The outline of one object; it is closed by itself and becomes a mask (even-odd rule).

    object_id: 1-255, the label in the output masks.
    vertices_xy_px: three or more (x, y), not all on one line.
    frame_idx: 0-based frame that the prompt belongs to.

    Raises PromptError when a value is out of range or the outline encloses nothing.
    """

    object_id: int
    vertices_xy_px: tuple[XY, ...]
    frame_idx: int = 0

    def __post_init__(self) -> None:
        _check_ids(self)
        vertices = _pairs(self.vertices_xy_px, "polygon")
        if len(vertices) < 3:
            raise PromptError(
                f"polygon of object {self.object_id} has {len(vertices)} vertices; "
                "it needs three or more: add vertices, or use a point or a box"
            )
        if _on_one_line(vertices):
            raise PromptError(
                f"polygon of object {self.object_id} has no area; its {len(vertices)} vertices "
                "lie on one line: draw it around the object"
            )
        object.__setattr__(self, "vertices_xy_px", vertices)


@dataclass(frozen=True, slots=True)
class Scribble:
    """A stroke over one object (`positive`) or over what is not the object.

    object_id: 1-255, the label in the output masks.
    stroke_xy_px: one or more (x, y) along the stroke; it becomes a few points along its length.
    positive: the stroke is on the object; False: on what is not the object.
    frame_idx: 0-based frame that the prompt belongs to.

    Raises PromptError when the stroke is empty or a value is out of range.
    """

    object_id: int
    stroke_xy_px: tuple[XY, ...]
    positive: bool = True
    frame_idx: int = 0

    def __post_init__(self) -> None:
        _check_ids(self)
        stroke = _pairs(self.stroke_xy_px, "scribble")
        if not stroke:
            raise PromptError(
                f"scribble of object {self.object_id} is empty; it needs one (x, y) or more: "
                "draw it over the object"
            )
        if not isinstance(self.positive, bool):
            raise PromptError(
                f"scribble of object {self.object_id} has positive={self.positive!r}; "
                "it is true (object) or false (not the object): use one of them"
            )
        object.__setattr__(self, "stroke_xy_px", stroke)


@dataclass(frozen=True, slots=True, eq=False)
class MaskPrompt:
    """The exact mask of one object on one frame, at the video's displayed size.

    object_id: 1-255, the label in the output masks.
    mask: H x W, bool, or whole numbers that are 0 and 1, or 0 and 255; kept as a read-only bool
        copy.
    frame_idx: 0-based frame that the prompt belongs to.
    note: how the mask was read where it could have been read otherwise, else empty.

    Raises PromptError when the mask has another type, value or shape, or is empty, or an id is out
    of range.
    """

    object_id: int
    mask: np.ndarray
    frame_idx: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        _check_ids(self)
        mask = _bool_mask(self.mask, self.object_id)
        if not mask.any():
            raise PromptError(
                f"mask of object {self.object_id} is empty ({mask.shape[1]}x{mask.shape[0]}, all "
                "background); it needs a pixel of the object: give a frame that shows it, or an "
                "Absent to say that it is not there"
            )
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskPrompt):
            return NotImplemented
        return (self.object_id, self.frame_idx) == (other.object_id, other.frame_idx) and (
            np.array_equal(self.mask, other.mask)
        )

    def __hash__(self) -> int:
        return hash((self.object_id, self.frame_idx, self.mask.shape, self.mask.tobytes()))


@dataclass(frozen=True, slots=True)
class Absent:
    """The statement that one object is not there, on one frame or several.

    object_id: 1-255, the label in the output masks.
    frame_idx: 0-based first frame without it.
    last_idx: last frame without it, inclusive; None for the first one alone, "end" for all until
        the object is prompted again.

    Raises PromptError when a value is out of range, or the last frame is before the first.
    """

    object_id: int
    frame_idx: int = 0
    last_idx: int | Literal["end"] | None = None

    def __post_init__(self) -> None:
        _check_ids(self)
        if self.last_idx == "end":
            return
        first = self.frame_idx
        last = first if self.last_idx is None else _integer(self.last_idx, "last frame")
        if last < first:
            raise PromptError(
                f"object {self.object_id} absent from frame {first} to {last}: the last frame is "
                f"before the first: did you mean {last} to {first}?"
            )
        object.__setattr__(self, "last_idx", last)


Prompt = Box | Points | Polygon | Scribble | MaskPrompt | Absent


@dataclass(frozen=True, slots=True)
class ObjectPrompt:
    """All prompts for one object on one frame, joined and ready for the model.

    object_id: 1-255, the label in the output masks.
    frame_idx: 0-based frame that the prompts belong to.
    points_xy_px: float32 N x 2; the two corners of a box come first.
    labels: int32 N; 1 = on the object, 0 = not, 2 and 3 = top left and bottom right of the box.
    mask: bool H x W, or None. A mask stands alone: N is 0 then. It is empty where the object is
        absent.
    segments_xy_px: float32 K x 2 x 2; the line pieces of strokes and polygon outlines as drawn.
    segment_labels: int32 K; 1 = on the object, 0 = not.
    is_absent: whether the prompt says that the object is not on this frame.
    """

    object_id: int
    frame_idx: int
    points_xy_px: np.ndarray
    labels: np.ndarray
    mask: np.ndarray | None
    segments_xy_px: np.ndarray
    segment_labels: np.ndarray
    is_absent: bool = False


def _check_ids(prompt: Any) -> None:
    object_id = _integer(prompt.object_id, "object id")
    if not 1 <= object_id <= MAX_OBJECT_ID:
        raise PromptError(
            f"object id {object_id} is out of range; ids are 1 to {MAX_OBJECT_ID} "
            "(0 is the background): choose another id"
        )
    frame_idx = _integer(prompt.frame_idx, "frame")
    if frame_idx < 0:
        raise PromptError(
            f"frame {frame_idx} of object {object_id} is negative; frames count from 0: "
            "use 0 for the first frame"
        )
    object.__setattr__(prompt, "object_id", object_id)
    object.__setattr__(prompt, "frame_idx", frame_idx)


def _bool_mask(values: Any, object_id: int) -> np.ndarray:
    """Return a bool H x W copy. Logits, probabilities and label maps are no masks: PromptError."""
    try:
        mask = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors on a GPU
        raise PromptError(
            f"mask of object {object_id} is a {type(values).__name__}, not an array; a mask is "
            "height x width: give a bool NumPy array"
        ) from None
    if mask.ndim != 2:
        raise PromptError(
            f"mask of object {object_id} has shape {mask.shape}; "
            "a mask is height x width: give one channel"
        )
    if mask.dtype == np.bool_:
        return mask.copy()
    if mask.dtype.kind not in "iu":
        raise PromptError(
            f"mask of object {object_id} holds {mask.dtype} values; a mask is bool, or 0 and 1, or "
            "0 and 255: threshold it (mask > 0 for logits, mask > 0.5 for probabilities)"
        )
    levels = np.unique(mask).tolist()
    if not (set(levels) <= {0, 1} or set(levels) <= {0, 255}):
        raise PromptError(
            f"mask of object {object_id} holds {brief(levels)}; a mask is bool, or 0 and 1, or "
            "0 and 255: choose one object (mask == id) or threshold it (mask > 127)"
        )
    return mask != 0


def _integer(value: Any, what: str) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return index(value)
    except TypeError:
        raise PromptError(f"{what} {brief(value)} is not a whole number: give one") from None


def _listed(values: Any, what: str) -> list[Any]:
    """Return the items of a sequence. Raises PromptError for what has none, or no order."""
    is_sequence = isinstance(values, Iterable) and not isinstance(
        values, (str, bytes, Set, Mapping)
    )
    try:
        if is_sequence:
            return list(values)
    except TypeError:  # an array without dimensions
        pass
    raise PromptError(f"{what} {brief(values)} is not a list; give a list of numbers or pairs")


def _numbers(values: Iterable[Any], what: str) -> tuple[float, ...]:
    try:
        listed = _listed(values, what)
        if any(isinstance(value, (str, bytes, bool, np.bool_)) for value in listed):
            raise TypeError
        numbers = tuple(float(value) for value in listed)
    except (TypeError, ValueError, OverflowError):
        raise PromptError(f"{what} {brief(values)} holds something that is no number") from None
    if not all(math.isfinite(number) for number in numbers):
        raise PromptError(
            f"{what} {_show(numbers)} is not finite; coordinates are pixels of the frame: "
            "correct the value"
        )
    return numbers


def _pairs(values: Iterable[Sequence[Any]], what: str) -> tuple[XY, ...]:
    pairs = []
    for value in _listed(values, what):
        pair = _numbers(value, what)
        if len(pair) != 2:
            raise PromptError(f"{what} vertex {_show(pair)} is not x,y: give two numbers each")
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def _on_one_line(vertices: Sequence[XY]) -> bool:
    xy = np.asarray(vertices, dtype=np.float64)
    rays = xy - xy[0]
    longest = rays[np.argmax((rays**2).sum(axis=1))]
    return bool(np.all(rays[:, 0] * longest[1] == rays[:, 1] * longest[0]))


def _show(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
