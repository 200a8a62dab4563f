"""What the five verbs exchange: frozen dataclasses of tensors.

Shape letters: b batch (images or objects), S model input side in pixels, h = w = S/16, c the model
width (256 for SAM 2), m the memory width (64 for SAM 2), n prompt points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """One encoded image; prompt-free, shared by all objects.

    image: the normalised network input. s4, s8: skip features of the mask decoder at strides 4 and
    8 (after `conv_s0` and `conv_s1`). s16: the image embedding. fpn4, fpn8: the same two levels
    before those projections, for refiners. pos16: sine position encoding of s16, batch 1. image_2x:
    the same frame at twice the side, for refiners that ask for it.
    """

    image: Float[Tensor, "b 3 s s"]
    s4: Float[Tensor, "b c4 h4 w4"]
    s8: Float[Tensor, "b c8 h8 w8"]
    s16: Float[Tensor, "b c h w"]
    fpn4: Float[Tensor, "b c h4 w4"]
    fpn8: Float[Tensor, "b c h8 w8"]
    pos16: Float[Tensor, "1 c h w"]
    image_2x: Float[Tensor, "b 3 s2 s2"] | None = None

    def row(self, index: int) -> FrameFeatures:
        """One image of a batch, sharing its memory."""
        at = slice(index, index + 1)
        return FrameFeatures(
            image=self.image[at],
            s4=self.s4[at],
            s8=self.s8[at],
            s16=self.s16[at],
            fpn4=self.fpn4[at],
            fpn8=self.fpn8[at],
            pos16=self.pos16,
            image_2x=None if self.image_2x is None else self.image_2x[at],
        )

    def rows(self, index: Int[Tensor, " r"]) -> FrameFeatures:
        """These batch rows, in this order; a row may come several times (objects of one image)."""
        return FrameFeatures(
            image=self.image[index],
            s4=self.s4[index],
            s8=self.s8[index],
            s16=self.s16[index],
            fpn4=self.fpn4[index],
            fpn8=self.fpn8[index],
            pos16=self.pos16,
            image_2x=None if self.image_2x is None else self.image_2x[index],
        )


@dataclass(frozen=True, slots=True)
class ModelPrompt:
    """One prompt per batch row, in model pixels (0..S).

    Exactly one of points and mask is set. labels: 1 positive, 0 negative, 2 / 3 box corners, -1
    padding. mask: {0, 1} at S x S, taken as the answer. previous: logits of an earlier answer at
    S/4 that the points correct. segments: the line pieces of strokes and outlines as the user drew
    them, two end points (x, y) each; segment_labels as labels. Only refiners look at segments:
    SAM 2 itself takes a stroke as points and an outline as a mask.
    """

    points_xy: Float[Tensor, "b n 2"] | None = None
    labels: Int[Tensor, "b n"] | None = None
    mask: Float[Tensor, "b 1 s s"] | None = None
    previous: Float[Tensor, "b 1 s4 s4"] | None = None
    segments: Float[Tensor, "b k 2 2"] | None = None
    segment_labels: Int[Tensor, "b k"] | None = None


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """What the mask decoder is told. image_pe: dense position encoding."""

    sparse: Float[Tensor, "b k c"]
    dense: Float[Tensor, "b c h w"]
    image_pe: Float[Tensor, "1 c h w"]


@dataclass(frozen=True, slots=True)
class DecoderState:
    """What the mask decoder's transformer saw and said; refiners that work after decoding read it.

    embedding: image embedding after the two-way transformer. tokens: updated [object score, IoU, 4
    masks, prompts] tokens; token_pe: the same tokens before; image_pe: dense position encoding.
    """

    embedding: Float[Tensor, "b c h w"]
    tokens: Float[Tensor, "b t c"]
    token_pe: Float[Tensor, "b t c"]
    image_pe: Float[Tensor, "1 c h w"]

    def row(self, index: int) -> DecoderState:
        """One object of a batch, sharing its memory."""
        at = slice(index, index + 1)
        return DecoderState(self.embedding[at], self.tokens[at], self.token_pe[at], self.image_pe)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One object's answer on one frame.

    mask_logits: the chosen mask at S/4, -1024 everywhere if the object is absent (object_score <=
    0). raw_logits: the same mask before that suppression. all_logits, all_iou_pred: the single-mask
    answer (row 0) and the three alternatives. iou_pred: predicted IoU of the chosen mask.
    object_score: visibility logit. obj_ptr: object pointer. state: None for a mask prompt taken as
    the answer. refined_logits: a refiner's mask logits at any size, suppressed like mask_logits;
    None without one. memory_logits: what the memory encoder shall see instead of mask_logits; None
    for the same. from_prompt: the mask answers a prompt on this very frame. aux_logits: a refiner's
    coarser masks, for its training loss; empty in eval mode. error_logits: where a refiner believes
    the mask it was given is wrong; None if it does not say.
    """

    mask_logits: Float[Tensor, "b 1 s4 s4"]
    raw_logits: Float[Tensor, "b 1 s4 s4"]
    all_logits: Float[Tensor, "b k s4 s4"]
    all_iou_pred: Float[Tensor, "b k"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]
    obj_ptr: Float[Tensor, "b c"]
    from_prompt: bool
    state: DecoderState | None = None
    refined_logits: Float[Tensor, "b 1 r r"] | None = None
    memory_logits: Float[Tensor, "b 1 q q"] | None = None
    aux_logits: tuple[Float[Tensor, "b 1 _ _"], ...] = ()
    error_logits: Float[Tensor, "b 1 e e"] | None = None

    @property
    def output_logits(self) -> Float[Tensor, "b 1 r r"]:
        """The logits users get: refined where there is a refiner, at whatever size it works."""
        return self.mask_logits if self.refined_logits is None else self.refined_logits

    @property
    def seen_logits(self) -> Float[Tensor, "b 1 q q"]:
        """What the memory encoder sees."""
        return self.mask_logits if self.memory_logits is None else self.memory_logits

    def row(self, index: int) -> Decoded:
        """One object of a batch straight from the decoder, sharing its memory."""
        at = slice(index, index + 1)
        return Decoded(
            mask_logits=self.mask_logits[at],
            raw_logits=self.raw_logits[at],
            all_logits=self.all_logits[at],
            all_iou_pred=self.all_iou_pred[at],
            iou_pred=self.iou_pred[at],
            object_score=self.object_score[at],
            obj_ptr=self.obj_ptr[at],
            from_prompt=self.from_prompt,
            state=None if self.state is None else self.state.row(index),
            memory_logits=None if self.memory_logits is None else self.memory_logits[at],
        )


