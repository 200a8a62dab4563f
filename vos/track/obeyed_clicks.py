"""A clicked pixel is what the click says; what looks like it and lies near it follows.

A small decoder often answers a click with a mask that does not hold it, or still does. So its
logits are moved by the smoothest function that lifts the clicked pixels to their side: a sum of one
bump per click, in the likeness of the image's keys (`vos.model.networks.nano.propagation`) and in
the distance. Models without keys, SAM 2's own sizes among them, are left alone. ADR 10 has what it
gains. Source of the idea: "Interactive Segmentation as Gaussian Process Classification" (arXiv
2302.14578).

Clicks that correct a tracked mask change it near them alone: what the decoder makes of the rest of
the frame is as often worse as better, and nobody asked for it. A box is answered anew.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vos.model.networks.nano.propagation import list_places
from vos.model.types import Decoded, ModelPrompt

_SHARPNESS = 5.0
"""How fast a bump falls with the likeness: by exp(sharpness * (cosine - 1))."""
_REACH = 0.1
"""How fast it falls with the distance: the standard deviation, in frame sides. So does what a click
changes of a tracked mask."""
_LEAST_LOGIT = 5.0
"""Of a clicked pixel, on its side; one that is surer than that stays as it is."""
_RIDGE = 0.01
"""Added to the diagonal: clicks that say the opposite at one place give way."""
_CORNER = 2
"""The least label of a box's corners."""
_PRESENT = 1.0
"""The least visibility logit of an object with a click on it."""


def has_positive_click(prompt: ModelPrompt | None) -> bool:
    """Return whether every row has a click on the object, so that it is there."""
    return (
        prompt is not None and prompt.labels is not None and bool((prompt.labels == 1).any(1).all())
    )


def obey_clicks(
    decoded: Decoded,
    prompt: ModelPrompt,
    keys: Float[Tensor, "_ k h8 w8"],
    image_size: int,
    tracked: Decoded | None,
) -> Decoded:
    """Return the prediction with every clicked pixel on its side.

    keys: of the image, or of each row's. image_size: of the model's input, in pixels. tracked: what
    the clicks correct; None where they are the first to say what the object is.
    """
    if prompt.points_xy is None or prompt.labels is None:
        return decoded
    points, raw = prompt.points_xy / image_size, decoded.raw_logits
    if tracked is not None:
        near = _closeness(points, raw.shape[-1]) * _is_click(prompt.labels)[:, None]
        near = near.amax(2).view_as(raw)
        is_new = tracked.is_absent | (prompt.labels >= _CORNER).any(1)[:, None, None, None]
        raw = torch.where(is_new, raw, torch.lerp(tracked.raw_logits, raw, near))
    raw = lift_clicked(raw, points, prompt.labels, keys)
    score = decoded.object_score
    if has_positive_click(prompt):
        score = score.clamp(min=_PRESENT)
    shown = torch.where(decoded.is_absent, decoded.mask_logits, raw)
    return replace(decoded, mask_logits=shown, raw_logits=raw, object_score=score)


def lift_clicked(
    logits: Float[Tensor, "b 1 s s"],
    points: Float[Tensor, "b n 2"],
    labels: Tensor,
    keys: Float[Tensor, "_ k h8 w8"],
) -> Float[Tensor, "b 1 s s"]:
    """Return logits whose clicked pixels have at least `_LEAST_LOGIT` on the side of their label.

    points: x, y in frame sides. labels: int (b, n), as in `ModelPrompt`; box corners and padding
    count for nothing. keys: of unit length, at any size.
    """
    is_click = _is_click(labels)
    if not is_click.any():
        return logits
    b, _, side, _ = logits.shape
    with torch.autocast(logits.device.type, enabled=False):
        keys = F.interpolate(keys.float(), size=(side, side), mode="bilinear", align_corners=False)
        keys = F.normalize(keys).flatten(2).expand(b, -1, -1)
        cell = (points * side).long().clamp(0, side - 1)
        index = cell[..., 1] * side + cell[..., 0]
        flat = logits.float().flatten(1)
        sign = 2.0 * (labels == 1).float() - 1
        lift = sign * (_LEAST_LOGIT - sign * flat.gather(1, index)).clamp(min=0) * is_click
        at = index[:, None]
        clicked = keys.gather(2, at.expand(-1, keys.shape[1], -1))
        likeness = torch.bmm(keys.transpose(1, 2), clicked)
        alike = torch.exp(_SHARPNESS * (likeness - 1))
        bumps = alike * _closeness(points, side) * is_click[:, None]
        among = bumps.gather(1, index[..., None].expand(-1, -1, index.shape[1]))
        among = among * is_click[..., None] + torch.diag_embed(_RIDGE + 1 - is_click)
        weights = torch.linalg.solve(among, lift)
        moved = flat + torch.bmm(bumps, weights[..., None])[..., 0]
    return moved.view_as(logits)


def _is_click(labels: Tensor) -> Float[Tensor, "b n"]:
    return ((labels == 0) | (labels == 1)).float()


def _closeness(points: Float[Tensor, "b n 2"], side: int) -> Float[Tensor, "b p n"]:
    """Return how close each of side x side cells is to each point's cell, from 1 to 0."""
    cells = list_places(side, side, points.device).flip(0).flatten(1).T
    at = (points * side).long().clamp(0, side - 1) / side
    apart = cells[None, :, None] - at[:, None]
    return torch.exp(-apart.square().sum(3) / (2 * _REACH**2))
