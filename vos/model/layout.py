"""Turn feature maps into tokens as SAM 2's transformers take them, and back."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor


def to_tokens(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "n b c"]:
    """View a map as n = h * w tokens, row by row."""
    return image.flatten(2).permute(2, 0, 1)


def to_image(tokens: Float[Tensor, "n b c"], shape: Sequence[int]) -> Float[Tensor, "b c h w"]:
    """Return tokens to a map of this shape, (b, c, h, w)."""
    return tokens.permute(1, 2, 0).reshape(shape)


def with_token_strides(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Return the same values in the strides that they have in SAM 2, where they were tokens before.

    The strides decide the convolution kernel and so the last bits of its result.
    """
    return to_image(to_tokens(image), image.shape)
