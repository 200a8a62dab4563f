"""From a refiner's logits to a `Decoded`: absence, memory and the residual all refiners share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from sam2.modeling.sam2_base import NO_OBJ_SCORE
from torch import Tensor

from vos.model.types import Decoded, FrameFeatures

COARSE_LIMIT = 4.0

MemoryMask = Literal["refined", "coarse"]


@dataclass(frozen=True, slots=True)
class MemoryGate:
    """When a refined mask may enter the memory, so that one bad refinement cannot poison the bank.

    min_iou: of refined and coarse mask at model size.
    max_area_ratio: refined to coarse area, and its inverse.
    """

    min_iou: float = 0.7
    max_area_ratio: float = 2.0

    def agrees(
        self, refined: Float[Tensor, "b 1 s s"], coarse: Float[Tensor, "b 1 s s"]
    ) -> Bool[Tensor, " b"]:
        """Tell per batch row whether the masks agree; two empty masks do."""
        a, b = refined.flatten(1) > 0, coarse.flatten(1) > 0
        shared, area, coarse_area = (a & b).sum(1), a.sum(1), b.sum(1)
        union = area + coarse_area - shared
        return (
            (shared >= self.min_iou * union)
            & (area <= self.max_area_ratio * coarse_area)
            & (coarse_area <= self.max_area_ratio * area)
        )


def gate_for(memory_mask: MemoryMask) -> MemoryGate | None:
    """Return the gate of a config's `memory_mask`; None keeps the memory coarse."""
    return MemoryGate() if memory_mask == "refined" else None


def at_side(logits: Float[Tensor, "b k h w"], side: int) -> Float[Tensor, "b k s s"]:
    """Resample bilinearly in fp32, as SAM 2 does before its memory encoder."""
    if logits.shape[-1] == side:
        return logits.float()
    return F.interpolate(
        logits.float(), size=(side, side), mode="bilinear", align_corners=False, antialias=False
    )


def coarse_base(decoded: Decoded, side: int) -> Float[Tensor, "b 1 s s"]:
    """Return what refiners add their output to: unsuppressed coarse logits, clamped to +-4.

    The sign is the coarse mask's; the clamp leaves a refiner room to change it. The clamp comes
    after resampling, so that an untrained refiner's mask is the base model's at model size.
    """
    return at_side(decoded.raw_logits, side).clamp(-COARSE_LIMIT, COARSE_LIMIT)


def decode_fused(
    decode: Callable[[Float[Tensor, "b c h w"]], Decoded],
    kept: Float[Tensor, "b c h w"],
    fused: Float[Tensor, "b c h w"],
) -> Decoded:
    """Predict the mask from `fused`, and what the memory keeps from `kept`.

    Nothing trains scores and pointer when a refiner changes the decoder's input: they drift, and in
    the memory the drift feeds on itself.

    decode: from an embedding to the decoder's prediction.
    kept: the very tensor `fused` where both may be the same, which saves the second run.
    """
    remembered = decode(kept)
    return remembered if kept is fused else join_fused(remembered, decode(fused))


def join_fused(remembered: Decoded, seen: Decoded) -> Decoded:
    """Return one prediction with the mask of one embedding and what the memory keeps of another.

    remembered: of the embedding that the refiner left alone. seen: of the one it changed.
    """
    if remembered is seen:
        return remembered
    absent = remembered.is_absent
    return replace(
        seen,
        mask_logits=torch.where(absent, NO_OBJ_SCORE, seen.raw_logits),
        iou_pred=remembered.iou_pred,
        object_score=remembered.object_score,
        obj_ptr=remembered.obj_ptr,
        memory_logits=remembered.seen_logits,
    )


def attach(
    decoded: Decoded,
    refined_logits: Float[Tensor, "b 1 r r"],
    features: FrameFeatures,
    *,
    aux: Sequence[Float[Tensor, "b 1 _ _"]] = (),
    error: Float[Tensor, "b 1 e e"] | None = None,
    gate: MemoryGate | None,
) -> Decoded:
    """Return `decoded` with a refiner's prediction beside the coarse one.

    A mask prompt taken as the prediction (`decoded.state` is None) comes back as it is.

    refined_logits: unsuppressed; -1024 is written over the rows of absent objects.
    aux: coarser masks for a training loss.
    error: where the coarse mask is believed wrong.
    gate: None leaves the memory as it was. Otherwise, in rows where the gate agrees, memory sees
        the refined logits at the pixels whose sign the refiner changed, and the coarse ones
        elsewhere (their confidence is what the frozen memory encoder was trained on).
    """
    if decoded.state is None:
        return decoded
    absent = decoded.is_absent
    refined = torch.where(absent, NO_OBJ_SCORE, refined_logits.float())
    memory_logits = decoded.memory_logits
    if gate is not None:
        side = features.image.shape[-1]
        seen = at_side(decoded.mask_logits if memory_logits is None else memory_logits, side)
        new = at_side(refined, side)
        changed = ((new > 0) != (seen > 0)) & gate.agrees(new, seen)[:, None, None, None]
        memory_logits = torch.where(changed, new, seen)
    return replace(
        decoded,
        refined_logits=refined,
        memory_logits=memory_logits,
        aux_logits=tuple(aux),
        error_logits=error,
    )
