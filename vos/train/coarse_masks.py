"""Coarse mask prompts: what a user or an earlier pass would hand over, drawn from the truth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vos.model.sam2 import MASK_PROMPT_LOGIT
from vos.model.types import ModelPrompt

_DOWN = 8
_CHANGED = 0.01


def coarse_mask(
    label: Float[Tensor, "b 1 h w"], side: int, generator: torch.Generator
) -> Float[Tensor, "b 1 s s"]:
    """The label at `side` pixels, noisy where an eightfold smaller copy of it would differ.

    label: in [0, 1]. Returns 0 or 1. Source: HQ-SAM `misc.masks_noise`, after Mask Transfiner.
    """
    small = F.interpolate(label, size=(side, side), mode="bilinear", antialias=True)
    low = (max(1, side // _DOWN),) * 2
    blurred = F.interpolate(small, size=low, mode="bilinear", align_corners=False)
    blurred = F.interpolate(blurred, size=(side, side), mode="bilinear", align_corners=False)
    uncertain = (small - blurred).abs() >= _CHANGED
    noise = torch.randn(small.shape, generator=generator, device=label.device)
    return (small + noise * uncertain > 0.5).float()


def coarse_mask_prompt(
    label: Float[Tensor, "b 1 h w"], side: int, generator: torch.Generator
) -> ModelPrompt:
    """A coarse mask as SAM 2's prompt encoder reads it: logits of +-10 and no point.

    HQ-SAM feeds 0 and 255, which is out of range. The mask goes along as `previous`, because a mask
    prompt proper is taken as the answer and never reaches the decoder. Two padding points, as many
    as a box has corners, keep the decoder at its single mask.
    """
    logits = coarse_mask(label, side, generator) * (2 * MASK_PROMPT_LOGIT) - MASK_PROMPT_LOGIT
    b, device = label.shape[0], label.device
    return ModelPrompt(
        points_xy=torch.zeros(b, 2, 2, device=device),
        labels=-torch.ones(b, 2, dtype=torch.int32, device=device),
        previous=logits,
    )
