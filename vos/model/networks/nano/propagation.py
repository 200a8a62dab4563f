"""Propagate masks by the likeness of image features, as label propagation does it.

Every remembered frame keeps a key per stride-8 position and the mask seen there. A new frame's
positions collect the masks of positions that look like them and lie near them: once from frames
with a prompt, once from the last ones. What was found is added to the conditioned image
embedding, as a dense prompt would be. Source of the idea: "Space-Time Correspondence as a
Contrastive Random Walk" (arXiv 2006.14613, label propagation), FEELVOS (arXiv 1902.09513, matching
given to a decoder).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.types import MemoryEntry, Recall

STRIDE = 8
_LEAST = 1e-8
_TEMPERATURE = 0.04
_REACH = (0.25, 0.1)
"""How far things are looked for, in frame sides: since the prompted frames, since the last ones."""

_TILES = (1, 4)
"""Where nothing is looked for: beyond a quarter of the frame since the last ones."""

Seen = tuple[Float[Tensor, "b k h8 w8"], Float[Tensor, "r 1 h8 w8"]]
"""Keys of a remembered frame, and the masks of its objects."""


class KeyEncoder(nn.Module):
    """A layer that makes unit-length keys at stride 8; at first the trunk's own features.

    The first dimensions are the stride-8 features, the rest a random projection of those at stride
    16 at half their weight.
    """

    def __init__(self, width8: int, width16: int, dim: int):
        super().__init__()
        self.project = nn.Conv2d(width8 + width16, dim, 1, bias=False)
        rest = nn.init.orthogonal_(torch.empty(width16, width16))[: dim - width8]
        weight = torch.zeros(dim, width8 + width16)
        weight[:width8, :width8] = torch.eye(width8)
        weight[width8:, width8:] = 0.5 * rest * (width16 / len(rest)) ** 0.5
        with torch.no_grad():
            self.project.weight.copy_(weight[..., None, None])

    def forward(
        self, s8: Float[Tensor, "b c8 h8 w8"], s16: Float[Tensor, "b c16 h w"]
    ) -> Float[Tensor, "b k h8 w8"]:
        s16 = F.interpolate(s16, size=s8.shape[-2:], mode="bilinear", align_corners=False)
        return F.normalize(self.project(torch.cat([F.normalize(s8), F.normalize(s16)], dim=1)))


class Propagation(nn.Module):
    """A layer that reads remembered masks at the positions of a new frame.

    width: of the image embedding.
    """

    def __init__(self, width: int):
        super().__init__()
        self.log_sharpness = nn.Parameter(-torch.tensor([_TEMPERATURE, _TEMPERATURE]).log())
        self.log_reach = nn.Parameter(torch.tensor(_REACH).log())
        found = 2 * 3 * (16 // STRIDE) ** 2
        self.embed = nn.Sequential(
            nn.Conv2d(found, width, 1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1)
        )
        for parameter in self.embed[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, keys: Float[Tensor, "b k h8 w8"], recalls: Sequence[Recall]
    ) -> Float[Tensor, "r c h w"]:
        """Return what to add to the image embedding, a row per object.

        recalls: of equal `shape`. One recall may instead hold a batch of r rows, r / b for each
        image of `keys`, image by image.
        """
        return self.read(keys, [_split(recall) for recall in _join(recalls)])

    def read(
        self, keys: Float[Tensor, "b k h8 w8"], groups: Sequence[tuple[Sequence[Seen], ...]]
    ) -> Float[Tensor, "r c h w"]:
        """Return what to add to the image embedding, a row per object.

        groups: what objects that are compared at once remember of prompted and of recent frames.
        """
        rows = torch.cat([self._compare(keys, *group) for group in groups])
        return self.embed(F.pixel_unshuffle(rows, 16 // STRIDE))

    def _compare(
        self, keys: Tensor, prompted: Sequence[Seen], recent: Sequence[Seen]
    ) -> Float[Tensor, "r 6 h8 w8"]:
        parts = []
        with torch.autocast(keys.device.type, enabled=False):
            for group, seen in enumerate((prompted, recent or prompted[-1:])):
                sharpness, reach = self.log_sharpness[group].exp(), self.log_reach[group].exp()
                parts.append(_collect(keys.float(), seen, sharpness, reach, _TILES[group]))
        return torch.cat(parts, dim=1)


def _split(recall: Recall) -> tuple[list[Seen], list[Seen]]:
    """Return what prompted and recent frames were like."""
    prompted = [read_keys(entry) for slot, entry in recall.spatial if slot == 0]
    return prompted, [read_keys(entry) for slot, entry in recall.spatial if slot != 0]


def _join(recalls: Sequence[Recall]) -> Sequence[Recall]:
    """Join recalls of the same frames to one of all objects, so that frames are compared once."""
    spatial = []
    for column in zip(*(recall.spatial for recall in recalls), strict=True):
        slot, first = column[0]
        seen = [read_keys(entry) for _, entry in column]
        if not all(_are_equal(keys, seen[0][0]) for keys, _ in seen):
            return recalls
        spatial.append((slot, replace(first, mask=torch.cat([mask for _, mask in seen]))))
    return (replace(recalls[0], spatial=tuple(spatial)),)


def read_keys(entry: MemoryEntry) -> tuple[Tensor, Tensor]:
    """Return keys and mask. Raises ValueError where they are forgotten."""
    if entry.keys is None or entry.mask is None:
        raise ValueError(f"frame {entry.frame_idx} has no keys any more")
    return entry.keys, entry.mask


def _are_equal(one: Tensor, other: Tensor) -> bool:
    """Tell whether keys are of one frame; a resumed run has read them one by one."""
    return one is other or (one.device == other.device and torch.equal(one, other))


def _collect(
    keys: Float[Tensor, "b k h w"],
    seen: Sequence[Seen],
    sharpness: Float[Tensor, ""],
    reach: Float[Tensor, ""],
    tiles: int,
) -> Float[Tensor, "r 3 h w"]:
    """Return what remembered frames say of each position, in three channels.

    The first is the share of the object in what looks like the position, between -1 and 1; the
    others say how much there is that looks like it, in the object and outside.

    A remembered position counts exp(sharpness * (cosine - 1) - distance^2 / (2 reach^2)); the
    distance is written as a product too, so that one matrix holds all of it. tiles: per side, of
    the frame; each is compared with itself and one tile's width around it.
    """
    b, _, h, w = keys.shape
    places = list_places(h, w, keys.device)
    squared = places.square().sum(0, keepdim=True)
    of_query = [places / reach**2, -squared / (2 * reach**2) - sharpness, torch.ones_like(squared)]
    of_key = [places, torch.ones_like(squared), -squared / (2 * reach**2)]
    query = torch.cat([keys * sharpness, _repeat(of_query, b)], dim=1)
    remembered = torch.stack(
        [torch.cat([key.to(keys), _repeat(of_key, b)], dim=1) for key, _ in seen], dim=2
    )
    masks = torch.cat([mask.to(keys) for _, mask in seen], dim=1).unflatten(0, (b, -1))
    # The last row sums up all that is alike, in the same product.
    masks = torch.cat([masks, torch.ones_like(masks[:, :1])], dim=1)
    rows = []
    for y, near_y in _split_into_tiles(h, tiles):
        row = []
        for x, near_x in _split_into_tiles(w, tiles):
            likeness = torch.bmm(
                query[..., y, x].flatten(2).transpose(1, 2),
                remembered[..., near_y, near_x].flatten(2),
            ).exp_()
            found = torch.bmm(masks[..., near_y, near_x].flatten(2), likeness.transpose(1, 2))
            row.append(found.unflatten(2, (y.stop - y.start, x.stop - x.start)))
        rows.append(torch.cat(row, dim=3))
    found = torch.cat(rows, dim=2) / len(seen)
    inside, total = found[:, :-1], found[:, -1:]
    amounts = torch.stack([inside, (total - inside).clamp(min=0)], dim=2).flatten(0, 1) + _LEAST
    share = 2 * amounts[:, :1] / amounts.sum(1, keepdim=True) - 1
    return torch.cat([share, 0.1 * amounts.log()], dim=1)


def _split_into_tiles(side: int, count: int) -> list[tuple[slice, slice]]:
    """Return each tile of an axis with what is near it; fewer where `count` does not divide it."""
    step = -(-side // count)
    return [
        (slice(at, min(at + step, side)), slice(max(at - step, 0), min(at + 2 * step, side)))
        for at in range(0, side, step)
    ]


def _repeat(maps: Sequence[Float[Tensor, "_ h w"]], b: int) -> Float[Tensor, "b _ h w"]:
    return torch.cat(list(maps)).expand(b, -1, -1, -1)


def list_places(h: int, w: int, device: torch.device) -> Float[Tensor, "2 h w"]:
    """Return where each of h x w positions is, y and x, in frame sides."""
    y, x = (torch.arange(n, device=device) / n for n in (h, w))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))
