"""Soft mattes at the video's size, from the model's logits.

A pixel's matte is sigmoid(4 d), with d its distance to the contour in pixels, positive inside. The
contour is where the resized logit is 0, and d is, to first order, that logit divided by its slope,
which is the root of the sum of squares of the largest difference to a neighbour across and down. So
an edge rises from 2 % to 98 % over one pixel on either side of the contour, however broad or steep
the model's logits are, and what is clearly inside or outside is 255 or 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.track.resize import resize_to_video

# `draw_soft_edge` of `vos.io.write.deliver.edges` is this formula in NumPy, because an export must
# not load torch. `test_exports_draw_the_same_edge` in tests/unit/track/test_mattes.py holds the two
# equal.
_STEEPNESS = 4.0  # sigmoid(4) is 0.98
_LEAST_SLOPE = 1e-6


def matte_pixels(
    logits: Mapping[int, Float[Tensor, "1 1 r r"]], size_hw: tuple[int, int]
) -> UInt8[Tensor, "n h w"]:
    """Make the matte of each object, on the device and without waiting for it.

    A matte is 128 or more exactly where the object's own logit is above 0, before it is decided
    whose a pixel is that several objects claim: mattes of different objects may overlap.

    logits: of one object at least, in ascending order of their ids.
    """
    return torch.stack([_soften(resize_to_video(one, size_hw)[0, 0]) for one in logits.values()])


def _soften(full: Float[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    across, down = _largest_difference(full, 1), _largest_difference(full, 0)
    slope = across.square_().add_(down.square_()).sqrt_().clamp_(min=_LEAST_SLOPE)
    values = torch.sigmoid_(full / slope * _STEEPNESS).mul_(255).round_()
    # A logit that is hardly above or below 0 is on its side all the same.
    values = torch.where(full > 0, values.clamp(min=128), values.clamp(max=127))
    return values.to(torch.uint8)


def _largest_difference(full: Float[Tensor, "h w"], dim: int) -> Float[Tensor, "h w"]:
    """Return the larger difference of each pixel to its two neighbours along one side."""
    largest = torch.zeros_like(full)
    count = full.shape[dim] - 1
    if count:
        steps = torch.diff(full, dim=dim).abs_()
        largest.narrow(dim, 1, count).copy_(steps)
        first = largest.narrow(dim, 0, count)
        first.copy_(torch.maximum(first, steps))
    return largest
