"""Score a refiner on held-out stills: mIoU and boundary IoU at twice the image's size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.refine.base import Refiner
from vos.synth.thin.stills import FineConfig, Stills, generate_fine
from vos.track.engine import Engine, look_at
from vos.track.policy import Fifo, StreamPosition
from vos.train.losses import iou
from vos.train.refiner.earlier_frame import EarlierFrame
from vos.train.refiner.forward import decode_prompt, decode_tracked
from vos.train.refiner.prompts import at_model_size, positive_points, tight_box

EVAL_SEED = 900_000_000
"""Far above every training seed."""
POINTS = 5
_DILATION = 0.02
_BATCH = 8


@dataclass(frozen=True, slots=True)
class MaskScores:
    """Means over the images, in [0, 1].

    miou: of the IoU.
    mbiou: of the boundary IoU.
    """

    miou: float
    mbiou: float


@dataclass(frozen=True, slots=True)
class RefinerScores:
    """Scores from three kinds of prompt.

    box: one tight box.
    points: five random points of the object.
    tracked: no prompt; stills are predicted from the memory of an earlier view whose mask was
        given.
    """

    box: MaskScores
    points: MaskScores
    tracked: MaskScores

    @property
    def overall(self) -> float:
        """Return the mean boundary IoU, by which the best checkpoint is chosen."""
        return (self.box.mbiou + self.points.mbiou + self.tracked.mbiou) / 3

    def flat(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {
            f"{field.name}_{kind}": value
            for field in fields(self)
            for kind, value in asdict(getattr(self, field.name)).items()
        }

    @classmethod
    def from_flat(cls, values: Mapping[str, float]) -> Self:
        """Undo `flat`."""
        return cls(
            **{
                field.name: MaskScores(values[f"{field.name}_miou"], values[f"{field.name}_mbiou"])
                for field in fields(cls)
            }
        )


@torch.no_grad()
def evaluate_refiner(
    model: Sam2Model,
    refiner: Refiner,
    *,
    images: int = 64,
    config: FineConfig | None = None,
    seed: int = EVAL_SEED,
) -> RefinerScores:
    """Score `images` stills of fixed seeds at the model's input size.

    Compare with `NoRefiner` for the base. A refiner that is a module must be in eval mode.
    """
    size, engine = model.image_size, Engine(model, refiner, Fifo())
    names = [field.name for field in fields(RefinerScores)]
    sums = {name: torch.zeros(2, dtype=torch.float64) for name in names}
    for first in range(0, images, _BATCH):
        count = min(_BATCH, images - first)
        stills = _held_out(count, size, seed + first, str(model.device), config or FineConfig())
        truth, rgb = stills.labels, stills.images.float() / 255
        generator = torch.Generator(model.device).manual_seed(seed + first)
        features = model.encode_image(normalise(rgb))
        frame = look_at(engine, features, StreamPosition(0))
        predictions = {}
        for name, prompt in (
            ("box", tight_box(truth)),
            ("points", positive_points(truth, POINTS, generator)),
        ):
            predictions[name] = decode_prompt(
                engine, frame, at_model_size(prompt, truth.shape[-1], size)
            )
        earlier = EarlierFrame.of(model, rgb, truth[:, None].float(), generator)
        bank = earlier.remember(model, torch.arange(count, device=model.device), "mask", generator)
        predictions["tracked"] = decode_tracked(engine, frame, bank)
        for name, prediction in predictions.items():
            full = F.interpolate(
                prediction.output_logits.float(),
                size=truth.shape[-2:],
                mode="bilinear",
                align_corners=False,
            )
            mask = full[:, 0] > 0
            sums[name] += torch.stack(
                [iou(mask, truth).sum(), boundary_iou(mask, truth).sum()]
            ).cpu()
    return RefinerScores(**{n: MaskScores(*(sums[n] / images).tolist()) for n in names})


def boundary_iou(mask: Bool[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return the IoU of the masks' inner borders, 2 % of the image's diagonal wide.

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
