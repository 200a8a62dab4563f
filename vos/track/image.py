"""One image, asked again and again: the image encoder runs once, every prompt costs a decoder pass.

An image is a stream of one frame, so a first prompt gives exactly what `Session` gives there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import torch

from vos.errors import InputError, PromptError
from vos.frame import Frame, FrameResult
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures
from vos.prompts.collect import collect
from vos.prompts.kinds import Box, ObjectPrompt, Prompt
from vos.refine.base import FrameCache, NoRefiner, Refiner
from vos.track.compose import ObjectLogits, compose, detach_results
from vos.track.inputs import autocast, to_inputs, to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, MemoryPolicy, StreamPosition
from vos.track.step import decode_object


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was asked of an object last, and the model's answer."""

    prompt: ObjectPrompt
    decoded: Decoded


@dataclass(slots=True)
class ImageSegmenter:
    """Segments objects of one image, click by click.

    image: uint8 H x W x 3, RGB. name: stem of the result's output files. policy: only chooses among
    alternative masks here. dtype: float32, or bfloat16 for mixed precision.

    Clicks accumulate: each call gives all prompts of an object. Prompts that add points to those of
    the call before correct its answer, as do points on an object that a mask prompt started: the
    decoder sees the coarse raw logits of that answer beside the points. The same prompts again keep
    the answer. Any other prompts start the object anew, and so does `forget`.

    Raises: InputError if the image is no uint8 H x W x 3 array.
    """

    model: Sam2Model
    image: np.ndarray
    refiner: Refiner = field(default_factory=NoRefiner)
    policy: MemoryPolicy = field(default_factory=Fifo)
    dtype: torch.dtype = torch.float32
    name: str = "image"
    _features: FrameFeatures = field(init=False, repr=False)
    _cache: FrameCache = field(init=False, repr=False)
    _answers: dict[int, _Answer] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        _check_image(self.image)
        self._features, self._cache = self._encode()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def segment(self, prompts: Sequence[Prompt]) -> FrameResult:
        """Masks at the image's size and scores, of these objects and of those asked for earlier.

        prompts: all prompts of each object that is to change; `frame_idx` is 0.

        Raises: PromptError if a prompt does not fit the image, or prompts contradict each other;
        no object has changed then.
        """
        frame = Frame(self.image, Fraction(0), 0, self.name)
        return compose(frame, self.decode(prompts))

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> dict[int, ObjectLogits]:
        """As `segment`, with the logits at the model's mask size."""
        asked = self._join(prompts)
        with autocast(self.model, self.dtype):
            for object_id, (prompt, before) in asked.items():
                decoded = self._decode_object(prompt, before)
                self._answers[object_id] = _Answer(prompt, decoded)
        return detach_results({i: self._answers[i].decoded for i in sorted(self._answers)})

    def forget(self, object_id: int) -> None:
        """Drop an object: later results do not have it, and its next prompts start it anew."""
        self._answers.pop(object_id, None)

    @torch.inference_mode()
    def _encode(self) -> tuple[FrameFeatures, FrameCache]:
        image, double = to_inputs(self.image, self.model, self.refiner)
        with autocast(self.model, self.dtype):
            features = replace(self.model.encode_image(image), image_2x=double)
            return features, self.refiner.augment(self.model, features, 0)

    def _decode_object(self, prompt: ObjectPrompt, before: Decoded | None) -> Decoded:
        asked = to_model_prompt(prompt, self.size_hw, self.model)
        if before is not None:
            asked = replace(asked, previous=before.raw_logits)
        return decode_object(
            self.model,
            self.refiner,
            self.policy,
            MemoryBank(first_prompt=asked),
            self._features,
            self._cache,
            asked,
            StreamPosition(0),
            before,
        )

    def _join(self, prompts: Sequence[Prompt]) -> Mapping[int, tuple[ObjectPrompt, Decoded | None]]:
        """Per object with new prompts: what is asked, and the answer it corrects."""
        height, width = self.size_hw
        for prompt in prompts:
            if prompt.frame_idx != 0:
                raise PromptError(
                    f"prompt on frame {prompt.frame_idx}: an image has frame 0 only; leave the "
                    "frame out"
                )
        asked: dict[int, tuple[ObjectPrompt, Decoded | None]] = {}
        for object_id in sorted({prompt.object_id for prompt in prompts}):
            group = [prompt for prompt in prompts if prompt.object_id == object_id]
            # Negative points alone are no way to start an object, but they may correct one.
            shown = Box(object_id, (0, 0, width, height), frame_idx=1)
            prompt = collect([*group, shown], self.size_hw, direction="both")[0][object_id]
            known = self._answers.get(object_id)
            if known is not None and _same(known.prompt, prompt):
                continue
            if known is not None and _corrects(known.prompt, prompt):
                asked[object_id] = prompt, known.decoded
            else:
                asked[object_id] = collect(group, self.size_hw)[0][object_id], None
        return asked


def _same(one: ObjectPrompt, other: ObjectPrompt) -> bool:
    pairs = (
        (one.points_xy_px, other.points_xy_px),
        (one.labels, other.labels),
        (one.segments_xy_px, other.segments_xy_px),
        (one.segment_labels, other.segment_labels),
    )
    if any(not np.array_equal(a, b) for a, b in pairs):
        return False
    if one.mask is None or other.mask is None:
        return one.mask is other.mask
    return np.array_equal(one.mask, other.mask)


def _corrects(known: ObjectPrompt, asked: ObjectPrompt) -> bool:
    """Whether points come on top of what was asked before."""
    if asked.mask is not None:
        return False
    return known.mask is not None or _points(known) <= _points(asked)


def _points(prompt: ObjectPrompt) -> set[tuple[float, float, int]]:
    pairs = zip(prompt.points_xy_px.tolist(), prompt.labels.tolist(), strict=True)
    return {(x, y, label) for (x, y), label in pairs}


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"image has shape {image.shape} and type {image.dtype}; an image is uint8, height x "
            "width x 3, RGB: convert it"
        )
