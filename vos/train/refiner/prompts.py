"""Prompts that a refiner is trained and judged with: a box, a handful of points, a coarse mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vos.model.mask_prompt import MASK_PROMPT_LOGIT
from vos.model.types import Decoded, ModelPrompt
from vos.train.prompts import boxes_from_masks, sample_box, sample_correction, sample_points

PromptKind = Literal["box", "points", "mask"]
KINDS: tuple[PromptKind, ...] = get_args(PromptKind)
MAX_POINTS = 10
_POSITIVE = 0.7
_NEAR = 0.05
_NEAR_LIMIT_PX = 64


def training_prompt(
    kind: PromptKind,
    target: Float[Tensor, "b 1 l l"],
    image_size: int,
    generator: torch.Generator,
    box_jitter: float,
) -> ModelPrompt:
    """Draw one prompt per row in model pixels.

    target: in [0, 1], at any size.

    "points" is 1 to 10 of them, the same number for all rows: a single one makes the decoder choose
    among three masks, more do not, and a batch is decoded one way.
    """
    mask = target[:, 0] > 0.5
    if kind == "mask":
        return coarse_mask_prompt(target, image_size // 4, generator)
    if kind == "box":
        return at_model_size(sample_box(mask, generator, box_jitter), mask.shape[-1], image_size)
    draw = torch.randint(1, MAX_POINTS + 1, (), generator=generator, device=generator.device)
    return at_model_size(mixed_points(mask, int(draw), generator), mask.shape[-1], image_size)


def mixed_points(
    mask: Bool[Tensor, "b l l"], count: int, generator: torch.Generator
) -> ModelPrompt:
    """Draw points in pixels of the mask, the first one positive.

    The others are so with probability 0.7; half of the negative ones lie within 5 % of the box's
    diagonal of the object.
    """
    device = mask.device
    inside = sample_points(mask, count, generator)
    outside = sample_points(~mask, count, generator)
    close = sample_points(_ring(mask), count, generator)
    draw = torch.rand(2, *inside.shape[:2], generator=generator, device=device)
    positive = draw[0] < _POSITIVE
    positive[:, 0] = True
    negative = torch.where((draw[1] < 0.5)[..., None], close, outside)
    points = torch.where(positive[..., None], inside, negative)
    return ModelPrompt(points_xy=points, labels=positive.to(torch.int32))


def correcting_click(
    prediction: Decoded,
    target: Float[Tensor, "b 1 l l"],
    prompt: ModelPrompt,
    image_size: int,
    generator: torch.Generator,
) -> ModelPrompt:
    """Add a click per row to `prompt` where its prediction is most wrong.

    The decoder's own mask goes along, as when a user clicks again.
    """
    truth = F.interpolate(
        target, (image_size, image_size), mode="bilinear", align_corners=False, antialias=True
    )
    clicked = sample_correction(truth[:, 0] > 0.5, prediction.output_logits, generator, prompt)
    return replace(clicked, previous=prediction.raw_logits)


def tight_box(mask: Bool[Tensor, "b l l"]) -> ModelPrompt:
    """Return HQ-SAM's evaluation box, inclusive corners, in pixels of the mask."""
    labels = torch.tensor([2, 3], dtype=torch.int32, device=mask.device).expand(len(mask), 2)
    return ModelPrompt(points_xy=boxes_from_masks(mask).view(-1, 2, 2), labels=labels)


def positive_points(
    mask: Bool[Tensor, "b l l"], count: int, generator: torch.Generator
) -> ModelPrompt:
    """Draw HQ-SAM's evaluation points: random pixels of the object, in pixels of the mask."""
    points = sample_points(mask, count, generator)
    labels = torch.ones(points.shape[:2], dtype=torch.int32, device=mask.device)
    return ModelPrompt(points_xy=points, labels=labels)


def at_model_size(prompt: ModelPrompt, side: int, image_size: int) -> ModelPrompt:
    """Scale points from a square of `side` to the model's; pixel centres are whole in both."""
    assert prompt.points_xy is not None
    scale = image_size / side
    return replace(prompt, points_xy=(prompt.points_xy + 0.5) * scale - 0.5)


def _ring(mask: Bool[Tensor, "b l l"]) -> Bool[Tensor, "b l l"]:
    """Return the pixels outside, within 5 % of each box's diagonal."""
    box = boxes_from_masks(mask)
    diagonal = torch.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    ring = torch.zeros_like(mask)
    radii = (_NEAR * diagonal).round().clamp(1, _NEAR_LIMIT_PX).int()
    for radius in radii.unique().tolist():
        rows = radii == radius
        # Two passes of a line are one of a square.
        wide = F.max_pool2d(mask[rows].float()[:, None], (2 * radius + 1, 1), 1, (radius, 0))
        wide = F.max_pool2d(wide, (1, 2 * radius + 1), 1, (0, radius))[:, 0] > 0
        ring[rows] = wide & ~mask[rows]
    return ring


_DOWN = 8
_CHANGED = 0.01


def coarse_mask(
    label: Float[Tensor, "b 1 h w"], side: int, generator: torch.Generator
) -> Float[Tensor, "b 1 s s"]:
    """Return the label at `side` pixels, noisy where an eightfold smaller copy would differ.

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
    """Return a coarse mask as SAM 2's prompt encoder reads it: logits of +-10 and no point.

    HQ-SAM feeds 0 and 255, which is out of range. The mask goes along as `previous`, because a mask
    prompt proper is taken as the prediction and never reaches the decoder. Two padding points, as
    many as a box has corners, keep the decoder at its single mask.
    """
    logits = coarse_mask(label, side, generator) * (2 * MASK_PROMPT_LOGIT) - MASK_PROMPT_LOGIT
    b, device = label.shape[0], label.device
    return ModelPrompt(
        points_xy=torch.zeros(b, 2, 2, device=device),
        labels=-torch.ones(b, 2, dtype=torch.int32, device=device),
        previous=logits,
    )
