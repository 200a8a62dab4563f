"""Mask Refinement: a small U-Net from the refined embedding to the image (SAM2Refiner, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures
from vos.refine.layers import ChannelNorm, check_fine_levels, zero_init
from vos.refine.memory_gate import at_side

CACHED = ("mr_lateral16", "mr_lateral8", "mr_lateral4", "mr_stem")


@dataclass(frozen=True, slots=True)
class MaskRefinementConfig:
    """The shape of Mask Refinement.

    features: image maps at strides 8 and 4, "fpn" before SAM 2's skip projections (width c each) or
        "sam" after them.
    out_stride: 2 leaves out the full-resolution half, which costs most on a CPU.
    logit_residual: add to the clamped coarse logits, starting at nothing; without it (the paper's
        form) the output is the mask.
    largest_change: how far a pixel's logit may be moved where it is added, 0 for any distance. With
        a limit, borders are refined, and regions of which the coarse mask is sure stay. Training
        knows no limit.
    """

    features: Literal["fpn", "sam"] = "fpn"
    out_stride: Literal[1, 2] = 1
    logit_residual: bool = True
    largest_change: float = 0.0


class MaskRefinement(nn.Module):
    """Three fusing blocks at strides 16, 8 and 4, then transposed convolutions and the image.

    Widths [paper: structure only]: c, c/2, c/4 at strides 16, 8, 4; c/8 and c/16 above.
    """

    def __init__(self, config: MaskRefinementConfig, model: Sam2Model):
        super().__init__()
        check_fine_levels(model, "mask refinement")
        self.config = config
        c = model.net.hidden_dim
        decoder = model.net.sam_mask_decoder
        wide, half, quarter = c, c // 2, c // 4
        in8, in4 = c, c
        if config.features == "sam":
            in8, in4 = decoder.conv_s1.out_channels, decoder.conv_s0.out_channels
        self.lateral16 = nn.Conv2d(c, wide, 1)
        self.lateral8 = nn.Conv2d(in8, half, 1)
        self.lateral4 = nn.Conv2d(in4, quarter, 1)
        self.block16 = _block(c + wide, wide)
        self.block8 = _block(wide + half, half)
        self.block4 = _block(half + quarter, quarter)
        top = c // 8
        up: list[nn.Module] = [nn.ConvTranspose2d(quarter, top, 2, 2)]
        if config.out_stride == 1:
            fine = c // 16
            up += [ChannelNorm(top), nn.GELU(), nn.ConvTranspose2d(top, fine, 2, 2)]
            top = fine
        self.up = nn.Sequential(*up)
        self.stem = nn.Sequential(
            nn.Conv2d(3, top, 3, stride=config.out_stride, padding=1),
            ChannelNorm(top),
            nn.GELU(),
            nn.Conv2d(top, top, 3, padding=1),
        )
        last = nn.Conv2d(top, 1, 3, padding=1)
        if config.logit_residual:
            zero_init(last)
        self.head = nn.Sequential(ChannelNorm(top), nn.GELU(), last)
        self.aux = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in (wide, half, quarter))

    def look(self, features: FrameFeatures) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Do the object-independent part, once per frame: laterals and stem, batch first."""
        of_sam = self.config.features == "sam"
        maps = (
            self.lateral16(features.s16),
            self.lateral8(features.s8 if of_sam else features.fpn8),
            self.lateral4(features.s4 if of_sam else features.fpn4),
            self.stem(features.image),
        )
        return dict(zip(CACHED, maps, strict=True))

    def forward(
        self,
        embedding: Float[Tensor, "b c h w"],
        cache: Mapping[str, Tensor],
        coarse: Float[Tensor, "b 1 s s"],
    ) -> tuple[Float[Tensor, "b 1 s s"], list[Float[Tensor, "b 1 _ _"]]]:
        """Return mask logits at the side of `coarse`; in training those of strides 16, 8, 4 too.

        embedding: the object's, at stride 16. cache: of `look`; batch 1 serves all objects.
        """
        b = embedding.shape[0]
        lat16, lat8, lat4, stem = (cache[name].expand(b, -1, -1, -1) for name in CACHED)
        d16 = self.block16(torch.cat([embedding, lat16], dim=1))
        d8 = self.block8(torch.cat([_twice(d16), lat8], dim=1))
        d4 = self.block4(torch.cat([_twice(d8), lat4], dim=1))
        logits = at_side(self.head(self.up(d4) + stem), coarse.shape[-1])
        if self.config.logit_residual:
            most = self.config.largest_change
            if most and not self.training:
                logits = logits.clamp(-most, most)
            logits = logits + coarse
        if not self.training:
            return logits, []
        return logits, [head(d) for head, d in zip(self.aux, (d16, d8, d4), strict=True)]


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), ChannelNorm(out_channels), nn.GELU()
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
