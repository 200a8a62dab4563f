"""Feature maps as SAM 2's transformers take them: one token per position, before the batch."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor


def tokens_of(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "n b c"]:
    """n = h * w, row by row; a view."""
    return image.flatten(2).permute(2, 0, 1)


def image_of(tokens: Float[Tensor, "n b c"], shape: Sequence[int]) -> Float[Tensor, "b c h w"]:
    """shape: (b, c, h, w)."""
    return tokens.permute(1, 2, 0).reshape(shape)
