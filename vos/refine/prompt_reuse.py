"""Choose what stands for the prompt on tracked frames, which have none of their own."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vos.model.types import ModelPrompt
from vos.refine.base import PromptHistory

PromptReuse = Literal["first_frame", "none", "self"]


def check_prompt_reuse(value: str) -> None:
    """Raise ValueError for what is no rule of reuse."""
    if value not in get_args(PromptReuse):
        raise ValueError(f"prompt_reuse {value!r} is none of {', '.join(get_args(PromptReuse))}")


def standing_prompt(
    prompts: PromptHistory,
    reuse: PromptReuse,
    mask_logits: Float[Tensor, "b 1 h w"],
    image_size: int,
) -> ModelPrompt | None:
    """Return this frame's prompt, else what `reuse` puts in its place.

    That is the prompt that started the object for "first_frame", nothing for "none", and for "self"
    a click at the deepest point of the mask.
    """
    if prompts.now is not None or reuse == "none":
        return prompts.now
    return prompts.first if reuse == "first_frame" else deepest_point(mask_logits, image_size)


def measure_depth(mask: Bool[Tensor, "b 1 h w"], most_px: int) -> Float[Tensor, "b 1 h w"]:
    """Return how far each pixel of a mask is from what is outside, 0 outside.

    Distances are chessboard distances and the border counts as outside. most_px: farther ones are
    not told apart.
    """
    inside = mask.float()
    depth = inside.clone()
    for _ in range(most_px):
        if not inside.any():
            break
        inside = 1 - F.max_pool2d(F.pad(1 - inside, (1, 1, 1, 1), value=1.0), 3, stride=1)
        depth += inside
    return depth


def deepest_point(logits: Float[Tensor, "b 1 h w"], image_size: int) -> ModelPrompt:
    """Return a positive point per row where the mask is thickest.

    Distances are chessboard distances and the border counts as outside; rows with an empty mask get
    padding (label -1).
    """
    depth = measure_depth(logits > 0, max(logits.shape[-2:]))
    peak, index = depth.flatten(1).max(dim=1)
    width = logits.shape[-1]
    cell = torch.stack([index % width, index // width], dim=-1)
    points_xy = (cell + 0.5) * (image_size / width)
    labels = torch.where(peak > 0, 1, -1).to(torch.int32)
    return ModelPrompt(points_xy=points_xy[:, None], labels=labels[:, None])
