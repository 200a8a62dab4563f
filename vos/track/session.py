"""A stream of frames in, a stream of masks out, in memory that does not grow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.errors import PromptError
from vos.frame import Frame, FrameResult, ObjectResult
from vos.model.preprocess import image_to_input
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.prompt_collect import collect
from vos.prompt_types import ObjectPrompt, Prompt
from vos.refine.base import NoRefiner, Refiner
from vos.track.capacity import Capacity, track_within
from vos.track.checkpoint import SessionState
from vos.track.look_ahead import GroupEncoder
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, MemoryPolicy, Step

_log = logging.getLogger("vos")


@dataclass(frozen=True, slots=True)
class ObjectLogits:
    """One object's answer on one frame, at the model's mask size, off the device's graph."""

    logits: Float[Tensor, "1 1 r r"]
    scores: ObjectResult


@dataclass(slots=True)
class Session:
    """Tracks the prompted objects of one video, one frame after the other.

    prompts: any mix of objects and frames; an object exists from the first of its prompted frames
    that the stream reaches. dtype: float32, or bfloat16 for mixed precision. reverse: frames
    arrive in descending order. frame_count: clip length where known (it changes nothing for clips
    of 16 frames and more). capacity: objects and images per batch; None suits the
    device. State: one immutable bank per object.
    """

    model: Sam2Model
    prompts: Sequence[Prompt] = ()
    refiner: Refiner = field(default_factory=NoRefiner)
    policy: MemoryPolicy = field(default_factory=Fifo)
    dtype: torch.dtype = torch.float32
    reverse: bool = False
    frame_count: int | None = None
    capacity: Capacity | None = None
    banks: Mapping[int, MemoryBank] = field(default_factory=dict)
    _by_frame: dict[int, dict[int, ObjectPrompt]] | None = None
    _size_hw: tuple[int, int] | None = None
    _encoder: GroupEncoder = field(default_factory=GroupEncoder)

    def run(self, frames: Iterable[Frame]) -> Iterator[FrameResult]:
        """One result per frame, in the order given.

        Raises: PromptError if a prompt does not fit the frames, or names a frame that never came.
        """
        for frame in frames:
            yield self.track(frame)
        self.check_all_used()

    def track(self, frame: Frame) -> FrameResult:
        """Masks of the next frame of the stream."""
        return compose(frame, self.decode(frame))

    @property
    def look_ahead(self) -> int:
        """How many images are encoded at once, where the following ones are given to `decode`."""
        return self._room().look_ahead

    @torch.inference_mode()
    def decode(
        self, frame: Frame, following: Sequence[Frame] | None = None
    ) -> dict[int, ObjectLogits]:
        """Logits and scores per object; empty before the first prompted frame (and at no cost).

        following: the frames that come next, as `with_following` gives them; None if unknown.
        """
        asked = self._take_prompts(frame)
        if not asked and not self.banks:
            return {}
        room = self._room()

        def encode() -> FrameFeatures:
            raw = self._encoder.encode(self.model, frame, following, room.look_ahead)
            return replace(raw, image_2x=to_double_input(frame.image, self.model, self.refiner))

        prompts = {
            object_id: to_model_prompt(prompt, frame.size_hw, self.model)
            for object_id, prompt in asked.items()
        }
        with autocast(self.model, self.dtype):
            decoded, self.banks = track_within(
                room,
                self.model,
                self.refiner,
                self.policy,
                self.banks,
                encode,
                prompts,
                Step(frame.frame_idx, self.reverse, self.frame_count),
            )
        return off_graph(decoded)

    def add_prompt(self, prompt: Prompt) -> None:
        """Ask something of a frame the stream has not reached yet. Keeps everything asked
        before.
        """
        self.prompts = (*self.prompts, prompt)
        waiting = self._by_frame
        if waiting is None or self._size_hw is None:
            return
        same = [
            p
            for p in self.prompts
            if p.frame_idx == prompt.frame_idx and p.object_id == prompt.object_id
        ]
        merged = self._collect(same, self._size_hw)[prompt.frame_idx][prompt.object_id]
        waiting.setdefault(prompt.frame_idx, {})[prompt.object_id] = merged

    def remove_object(self, object_id: int) -> None:
        """Forget an object; later results no longer contain it."""
        self.banks = {i: bank for i, bank in self.banks.items() if i != object_id}
        self.prompts = tuple(p for p in self.prompts if p.object_id != object_id)
        for asked in (self._by_frame or {}).values():
            asked.pop(object_id, None)

    def forget_recent(self) -> None:
        """Remember of every object only its prompted frames: a new scene begins."""
        self.banks = {i: bank.without_recent() for i, bank in self.banks.items()}

    def check_all_used(self) -> None:
        """Raise PromptError if a prompted frame never came."""
        missed = sorted(idx for idx, asked in (self._by_frame or {}).items() if asked)
        if self._by_frame is None and self.prompts:
            missed = sorted({prompt.frame_idx for prompt in self.prompts})
        if missed:
            raise _not_included(missed[0])

    def snapshot(self) -> SessionState:
        """What the next frame depends on. Costs nothing: banks are immutable."""
        waiting = None
        if self._by_frame is not None:
            waiting = tuple((idx, who) for idx, asked in self._by_frame.items() for who in asked)
        return SessionState(dict(self.banks), waiting)

    def restore(self, state: SessionState, size_hw: tuple[int, int]) -> None:
        """Go on where `snapshot` was taken, with the same model, settings and prompts.

        size_hw: height and width of the frames in pixels.
        """
        self.banks = dict(state.banks)
        self._by_frame = None
        if state.waiting is None:
            return
        self._size_hw = size_hw
        self._by_frame = {}
        for frame_idx, asked in self._collect(self.prompts, size_hw).items():
            left = {i: prompt for i, prompt in asked.items() if (frame_idx, i) in state.waiting}
            if left:
                self._by_frame[frame_idx] = left

    def state_bytes(self) -> int:
        """Bytes of tensors held between two frames."""
        return sum(bank.state_bytes() for bank in self.banks.values())

    def _room(self) -> Capacity:
        if self.capacity is None:
            self.capacity = Capacity.of(self.model)
        return self.capacity

    def _collect(
        self, prompts: Sequence[Prompt], size_hw: tuple[int, int]
    ) -> dict[int, dict[int, ObjectPrompt]]:
        direction = "backward" if self.reverse else "forward"
        return collect(prompts, size_hw, direction=direction, known=self.banks)

    def _check_none_passed(self, first_idx: int) -> None:
        """A stream that starts behind a prompted frame will never reach it."""
        for idx in sorted(self._by_frame or {}):
            if idx > first_idx if self.reverse else idx < first_idx:
                raise _not_included(idx)

    def _take_prompts(self, frame: Frame) -> dict[int, ObjectPrompt]:
        if self._by_frame is None:
            self._size_hw = frame.size_hw
            self._by_frame = self._collect(self.prompts, frame.size_hw)
            self._check_none_passed(frame.frame_idx)
        return self._by_frame.pop(frame.frame_idx, {})


