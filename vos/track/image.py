"""Segment one image by prompts: it is encoded once, every prompt costs a decoder pass.

An image is a stream of one frame, so a first prompt gives exactly what `Session` gives there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from vos.errors import InputError, PromptError
from vos.frame import Frame, FrameResult
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded
from vos.prompts.collect import check_prompts, collect
from vos.prompts.kinds import ObjectPrompt, Prompt
from vos.refine.base import NoRefiner, Refiner
from vos.track.compose import ObjectLogits, compose, detach_results
from vos.track.engine import EncodedFrame, Engine, encode_frame, look_at
from vos.track.inputs import to_inputs, to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, MemoryPolicy, StreamPosition
from vos.track.step import decode_group, find_memories
from vos.track.zoom import Zoomed, to_prompt, zoom_in


@dataclass(frozen=True, slots=True)
class _Prediction:
    """The last prompts of an object, and what the model predicted.

    prompt: all of them.
    decoded: the prediction.
    zoomed: where it was found on a cut-out of the image.
    """

    prompt: ObjectPrompt
    decoded: Decoded
    zoomed: Zoomed | None


@dataclass(slots=True)
class ImageSegmenter:
    """Segments objects of one image, click by click.

    Clicks accumulate: each call gives all prompts of an object. Prompts that add points to those of
    the call before correct its prediction, as do points on an object that a mask prompt started:
    the decoder sees the coarse raw logits of that prediction beside the points. The same prompts
    again keep the prediction. Any other prompts start the object anew, and so does `forget`.

    model: the network's verbs.
    image: uint8 H x W x 3, RGB.
    refiner: improves the masks.
    policy: only chooses among alternative masks here.
    dtype: float32, or bfloat16 for mixed precision.
    name: stem of the result's output files.

    Raises: InputError if the image is no uint8 H x W x 3 array.
    """

    model: Sam2Model
    image: np.ndarray
    refiner: Refiner = field(default_factory=NoRefiner)
    policy: MemoryPolicy = field(default_factory=Fifo)
    dtype: torch.dtype = torch.float32
    name: str = "image"
    _engine: Engine = field(init=False, repr=False)
    _frame: EncodedFrame = field(init=False, repr=False)
    _predictions: dict[int, _Prediction] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        _check_image(self.image)
        self._engine = Engine(self.model, self.refiner, self.policy, self.dtype)
        self._frame = self._encode()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @torch.inference_mode()
    def as_frame(self, frame_idx: int) -> Frame:
        """Return the image as a frame of a stream, which need not encode it again."""
        with self._engine.autocast():
            encoded = look_at(self._engine, self._frame.features, StreamPosition(frame_idx))
        return Frame(self.image, Fraction(0), frame_idx, str(frame_idx), encoded=encoded)

    def segment(self, prompts: Sequence[Prompt]) -> FrameResult:
        """Return masks at the image's size and scores, of these objects and of those before.

        prompts: all prompts of each object that is to change; `frame_idx` is 0.

        Raises: PromptError if a prompt does not fit the image, or prompts contradict each other;
        no object has changed then.
        """
        frame = Frame(self.image, Fraction(0), 0, self.name)
        return compose(frame, self.decode(prompts))

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> dict[int, ObjectLogits]:
        """Segment, and return logits at the model's mask size instead of masks."""
        changed = self._join(prompts)
        with self._engine.autocast():
            for object_id, (prompt, before) in changed.items():
                self._predictions[object_id] = self._segment_object(object_id, prompt, before)
        return detach_results({i: self._predictions[i].decoded for i in sorted(self._predictions)})

    def forget(self, object_id: int) -> None:
        """Drop an object: later results do not have it, and its next prompts start it anew."""
        self._predictions.pop(object_id, None)

    @torch.inference_mode()
    def _encode(self) -> EncodedFrame:
        image, double = to_inputs(self.image, self.model, self.refiner)
        with self._engine.autocast():
            return encode_frame(self._engine, image, StreamPosition(0), double)

    def _segment_object(
        self, object_id: int, prompt: ObjectPrompt, before: _Prediction | None
    ) -> _Prediction:
        """Predict an object's mask. before: what its points correct."""
        earlier = None if before is None else before.decoded
        zoomed = zoom_in(
            self._engine, self.image, prompt, None if before is None else before.zoomed
        )
        if zoomed is not None:
            given = to_prompt(zoomed, self.model)
        else:
            given = to_model_prompt(prompt, self.size_hw, self.model)
            if earlier is not None:
                given = replace(given, previous=earlier.raw_logits)
        one = find_memories(self._engine, self._frame.at, object_id, MemoryBank(), given, earlier)
        (decoded,) = decode_group(self._engine, self._frame, [one])
        return _Prediction(prompt, decoded, zoomed)

    def _join(
        self, prompts: Sequence[Prompt]
    ) -> Mapping[int, tuple[ObjectPrompt, _Prediction | None]]:
        """Return per object with new prompts all of them, and the prediction they correct."""
        prompts = check_prompts(prompts)
        for prompt in prompts:
            if prompt.frame_idx != 0:
                raise PromptError(
                    f"prompt on frame {prompt.frame_idx}: an image has frame 0 only; leave the "
                    "frame out"
                )
        joined: dict[int, tuple[ObjectPrompt, _Prediction | None]] = {}
        for object_id in sorted({prompt.object_id for prompt in prompts}):
            group = [prompt for prompt in prompts if prompt.object_id == object_id]
            known = self._predictions.get(object_id)
            # Negative points alone are no way to start an object, but they may correct one.
            tracked = () if known is None else (object_id,)
            prompt = collect(group, self.size_hw, known=tracked)[0][object_id]
            if known is not None and _same(known.prompt, prompt):
                continue
            if known is not None and _corrects(known.prompt, prompt):
                joined[object_id] = prompt, known
            else:
                joined[object_id] = collect(group, self.size_hw)[0][object_id], None
        return joined


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


def _corrects(known: ObjectPrompt, prompt: ObjectPrompt) -> bool:
    """Tell whether points come on top of the prompts before."""
    if prompt.mask is not None:
        return False
    return known.mask is not None or _points(known) <= _points(prompt)


def _points(prompt: ObjectPrompt) -> set[tuple[float, float, int]]:
    pairs = zip(prompt.points_xy_px.tolist(), prompt.labels.tolist(), strict=True)
    return {(x, y, label) for (x, y), label in pairs}


def _check_image(image: Any) -> None:
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image is a {type(image).__name__}; an image is a NumPy array, uint8, height x "
            "width x 3, RGB: convert it, for instance with np.asarray(image.convert('RGB'))"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"image has shape {image.shape} and type {image.dtype}; an image is uint8, height x "
            "width x 3, RGB: convert it"
        )
