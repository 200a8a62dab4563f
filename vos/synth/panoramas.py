"""A camera that turns in a panorama, which is a picture of all directions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def look_around(
    panorama: Float[Tensor, "3 h w"],
    heading: Float[Tensor, " t"],
    tilt: Float[Tensor, " t"],
    roll: Float[Tensor, " t"],
    field: float,
    size: int,
) -> Float[Tensor, "t 3 size size"]:
    """Return what a pinhole camera sees of an equirectangular panorama.

    heading: to the right, 0 for the panorama's middle. tilt: upwards. roll: of the camera. field:
    of view. All in radians.
    """
    reach = math.tan(field / 2)
    middle = reach * (2 * (torch.arange(size, device=panorama.device) + 0.5) / size - 1)
    y, x = torch.meshgrid(-middle, middle, indexing="ij")
    cos, sin = (f(roll)[:, None, None] for f in (torch.cos, torch.sin))
    x, y = cos * x - sin * y, sin * x + cos * y
    cos, sin = (f(tilt)[:, None, None] for f in (torch.cos, torch.sin))
    up, ahead = cos * y + sin, cos - sin * y
    turn = torch.atan2(x, ahead) + heading[:, None, None]
    rise = torch.atan2(up, torch.hypot(x, ahead))
    across = (turn / math.pi + 1).remainder(2) - 1
    # A column of the other edge on either side, so that the seam is none.
    wide = torch.cat([panorama[..., -1:], panorama, panorama[..., :1]], dim=-1)
    width = panorama.shape[-1]
    grid = torch.stack([across * width / (width + 2), -2 * rise / math.pi], dim=-1)
    source = wide.expand(len(heading), -1, -1, -1)
    return F.grid_sample(source, grid, padding_mode="border", align_corners=False)
