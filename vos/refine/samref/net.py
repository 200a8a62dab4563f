"""The small convolutional net that SAM-REF uses twice: on the image and on a crop."""

from __future__ import annotations

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures
from vos.refine.layers import ChannelNorm, check_fine_levels, zero_init

MAP_CHANNELS = 3
ERROR_PRIOR = 0.1
"""The share of wrong cells that an untrained error head states."""


class FusionNet(nn.Module):
    """A net from image, prompt map and SAM 2's features to a mask residual and an error map.

    F(0) = I + D + E; F(i+1) = ResBlock(F(i)) + E (SAM-REF, section 3). Width: that of the base's
    s4 features, c/8. The mask head starts at zero, the error head at a constant below its
    threshold.
    """

    def __init__(self, model: Sam2Model, *, blocks: int, image_stride: int):
        """image_stride: of each of the two convolutions on the image."""
        super().__init__()
        check_fine_levels(model, "samref")
        width = model.net.sam_mask_decoder.conv_s0.out_channels
        self.look_image = _two_convs(3, width, image_stride)
        self.look_map = _two_convs(MAP_CHANNELS, width, 1)
        self.embed = nn.Conv2d(model.net.hidden_dim, width, 1)
        self.blocks = nn.ModuleList(_ResBlock(width) for _ in range(blocks))
        self.mask_head = zero_init(nn.Conv2d(width, 1, 3, padding=1))
        self.error_head = zero_init(nn.Conv2d(width, 1, 3, padding=1))
        if self.error_head.bias is not None:
            nn.init.constant_(self.error_head.bias, math.log(ERROR_PRIOR / (1 - ERROR_PRIOR)))

    def encode(self, features: FrameFeatures) -> Float[Tensor, "b w h4 w4"]:
        """Return E: the embedding at stride 4 plus SAM 2's own stride-4 skip features."""
        assert features.s4 is not None  # `check_fine_levels`
        small = self.embed(features.s16)
        size = features.s4.shape[-2:]
        return F.interpolate(small, size, mode="bilinear", align_corners=False) + features.s4

    def forward(
        self,
        image: Float[Tensor, "b w h w"],
        drawn: Float[Tensor, "b 3 h w"],
        encoded: Float[Tensor, "b w h w"],
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        """Return the residual on the mask logits, and error logits.

        image: of `look_image`.
        """
        x = image + self.look_map(drawn) + encoded
        for block in self.blocks:
            x = block(x) + encoded
        return self.mask_head(x), self.error_head(x)


class _ResBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            ChannelNorm(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "b w h4 w4"]) -> Float[Tensor, "b w h4 w4"]:
        return x + self.body(x)


def _two_convs(channels: int, width: int, stride: int) -> nn.Sequential:
    middle = width // 2
    return nn.Sequential(
        nn.Conv2d(channels, middle, 3, stride, padding=1),
        ChannelNorm(middle),
        nn.GELU(),
        nn.Conv2d(middle, width, 3, stride, padding=1),
    )
