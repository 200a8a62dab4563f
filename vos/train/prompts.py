"""Simulated users: boxes, clicks and corrections drawn from ground-truth masks, batched."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vos.model.types import ModelPrompt
from vos.refine.prompt_reuse import measure_depth

_DEEPEST_PX = 24
"""From there on, distances to what is outside a region are not told apart."""


def boxes_from_masks(masks: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 4"]:
    """Return tight x1, y1, x2, y2 with inclusive corners; the whole frame for an empty mask."""
    _, h, w = masks.shape
    columns, rows = masks.any(1), masks.any(2)
    x1 = columns.float().argmax(1)
    x2 = w - 1 - columns.flip(1).float().argmax(1)
    y1 = rows.float().argmax(1)
    y2 = h - 1 - rows.flip(1).float().argmax(1)
    return torch.stack([x1, y1, x2, y2], dim=1).float()


def sample_box(
    masks: Bool[Tensor, "b h w"], generator: torch.Generator, jitter: float = 0.1
) -> ModelPrompt:
    """Draw a user's box: tight, each side off by up to `jitter` of the box's size."""
    box = boxes_from_masks(masks)
    extent = (box[:, 2:] - box[:, :2] + 1).repeat(1, 2)
    noise = _uniform(box.shape, generator, box.device) * 2 - 1
    side = torch.tensor([masks.shape[2], masks.shape[1]], device=box.device).repeat(2) - 1
    box = (box + noise * jitter * extent).clamp(min=torch.zeros_like(side), max=side)
    labels = torch.tensor([2, 3], dtype=torch.int32, device=box.device).expand(len(box), 2)
    return ModelPrompt(points_xy=box.view(-1, 2, 2), labels=labels)


def sample_points(
    region: Bool[Tensor, "b h w"], count: int, generator: torch.Generator
) -> Float[Tensor, "b n 2"]:
    """Draw `count` random pixels (x, y) per row from the region (anywhere if it is empty)."""
    w = region.shape[2]
    weight = region.flatten(1).float()
    weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, torch.ones_like(weight))
    index = torch.multinomial(weight, count, replacement=True, generator=generator)
    return torch.stack([index % w, index // w], dim=-1).float()


def interior(masks: Bool[Tensor, "b h w"], radius: int = 2) -> Bool[Tensor, "b h w"]:
    """Return the masks eroded by `radius`, or as they are where nothing would be left."""
    size = 2 * radius + 1
    eroded = -F.max_pool2d(-masks.float()[:, None], size, stride=1, padding=radius)[:, 0] > 0.5
    return torch.where(eroded.flatten(1).any(1)[:, None, None], eroded, masks)


def find_middle(region: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 1 2"]:
    """Return a pixel (x, y) of each region that is farthest from what is outside."""
    depth = measure_depth(region[:, None], _DEEPEST_PX)
    index = depth.flatten(1).argmax(1, keepdim=True)
    return torch.stack([index % region.shape[2], index // region.shape[2]], dim=-1).float()


def cut_off_part(masks: Bool[Tensor, "b h w"], generator: torch.Generator) -> Bool[Tensor, "b h w"]:
    """Return masks of which a part is missing: what lies on one side of a line through them."""
    _, h, w = masks.shape
    points = sample_points(masks, 1, generator)[:, 0]
    angle = 2 * torch.pi * _uniform(torch.Size((len(masks), 1, 1)), generator, masks.device)
    x = torch.arange(w, device=masks.device) - points[:, :1, None]
    y = (torch.arange(h, device=masks.device) - points[:, 1:])[..., None]
    half = masks & (x * angle.cos() + y * angle.sin() > 0)
    return torch.where(half.flatten(1).any(1)[:, None, None], half, masks)


def add_another(masks: Bool[Tensor, "b h w"], images: int) -> Bool[Tensor, "b h w"]:
    """Return masks that hold another object too: the one before it in the same image.

    images: how many the masks are of, image by image, as many of each. Where there is one of an
    image, it stays as it is.
    """
    others = masks.unflatten(0, (images, -1)).roll(1, dims=1).flatten(0, 1)
    return masks | others


def sample_clicks(
    masks: Bool[Tensor, "b h w"], count: int, generator: torch.Generator
) -> ModelPrompt:
    """Draw positive clicks inside the object."""
    points = sample_points(interior(masks), count, generator)
    return ModelPrompt(points_xy=points, labels=_ones(points))


def sample_correction(
    masks: Bool[Tensor, "b h w"],
    logits: Float[Tensor, "b 1 r r"],
    generator: torch.Generator,
    before: ModelPrompt | None = None,
) -> ModelPrompt:
    """Draw one click where the mask is wrong, in the larger of missed and false parts.

    It is positive on missed parts. Where nothing is wrong: positive on the object, negative
    anywhere if it is absent. Half of the clicks are anywhere in that part, half in the middle of
    what is widest in it, as people click.

    before: earlier points of the same frame, which are kept. The current logits go along as
    `previous`.
    """
    full = F.interpolate(logits, size=masks.shape[-2:], mode="bilinear", align_corners=False)
    mask = full[:, 0] > 0
    missed, false = masks & ~mask, mask & ~masks
    is_right = ~(missed | false).flatten(1).any(1)[:, None, None]
    is_absent = ~masks.flatten(1).any(1)[:, None, None]
    missed = torch.where(is_right, masks, missed)
    false = torch.where(is_right & is_absent, ~masks, false)
    positive = missed.flatten(1).float().sum(1) >= false.flatten(1).float().sum(1)
    region = torch.where(positive[:, None, None], missed, false)
    points = sample_points(interior(region), 1, generator)
    is_middle = _uniform(torch.Size((len(points), 1, 1)), generator, points.device) < 0.5
    points = torch.where(is_middle, find_middle(region), points)
    labels = positive.int()[:, None]
    if before is not None and before.points_xy is not None and before.labels is not None:
        points = torch.cat([before.points_xy, points], dim=1)
        labels = torch.cat([before.labels, labels], dim=1)
    return ModelPrompt(points_xy=points, labels=labels, previous=logits.detach())


def sample_prompt(
    masks: Bool[Tensor, "b h w"], kind: str, generator: torch.Generator
) -> ModelPrompt:
    """Draw a prompt.

    kind: "box", "mask", or "clicks:N".
    """
    if kind == "box":
        return sample_box(masks, generator)
    if kind == "mask":
        return ModelPrompt(mask=masks[:, None].float())
    return sample_clicks(masks, int(kind.partition(":")[2]), generator)


def _ones(points: Float[Tensor, "b n 2"]) -> Int[Tensor, "b n"]:
    return torch.ones(points.shape[:2], dtype=torch.int32, device=points.device)


def _uniform(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand(shape, generator=generator, device=device)
