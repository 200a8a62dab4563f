"""A mask that a prompt gives is the prediction: what it is as the decoder's output.

Source: `SAM2Base._use_mask_as_output`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.decoding import resize_logits
from vos.model.types import Decoded, Found

MASK_PROMPT_LOGIT = 10.0
"""The logit inside of a mask prompt, and the object score of an object that is seen."""


def enlarge_mask(mask: Float[Tensor, "b 1 s s"], mask_size: int) -> Float[Tensor, "b 1 s2 s2"]:
    """Return a mask at four times the size of the decoder's, which is the input's own size at
    stride 16. Source: `input_mask_size` of SAM 3's tracker.
    """
    side = 4 * mask_size
    return mask if mask.shape[-1] == side else resize_logits(mask, (side, side))


def take_mask(
    net: SAM2Base,
    mask: Float[Tensor, "b 1 s s"],
    mask_size: int,
    obj_ptr: Float[Tensor, "b c"],
) -> Decoded:
    """Return a mask as the prediction, of full certainty; an empty one means an absent object.

    mask_size: side of the decoder's masks. obj_ptr: what the decoder made of the mask.
    """
    b = mask.shape[0]
    high = mask * (2 * MASK_PROMPT_LOGIT) - MASK_PROMPT_LOGIT
    low = resize_logits(high, (mask_size, mask_size), antialias=True)
    visible = torch.any(mask.flatten(1) > 0.0, dim=1)[..., None].float()
    pointer = visible * obj_ptr if net.fixed_no_obj_ptr else obj_ptr
    return Decoded(
        mask_logits=low,
        raw_logits=low,
        all_logits=low,
        all_iou_pred=low.new_ones(b, 1),
        iou_pred=low.new_ones(b, 1),
        object_score=2 * MASK_PROMPT_LOGIT * visible - MASK_PROMPT_LOGIT,
        obj_ptr=pointer + (1 - visible) * net.no_obj_ptr,
        from_prompt=True,
    )


def show_found(found: Found, decoded: Decoded) -> Decoded:
    """Return a mask prompt's prediction with what the prompt was made of in its place."""
    height, width = decoded.raw_logits.shape[-2:]
    return replace(
        decoded,
        raw_logits=resize_logits(found.logits, (height, width), antialias=True),
        refined_logits=found.logits,
        iou_pred=found.iou_pred,
        object_score=found.object_score,
    )
