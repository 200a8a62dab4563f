"""How good a refiner is on held-out stills: mIoU and boundary IoU at twice the image's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.refine.base import Refiner
from vos.train.fine_structure import FineConfig, Stills, generate_fine
from vos.train.losses import iou
from vos.train.refiner_objective import answer_prompt
from vos.train.refiner_prompts import at_model_size, positive_points, tight_box

EVAL_SEED = 900_000_000
"""Far above every training seed."""
POINTS = 5
_DILATION = 0.02
_BATCH = 8


@dataclass(frozen=True, slots=True)
class MaskScores:
    """Means over the images, in [0, 1]."""

    miou: float
    mbiou: float


@dataclass(frozen=True, slots=True)
class RefinerScores:
    """By prompt: one tight box, or five random points of the object."""

    box: MaskScores
    points: MaskScores

    @property
    def overall(self) -> float:
        """The mean boundary IoU, by which the best checkpoint is chosen."""
        return (self.box.mbiou + self.points.mbiou) / 2

    def flat(self) -> dict[str, float]:
        """The four numbers by name."""
        return {
            "box_miou": self.box.miou,
            "box_mbiou": self.box.mbiou,
            "points_miou": self.points.miou,
            "points_mbiou": self.points.mbiou,
        }


@torch.no_grad()
def evaluate_refiner(
    model: Sam2Model,
    refiner: Refiner,
    *,
    images: int = 64,
    config: FineConfig | None = None,
    seed: int = EVAL_SEED,
) -> RefinerScores:
    """Scores on `images` stills of fixed seeds at the model's input size.

    Compare with `NoRefiner` for the base. A refiner that is a module must be in eval mode.
    """
    size = model.image_size
    sums = torch.zeros(4, dtype=torch.float64)
    for first in range(0, images, _BATCH):
        count = min(_BATCH, images - first)
        stills = _held_out(count, size, seed + first, str(model.device), config or FineConfig())
        truth = stills.labels
        generator = torch.Generator(model.device).manual_seed(seed + first)
        features = model.encode_image(normalise(stills.images.float() / 255))
        cache = refiner.augment(model, features, 0)
        for k, prompt in enumerate((tight_box(truth), positive_points(truth, POINTS, generator))):
            asked = at_model_size(prompt, truth.shape[-1], size)
            logits = answer_prompt(model, refiner, features, cache, asked).output_logits
            full = F.interpolate(
                logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False
            )
            mask = full[:, 0] > 0
            sums[2 * k] += iou(mask, truth).sum().cpu()
            sums[2 * k + 1] += boundary_iou(mask, truth).sum().cpu()
    box_iou, box_biou, points_iou, points_biou = (sums / images).tolist()
    return RefinerScores(MaskScores(box_iou, box_biou), MaskScores(points_iou, points_biou))


def boundary_iou(mask: Bool[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """IoU of the masks' inner borders, 2 % of the image's diagonal wide.

    Source: Boundary IoU (arXiv 2103.16562) as in HQ-SAM; the image's border counts.
    """
    return iou(_border(mask), _border(truth))


def _border(mask: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    width = max(1, round(_DILATION * math.hypot(*mask.shape[-2:])))
    outside = F.pad((~mask).float()[:, None], (width,) * 4, value=1.0)
    for side in ((2 * width + 1, 1), (1, 2 * width + 1)):
        outside = F.max_pool2d(outside, side, stride=1)
    return mask & (outside[:, 0] > 0)


@lru_cache(maxsize=32)
def _held_out(count: int, size: int, seed: int, device: str, config: FineConfig) -> Stills:
    return generate_fine(count, size, seed, device, config)