def autocast(model: Sam2Model, dtype: torch.dtype) -> torch.autocast:
    """Mixed precision on the model's device; nothing for float32."""
    return torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32)


def to_inputs(
    image: UInt8[np.ndarray, "h w 3"], model: Sam2Model, refiner: Refiner
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 3 s2 s2"] | None]:
    """The network's input, and the same at twice the side where the refiner asks for it."""
    double = to_double_input(image, model, refiner)
    return image_to_input(image, model.image_size, model.device), double


def to_double_input(
    image: UInt8[np.ndarray, "h w 3"], model: Sam2Model, refiner: Refiner
) -> Float[Tensor, "1 3 s2 s2"] | None:
    """What a refiner that wants `image_2x` gets."""
    if not refiner.wants_image_2x:
        return None
    return image_to_input(image, 2 * model.image_size, model.device)


def to_model_prompt(
    prompt: ObjectPrompt, size_hw: tuple[int, int], model: Sam2Model
) -> ModelPrompt:
    """Video pixels to model pixels, in the order of operations of
    `SAM2VideoPredictor.add_new_*`.
    """
    size, device = model.image_size, model.device
    height, width = size_hw
    scale = torch.tensor([width, height])
    segments = segment_labels = None
    if len(prompt.segment_labels):
        segments = (torch.from_numpy(prompt.segments_xy_px)[None] / scale * size).to(device)
        segment_labels = torch.from_numpy(prompt.segment_labels)[None].to(device)
    if prompt.mask is not None:
        mask = torch.from_numpy(prompt.mask.astype(np.float32))[None, None].to(device)
        if mask.shape[-2:] != (size, size):
            mask = F.interpolate(
                mask, size=(size, size), mode="bilinear", align_corners=False, antialias=True
            )
            mask = (mask >= 0.5).float()
        return ModelPrompt(mask=mask, segments=segments, segment_labels=segment_labels)
    points = torch.from_numpy(prompt.points_xy_px.astype(np.float32))[None]
    points = points / scale * size
    labels = torch.from_numpy(prompt.labels.astype(np.int32))[None]
    return ModelPrompt(
        points_xy=points.to(device),
        labels=labels.to(device),
        segments=segments,
        segment_labels=segment_labels,
    )


def compose(frame: Frame, objects: Mapping[int, ObjectLogits]) -> FrameResult:
    """Logits to the video's size (bilinear, fp32), then one label per pixel: the highest logit
    wins.

    Background where all are <= 0; on a tie the lowest id wins. Where a GPU has no memory for masks
    of that size they are made on the CPU, which the log says.
    """
    logits = {i: o.logits for i, o in objects.items()}
    try:
        labels = label_map(logits, frame.size_hw)
    except torch.OutOfMemoryError:
        _log.warning(
            "vos: warning: frame %d: GPU memory is full; its masks are made on the CPU",
            frame.frame_idx,
        )
        labels = label_map({i: one.cpu() for i, one in logits.items()}, frame.size_hw)
    return FrameResult(
        frame_idx=frame.frame_idx,
        pts=frame.pts,
        name=frame.name,
        label_map=labels,
        objects={i: objects[i].scores for i in sorted(objects)},
        is_corrupt=frame.is_corrupt,
    )


def label_map(
    logits: Mapping[int, Float[Tensor, "1 1 r r"]], size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "h w"]:
    """Palette labels at `size_hw` from per-object logits of any size."""
    best: Tensor | None = None
    labels: Tensor | None = None
    for object_id in sorted(logits):
        full = at_video_size(logits[object_id], size_hw)[0, 0]
        if best is None or labels is None:
            best = full.clamp(min=0)
            labels = (full > 0).to(torch.uint8) * object_id
            continue
        wins = full > best
        labels[wins] = object_id
        best = torch.maximum(best, full)
    if labels is None:
        return np.zeros(size_hw, dtype=np.uint8)
    return labels.cpu().numpy()


def at_video_size(
    logits: Float[Tensor, "1 1 r r"], size_hw: tuple[int, int]
) -> Float[Tensor, "1 1 h w"]:
    """Source: `SAM2VideoPredictor._get_orig_video_res_output`."""
    if tuple(logits.shape[-2:]) == size_hw:
        return logits.float()
    return F.interpolate(logits.float(), size=size_hw, mode="bilinear", align_corners=False)


def _not_included(frame_idx: int) -> PromptError:
    return PromptError(
        f"prompt on frame {frame_idx}: the frames tracked do not include it; "
        "give a frame inside the video and inside --start/--end"
    )


def off_graph(answers: Mapping[int, Decoded]) -> dict[int, ObjectLogits]:
    """What users get of the objects' answers (batch 1 each). A GPU is waited for once."""
    if not answers:
        return {}
    scores = torch.stack([torch.cat([a.iou_pred[0], a.object_score[0]]) for a in answers.values()])
    return {
        object_id: ObjectLogits(answer.output_logits, ObjectResult(iou_pred, object_score))
        for (object_id, answer), (iou_pred, object_score) in zip(
            answers.items(), scores.tolist(), strict=True
        )
    }
