"""Construct an EdgeTAM with random weights."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from vos.errors import ModelError
from vos.model.networks.edgetam.attention import TokenRopeAttention
from vos.model.networks.edgetam.perceiver import Perceiver
from vos.model.networks.sam20 import (
    CHOICES,
    D_MODEL,
    build_memory_attention,
    build_memory_encoder,
)


class RepViT(nn.Module):
    """RepViT-M1 as the package timm has it: features at strides 4, 8, 16 and 32.

    channel_list: channels of the outputs, coarsest first.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from timm.models import create_model
        except ImportError as error:
            raise ModelError(
                "edgetam: its image encoder needs the package timm; pip install 'vos[edgetam]'"
            ) from error
        self.body: Any = create_model(
            "repvit_m1.dist_in1k", pretrained=False, features_only=True, out_indices=(0, 1, 2, 3)
        )
        self.channel_list = list(self.body.feature_info.channels()[::-1])

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b _ _ _"]]:
        return list(self.body(image))


class EdgeTAM(SAM2Base):
    """SAM2Base whose memories go through a perceiver."""

    def __init__(self, **parts: Any):
        super().__init__(**parts)
        self.spatial_perceiver = Perceiver()


def build_edgetam(*, image_size: int = 1024) -> SAM2Base:
    """Build it with random weights, in eval mode. image_size: input side, a multiple of 256.

    Raises ModelError without timm.
    """
    trunk = RepViT()
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=D_MODEL),
        d_model=D_MODEL,
        backbone_channel_list=trunk.channel_list,
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )
    encoder: Any = ImageEncoder(trunk=trunk, neck=neck, scalp=1)
    return EdgeTAM(
        image_encoder=encoder,
        memory_attention=build_memory_attention(2, TokenRopeAttention, image_size // 16),
        memory_encoder=build_memory_encoder(),
        image_size=image_size,
        use_high_res_features_in_sam=True,
        **CHOICES,
    ).eval()
