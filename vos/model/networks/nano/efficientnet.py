"""EfficientNet-Lite0 as an image trunk: convolutions only, features at strides 4, 8, 16 and 32.

Batch norms are folded into the convolutions (`vos.train.nano.imagenet_trunk`), so nothing here
depends on the batch or on training mode. Source: `EfficientNet` of the package
efficientnet_lite_pytorch, block arguments of efficientnet-lite0; TensorFlow's padding, which adds
the odd row and column at the end.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.preprocess import MEAN_RGB, STD_RGB

# (blocks, kernel, stride of the first, expansion, channels), after a stem of stride 2.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
_TAPPED = {2: 24, 4: 40, 10: 112, 15: 320}


class SameConv(nn.Conv2d):
    """A convolution with bias, padded so that a side divisible by `stride` is divided by it."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int = 1, groups: int = 1):
        after = (kernel - stride + 1) // 2
        super().__init__(width_in, width, kernel, stride, padding=after, groups=groups)
        self._is_odd = (kernel - stride) % 2 == 1

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        if not self._is_odd:
            return super().forward(input)
        # One row and column less of padding before the image than after it: zeros before the
        # kernel do the same, and the image is not copied.
        kernel = F.pad(self.weight, (1, 0, 1, 0))
        return F.conv2d(input, kernel, self.bias, self.stride, self.padding, 1, self.groups)  # pyright: ignore


class InvertedResidual(nn.Module):
    """A block that widens, filters each channel and narrows again.

    Source: `MBConvBlock` without squeezing.
    """

    def __init__(self, width_in: int, width: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = width_in * expansion
        self.expand = SameConv(width_in, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, width, 1)
        self._adds = stride == 1 and width_in == width

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self._adds else y


class EfficientNetLite0(nn.Module):
    """The network up to its last block.

    channel_list: channels of the outputs, coarsest first.
    """

    _scale: Tensor
    _shift: Tensor
    channel_list = list(_TAPPED.values())[::-1]

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM_CHANNELS, 3, stride=2)
        blocks: list[nn.Module] = []
        widths = (STEM_CHANNELS, *(stage[-1] for stage in _STAGES))
        for (width_in, width), (count, kernel, stride, expansion, _) in zip(
            pairwise(widths), _STAGES, strict=True
        ):
            blocks.append(InvertedResidual(width_in, width, kernel, stride, expansion))
            blocks += [
                InvertedResidual(width, width, kernel, 1, expansion) for _ in range(count - 1)
            ]
        self.blocks = nn.ModuleList(blocks)
        mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN_RGB, STD_RGB))
        self.register_buffer("_scale", 2 * std, persistent=False)
        self.register_buffer("_shift", 2 * mean - 1, persistent=False)
        self.to(memory_format=torch.channels_last)  # a fifth less time on a CPU

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return features at strides 4, 8, 16 and 32, with 24, 40, 112 and 320 channels.

        image: as SAM 2 takes it (`vos.model.preprocess.normalise`); this network has learnt on
        values from -1 to 1.
        """
        x = F.relu6(self.stem(image * self._scale + self._shift), inplace=True)
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPPED:
                levels.append(x)
        return levels
