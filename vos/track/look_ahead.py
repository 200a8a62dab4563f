"""Encode several images of a file at once: a GPU is fuller with four than with one.

Groups begin at frame numbers that their size divides, a frame's row is its place in the group, and
rows of frames that are not at hand stay empty. So a frame is rounded alike wherever a run starts or
ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from jaxtyping import UInt8
from torch import Tensor

from vos.frame import Frame
from vos.model.gpu.transfer import Uploaded, Uploader
from vos.model.preprocess import resize_image, to_pixels
from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures
from vos.track.engine import EncodedFrame

T = TypeVar("T")


class GroupEncoder:
    """An encoder that goes group by group and holds the features of one group."""

    def __init__(self) -> None:
        self._kept: dict[int, FrameFeatures] = {}

    def encode(
        self, model: Sam2Model, frame: Frame, following: Sequence[Frame] | None, size: int
    ) -> FrameFeatures:
        """Return the features of `frame`, batch 1: those that it carries, if any, else new ones.

        following: what comes after it in its group, as far as the stream goes; None for a stream
        that does not know. size: frames of a group; 1 encodes this one alone.
        """
        if isinstance(frame.encoded, EncodedFrame):
            return frame.encoded.features
        if size == 1 or following is None:
            self._kept = {}
            return model.encode_pixels(_pixels(frame, model))
        if frame.frame_idx not in self._kept:
            self._kept = {}
            first = _pixels(frame, model)
            pixels = first.new_zeros(size, *first.shape[1:])
            pixels[frame.frame_idx % size] = first[0]
            for later in following:
                pixels[later.frame_idx % size] = _pixels(later, model)[0]
            encoded = model.encode_pixels(pixels)
            for one in (frame, *following):
                self._kept[one.frame_idx] = encoded.row(one.frame_idx % size)
        return self._kept[frame.frame_idx]


def with_following(
    frames: Iterator[tuple[Frame, T]], size: int, *, reverse: bool = False
) -> Iterator[tuple[Frame, T, tuple[Frame, ...]]]:
    """Yield each frame with those that come after it in its group of `size`.

    frames: of consecutive indices, descending if `reverse`; read on to the end of a group. An error
    in it is raised after the frames that came before.
    """
    last = 0 if reverse else size - 1
    error: Exception | None = None
    has_ended = False
    while not has_ended and error is None:
        group: list[tuple[Frame, T]] = []
        has_ended = True
        try:
            for pair in frames:
                group.append(pair)
                if pair[0].frame_idx % size == last:
                    has_ended = False
                    break
        except Exception as raised:
            error = raised
        for at, (frame, beside) in enumerate(group, 1):
            yield frame, beside, tuple(later for later, _ in group[at:])
    if error is not None:
        raise error


def prepare(frame: Frame, model: Sam2Model, upload: Uploader) -> Frame:
    """Return the frame with what the model takes of it: resized, or on its way to the device."""
    if model.resizes:
        return replace(frame, uploaded=upload(frame.image))
    return replace(frame, resized=resize_image(frame.image, model.image_size))


def _pixels(frame: Frame, model: Sam2Model) -> UInt8[Tensor, "1 h w 3"]:
    """Return a frame in bytes on the device, of the size that the model wants."""
    if isinstance(frame.uploaded, Uploaded):
        return frame.uploaded.get()
    if model.resizes:
        return to_pixels(frame.image, model.device)
    resized = frame.resized
    if resized is None or len(resized) != model.image_size:
        resized = resize_image(frame.image, model.image_size)
    return to_pixels(resized, model.device)
