"""What flows through the pipeline: frames in, results out. NumPy only, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from vos.errors import FrameError, Parameter, UsageError

IMAGE_RATE = Fraction(24)
"""Frames per second assumed for stills and arrays, which carry no time of their own."""

_INSIDE = 128
"""The least value of a matte inside the object's own mask."""

_UINT8 = np.dtype(np.uint8)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame, in presentation order.

    image: uint8, H x W x 3, RGB, as displayed (rotation applied).
    pts: exact presentation time in seconds since the stream's zero.
    frame_idx: 0-based index in presentation order.
    name: stem of this frame's output files ("00000", or the source image's stem).
    is_corrupt: the decoder reported damage; the image may be partly wrong.
    resized: uint8, S x S x 3, the image at the side of the model's input, where it was made ahead
        of time.
    uploaded: the image on its way to the model's device (`vos.model.gpu.transfer.Uploaded`), where
        it was sent ahead of time.
    encoded: the image as model and refiner see it (`vos.track.engine.EncodedFrame`), where it was
        encoded before.

    Raises FrameError, an InputError and a ValueError, for another type or shape than these.
    """

    image: np.ndarray
    pts: Fraction
    frame_idx: int
    name: str
    is_corrupt: bool = False
    resized: np.ndarray | None = None
    uploaded: Any = field(default=None, compare=False)
    encoded: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # Every decoded frame passes here, so a good one costs microseconds at most.
        if not _is_rgb(self.image):
            raise FrameError(_image_error("image", self.image))
        if self.resized is not None and not _is_rgb(self.resized):
            raise FrameError(_image_error("resized", self.resized))
        if not isinstance(self.pts, Fraction):
            raise FrameError(
                f"pts = {self.pts!r}: a frame's time is an exact Fraction of seconds: "
                "give fractions.Fraction(frame_idx, rate)"
            )
        is_count = isinstance(self.frame_idx, int) and not isinstance(self.frame_idx, bool)
        if not is_count or self.frame_idx < 0:
            raise FrameError(
                f"frame_idx = {self.frame_idx!r}: frames are counted from 0 by an int: "
                "give the frame's place in presentation order"
            )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the images, which the queues count."""
        return self.image.nbytes + (0 if self.resized is None else self.resized.nbytes)

    def __repr__(self) -> str:
        resized = "" if self.resized is None else f", resized={_form(self.resized)}"
        corrupt = ", is_corrupt=True" if self.is_corrupt else ""
        return (
            f"Frame(image={_form(self.image)}, pts={self.pts}, frame_idx={self.frame_idx}, "
            f"name={self.name!r}{corrupt}{resized})"
        )


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """The model's scores of one object on one frame.

    iou_pred: predicted IoU of the chosen mask, about 0-1.
    object_score: visibility logit; <= 0 means the model holds the object absent.
    """

    iou_pred: float
    object_score: float


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The masks of one frame.

    frame_idx: 0-based index of the frame in presentation order.
    pts: the frame's exact time in seconds.
    name: stem of the frame's output files.
    label_map: uint8 H x W; pixel value = object id, 0 = background. Where objects overlap the
        highest mask logit wins.
    objects: object id -> scores, for every object that exists on this frame (even if absent).
    is_corrupt: the decoder reported damage on this frame.
    is_scene_cut: a scene begins with this frame; False where nobody looked for cuts.
    overlay_yuv: uint8, 3H/2 x W, the planes of the frame with its objects drawn over it, YUV 4:2:0
        with odd sides made even, where a device has drawn it; it says nothing that image and label
        map do not say.
    mattes: object id -> soft matte, uint8 H x W, for every object that exists on this frame; empty
        unless the track is soft. 128 or more is where the object's own mask is, before it is
        decided whose a pixel is that several claim, so that mattes may overlap.
    """

    frame_idx: int
    pts: Fraction
    name: str
    label_map: np.ndarray
    objects: Mapping[int, ObjectResult]
    is_corrupt: bool = False
    is_scene_cut: bool = False
    overlay_yuv: np.ndarray | None = field(default=None, compare=False, repr=False)
    mattes: Mapping[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the label map and the mattes, which the queues count."""
        return self.label_map.nbytes + sum(one.nbytes for one in self.mattes.values())

    @property
    def masks(self) -> dict[int, np.ndarray]:
        """Object id -> bool H x W. Masks of different objects never overlap."""
        return {object_id: self.label_map == object_id for object_id in self.objects}

    @property
    def own_masks(self) -> dict[int, np.ndarray]:
        """Object id -> bool H x W, each object by itself: where objects overlap, masks do too.

        Raises UsageError unless the track is soft.
        """
        if self.mattes.keys() != self.objects.keys():
            raise UsageError(
                "masks that overlap are made of mattes, which this result does not have; give ",
                Parameter("soft", True),
                " to track or session",
            )
        return {object_id: matte >= _INSIDE for object_id, matte in self.mattes.items()}


def _is_rgb(image: Any) -> bool:
    return (
        isinstance(image, np.ndarray)
        and image.dtype == _UINT8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


def video_frame_name(frame_idx: int) -> str:
    """Return the output stem of a video's frame: "00000", "00001", ...; longer beyond 99,999."""
    return f"{frame_idx:05d}"


def count_frame(image: np.ndarray, frame_idx: int, rate: Fraction) -> Frame:
    """Make a frame of an array that has no time of its own; it is copied if it is no whole array.

    rate: frames per second. Raises FrameError for what is no image.
    """
    if not _is_rgb(image):
        raise FrameError(f"frame {frame_idx}: " + _image_error("image", image))
    whole = np.ascontiguousarray(image)
    return Frame(whole, frame_idx / rate, frame_idx, video_frame_name(frame_idx))


def check_frame(frame: Any) -> None:
    """Raise FrameError for what is no Frame, with the way to make one."""
    if not isinstance(frame, Frame):
        raise FrameError(
            f"{_form(frame)} is no frame; give vos.Frame(image, Fraction(idx, rate), idx, "
            'f"{idx:05d}") with image uint8 height x width x 3, RGB '
            "(OpenCV: image[..., ::-1]), or, to track, the array alone"
        )


def _image_error(field: str, image: Any) -> str:
    text = (
        f"{field} = {_form(image)}: a frame is uint8 height x width x 3, RGB, and not empty: "
        "convert it, for instance with np.asarray(image.convert('RGB'))"
    )
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[0] == 3:
        text += "; with the channels first, image.transpose(1, 2, 0)"
    return text


def _form(array: Any) -> str:
    """Describe an array by type and shape, anything else by its type."""
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    return f"{array.dtype} {' x '.join(map(str, array.shape)) or 'scalar'}"