def for_memory(answers: Sequence[Decoded]) -> Decoded:
    """One batch of several objects' answers with what the memory encoder reads, and no more.

    Their `seen_logits` have one size, and all or none answer a prompt.
    """
    mask_logits = torch.cat([one.seen_logits for one in answers])
    all_iou_pred = torch.cat([one.iou_pred for one in answers])
    return Decoded(
        mask_logits=mask_logits,
        raw_logits=mask_logits,
        all_logits=mask_logits,
        all_iou_pred=all_iou_pred,
        iou_pred=all_iou_pred,
        object_score=torch.cat([one.object_score for one in answers]),
        obj_ptr=torch.cat([one.obj_ptr for one in answers]),
        from_prompt=answers[0].from_prompt,
    )


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """What one frame leaves behind for one object.

    spatial: bfloat16 memory map, or None once the frame is too old to be attended to spatially.
    """

    frame_idx: int
    spatial: Float[Tensor, "b m h w"] | None
    obj_ptr: Float[Tensor, "b c"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]

    def map_on(self, device: torch.device) -> Float[Tensor, "b m h w"]:
        """The spatial memory on this device. Raises ValueError where it is forgotten."""
        if self.spatial is None:
            raise ValueError(f"frame {self.frame_idx} has no spatial memory any more")
        return self.spatial.to(device)

    def rows(self) -> tuple[MemoryEntry, ...]:
        """One entry per object of a batch, each with its own memory."""
        return tuple(
            MemoryEntry(
                frame_idx=self.frame_idx,
                spatial=None if self.spatial is None else self.spatial[i : i + 1].clone(),
                obj_ptr=self.obj_ptr[i : i + 1].clone(),
                iou_pred=self.iou_pred[i : i + 1].clone(),
                object_score=self.object_score[i : i + 1].clone(),
            )
            for i in range(self.obj_ptr.shape[0])
        )

    def to(self, device: torch.device) -> MemoryEntry:
        """The entry with its tensors on this device."""
        return MemoryEntry(
            frame_idx=self.frame_idx,
            spatial=None if self.spatial is None else self.spatial.to(device),
            obj_ptr=self.obj_ptr.to(device),
            iou_pred=self.iou_pred.to(device),
            object_score=self.object_score.to(device),
        )


@dataclass(frozen=True, slots=True)
class Recall:
    """The memories a policy selected for one frame, in attention order.

    spatial: (slot, entry); slot 0 is a prompted frame, slot d the frame d steps away.
    pointers: (distance, entry); the sign tells past (+) from future (-) in tracking direction.
    pointer_span: how many frames pointers may reach back; scales their position encoding.
    """

    spatial: tuple[tuple[int, MemoryEntry], ...]
    pointers: tuple[tuple[int, MemoryEntry], ...]
    pointer_span: int

    @property
    def shape(self) -> tuple[object, ...]:
        """Recalls of equal shape can be attended to in one batch."""
        return tuple(slot for slot, _ in self.spatial), len(self.pointers), self.pointer_span
