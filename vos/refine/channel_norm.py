"""Layer norm over the channels of an image, by torch's own kernel."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from sam2.modeling.sam2_utils import LayerNorm2d
from torch import Tensor


class ChannelNorm(LayerNorm2d):
    """`LayerNorm2d` up to rounding; a training step of it on a CPU takes a third of the time."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, self.eps).permute(
            0, 3, 1, 2
        )
