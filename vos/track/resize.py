"""The model's logits at the video's size."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resize_to_video(
    logits: Float[Tensor, "1 1 r r"], size_hw: tuple[int, int]
) -> Float[Tensor, "1 1 h w"]:
    """Resize bilinearly. Source: `SAM2VideoPredictor._get_orig_video_res_output`."""
    if tuple(logits.shape[-2:]) == size_hw:
        return logits.float()
    return F.interpolate(logits.float(), size=size_hw, mode="bilinear", align_corners=False)
