"""Objects drawn over a frame and turned to YUV where the frame already is: on the device.

It draws what `vos.io.write.overlay.draw` draws, to the bit, and converts as swscale does, so that
videos look the same wherever they were drawn. Shapes depend on shapes alone and nothing is waited
for, so all of it can be recorded as a CUDA graph.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_HD_LINES = 720
_BITS = 15
_LINES_PER_PIXEL = 540
# Red's and blue's share of the luma, by BT.709 from 720 lines on, else by BT.601.
_HD_SHARES = (0.2126, 0.0722)
_SD_SHARES = (0.299, 0.114)


class OverlayPainter:
    """A painter of overlays on one device.

    fills, lines: uint8 256 x 3 RGB, the colours of fill and outline by object id, as
        `vos.io.write.overlay.draw.overlay_colours` gives them; the fill of 0 is black.
    device: where frames and label maps lie.
    """

    def __init__(self, fills: np.ndarray, lines: np.ndarray, device: torch.device) -> None:
        if fills[0].any():
            raise ValueError(f"the background has no fill: {fills[0]=}")
        self._half_fills = torch.from_numpy(fills >> 1).to(device)
        self._lines = torch.from_numpy(np.array(lines)).to(device)

    def draw(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return a copy of the frame with each object filled and outlined: uint8 H x W x 3, RGB.

        pixels: uint8 H x W x 3, RGB.
        labels: uint8 H x W; pixel value = object id, 0 = background.
        """
        thickness = max(1, round(min(labels.shape) / _LINES_PER_PIXEL))
        line = labels
        for step in range(thickness):
            line = _grow(line, diagonal=step % 2 == 1)
        rim = _grow(line, diagonal=thickness % 2 == 1)
        half = pixels >> 1
        drawn = torch.where(_each(labels != 0), pixels - half, pixels)
        drawn += _look_up(self._half_fills, labels)
        on_rim = (drawn >> 1) + (_look_up(self._lines, rim) >> 1)
        drawn = torch.where(_each(rim != line), on_rim, drawn)
        return torch.where(_each(line != labels), _look_up(self._lines, line), drawn)

    def draw_yuv(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Draw as `draw` does; return the planes of YUV 4:2:0: uint8 3H/2 x W.

        These are the rows of Y, then U and V as the bytes of H/4 rows each, the way PyAV has
        `yuv420p` in an array. Odd sides are made even by repeating the last row or column.
        """
        return to_yuv(self.draw(pixels, labels))


def to_yuv(pixels: Tensor) -> Tensor:
    """Convert RGB, uint8 H x W x 3, to limited-range YUV 4:2:0: uint8 3H/2 x W, sides made even.

    BT.709 from 720 lines on, else BT.601. A chroma sample is the mean of two columns, and of four
    rows by the weights 1, 3, 3, 1, as swscale has it for frames of eight lines and more.
    """
    red_green_blue = _make_even(pixels).permute(2, 0, 1).int()
    _, height, width = red_green_blue.shape
    luma, blue, red = _matrix(height)
    y = _weigh(red_green_blue, luma, offset=16, bits=_BITS)
    pairs = red_green_blue[:, :, 0::2] + red_green_blue[:, :, 1::2]
    upper, lower = pairs[:, 0::2], pairs[:, 1::2]
    above = torch.cat((upper[:, :1], lower[:, :-1]), dim=1)
    below = torch.cat((upper[:, 1:], lower[:, -1:]), dim=1)
    sixteenths = above + below + 3 * (upper + lower)
    u = _weigh(sixteenths, blue, offset=128, bits=_BITS + 4)
    v = _weigh(sixteenths, red, offset=128, bits=_BITS + 4)
    return torch.cat((y.flatten(), u.flatten(), v.flatten())).view(height * 3 // 2, width)


def _make_even(pixels: Tensor) -> Tensor:
    height, width, _ = pixels.shape
    if height % 2:
        pixels = torch.cat((pixels, pixels[-1:]), dim=0)
    if width % 2:
        pixels = torch.cat((pixels, pixels[:, -1:]), dim=1)
    return pixels


def _matrix(height: int) -> tuple[tuple[int, int, int], ...]:
    """Return the weights of red, green and blue in Y, U and V, in units of 2^-15."""
    red, blue = _HD_SHARES if height >= _HD_LINES else _SD_SHARES
    y = np.array((red, 1 - red - blue, blue))
    u = (np.array((0, 0, 1)) - y) / (2 * (1 - blue))
    v = (np.array((1, 0, 0)) - y) / (2 * (1 - red))
    scaled = np.rint(np.stack((y * 219, u * 224, v * 224)) / 255 * 2**_BITS).astype(int)
    return tuple((int(row[0]), int(row[1]), int(row[2])) for row in scaled)


def _weigh(planes: Tensor, weights: tuple[int, int, int], *, offset: int, bits: int) -> Tensor:
    """Return the weighted sum of three planes, int32, in units of 2^-bits, as uint8."""
    rounded = (offset << bits) + (1 << (bits - 1))
    total = planes[0] * weights[0] + planes[1] * weights[1] + planes[2] * weights[2] + rounded
    return (total >> bits).to(torch.uint8)


def _each(mask: Tensor) -> Tensor:
    """Let a mask hold for each channel."""
    return mask.unsqueeze(-1)


def _look_up(table: Tensor, labels: Tensor) -> Tensor:
    """Return the colour of each pixel: uint8 H x W x 3."""
    return table.index_select(0, labels.flatten().int()).view(*labels.shape, 3)


def _grow(labels: Tensor, *, diagonal: bool) -> Tensor:
    """Spread labels by one pixel, the higher id over the lower."""
    across = labels.clone()
    across[:, 1:] = torch.maximum(across[:, 1:], labels[:, :-1])
    across[:, :-1] = torch.maximum(across[:, :-1], labels[:, 1:])
    source = across if diagonal else labels
    grown = across.clone()
    grown[1:] = torch.maximum(grown[1:], source[:-1])
    grown[:-1] = torch.maximum(grown[:-1], source[1:])
    return grown
