"""Losses on mask logits, per mask, and the sums training minimises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def dice_loss(
    logits: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"]
) -> Float[Tensor, " b"]:
    """Return 1 - soft Dice with +1 smoothing. Source: HQ-SAM `loss_mask.dice_loss`."""
    prob = logits.sigmoid().flatten(1)
    truth = target.flatten(1)
    overlap = 2 * (prob * truth).sum(-1)
    return 1 - (overlap + 1) / (prob.sum(-1) + truth.sum(-1) + 1)


def mask_bce(logits: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return the binary cross-entropy, mean over pixels."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return loss.flatten(1).mean(-1)


def mask_iou(logits: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return the IoU of the thresholded mask with the target; 1 for two empty masks."""
    return iou(logits > 0, target > 0.5)


def iou(mask: Bool[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return intersection over union; 1 for two empty masks.

    Counted in float32, exact up to 4096 x 4096 pixels: sums of booleans are slow on a CPU.
    """
    a, b = mask.flatten(1).float(), truth.flatten(1).float()
    shared = (a * b).sum(-1)
    union = a.sum(-1) + b.sum(-1) - shared
    return torch.where(union > 0, shared / union.clamp(min=1), torch.ones_like(shared))


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part counts in the sum.

    dice: of the masks' dice.
    bce: of the masks' cross-entropy.
    iou: of the predicted IoU.
    score: of the object score.
    absent: of a frame without the object, in the score's part. Calling it present costs the whole
        frame; calling a frame absent on which the score is in doubt costs a mask that is seldom
        good.
    """

    dice: float = 2.0
    bce: float = 3.0
    iou: float = 0.5
    score: float = 1.0
    absent: float = 4.0


def prediction_loss(
    all_logits: Float[Tensor, "b k h w"],
    all_iou_pred: Float[Tensor, "b k"],
    object_score: Float[Tensor, "b 1"],
    target: Bool[Tensor, "b s s"],
    *,
    alternatives: bool,
    weights: LossWeights,
) -> Float[Tensor, ""]:
    """Return the loss of one decoder prediction against the full-size target.

    Row 0 is always trained; with `alternatives` the best of the other rows too (SAM's rule for a
    single click). Masks count only where the object is visible; the object score counts
    everywhere. The logits are the unsuppressed ones, so a wrong "absent" never blocks the mask's
    gradient.
    """
    truth = target.float()
    visible = target.flatten(1).any(-1).float()
    score = F.binary_cross_entropy_with_logits(
        object_score[:, 0].float(), visible, weight=torch.where(visible > 0, 1.0, weights.absent)
    )
    full = F.interpolate(
        all_logits.float() if alternatives else all_logits[:, :1].float(),
        size=target.shape[-2:],
        mode="bilinear",
        align_corners=False,
    )
    rows = [
        weights.dice * dice_loss(full[:, i], truth) + weights.bce * mask_bce(full[:, i], truth)
        for i in range(full.shape[1])
    ]
    mask = rows[0]
    if alternatives:
        mask = mask + torch.stack(rows[1:]).min(dim=0).values
    with torch.no_grad():
        iou = torch.stack([mask_iou(full[:, i], truth) for i in range(full.shape[1])], dim=1)
    iou_error = (all_iou_pred[:, : full.shape[1]] - iou).square().mean(dim=1)
    per_item = visible * (mask + weights.iou * iou_error)
    return per_item.sum() / visible.sum().clamp(min=1) + weights.score * score


@dataclass(frozen=True, slots=True)
class PointConfig:
    """The points at which masks are compared.

    points: per mask.
    oversample: candidates per point.
    uncertain: share of the points that are the candidates nearest to logit 0; the rest are
        anywhere.
    """

    points: int = 112 * 112
    oversample: int = 3
    uncertain: float = 0.75


def sample_at(
    plane: Float[Tensor, "b 1 h w"], points: Float[Tensor, "b p 2"]
) -> Float[Tensor, "b p"]:
    """Sample bilinear values at points (x, y) in [0, 1]."""
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(plane.float(), grid, padding_mode="border", align_corners=False)[
        :, 0, :, 0
    ]


@torch.no_grad()
def uncertain_points(
    logits: Float[Tensor, "b 1 h w"], generator: torch.Generator, config: PointConfig
) -> Float[Tensor, "b p 2"]:
    """Choose points (x, y) in [0, 1] to compare a mask at."""
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
    """Return BCE (mean over points) plus dice (+1 smoothing) of each mask.

    dice: weight of the latter. target: in [0, 1], of any size; sampled bilinearly at the same
    points.
    """
    points = uncertain_points(logits, generator, config)
    prediction, truth = sample_at(logits, points), sample_at(target, points)
    bce = F.binary_cross_entropy_with_logits(prediction, truth, reduction="none").mean(1)
    return bce + dice * dice_loss(prediction[:, None], truth[:, None])


def dense_loss(
    logits: Float[Tensor, "b 1 h w"], target: Float[Tensor, "b 1 H W"], dice: float = 1.0
) -> Float[Tensor, " b"]:
    """Return BCE (mean over pixels) plus dice of each mask, at the mask's own size.

    dice: weight of the latter. target: in [0, 1], of any size; averaged down, or resampled
    bilinearly, to that size.
    """
    truth = target.float()
    if truth.shape[-2:] != logits.shape[-2:]:
        truth = F.interpolate(
            truth, logits.shape[-2:], mode="bilinear", align_corners=False, antialias=True
        )
    prediction = logits[:, 0].float()
    return mask_bce(prediction, truth[:, 0]) + dice * dice_loss(prediction, truth[:, 0])
