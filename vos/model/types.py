"""The frozen dataclasses of tensors that the five verbs exchange.

Shape letters: b batch (images or objects), S model input side in pixels, h = w = S / stride, c the
model width (256 for SAM 2), m the memory width (64 for SAM 2), n prompt points, k masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vos.model.tensor_fields import SHARED, TensorFields


@dataclass(frozen=True, slots=True)
class FrameFeatures(TensorFields):
    """One encoded image; it knows no prompt and is shared by all objects.

    image: the normalised network input.
    s16: the image embedding.
    pos16: sine position encoding of s16, batch 1.
    s4, s8: skip features of the mask decoder at strides 4 and 8 (after `conv_s0` and `conv_s1`);
        None for a model without them.
    fpn4, fpn8: the same two levels before those projections, for refiners.
    image_2x: the same frame at twice the side, for refiners that want it.
    keys: what `vos.model.networks.nano.propagation` compares positions by; None for a model without
        it. They may have a row per image where the other fields have one per object.
    memory_keys: the same in bfloat16, as they are remembered.
    """

    image: Float[Tensor, "b 3 s s"]
    s16: Float[Tensor, "b c h w"]
    pos16: Float[Tensor, "1 c h w"] = field(metadata=SHARED)
    s4: Float[Tensor, "b c4 h4 w4"] | None = None
    s8: Float[Tensor, "b c8 h8 w8"] | None = None
    fpn4: Float[Tensor, "b c h4 w4"] | None = None
    fpn8: Float[Tensor, "b c h8 w8"] | None = None
    image_2x: Float[Tensor, "b 3 s2 s2"] | None = None
    keys: Float[Tensor, "_ k h8 w8"] | None = None
    memory_keys: Float[Tensor, "_ k h8 w8"] | None = None

    def rows(self, index: Int[Tensor, " r"]) -> FrameFeatures:
        """Return these rows in this order; a row may come several times (objects of one image)."""
        return self.map(lambda tensor: tensor[index], with_shared=False)


@dataclass(frozen=True, slots=True)
class Found(TensorFields):
    """What a model found by itself, on a cut-out of the frame, and gives as a mask prompt.

    logits: of the mask on the whole frame, at any size.
    iou_pred: predicted IoU.
    object_score: visibility logit.
    """

    logits: Float[Tensor, "b 1 r r"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]


@dataclass(frozen=True, slots=True)
class ModelPrompt(TensorFields):
    """One prompt per batch row, in model pixels (0..S). Exactly one of points and mask is set.

    points_xy: positions of clicks and of box corners.
    labels: 1 positive, 0 negative, 2 / 3 box corners, -1 padding.
    mask: {0, 1} at S x S, taken as the prediction.
    previous: logits of an earlier prediction at the model's mask size, which the points correct.
    segments: the line pieces of strokes and outlines as the user drew them, two end points (x, y)
        each. Only refiners read them: SAM 2 itself takes a stroke as points, an outline as a mask.
    segment_labels: as labels, one per line piece.
    found: how the model found the mask, where it is no user's; it is what users see then.
    """

    points_xy: Float[Tensor, "b n 2"] | None = None
    labels: Int[Tensor, "b n"] | None = None
    mask: Float[Tensor, "b 1 s s"] | None = None
    previous: Float[Tensor, "b 1 s4 s4"] | None = None
    segments: Float[Tensor, "b k 2 2"] | None = None
    segment_labels: Int[Tensor, "b k"] | None = None
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class PromptTokens(TensorFields):
    """A prompt as the mask decoder takes it.

    sparse: one token per point.
    dense: what is added to the image embedding.
    image_pe: dense position encoding of the image.
    """

    sparse: Float[Tensor, "b k c"]
    dense: Float[Tensor, "b c h w"]
    image_pe: Float[Tensor, "1 c h w"] = field(metadata=SHARED)


@dataclass(frozen=True, slots=True)
class DecoderState(TensorFields):
    """What the mask decoder's transformer took and gave, for refiners that work after decoding.

    embedding: image embedding after the two-way transformer.
    tokens: [object score, IoU, 4 masks, prompts] tokens after it.
    token_pe: the same tokens before it.
    image_pe: dense position encoding of the image.
    """

    embedding: Float[Tensor, "b c h w"]
    tokens: Float[Tensor, "b t c"]
    token_pe: Float[Tensor, "b t c"]
    image_pe: Float[Tensor, "1 c h w"] = field(metadata=SHARED)


@dataclass(frozen=True, slots=True)
class Candidates(TensorFields):
    """The decoder's alternative masks, among which a memory policy chooses.

    mask_logits: at the model's mask size.
    iou_pred: predicted IoU of each.
    object_score: visibility logit of the object.
    """

    mask_logits: Float[Tensor, "b k s4 s4"]
    iou_pred: Float[Tensor, "b k"]
    object_score: Float[Tensor, "b 1"]


@dataclass(frozen=True, slots=True)
class Decoded(TensorFields):
    """The prediction of one object, or a batch of them, on one frame.

    mask_logits: the chosen mask at the model's mask size, -1024 everywhere if the object is absent
        (object_score <= present_above).
    raw_logits: the same mask before that suppression.
    all_logits: the single mask (row 0) and the three alternatives.
    all_iou_pred: predicted IoU of each of them.
    iou_pred: predicted IoU of the chosen mask.
    object_score: visibility logit.
    obj_ptr: object pointer.
    from_prompt: whether the mask follows from a prompt on this very frame.
    chosen: index of the chosen mask in `all_logits`; None where the decoder itself mixed them by
        their stability.
    state: None for a mask prompt taken as the prediction.
    refined_logits: a refiner's mask logits at any size, suppressed like mask_logits; None without.
    memory_logits: what the memory encoder shall see instead of mask_logits; None for the same.
    aux_logits: a refiner's coarser masks, for its training loss; empty in eval mode.
    error_logits: where a refiner believes the mask it was given is wrong; None if it does not say.
    present_above: the object is present if its score is greater; 0 unless a policy says otherwise.
    """

    mask_logits: Float[Tensor, "b 1 s4 s4"]
    raw_logits: Float[Tensor, "b 1 s4 s4"]
    all_logits: Float[Tensor, "b k s4 s4"]
    all_iou_pred: Float[Tensor, "b k"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]
    obj_ptr: Float[Tensor, "b c"]
    from_prompt: bool
    chosen: Int[Tensor, " b"] | None = None
    state: DecoderState | None = None
    refined_logits: Float[Tensor, "b 1 r r"] | None = None
    memory_logits: Float[Tensor, "b 1 q q"] | None = None
    aux_logits: tuple[Float[Tensor, "b 1 _ _"], ...] = ()
    error_logits: Float[Tensor, "b 1 e e"] | None = None
    present_above: float = 0.0

    @property
    def is_absent(self) -> Bool[Tensor, "b 1 1 1"]:
        """Return whether the object is absent, per row, as it multiplies masks."""
        return (self.object_score <= self.present_above)[..., None, None]

    @property
    def output_logits(self) -> Float[Tensor, "b 1 r r"]:
        """Return the logits that users get: the refined ones, at any size, where there are some."""
        return self.mask_logits if self.refined_logits is None else self.refined_logits

    @property
    def seen_logits(self) -> Float[Tensor, "b 1 q q"]:
        """Return the logits that the memory encoder sees."""
        return self.mask_logits if self.memory_logits is None else self.memory_logits


@dataclass(frozen=True, slots=True)
class MemoryInput(TensorFields):
    """What `encode_memory` reads of predictions.

    mask_logits: at any size.
    iou_pred, object_score, obj_ptr: as in `Decoded`; they go into the memory as they are.
    from_prompt: whether the masks follow from prompts on this very frame.
    """

    mask_logits: Float[Tensor, "b 1 q q"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]
    obj_ptr: Float[Tensor, "b c"]
    from_prompt: bool

    @classmethod
    def of(cls, *predictions: Decoded) -> MemoryInput:
        """Join predictions to one batch; all or none of them follow from a prompt."""
        first = predictions[0]

        def join(tensors: Sequence[Tensor]) -> Tensor:
            return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))

        return cls(
            mask_logits=join([one.seen_logits for one in predictions]),
            iou_pred=join([one.iou_pred for one in predictions]),
            object_score=join([one.object_score for one in predictions]),
            obj_ptr=join([one.obj_ptr for one in predictions]),
            from_prompt=first.from_prompt,
        )


@dataclass(frozen=True, slots=True)
class MemoryEntry(TensorFields):
    """What one frame leaves behind for one object.

    frame_idx: 0-based, presentation order.
    spatial: bfloat16 memory map, or None once the frame is too old to be attended to spatially.
    obj_ptr, iou_pred, object_score: as in `Decoded`.
    keys: the frame's bfloat16 keys, which all of its objects share; None without `spatial`, and for
        a model that does not propagate masks.
    mask: the bfloat16 mask at the keys' positions, 0 to 1; None as `keys`.
    """

    frame_idx: int
    spatial: Float[Tensor, "b m h w"] | None
    obj_ptr: Float[Tensor, "b c"]
    iou_pred: Float[Tensor, "b 1"]
    object_score: Float[Tensor, "b 1"]
    keys: Float[Tensor, "_ k h8 w8"] | None = field(default=None, metadata=SHARED)
    mask: Float[Tensor, "b 1 h8 w8"] | None = None

    def map_on(self, device: torch.device) -> Float[Tensor, "b m h w"]:
        """Return the spatial memory on this device. Raises ValueError where it is forgotten."""
        if self.spatial is None:
            raise ValueError(f"frame {self.frame_idx} has no spatial memory any more")
        return self.spatial.to(device)

    def without_maps(self) -> MemoryEntry:
        """Return the pointer and the scores alone."""
        return replace(self, spatial=None, keys=None, mask=None)

    def rows(self) -> tuple[MemoryEntry, ...]:
        """Return one entry per object of a batch, each with its own memory but for shared keys."""
        return tuple(
            self.row(index).map(torch.Tensor.clone, with_shared=False)
            for index in range(self.obj_ptr.shape[0])
        )


@dataclass(frozen=True, slots=True)
class Recall:
    """The memories a policy selected for one frame, in attention order.

    spatial: (slot, entry); slot 0 is a prompted frame. The last frame has the last slot, the one
        before it the slot before that, and so on.
    pointers: (distance, entry); the sign tells past (+) from future (-) in tracking direction.
    pointer_span: how many frames pointers may reach back; scales their position encoding.
    is_settled: whether the policy says that only values change until the next prompt. Recalls as
        full as SAM 2's own rule fills them are known to be settled without it.
    map_weights: by how much the keys of each map are scaled; empty for SAM 2's own keys.
    pointer_weights: the same for the pointers.
    """

    spatial: tuple[tuple[int, MemoryEntry], ...]
    pointers: tuple[tuple[int, MemoryEntry], ...]
    pointer_span: int
    is_settled: bool = False
    map_weights: tuple[float, ...] = ()
    pointer_weights: tuple[float, ...] = ()

    def thin_out(self, slots: int, stride: int) -> Recall:
        """Return the recall with the maps of prompted frames and of each `stride`-th recent one.

        Neighbouring frames tell nearly the same. Fewer of them, from further back, take less time,
        and a mask that goes wrong fills the memory later.

        slots: of the model, of which slot 0 is for prompted frames.
        """
        if stride == 1:
            return self
        kept = [slot == 0 or (slots - slot) % stride == 0 for slot, _ in self.spatial]
        return replace(
            self,
            spatial=tuple(compress(self.spatial, kept)),
            map_weights=tuple(compress(self.map_weights, kept)),
        )

    @property
    def is_weighted(self) -> bool:
        """Return whether some memories count more than others."""
        return bool(self.map_weights or self.pointer_weights)

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what must be equal for recalls to be attended to in one batch."""
        slots = tuple(slot for slot, _ in self.spatial)
        weights = bool(self.map_weights), bool(self.pointer_weights)
        return slots, len(self.pointers), self.pointer_span, weights
