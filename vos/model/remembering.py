"""What a frame leaves in the bank: a memory map of each object, and its pointer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.decoding import resize_logits
from vos.model.layout import with_token_strides
from vos.model.networks.nano.propagation import STRIDE
from vos.model.types import FrameFeatures, MemoryEntry, MemoryInput


def encode_memory(
    net: SAM2Base,
    memory_encoder: Callable[..., dict[str, Any]],
    perceiver: Callable[[Tensor, Tensor], Tensor] | None,
    features: FrameFeatures,
    seen: MemoryInput,
    frame_idx: int,
) -> MemoryEntry:
    """Make what this frame leaves in the bank. Source: `SAM2Base._encode_new_memory`.

    memory_encoder: the network's, or what runs in its place. perceiver: turns a map into fewer
    tokens; None where the network has none.
    """
    logits = seen.mask_logits
    if logits.shape[-1] != net.image_size:
        logits = resize_logits(logits, (net.image_size, net.image_size))
    if seen.from_prompt and net.binarize_mask_from_pts_for_mem_enc:
        mask = (logits > 0).float()
    else:
        mask = torch.sigmoid(logits)
    small_mask = None
    if features.memory_keys is not None:
        small_mask = F.avg_pool2d(mask, STRIDE).to(torch.bfloat16)
    mask = mask * net.sigmoid_scale_for_mem_enc + net.sigmoid_bias_for_mem_enc
    image = with_token_strides(features.s16)
    spatial = memory_encoder(image, mask, skip_mask_sigmoid=True)["vision_features"]
    if net.no_obj_embed_spatial is not None:
        absent = 1 - (seen.object_score > 0).float()
        spatial = spatial + absent[..., None, None] * net.no_obj_embed_spatial[
            ..., None, None
        ].expand(*spatial.shape)
    if perceiver is not None:
        spatial = perceiver(spatial, net.memory_encoder.position_encoding(spatial[:1]))
    return MemoryEntry(
        frame_idx=frame_idx,
        # One layout however it was computed: what is compiled or recorded depends on it.
        spatial=spatial.to(torch.bfloat16).contiguous(),
        obj_ptr=seen.obj_ptr,
        iou_pred=seen.iou_pred,
        object_score=seen.object_score,
        keys=features.memory_keys,
        mask=small_mask,
    )
