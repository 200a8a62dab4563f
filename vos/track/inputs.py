"""Turn frames and prompts into what the model takes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.model.preprocess import image_to_input
from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt
from vos.prompts.kinds import ObjectPrompt
from vos.refine.base import Refiner


def to_inputs(
    image: UInt8[np.ndarray, "h w 3"], model: Sam2Model, refiner: Refiner
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 3 s2 s2"] | None]:
    """Return the network's input, and that at twice the side where the refiner wants it."""
    double = to_double_input(image, model, refiner)
    return image_to_input(image, model.image_size, model.device), double


def to_double_input(
    image: UInt8[np.ndarray, "h w 3"], model: Sam2Model, refiner: Refiner
) -> Float[Tensor, "1 3 s2 s2"] | None:
    """Return what a refiner that wants `image_2x` gets."""
    if not refiner.wants_image_2x:
        return None
    return image_to_input(image, 2 * model.image_size, model.device)


def to_model_prompt(
    prompt: ObjectPrompt, size_hw: tuple[int, int], model: Sam2Model
) -> ModelPrompt:
    """Turn video pixels into model pixels, in the order of operations of
    `SAM2VideoPredictor.add_new_*`.
    """
    size, device = model.image_size, model.device
    height, width = size_hw
    scale = torch.tensor([width, height])
    segments = segment_labels = None
    if len(prompt.segment_labels):
        segments = (torch.from_numpy(prompt.segments_xy_px)[None] / scale * size).to(device)
        segment_labels = torch.from_numpy(prompt.segment_labels)[None].to(device)
    if prompt.mask is not None:
        mask = torch.from_numpy(prompt.mask.astype(np.float32))[None, None].to(device)
        if mask.shape[-2:] != (size, size):
            mask = F.interpolate(
                mask, size=(size, size), mode="bilinear", align_corners=False, antialias=True
            )
            mask = (mask >= 0.5).float()
        return ModelPrompt(mask=mask, segments=segments, segment_labels=segment_labels)
    points = torch.from_numpy(prompt.points_xy_px.astype(np.float32))[None]
    points = points / scale * size
    labels = torch.from_numpy(prompt.labels.astype(np.int32))[None]
    return ModelPrompt(
        points_xy=points.to(device),
        labels=labels.to(device),
        segments=segments,
        segment_labels=segment_labels,
    )
