"""Find where a mask changed: connected regions, boxes, cropping and pasting, in batches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def largest_component(region: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    """Return the largest 8-connected component of each row, empty where the row is.

    Of equals it is the one that ends first in reading order.

    Every cell takes the highest label around it, then the label its label's cell has: components
    merge by doubling, so long thin shapes need few rounds.
    """
    b, h, w = region.shape
    inside = region.float()[:, None]
    # float32 holds every label exactly up to 4096 x 4096 cells.
    labels = (torch.arange(h * w, device=region.device) + 1.0).reshape(1, 1, h, w) * inside
    while True:
        spread = (F.max_pool2d(labels, 3, stride=1, padding=1) * inside).flatten(1)
        at = (spread.long() - 1).clamp(min=0)
        jumped = torch.maximum(spread, spread.gather(1, at)).reshape(labels.shape) * inside
        if torch.equal(jumped, labels):
            break
        labels = jumped
    marks = labels.flatten(1).long()
    sizes = torch.zeros(b, h * w + 1, dtype=torch.int64, device=region.device)
    sizes.scatter_add_(1, marks, torch.ones_like(marks))
    winner = sizes[:, 1:].argmax(dim=1) + 1
    return (marks == winner[:, None]).reshape(region.shape)


def changed_box(
    mask: Bool[Tensor, "b h w"],
    before: Bool[Tensor, "b h w"] | None,
    image_size: int,
    *,
    grow: float,
    min_side: float,
) -> Float[Tensor, "b 4"]:
    """Return left, top, right, bottom in model pixels around what changed, inside the image.

    The largest component of `mask` xor `before`; without a change or a `before`, the mask; without
    a mask, the image. grow: factor on both sides of the box. min_side: as a share of the image.
    """
    region = mask
    if before is not None:
        change = largest_component(mask ^ before)
        region = torch.where(_any(change), change, mask)
    region = region | ~_any(region)
    low, high = [], []
    for axis in (1, 2):
        hit = region.any(dim=axis).int()
        cell = image_size / hit.shape[-1]
        low.append(hit.argmax(dim=1) * cell)
        high.append((hit.shape[-1] - hit.flip(1).argmax(dim=1)) * cell)
    start, end = torch.stack(low, dim=1), torch.stack(high, dim=1)
    half = ((end - start) * grow / 2).clamp(min_side * image_size / 2, image_size / 2)
    centre = ((start + end) / 2).maximum(half).minimum(image_size - half)
    return torch.cat([centre - half, centre + half], dim=1)


def crop(
    x: Float[Tensor, "_ c h w"], boxes: Float[Tensor, "b 4"], image_size: int, side: int
) -> Float[Tensor, "b c s s"]:
    """Cut each row's box to `side` x `side`, averaged where that is coarser than `x`.

    x: at any stride; batch 1 serves all rows. boxes: in model pixels.
    """
    from torchvision.ops import roi_align  # takes as long to load as torch, and few runs need it

    b = boxes.shape[0]
    rows = torch.arange(b, device=x.device) % x.shape[0]
    rois = torch.cat([rows[:, None].to(boxes.dtype), boxes], dim=1)
    scale = x.shape[-1] / image_size
    return roi_align(x.float(), rois, (side, side), spatial_scale=scale, aligned=True)


def paste(
    x: Float[Tensor, "b c s s"], boxes: Float[Tensor, "b 4"], image_size: int
) -> tuple[Float[Tensor, "b c h w"], Bool[Tensor, "b 1 h w"]]:
    """Undo `crop` at the full side, bilinearly, and return the pixels inside the boxes too.

    Outside, the first result means nothing.
    """
    centre = torch.arange(image_size, device=x.device) + 0.5
    at_x, at_y = (
        2 * (centre - boxes[:, i, None]) / (boxes[:, i + 2] - boxes[:, i])[:, None] - 1
        for i in (0, 1)
    )
    shape = (x.shape[0], image_size, image_size)
    grid = torch.stack([at_x[:, None, :].expand(shape), at_y[:, :, None].expand(shape)], dim=-1)
    pasted = F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False)
    return pasted, (grid.abs() <= 1).all(dim=-1)[:, None]


def _any(region: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b 1 1"]:
    return region.flatten(1).any(dim=1)[:, None, None]
