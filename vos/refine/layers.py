"""Small pieces that several refiners are made of."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sam2.modeling.sam2_utils import LayerNorm2d
from torch import Tensor, nn

from vos.errors import ModelError
from vos.model.sam2 import Sam2Model

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def zero_init(layer: Layer) -> Layer:
    """Set weight and bias to 0, so that a residual starts at nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def check_fine_levels(model: Sam2Model, refiner: str) -> None:
    """Raise ModelError if the model lacks the fine features (strides 4, 8) this refiner reads."""
    if not model.net.use_high_res_features_in_sam:
        raise ModelError(
            f"{refiner}: reads image features at strides 4 and 8, which this model does not make; "
            "choose another refiner, or none"
        )


def to_tokens(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n c"]:
    """Turn a map into tokens, row by row, n = h w."""
    return image.flatten(2).transpose(1, 2)


def to_image(tokens: Float[Tensor, "b n c"], like: Float[Tensor, "b c h w"]) -> Tensor:
    """Turn tokens back into a map of the shape of `like`."""
    return tokens.transpose(1, 2).reshape(like.shape)


class ChannelNorm(LayerNorm2d):
    """`LayerNorm2d` up to rounding, in a third of the time on a CPU or, without gradients, less."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        is_plain = x.device.type == "cpu" and x.dtype == torch.float32
        if is_plain and not torch.is_grad_enabled():
            centred = x - x.mean(1, keepdim=True)
            spread = centred.square().mean(1, keepdim=True)
            scaled = centred.mul_(spread.add_(self.eps).rsqrt_())
            return scaled.mul_(self.weight[:, None, None]).add_(self.bias[:, None, None])
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, self.eps).permute(
            0, 3, 1, 2
        )
