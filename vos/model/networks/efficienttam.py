"""EfficientTAM: SAM 2 with a plain vision transformer as its image encoder, and one feature level.

Everything after the image encoder is SAM 2.0's. Sources: arXiv 2411.18933 and the tensors of the
published weights; the names of modules here are those of these tensors.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sam2.modeling.backbones.image_encoder import ImageEncoder
from sam2.modeling.backbones.utils import PatchEmbed, window_partition, window_unpartition
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import MLP, LayerNorm2d
from torch import Tensor, nn

from vos.model.networks.sam20 import CHOICES, D_MODEL, build_memory_attention, build_memory_encoder

STRIDE = 16
HEAD_WIDTH = 64
BLOCKS = 12
WINDOW = 14
"""Side of the windows in tokens; every third block attends to the whole image instead."""
_GLOBAL_EVERY = 3
_POSITIONS = 14
"""Side of the learnt position embedding in tokens (224 px)."""


class _Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self._heads = width // HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        b, h, w, c = x.shape
        split = self.qkv(x).view(b, h * w, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = (part.contiguous() for part in split)
        seen = F.scaled_dot_product_attention(q, k, v)
        return self.proj(seen.transpose(1, 2).reshape(b, h, w, c))


class _Block(nn.Module):
    """One transformer block. window: side in tokens, 0 for the whole image."""

    def __init__(self, width: int, window: int):
        super().__init__()
        self._window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        activation: Any = nn.GELU  # a class, whatever the annotation says
        self.mlp = MLP(width, 4 * width, width, num_layers=2, activation=activation)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        size_hw = (x.shape[1], x.shape[2])
        normed = self.norm1(x)
        if self._window:
            # Windows are filled up with zeros, which are attended to as well.
            windows, padded_hw = window_partition(normed, self._window)
            seen = window_unpartition(self.attn(windows), self._window, padded_hw, size_hw)
        else:
            seen = self.attn(normed)
        x = x + seen
        return x + self.mlp(self.norm2(x))


class PlainViT(nn.Module):
    """A vision transformer whose tokens stay at stride 16.

    width: 384 for EfficientTAM-S, 192 for Ti.
    """

    def __init__(self, width: int):
        super().__init__()
        self.channel_list = [width]
        self.patch_embed = PatchEmbed((STRIDE, STRIDE), (STRIDE, STRIDE), (0, 0), 3, width)
        # The first position is that of a class token, which only pretraining had.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _POSITIONS**2, width))
        self.blocks = nn.ModuleList(
            _Block(width, 0 if index % _GLOBAL_EVERY == _GLOBAL_EVERY - 1 else WINDOW)
            for index in range(BLOCKS)
        )

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        """Return the features at stride 16, alone in a list as `ImageEncoder` wants it."""
        x = self.patch_embed(image)
        x = x + self._positions(x.shape[1], x.shape[2])
        for block in self.blocks:
            x = block(x)
        return [x.permute(0, 3, 1, 2)]

    def _positions(self, h: int, w: int) -> Float[Tensor, "1 h w c"]:
        learnt = self.pos_embed[:, 1:].reshape(1, _POSITIONS, _POSITIONS, -1)
        if (h, w) == (_POSITIONS, _POSITIONS):
            return learnt
        resized = F.interpolate(
            learnt.permute(0, 3, 1, 2), size=(h, w), mode="bicubic", align_corners=False
        )
        return resized.permute(0, 2, 3, 1)


class PlainNeck(nn.Module):
    """Brings the one level to the model's width; as `FpnNeck`, it encodes positions too."""

    def __init__(self, width: int, d_model: int):
        super().__init__()
        self.d_model = d_model
        self.backbone_channel_list = [width]
        self.position_encoding = PositionEmbeddingSine(num_pos_feats=d_model)
        level = nn.Sequential()
        level.add_module("conv_1x1", nn.Conv2d(width, d_model, 1, bias=False))
        level.add_module("norm_0", LayerNorm2d(d_model))
        level.add_module("conv_3x3", nn.Conv2d(d_model, d_model, 3, padding=1, bias=False))
        level.add_module("norm_1", LayerNorm2d(d_model))
        self.convs = nn.ModuleList([level])

    def forward(
        self, levels: list[Float[Tensor, "b c h w"]]
    ) -> tuple[list[Float[Tensor, "b d h w"]], list[Float[Tensor, "_ d h w"]]]:
        features = self.convs[0](levels[0])
        return [features], [self.position_encoding(features).to(features.dtype)]


def build_efficienttam(width: int, *, image_size: int = 1024) -> SAM2Base:
    """Build an EfficientTAM with random weights, in eval mode.

    width: of its trunk. image_size: input side in pixels, a multiple of 32.
    """
    encoder: Any = ImageEncoder(trunk=PlainViT(width), neck=PlainNeck(width, D_MODEL))
    return SAM2Base(
        image_encoder=encoder,
        memory_attention=build_memory_attention(4, RoPEAttention, image_size // STRIDE),
        memory_encoder=build_memory_encoder(),
        image_size=image_size,
        use_high_res_features_in_sam=False,
        **CHOICES,
    ).eval()
