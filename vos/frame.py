"""What flows through the pipeline: frames in, results out. NumPy only, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture in presentation order.

    image: uint8, H x W x 3, RGB, as displayed (rotation applied).
    pts: exact presentation time in seconds since the stream's zero.
    frame_idx: 0-based index in presentation order.
    name: stem of this frame's output files ("00000", or the source image's stem).
    is_corrupt: the decoder reported damage; the picture may be partly wrong.
    resized: uint8, the picture at the side of the model's input, where it was made ahead of time.
    """

    image: np.ndarray
    pts: Fraction
    frame_idx: int
    name: str
    is_corrupt: bool = False
    resized: np.ndarray | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """The model's own opinion of one object on one frame.

    iou_pred: predicted IoU of the chosen mask, about 0-1.
    object_score: visibility logit; <= 0 means the model holds the object absent.
    """

    iou_pred: float
    object_score: float


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The masks of one frame.

    label_map: uint8 H x W; pixel value = object id, 0 = background. Where objects overlap the
        highest mask logit wins.
    objects: object id -> scores, for every object that exists on this frame (even if absent).
    is_scene_cut: a scene begins with this frame; False where nobody looked for cuts.
    """

    frame_idx: int
    pts: Fraction
    name: str
    label_map: np.ndarray
    objects: Mapping[int, ObjectResult]
    is_corrupt: bool = False
    is_scene_cut: bool = False

    @property
    def masks(self) -> dict[int, np.ndarray]:
        """Object id -> bool H x W. Masks of different objects never overlap."""
        return {object_id: self.label_map == object_id for object_id in self.objects}
