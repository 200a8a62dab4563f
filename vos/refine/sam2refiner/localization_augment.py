"""Localization Augment: four encoded crops sharpen the image embedding (SAM2Refiner, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sam2.modeling.sam.transformer import Attention
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures
from vos.refine.layers import to_image, to_tokens, zero_init

POOLS = (2, 4, 8)
HEADS = 8


@dataclass(frozen=True, slots=True)
class LocalizationAugmentConfig:
    """The crops of Localization Augment.

    source: "input" enlarges quarters of the network input (the paper); "native" takes the quarters
        of the frame at twice the side, which adds real pixels where the video has them.
    """

    source: Literal["input", "native"] = "input"


def image2patches(image: Float[Tensor, "b c h2 w2"]) -> Float[Tensor, "b4 c h w"]:
    """Cut quarters in the order top left, top right, bottom left, bottom right, image by image."""
    b, c, height, width = image.shape
    split = image.reshape(b, c, 2, height // 2, 2, width // 2)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(4 * b, c, height // 2, width // 2)


def patches2image(patches: Float[Tensor, "b4 c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Undo `image2patches`."""
    b4, c, height, width = patches.shape
    split = patches.reshape(b4 // 4, 2, 2, c, height, width)
    return split.permute(0, 3, 1, 4, 2, 5).reshape(b4 // 4, c, 2 * height, 2 * width)


class LocalizationAugment(nn.Module):
    """Cross-attention from the global embedding to the pooled embedding of four crops.

    The output is a residual on whatever enters the mask decoder. It depends on the frame alone, so
    one call serves all objects, and memory attention and memory encoder keep the raw embedding.
    Where the paper is silent: pre-norm (the frozen decoder expects the embedding's statistics),
    8 heads, position encoding on queries and keys only, from SAM's own prompt encoder, whose cell
    centres align between grids; FFN half as wide as the decoder's. Both last layers start at zero.
    """

    def __init__(self, config: LocalizationAugmentConfig, model: Sam2Model):
        super().__init__()
        self.source = config.source
        dim = model.net.hidden_dim
        hidden = cast(int, model.net.sam_mask_decoder.transformer.mlp_dim) // 2
        self.norm_global = nn.LayerNorm(dim)
        self.norm_local = nn.LayerNorm(dim)
        self.attention = Attention(dim, HEADS)
        self.norm_ffn = nn.LayerNorm(dim)
        zero_init(self.attention.out_proj)
        self.ffn = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), zero_init(nn.Linear(hidden, dim))
        )

    def forward(self, model: Sam2Model, features: FrameFeatures) -> Float[Tensor, "b c h w"]:
        """Return the residual. The image encoder runs once, on the 4 b crops, without gradients.

        Raises: ValueError if source is "native" and `features.image_2x` is missing.
        """
        with torch.no_grad():
            local = patches2image(model.encode_image(self.crops(features)).s16)
        return self.attend(model, features, local)

    def attend(
        self, model: Sam2Model, features: FrameFeatures, local: Float[Tensor, "b c h2 w2"]
    ) -> Float[Tensor, "b c h w"]:
        """Return the residual from the crops' embeddings, joined at twice the embedding's side."""
        position = model.net.sam_prompt_encoder.pe_layer
        pooled = [F.avg_pool2d(local, k, ceil_mode=True) for k in POOLS]
        with torch.no_grad():
            query_pe = to_tokens(position(features.s16.shape[-2:])[None])
            key_pe = torch.cat([to_tokens(position(p.shape[-2:])[None]) for p in pooled], dim=1)
        embedding = to_tokens(features.s16)
        values = self.norm_local(torch.cat([to_tokens(p) for p in pooled], dim=1))
        attended = self.attention(
            q=self.norm_global(embedding) + query_pe, k=values + key_pe, v=values
        )
        delta = attended + self.ffn(self.norm_ffn(embedding + attended))
        return to_image(delta, features.s16)

    def crops(self, features: FrameFeatures) -> Float[Tensor, "b4 3 s s"]:
        """Return what the image encoder sees: the four quarters, each at the full input side."""
        side = features.image.shape[-1]
        if self.source == "input":
            quarters = image2patches(features.image)
            return F.interpolate(quarters, size=(side, side), mode="bilinear", align_corners=False)
        if features.image_2x is None:
            raise ValueError('source "native" needs features.image_2x; the refiner asks for it')
        return image2patches(features.image_2x)
