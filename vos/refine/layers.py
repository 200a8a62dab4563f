"""Small pieces several refiners are made of."""

from __future__ import annotations

from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def zeroed(layer: Layer) -> Layer:
    """The layer with weight and bias 0, so that a residual starts at nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def to_tokens(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n c"]:
    """Row-major, n = h w."""
    return image.flatten(2).transpose(1, 2)


def to_image(tokens: Float[Tensor, "b n c"], like: Float[Tensor, "b c h w"]) -> Tensor:
    """The inverse, at the shape of `like`."""
    return tokens.transpose(1, 2).reshape(like.shape)
