"""Mask losses at sampled points: most of them where the mask is least certain.

Memory and time depend on the number of points, not on the mask's size, so a 1024 x 1024 output
costs what a small one does. Source: PointRend (arXiv 1912.08193) as HQ-SAM uses it,
`train/utils/loss_mask.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vos.train.losses import dice_loss, mask_bce


@dataclass(frozen=True, slots=True)
class PointConfig:
    """points: per mask. oversample: candidates per point. uncertain: share of the points that are
    the candidates nearest to logit 0; the rest are anywhere.
    """

    points: int = 112 * 112
    oversample: int = 3
    uncertain: float = 0.75


def sample_at(
    plane: Float[Tensor, "b 1 h w"], points: Float[Tensor, "b p 2"]
) -> Float[Tensor, "b p"]:
    """Bilinear values at points (x, y) in [0, 1]."""
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(plane.float(), grid, padding_mode="border", align_corners=False)[
        :, 0, :, 0
    ]


@torch.no_grad()
def uncertain_points(
    logits: Float[Tensor, "b 1 h w"], generator: torch.Generator, config: PointConfig
) -> Float[Tensor, "b p 2"]:
    """Points (x, y) in [0, 1] to compare a mask at."""
    b, device = logits.shape[0], logits.device
    candidates = torch.rand(
        b, config.points * config.oversample, 2, generator=generator, device=device
    )
    chosen = round(config.points * config.uncertain)
    doubt = -sample_at(logits, candidates).abs()
    index = doubt.topk(chosen, dim=1).indices[..., None].expand(-1, -1, 2)
    anywhere = torch.rand(b, config.points - chosen, 2, generator=generator, device=device)
    return torch.cat([candidates.gather(1, index), anywhere], dim=1)


def point_loss(
    logits: Float[Tensor, "b 1 h w"],
    target: Float[Tensor, "b 1 H W"],
    generator: torch.Generator,
    config: PointConfig,
    dice: float = 1.0,
) -> Float[Tensor, " b"]:
    """BCE (mean over points) plus dice (+1 smoothing) of each mask.

    dice: weight of the latter. target: in [0, 1], of any size; sampled bilinearly at the same
    points.
    """
    points = uncertain_points(logits, generator, config)
    answer, truth = sample_at(logits, points), sample_at(target, points)
    bce = F.binary_cross_entropy_with_logits(answer, truth, reduction="none").mean(1)
    return bce + dice * dice_loss(answer[:, None], truth[:, None])


def dense_loss(
    logits: Float[Tensor, "b 1 h w"], target: Float[Tensor, "b 1 H W"], dice: float = 1.0
) -> Float[Tensor, " b"]:
    """BCE (mean over pixels) plus dice of each mask, at the mask's own size.

    dice: weight of the latter. target: in [0, 1], of any size; averaged down, or resampled
    bilinearly, to that size.
    """
    truth = target.float()
    if truth.shape[-2:] != logits.shape[-2:]:
        truth = F.interpolate(
            truth, logits.shape[-2:], mode="bilinear", align_corners=False, antialias=True
        )
    answer = logits[:, 0].float()
    return mask_bce(answer, truth[:, 0]) + dice * dice_loss(answer, truth[:, 0])
